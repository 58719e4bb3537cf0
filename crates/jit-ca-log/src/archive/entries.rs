//! The entries of an archive, one after the other.

use std::io::{Read, Seek};

use jit_ca_core::event::Event;

use super::{Archive, ArchiveError, malformed};
use crate::part::{read_entries, read_payloads};
use crate::{Error, Leaf, payload};

/// An entry with what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The leaf.
    pub leaf: Leaf,
    /// The payload.
    pub payload: Payload,
}

/// What a payload says, where it is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// What happened.
    Event(Event),
    /// The bytes of one of a type that this release does not know.
    OfUnknownType(Vec<u8>),
    /// It was erased.
    Erased,
}

impl Entry {
    /// Reads an entry as a log's parts hold it: the leaf, and salt and payload, or nothing where they are erased.
    ///
    /// # Errors
    /// If the leaf is not canonical, or the payload is none of its type.
    pub fn read(leaf: &[u8], salt_and_payload: &[u8]) -> Result<Self, Error> {
        let leaf = Leaf::decode(leaf)?;
        let payload = match salt_and_payload.split_at_checked(SALT) {
            None if salt_and_payload.is_empty() => Payload::Erased,
            None => return Err(Error::Leaf("its payload has no salt")),
            Some((_, bytes)) => match payload::decode_event(&leaf, bytes)? {
                Some(event) => Payload::Event(event),
                None => Payload::OfUnknownType(bytes.to_vec()),
            },
        };
        Ok(Self { leaf, payload })
    }

    /// What happened, where it is known.
    pub fn event(&self) -> Option<&Event> {
        match &self.payload {
            Payload::Event(event) => Some(event),
            Payload::OfUnknownType(_) | Payload::Erased => None,
        }
    }
}

/// All entries of an archive. It reads a part of 256 at a time.
#[derive(Debug)]
pub struct Entries<'a, R> {
    archive: &'a mut Archive<R>,
    size: u64,
    next_part: u64,
    read: std::vec::IntoIter<Entry>,
}

impl<'a, R: Read + Seek> Entries<'a, R> {
    pub(super) fn new(archive: &'a mut Archive<R>, size: u64) -> Self {
        Self { archive, size, next_part: 0, read: Vec::new().into_iter() }
    }

    fn part(&mut self) -> Result<Vec<Entry>, ArchiveError> {
        let at =
            usize::try_from(3 + 3 * self.next_part).map_err(|_| malformed("it is too large"))?;
        let (leaves, payloads) = (self.archive.read_nth(at)?, self.archive.read_nth(at + 1)?);
        let ((leaves, _), (payloads, _)) = (read_entries(&leaves), read_payloads(&payloads));
        let width = (self.size - 256 * self.next_part).min(256);
        if [leaves.len(), payloads.len()].iter().any(|&held| u64::try_from(held) != Ok(width)) {
            return Err(malformed("a part holds more or less than it says"));
        }
        let read = leaves.iter().zip(payloads).map(|(leaf, payload)| Entry::read(leaf, payload));
        Ok(read.collect::<Result<_, _>>()?)
    }
}

impl<R: Read + Seek> Iterator for Entries<'_, R> {
    type Item = Result<Entry, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.read.next() {
            return Some(Ok(entry));
        }
        if 256 * self.next_part >= self.size {
            return None;
        }
        let part = self.part();
        self.next_part += 1;
        match part {
            Ok(entries) => self.read = entries.into_iter(),
            Err(error) => {
                // What comes behind a part that can't be read is not looked at.
                self.next_part = self.size;
                return Some(Err(error));
            }
        }
        self.read.next().map(Ok)
    }
}

/// How long a salt is.
const SALT: usize = 32;
