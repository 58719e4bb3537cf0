//! What somebody does who has the CA's key, and what a host tells of a certificate.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64ct::{Base64, Encoding as _};
use jit_ca_cert::Purpose;
use jit_ca_core::UnixTime;
use jit_cad::config::Config;
use jit_cad::keys::Keys;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::ca::PASSPHRASE;
use crate::grown::{strings, unsealed};
use crate::{Ca, Issued, run};

/// The key that signs people's SSH certificates, in a file that `ssh-keygen -s` takes.
pub fn steal_ssh_user_key(ca: &Ca, to: PathBuf) -> PathBuf {
    let config = Config::read(&ca.config()).expect("a configuration");
    let (keys, _) = Keys::open(&config.keys, PASSPHRASE).expect("the CA's keys");
    let pkcs8 = unsealed(&config.keys, &keys, Purpose::SshUser, keys.ssh_user.public());
    let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).expect("an ed25519 key");
    // RFC 8410 section 7: behind the version and the algorithm, an octet string in an octet string.
    let at = pkcs8.windows(4).position(|bytes| bytes == [4, 0x22, 4, 0x20]).expect("a seed") + 4;
    let (seed, public) = (&pkcs8[at..at + 32], pair.public_key().as_ref());

    // PROTOCOL.key, unencrypted.
    let key = strings(&[b"ssh-ed25519", public]);
    let both = [seed, public].concat();
    let mut secret = [vec![7; 8], key.clone(), strings(&[&both, b"stolen"])].concat();
    secret.extend((1_u8..).take(secret.len().next_multiple_of(8) - secret.len()));
    let blob = [
        b"openssh-key-v1\0".to_vec(),
        strings(&[b"none", b"none", b""]),
        1_u32.to_be_bytes().to_vec(),
        strings(&[&key, &secret]),
    ];
    let text = Base64::encode_string(&blob.concat());
    let armour =
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n");
    let mut file = fs::OpenOptions::new();
    let mut file = file.write(true).create(true).mode(0o600).open(&to).expect("a file");
    file.write_all(armour.as_bytes()).expect("a file");
    to
}

/// What a host tells of a certificate of ours that it accepted at this second.
pub fn used(certificate: &Path, host: &str, account: &str, second: u64) -> Value {
    let line = fs::read_to_string(certificate).expect("a certificate");
    let shown = run(Command::new("ssh-keygen").arg("-Lf").arg(certificate)).ok();
    let field = |name: &str| {
        let line = shown.stdout.lines().find_map(|line| line.trim().strip_prefix(name));
        line.expect("a field").trim()
    };
    let ca = field("Signing CA: ED25519").split(' ').next().expect("a fingerprint");
    json!({
        "time": UnixTime::from_secs(second).to_string(),
        "host": host,
        "account": account,
        "ca": ca,
        "serial": field("Serial:"),
        "key_id": field("Key ID:").trim_matches('"'),
        "tbs": digest(&Issued::ssh(&line).tbs),
    })
}

/// As OpenSSH writes a fingerprint.
fn digest(hash: &[u8]) -> String {
    format!("SHA256:{}", Base64::encode_string(hash).trim_end_matches('='))
}
