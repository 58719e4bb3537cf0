//! Codes that a person carries from one screen to another (RFC 8628 6.1).

use crate::clock::{self, NoRandomness};

/// What our codes are written in: no vowels, so that no word comes of them, and no two letters that look alike.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// Eight letters, without what stands between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UserCode([u8; 8]);

impl UserCode {
    pub(super) fn random() -> Result<Self, NoRandomness> {
        let mut code = [0; 8];
        for place in &mut code {
            *place = letter()?;
        }
        Ok(Self(code))
    }

    /// As somebody typed it: in whatever case, with whatever stands between the letters (6.1).
    pub(super) fn read(typed: &str) -> Option<Self> {
        let typed = typed.bytes().take(64).filter(|byte| !matches!(byte, b' ' | b'-' | b'_'));
        let letters: Vec<u8> = typed.map(|byte| byte.to_ascii_uppercase()).collect();
        letters.try_into().ok().map(Self)
    }

    pub(super) fn shown(self) -> String {
        let letters = String::from_utf8_lossy(&self.0);
        let (first, second) = letters.split_at(4);
        format!("{first}-{second}")
    }
}

/// One of the twenty, each as likely as the others: of 256 bytes the last 16 would favour some.
fn letter() -> Result<u8, NoRandomness> {
    loop {
        let [byte] = clock::random::<1>()?;
        if byte < 240
            && let Some(letter) = LETTERS.get(usize::from(byte % 20))
        {
            return Ok(*letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_eight_letters_as_they_are_said_and_typed() {
        let code = UserCode::random().unwrap();
        let shown = code.shown();
        assert_eq!((shown.len(), shown.find('-')), (9, Some(4)), "{shown}");
        assert!(shown.bytes().all(|byte| byte == b'-' || LETTERS.contains(&byte)), "{shown}");
        for typed in
            [shown.clone(), shown.to_lowercase(), shown.replace('-', " "), shown.replace('-', "")]
        {
            assert_eq!(UserCode::read(&typed), Some(code), "{typed}");
        }
        for other in ["", "BCDF", "BCDF-GHJKL", &"-".repeat(100), "ÄÖÜ"] {
            assert_eq!(UserCode::read(other), None, "{other}");
        }
        // Each letter comes up, so none was left out by a fault of the drawing.
        let drawn: std::collections::BTreeSet<u8> =
            (0..100).flat_map(|_| UserCode::random().unwrap().0).collect();
        assert_eq!(drawn.len(), LETTERS.len());
    }
}
