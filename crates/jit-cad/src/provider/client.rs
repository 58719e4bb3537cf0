//! Who we are to a provider, and how we say so (RFC 6749, section 2.3).

use std::fmt;

use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

/// Who we are to a provider.
pub struct Client {
    /// The client id, which is the audience of the ID tokens.
    pub id: String,
    /// A secret, where the provider has given us one.
    pub secret: Option<Zeroizing<String>>,
}

/// How a call says who makes it.
pub(super) enum ClientAuth<'a> {
    /// There is no secret: the id, in the form.
    Public,
    /// Both, in the header that this is the value of.
    Basic(Zeroizing<String>),
    /// Both, in the form.
    Post(&'a str),
}

impl Client {
    /// In the header, as every provider has to know, unless this one says that it knows the form alone.
    pub(super) fn auth(&self, in_form: bool) -> ClientAuth<'_> {
        match &self.secret {
            None => ClientAuth::Public,
            Some(secret) if in_form => ClientAuth::Post(secret),
            Some(secret) => ClientAuth::Basic(basic(&self.id, secret)),
        }
    }
}

/// Each part is written as in a form before they are joined (RFC 6749, section 2.3.1).
fn basic(id: &str, secret: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{}:{}", *escaped(id), *escaped(secret)));
    let encoded = Zeroizing::new(Base64::encode_string(pair.as_bytes()));
    Zeroizing::new(format!("Basic {}", *encoded))
}

/// As a form has it, with every byte escaped that could be read in two ways.
fn escaped(text: &str) -> Zeroizing<String> {
    let mut escaped = Zeroizing::new(String::with_capacity(text.len() * 3));
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.id).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_sent_as_the_standard_has_it_and_shown_nowhere() {
        let client = |secret: Option<&str>| Client {
            id: "jit ca".to_owned(),
            secret: secret.map(|it| it.to_owned().into()),
        };
        let known = client(Some("p:ä +%"));
        let ClientAuth::Basic(value) = known.auth(false) else { panic!("not in the header") };
        let decoded = Base64::decode_vec(value.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(decoded, b"jit%20ca:p%3A%C3%A4%20%2B%25");
        assert!(matches!(known.auth(true), ClientAuth::Post("p:ä +%")));
        assert!(matches!(client(None).auth(true), ClientAuth::Public));
        assert_eq!(format!("{known:?}"), r#"Client("jit ca")"#);
    }
}
