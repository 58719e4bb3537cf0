//! Statements signed by people's own SSH keys.
//!
//! `ssh-keygen -Y sign` does it: it serves key files with and without a passphrase, keys in
//! ssh-agent and on FIDO tokens alike, and asks for what it needs at the terminal.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jit_ca_core::statement::Kind;
use ssh_key::PrivateKey;

use crate::agent::{Agent, Identity};
use crate::error::{Error, Result};
use crate::files;
use crate::places::Places;
use crate::terminal;

/// The key that a person signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SigningKey {
    /// A private key, or a public key whose private half is in the agent.
    File(PathBuf),
    /// The one key that the agent holds, as in an authorized keys file.
    Agent(String),
}

impl SigningKey {
    /// The key in this file, or else the one that anybody would expect.
    pub(crate) fn choose(places: &Places, file: Option<&Path>) -> Result<Self> {
        if let Some(file) = file {
            return match file.is_file() {
                true => Ok(Self::File(file.to_owned())),
                false => Err(Error::usage(
                    format!("{} is no file", file.display()),
                    "log in with the SSH key that the CA knows you by: jit-ca login --again --key FILE",
                )),
            };
        }
        if let Some(key) = the_one_in_agent(places) {
            return Ok(Self::Agent(key));
        }
        let folder = places.home.join(".ssh");
        let files = USUAL_FILES.map(|name| folder.join(name));
        let found = files.into_iter().find(|file| file.is_file());
        found.map(Self::File).ok_or_else(|| {
            Error::usage(
                "it is not clear which SSH key is yours: ssh-agent does not hold exactly one, and ~/.ssh has none",
                "log in with the one that the CA knows you by: jit-ca login --key FILE",
            )
        })
    }

    /// Whether it is a FIDO security key's (`sk-`), where that can be seen: the type stands openly in the files of all
    /// such keys, also of those with a passphrase.
    pub(crate) fn is_of_security_key(&self) -> bool {
        let is_sk = |public: &str| public.starts_with("sk-");
        match self {
            Self::Agent(key) => is_sk(key),
            Self::File(file) => {
                let text = std::fs::read_to_string(file).unwrap_or_default();
                let private = PrivateKey::from_openssh(&text);
                is_sk(&text) || private.is_ok_and(|key| is_sk(key.algorithm().as_str()))
            }
        }
    }

    /// Signs a statement.
    pub(crate) fn sign(&self, places: &Places, kind: Kind, statement: &str) -> Result<String> {
        match self {
            Self::File(file) => ssh_keygen_sign(file, kind, statement),
            Self::Agent(key) => {
                // ssh-keygen takes the public half of an agent's key from a file only.
                files::private_folder(&places.runtime)?;
                let name = format!("signing-{}.pub", std::process::id());
                let file = places.runtime.join(name);
                files::write_private(&file, key.as_bytes())?;
                let signature = ssh_keygen_sign(&file, kind, statement);
                files::remove(&file)?;
                signature
            }
        }
    }
}

/// Signs a statement with the key in `file`.
pub(crate) fn ssh_keygen_sign(file: &Path, kind: Kind, statement: &str) -> Result<String> {
    let failed = |what: &str| Error::Program {
        program: "ssh-keygen",
        what: format!("sign with {}: {what}", file.display()),
        hint: "check the key: ssh-keygen -y -f FILE".to_owned(),
    };
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-Y", "sign", "-n", &kind.namespace(), "-f"]).arg(file);
    // As its stdin is the statement, it would ask for a passphrase or a PIN by a window wherever there is a display.
    if terminal::is_there() && std::env::var_os(ASKPASS).is_none() {
        keygen.env(ASKPASS, "never");
    }
    let mut child = keygen
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Where it can't be written, ssh-keygen has ended already and said why.
        let _ = stdin.write_all(statement.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(&error.to_string()))?;
    match String::from_utf8(output.stdout) {
        Ok(signature) if output.status.success() && !signature.is_empty() => Ok(signature),
        _ => Err(failed("it gave no signature")),
    }
}

/// What ssh-keygen calls them, those first that ask for nothing.
const USUAL_FILES: [&str; 5] = ["id_ed25519", "id_ecdsa", "id_ed25519_sk", "id_ecdsa_sk", "id_rsa"];

/// Whether to ask by a window and not at the terminal: ssh-add(1).
const ASKPASS: &str = "SSH_ASKPASS_REQUIRE";

fn the_one_in_agent(places: &Places) -> Option<String> {
    let identities = Agent::connect(places.agent.as_ref()?).ok()?.identities().ok()?;
    let mut keys = identities.iter().filter_map(Identity::plain_key);
    match (keys.next(), keys.next()) {
        (Some(key), None) => key.to_openssh().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestAgent, ssh_keygen};
    use ssh_key::{PublicKey, SshSig};
    use std::ffi::OsStr;

    #[test]
    fn the_key_is_the_one_named_or_the_one_in_the_agent_or_the_usual_file() {
        let home = tempfile::tempdir().unwrap();
        let agent = TestAgent::start(home.path());
        let folder = home.path().join(".ssh");
        std::fs::create_dir(&folder).unwrap();
        let make = |name: &str, kind: &str| {
            let file = folder.join(name);
            let arguments = ["-q", "-t", kind, "-N", "", "-f"].map(OsStr::new);
            ssh_keygen(arguments.into_iter().chain([file.as_os_str()]), "");
            file
        };
        let mut places = Places {
            home: home.path().to_owned(),
            config: home.path().join("config"),
            runtime: home.path().join("runtime"),
            agent: Some(agent.socket.clone()),
            user: None,
        };
        assert!(SigningKey::choose(&places, None).is_err());
        let usual = make("id_ecdsa", "ecdsa");
        assert_eq!(SigningKey::choose(&places, None).unwrap(), SigningKey::File(usual));

        let held = make("held", "ed25519");
        let add = Command::new("ssh-add")
            .arg("-q")
            .arg(&held)
            .env("SSH_AUTH_SOCK", &agent.socket)
            .status();
        assert!(add.unwrap().success());
        let SigningKey::Agent(line) = SigningKey::choose(&places, None).unwrap() else {
            panic!("the agent's key")
        };
        let public = PublicKey::read_openssh_file(&held.with_extension("pub")).unwrap();
        assert_eq!(PublicKey::from_openssh(&line).unwrap().key_data(), public.key_data());

        let signature = ssh_keygen_sign(&held, Kind::Login, "jit-ca login v1\n").unwrap();
        let signature = SshSig::from_pem(signature).unwrap();
        assert_eq!(signature.public_key(), public.key_data());
        assert_eq!(signature.namespace(), "login.v1@jit-ca");

        places.agent = None;
        let named = folder.join("held");
        assert_eq!(SigningKey::choose(&places, Some(&named)).unwrap(), SigningKey::File(named));
        assert!(SigningKey::choose(&places, Some(Path::new("/nowhere"))).is_err());
    }
}
