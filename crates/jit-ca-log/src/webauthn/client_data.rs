//! Client data: what the browser says of the call that it hands to the authenticator (WebAuthn section 5.8.1).
//!
//! It is JSON, and browsers write it in one way, for relying parties without a parser (5.8.1.1). It is read by the
//! algorithm for these (5.8.1.2): the beginning is compared byte for byte, so that two readers can't differ over it.

use std::str;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_core::Digest;

use super::{Fault, Party};

/// What was called.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ceremony {
    /// `navigator.credentials.create`: a passkey is registered.
    Create,
    /// `navigator.credentials.get`: one is used.
    Get,
}

/// A browser writes some 200 bytes.
const LONGEST: usize = 4 * 1024;

/// Checks that the client data is that of such a call, for this challenge, on the party's own page.
pub(super) fn must_be_of(
    ceremony: Ceremony,
    party: &Party<'_>,
    challenge: &Digest,
    client_data: &[u8],
) -> Result<(), Fault> {
    let text = str::from_utf8(client_data).ok().filter(|text| text.len() <= LONGEST);
    let kind = match ceremony {
        Ceremony::Create => "webauthn.create",
        Ceremony::Get => "webauthn.get",
    };
    let rest = text
        .and_then(|text| text.strip_prefix("{\"type\":\"")?.strip_prefix(kind))
        .and_then(|rest| rest.strip_prefix("\",\"challenge\":\""))
        .ok_or(Fault::ClientData)?;
    let challenge = Base64UrlUnpadded::encode_string(challenge.as_bytes());
    let rest = rest.strip_prefix(challenge.as_str()).ok_or(Fault::Challenge)?;
    let rest = rest.strip_prefix("\",\"origin\":\"").ok_or(Fault::Challenge)?;
    let (origin, rest) = rest.split_once('"').ok_or(Fault::ClientData)?;
    if !party.has(origin) {
        return Err(Fault::Origin(origin.chars().take(200).collect()));
    }
    // Level 2 has it always; before, it was left out where it is false.
    let rest = rest.strip_prefix(",\"crossOrigin\":false").unwrap_or(rest);
    // What browsers may add one day says nothing of these.
    if rest.contains("crossOrigin") || rest.contains("topOrigin") {
        return Err(Fault::Framed);
    }
    let ends = rest == "}" || (rest.starts_with(',') && rest.ends_with('}'));
    if ends { Ok(()) } else { Err(Fault::ClientData) }
}

impl Party<'_> {
    /// Whether this is the origin of the party's page.
    fn has(&self, origin: &str) -> bool {
        match self.origin {
            Some(own) => own == origin,
            None => {
                let host = origin.strip_prefix("https://");
                let rest = host.and_then(|host| host.strip_prefix(self.id));
                rest.is_some_and(|rest| rest.is_empty() || is_port(rest))
            }
        }
    }
}

/// A colon and a number, as browsers write it.
fn is_port(text: &str) -> bool {
    let number = text.strip_prefix(':').and_then(|port| port.parse::<u16>().ok());
    number.is_some_and(|port| format!(":{port}") == text)
}
