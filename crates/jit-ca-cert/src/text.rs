//! The text forms that certificates travel in.

use base64ct::{Base64, Encoding as _};

/// RFC 7468: base64 in lines of 64 characters between the two labels.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let encoded = Base64::encode_string(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (place, character) in encoded.char_indices() {
        if place > 0 && place % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

/// A line of `authorized_keys` or of a `.pub` file: type, base64, comment (sshd(8)).
pub(crate) fn openssh(kind: &str, blob: &[u8], comment: &str) -> String {
    format!("{kind} {} {comment}", Base64::encode_string(blob)).trim_end().to_owned()
}

/// The blob of such a line, if its first word is the type that the blob says.
pub(crate) fn from_openssh(line: &str) -> Option<(&str, Vec<u8>)> {
    let mut words = line.split_ascii_whitespace();
    let (kind, blob) = (words.next()?, words.next()?);
    Some((kind, Base64::decode_vec(blob).ok()?))
}
