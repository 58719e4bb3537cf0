//! Characters out of bytes that come in pieces: asciicast holds text, and a read ends where it ends.

use serde::{Deserialize, Serialize};

/// The beginning of a character of which the rest is still to come: at most three bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    /// Whether it is empty: the last character was whole.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of what was held and of `bytes`; holds what these break off with. What is no UTF-8 becomes U+FFFD, as
    /// in [`String::from_utf8_lossy`].
    pub(super) fn decode(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.0);
        let mut text = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            match chunk.invalid() {
                [] => {}
                broken if chunks.peek().is_none() && may_go_on(broken) => self.0 = broken.to_vec(),
                _ => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
        text
    }

    /// The text of what is held when nothing follows.
    pub(super) fn flush(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.0)).into_owned()
    }

    /// As hexadecimal digits, two a byte.
    pub(super) fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads these.
    pub(super) fn from_hex(digits: &str) -> Option<Self> {
        let pairs = digits.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
        pairs.map(byte).collect::<Option<_>>().map(Self)
    }
}

/// Whether more bytes could make a character of these.
fn may_go_on(broken: &[u8]) -> bool {
    str::from_utf8(broken).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_character_over_two_reads_is_one() {
        let mut tail = Tail::default();
        assert_eq!(tail.decode(b"5 \xe2\x82"), "5 ");
        assert_eq!(tail.to_hex(), "e282");
        let mut again = Tail::from_hex("e282").unwrap();
        assert_eq!(again.decode(b"\xac!"), "\u{20ac}!");
        assert_eq!(tail.decode(b"!"), "\u{fffd}!");
        assert_eq!(tail.flush(), "");
    }

    proptest! {
        #[test]
        fn pieces_give_the_text_of_the_whole(
            pieces in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..6),
                    any::<String>().prop_map(String::into_bytes),
                    any::<(char, u8)>().prop_map(|(character, cut)| {
                        let mut bytes = character.to_string().into_bytes();
                        bytes.truncate(usize::from(cut % 4));
                        bytes
                    }),
                ],
                0..12,
            ),
        ) {
            let mut tail = Tail::default();
            let mut text: String = pieces.iter().map(|piece| tail.decode(piece)).collect();
            text.push_str(&tail.flush());
            let whole = pieces.concat();
            prop_assert_eq!(text, String::from_utf8_lossy(&whole));
        }
    }
}
