//! A FIDO security key that is none: OpenSSH's stand-in for its own tests, as `tests/security-key.sh` builds it. It says
//! in its signatures what the key was made with: that somebody was present, or verified, or neither.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{fs, iter};

use crate::{program, repository, run};

/// Has `ssh-keygen` or `ssh-agent` use it. Where they ask for a PIN, of which it takes any, they are answered.
pub fn plug_in(command: &mut Command) -> &mut Command {
    command.env("SSH_SK_PROVIDER", provider());
    command.env("SSH_ASKPASS", "/bin/echo").env("SSH_ASKPASS_REQUIRE", "force")
}

/// Makes a key on it of this kind (`ed25519` or `ecdsa`), with `-O` for each of these options, and gives its public half
/// without a comment.
pub fn make(file: &Path, kind: &str, options: &[&str]) -> String {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-N", "", "-C", "", "-t", &format!("{kind}-sk"), "-f"]).arg(file);
    keygen.args(options.iter().flat_map(|option| iter::once("-O").chain([*option])));
    run(plug_in(&mut keygen)).ok();
    let public = fs::read_to_string(file.with_extension("pub")).expect("a public key");
    public.trim_end().to_owned()
}

/// Whether the key in this file is one of a security key.
pub(crate) fn holds(file: &Path) -> bool {
    let public = fs::read_to_string(file.with_extension("pub")).unwrap_or_default();
    public.starts_with("sk-")
}

/// The library that it is.
pub fn provider() -> &'static Path {
    static PROVIDER: OnceLock<PathBuf> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let programs = program("jit-ca");
        let folder = programs.parent().and_then(Path::parent).expect("the folder of the build");
        let folder = folder.join("security-key");
        run(Command::new(repository().join("tests/security-key.sh")).arg(&folder)).ok();
        folder.join("sk-dummy.so")
    })
}
