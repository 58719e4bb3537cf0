//! PKCS#10 requests that OpenSSL makes: of each, the key is taken or the request is refused whole.

use jit_ca_cert::x509::ClientCertificate;
use jit_ca_cert::{Error, Intent, SubjectKey, pkcs10};
use jit_ca_core::KeyType;

use crate::support::{CA, Folder, client_certificate};

/// A request for names, usages and constraints that it must not get.
const GREEDY: &[u8] = b"[req]
distinguished_name = dn
req_extensions = wanted
prompt = no
[dn]
CN = root
OU = admins
O = Example
[wanted]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
extendedKeyUsage = serverAuth, codeSigning, anyExtendedKeyUsage
subjectAltName = DNS:admin.example.org, URI:spiffe://example.org/role/admin/person/00, email:root@example.org
subjectKeyIdentifier = hash
1.2.3.4 = ASN1:UTF8String:more
";

fn key(folder: &Folder, arguments: &[&str]) {
    folder.run("openssl", &[&["genpkey", "-out", "key.pem"], arguments].concat());
}

fn request(folder: &Folder, arguments: &[&str]) -> Vec<u8> {
    let fixed = ["req", "-new", "-key", "key.pem", "-outform", "DER", "-out", "request.der"];
    folder.run("openssl", &[&fixed, arguments].concat());
    folder.read("request.der")
}

const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const ED25519: &[&str] = &["-algorithm", "ED25519"];

#[test]
fn nothing_but_the_key_enters_a_certificate() {
    for arguments in [P256, ED25519] {
        let folder = Folder::new(&[("greedy.cnf", GREEDY)]);
        key(&folder, arguments);
        let greedy = request(&folder, &["-config", "greedy.cnf"]);
        assert!(greedy.windows(17).any(|bytes| bytes == b"admin.example.org"), "it asks for much");
        folder.run(
            "openssl",
            &["pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "spki.der"],
        );

        let issued = |key| {
            let content = ClientCertificate { key, ..client_certificate() };
            Intent::new(content, &CA.clients).unwrap().to_be_signed().to_vec()
        };
        let bare = SubjectKey::from_spki(&folder.read("spki.der")).unwrap();
        assert_eq!(issued(pkcs10::public_key(&greedy).unwrap()), issued(bare));
    }
}

#[test]
fn keys_off_the_list_are_refused() {
    for (algorithm, options, called) in [
        ("RSA", &["rsa_keygen_bits:1024"][..], "RSA of 1024 bits"),
        ("RSA", &["rsa_keygen_bits:3064"], "RSA of 3064 bits"),
        ("RSA-PSS", &["rsa_keygen_bits:3072"], "other SubjectPublicKeyInfo"),
        ("EC", &["ec_paramgen_curve:P-521"], "ECDSA on another curve"),
        ("EC", &["ec_paramgen_curve:secp256k1"], "ECDSA on another curve"),
        ("ED448", &[], "other SubjectPublicKeyInfo"),
        (
            "EC",
            &["ec_paramgen_curve:P-384", "ec_param_enc:explicit"],
            "ECDSA, not in the usual encoding (a named curve)",
        ),
    ] {
        let folder = Folder::new(&[]);
        let options = options.iter().flat_map(|option| ["-pkeyopt", option]);
        let arguments: Vec<&str> = ["-algorithm", algorithm].into_iter().chain(options).collect();
        key(&folder, &arguments);
        let found = pkcs10::public_key(&request(&folder, &["-subj", "/CN=x"]));
        let Err(Error::KeyType { kind }) = &found else { panic!("{arguments:?}: {found:?}") };
        assert_eq!(kind, called, "{arguments:?}");
    }
}

#[test]
fn keys_that_roles_may_take_are_read_and_certified() {
    for (arguments, key_type, shown) in [
        (
            ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            KeyType::EcdsaP384,
            "NIST CURVE: P-384",
        ),
        (
            ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
            KeyType::Rsa,
            "Public-Key: (3072 bit)",
        ),
    ] {
        let folder = Folder::new(&[]);
        key(&folder, &arguments);
        for hash in ["-sha256", "-sha384"] {
            let key = pkcs10::public_key(&request(&folder, &["-subj", "/CN=x", hash])).unwrap();
            assert_eq!(key.key_type(), key_type);
        }
        let sha1 = pkcs10::public_key(&request(&folder, &["-subj", "/CN=x", "-sha1"]));
        assert!(matches!(sha1, Err(Error::Request(_))), "{sha1:?}");

        let own = pkcs10::public_key(&request(&folder, &["-subj", "/CN=x"])).unwrap();
        let content = ClientCertificate { key: own, ..client_certificate() };
        let folder = Folder::new(&[("cert.pem", CA.client(&content).text().as_bytes())]);
        let text = folder.run("openssl", &["x509", "-in", "cert.pem", "-noout", "-text"]);
        assert!(text.contains(shown), "{text}");
    }
}

#[test]
fn possession_is_proven_by_a_sound_signature() {
    let folder = Folder::new(&[]);
    key(&folder, P256);
    let good = request(&folder, &["-subj", "/CN=x"]);
    assert!(pkcs10::public_key(&good).is_ok());
    assert!(pkcs10::public_key(&request(&folder, &["-subj", "/CN=x", "-sha384"])).is_ok());
    let sha1 = pkcs10::public_key(&request(&folder, &["-subj", "/CN=x", "-sha1"]));
    assert!(matches!(sha1, Err(Error::Request(_))), "{sha1:?}");

    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert!(matches!(pkcs10::public_key(&forged), Err(Error::Possession)));
    // Another's key in a request that was signed with one's own.
    let own = pkcs10::public_key(&good).unwrap();
    let others = crate::support::p256();
    let place = good.windows(65).position(|bytes| bytes == own.bits()).unwrap();
    let mut stolen = good.clone();
    stolen[place..place + 65].copy_from_slice(others.bits());
    assert!(matches!(pkcs10::public_key(&stolen), Err(Error::Possession)));
}

#[test]
fn what_is_no_request_is_refused() {
    let folder = Folder::new(&[]);
    key(&folder, ED25519);
    let good = request(&folder, &["-subj", "/CN=x"]);
    assert!(pkcs10::public_key(&good).is_ok());
    let trailing = [good.as_slice(), &[0]].concat();
    for wrong in
        [&[][..], b"-----BEGIN", &good[..good.len() - 1], &trailing, &[0x30; 20_000], CA.root.der()]
    {
        assert!(matches!(pkcs10::public_key(wrong), Err(Error::Request(_))));
    }
    for place in 0..good.len() {
        let mut changed = good.clone();
        changed[place] ^= 1;
        // The parser is lenient with the tags outside what is signed; another key never comes out.
        let found = pkcs10::public_key(&changed);
        assert!(found.is_err() || found.ok() == pkcs10::public_key(&good).ok(), "byte {place}");
    }
}
