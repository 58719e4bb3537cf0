//! What was done to files over sftp and scp, as a recording says it: one line each.

use std::fmt::{self, Write as _};

use jit_ca_core::Bytes;
use serde::{Deserialize, Serialize};

/// A file's name: any bytes, as the system takes them.
///
/// Shown as it is if it has nothing but letters, digits and `-_./+:@,=%~`; else in double quotes, with `\"`, `\\`, `\n`, `\u{…}` for
/// what isn't printable ASCII, a letter or a digit, and `\x…` for what is no UTF-8. So no name looks like another, or like a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileName(Bytes);

impl FileName {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl From<&[u8]> for FileName {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<Vec<u8>> for FileName {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_alphanumeric() || "-_./+:@,=%~".contains(c);
        match str::from_utf8(self.as_bytes()) {
            Ok(name) if !name.is_empty() && name.chars().all(plain) => return f.write_str(name),
            _ => f.write_char('"')?,
        }
        for chunk in self.as_bytes().utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '"' | '\\' => write!(f, "\\{character}")?,
                    '\n' => f.write_str("\\n")?,
                    ' '..='~' => f.write_char(character)?,
                    _ if character.is_alphanumeric() => f.write_char(character)?,
                    _ => write!(f, "{}", character.escape_unicode())?,
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        f.write_char('"')
    }
}

/// Something that was done to files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileUse {
    /// It was read, this many bytes of it.
    Read(FileName, u64),
    /// It was written, this many bytes.
    Written(FileName, u64),
    /// It has another name, or place.
    Renamed(FileName, FileName),
    /// It was removed.
    Removed(FileName),
    /// A folder was made; over `scp -O`, or was there.
    FolderMade(FileName),
    /// A folder was removed.
    FolderRemoved(FileName),
    /// The second is another name for the first now: a hard link.
    Linked(FileName, FileName),
    /// The second points to the first now: a symbolic link.
    Pointed(FileName, FileName),
    /// Its mode, owner, size or times were set.
    Changed(FileName),
    /// What was asked for just before was refused.
    Refused(FileName),
    /// It was opened, and never closed: how much of it was read or written isn't known.
    Opened(FileName),
    /// What the server said of it can be read in more than one way: this is what it said.
    Unclear(FileName),
}

impl fmt::Display for FileUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(name, bytes) => write!(f, "read {name} {bytes}"),
            Self::Written(name, bytes) => write!(f, "write {name} {bytes}"),
            Self::Renamed(from, to) => write!(f, "rename {from} -> {to}"),
            Self::Removed(name) => write!(f, "remove {name}"),
            Self::FolderMade(name) => write!(f, "mkdir {name}"),
            Self::FolderRemoved(name) => write!(f, "rmdir {name}"),
            Self::Linked(from, to) => write!(f, "link {from} -> {to}"),
            Self::Pointed(from, to) => write!(f, "symlink {from} -> {to}"),
            Self::Changed(name) => write!(f, "change {name}"),
            Self::Refused(name) => write!(f, "refused {name}"),
            Self::Opened(name) => write!(f, "open {name}"),
            Self::Unclear(text) => write!(f, "unclear {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_looks_like_another_or_like_a_line() {
        for (name, shown) in [
            (&b"/srv/web/index-1.html"[..], "/srv/web/index-1.html"),
            ("/srv/\u{e4}\u{4e2d}".as_bytes(), "/srv/\u{e4}\u{4e2d}"),
            (b"", "\"\""),
            (b"a -> b", "\"a -> b\""),
            (b"\"a\\", "\"\\\"a\\\\\""),
            (b"a\nremove b\r", "\"a\\nremove b\\u{d}\""),
            (b"\xff\xfe", "\"\\xff\\xfe\""),
            // An override of the writing direction, with which `gpj.exe` reads as `exe.jpg`.
            ("\u{202e}gpj.exe".as_bytes(), "\"\\u{202e}gpj.exe\""),
        ] {
            assert_eq!(FileName::from(name).to_string(), shown);
        }
        let renamed = FileUse::Renamed(b"a b".as_slice().into(), b"c".as_slice().into());
        assert_eq!(renamed.to_string(), "rename \"a b\" -> c");
        assert_eq!(FileUse::Read(b"/a".as_slice().into(), 123).to_string(), "read /a 123");
    }
}
