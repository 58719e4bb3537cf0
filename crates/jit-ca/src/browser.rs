//! A person's browser: sent somewhere from here, and back here with an answer.

mod callback;

use std::path::Path;
use std::process::{Command, Stdio};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use ring::rand::SecureRandom as _;

use crate::error::{Error, Result};

pub(crate) use callback::{Callback, Said};

/// Whether there is a browser that a person may look at.
pub(crate) fn can_open() -> bool {
    use std::io::IsTerminal as _;
    std::env::var_os("BROWSER").is_some() || std::io::stderr().is_terminal()
}

/// Opens the page, and says whether that was begun. Where it was not, the address has been shown, and somebody opens it by
/// hand.
pub(crate) fn open(address: &str) -> bool {
    let named = std::env::var_os("BROWSER");
    let usual = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let program = named.as_deref().map_or(Path::new(usual), Path::new);
    let started = Command::new(program)
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    // It ends by itself; what becomes of it, the callback shows.
    started.is_ok()
}

/// 32 random bytes in base64url: what nobody guesses, and a verifier's form (RFC 7636 4.1).
pub(crate) fn random() -> Result<String> {
    let mut bytes = [0; 32];
    let drawn = ring::rand::SystemRandom::new().fill(&mut bytes);
    drawn.map_err(|_| Error::Call(jit_ca_api::client::Error::Randomness))?;
    Ok(Base64UrlUnpadded::encode_string(&bytes))
}
