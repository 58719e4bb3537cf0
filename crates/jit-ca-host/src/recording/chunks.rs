//! The list of a recording's chunks that are sealed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jit_ca_core::Digest;
use serde::{Deserialize, Serialize};

use super::cast::Standing;
use super::fault::At as _;
use super::{Fault, Sealed, disk};

/// A chunk that is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// The hash that its bytes have as a leaf of the tree.
    pub hash: Digest,
    /// How many these are.
    pub bytes: u64,
    /// Where the recording stood behind it, to go on from there when the chunk itself is gone.
    pub(super) behind: Standing,
}

/// The list in a channel's folder.
pub(super) fn list_of(channel: &Path) -> PathBuf {
    channel.join("chunks")
}

/// Where it says what a channel is.
pub(super) fn header_of(channel: &Path) -> PathBuf {
    channel.join("header.json")
}

/// A chunk's file.
pub(super) fn file_of(channel: &Path, number: u64) -> PathBuf {
    channel.join(format!("{number:06}"))
}

/// Where it says that a recording is over.
pub(super) fn end_of(channel: &Path) -> PathBuf {
    channel.join("sealed.json")
}

/// Reads the list, and how long it is up to its last whole line: what stands behind that is of a write that was cut short.
pub(super) fn read_list(channel: &Path) -> Result<(Vec<Chunk>, u64), Fault> {
    let path = list_of(channel);
    let bytes = fs::read(&path).at(&path)?;
    let mut chunks = Vec::new();
    let mut length = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        let chunk = serde_json::from_slice(line);
        chunks.push(chunk.map_err(|_| Fault::Altered(path.clone(), "a line of it is no chunk's"))?);
        length += line.len();
    }
    let length = u64::try_from(length);
    Ok((chunks, length.map_err(|_| Fault::Altered(path, "it is too long"))?))
}

/// Reads what a recording that is over came to. None: it isn't.
pub(super) fn read_end(channel: &Path) -> Result<Option<Sealed>, Fault> {
    read_json(&end_of(channel))
}

/// Reads a file of JSON, if it is there.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, Fault> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| Fault::Altered(path.to_owned(), "it isn't what is written here")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at(path),
    }
}

/// Writes one, whole or not at all.
pub(super) fn put_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Fault> {
    let bytes = serde_json::to_vec(value).map_err(Into::into).at(path)?;
    disk::put(path, &bytes).at(path)
}

/// The numbers of the chunks whose files are in a channel's folder, in order.
pub(super) fn present(channel: &Path) -> Result<Vec<u64>, Fault> {
    let mut found = Vec::new();
    for entry in fs::read_dir(channel).at(channel)? {
        let name = entry.at(channel)?.file_name();
        found.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}
