use std::cell::RefCell;

use base64ct::{Base64Unpadded, Encoding as _};
use jit_ca_core::event::{DaemonStopped, Event};
use jit_ca_core::{ActorRef, UnixTime};
use jit_ca_log::part::write_payloads;
use jit_ca_log::tree::Frontier;
use jit_ca_log::{Ids, Leaf, payload};

use super::*;
use crate::exit::Exit;

/// A CA that tells what its log says, but where it is told to do otherwise.
pub(crate) struct Teller {
    entries: RefCell<Vec<Entry>>,
    /// Salt and payload of each.
    payloads: RefCell<Vec<Option<Vec<u8>>>>,
    /// The entry whose payload is erased before the payloads are next asked for.
    erasing: RefCell<Option<usize>>,
}

/// An entry of which the tree would hold this leaf.
fn entry(index: u64, entry_type: &str, salted: &[u8], said: Option<&Event>) -> Entry {
    let (salt, payload) = salted.split_first_chunk().unwrap();
    let leaf = Leaf {
        entry_type: entry_type.parse().unwrap(),
        idx: index,
        ts_ms: 1_795_338_000_000,
        actor: ActorRef::DAEMON,
        ids: Ids::default(),
        bundle: None,
        tbs: None,
        commit: commit(salt, payload),
    };
    Entry {
        index,
        time: UnixTime::from_secs(leaf.ts_ms / 1_000),
        entry_type: entry_type.to_owned(),
        actor: leaf.actor,
        name: None,
        request: None,
        grant: None,
        issuance: None,
        role: None,
        bundle: None,
        tbs: None,
        leaf: Base64Unpadded::encode_string(&leaf.encode()),
        payload: said.map(|event| serde_json::to_value(event).unwrap()),
    }
}

impl Teller {
    /// Of a log of so many entries.
    pub(crate) fn of(size: u64) -> Self {
        let events = (0..size).map(|index| {
            let event: Event = DaemonStopped { cause: format!("for the {index}th time") }.into();
            let salted = [&[7; 32], payload::encode(&event).unwrap().as_slice()].concat();
            (entry(index, event.entry_type(), &salted, Some(&event)), Some(salted))
        });
        let (entries, payloads): (Vec<_>, Vec<_>) = events.unzip();
        Self {
            entries: RefCell::new(entries),
            payloads: RefCell::new(payloads),
            erasing: RefCell::new(None),
        }
    }

    /// Tells something else of the entry than its leaf commits to.
    pub(crate) fn lie(self, index: usize) -> Self {
        self.entries.borrow_mut()[index].payload = Some(serde_json::json!({"cause": "nothing"}));
        self
    }

    fn erase(&self, index: usize) {
        self.entries.borrow_mut()[index].payload = None;
        self.payloads.borrow_mut()[index] = None;
    }

    /// What its newest checkpoint says.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let mut frontier = Frontier::default();
        let entries = self.entries.borrow();
        entries.iter().for_each(|entry| frontier.push(leaf_hash(&leaf_bytes(entry).unwrap())));
        let origin = "ca.example.org/jit-ca".parse().unwrap();
        Checkpoint { origin, size: frontier.size(), root: frontier.root() }
    }
}

impl Source for Teller {
    fn entries(&self, query: &LogQuery) -> Result<Vec<Entry>> {
        let entries = self.entries.borrow();
        let found = entries.iter().filter(|entry| entry.index >= query.start);
        Ok(found.take(query.limit.unwrap()).cloned().collect())
    }

    fn entry(&self, index: u64) -> Result<Entry> {
        Ok(self.entries.borrow()[usize::try_from(index).unwrap()].clone())
    }

    fn part(&self, part: Part) -> Result<Vec<u8>> {
        if let Some(index) = self.erasing.take() {
            self.erase(index);
        }
        let (first, end) = part.range();
        let range = usize::try_from(first).unwrap()..usize::try_from(end).unwrap();
        match part.kind {
            PartKind::Payloads => {
                let payloads = self.payloads.borrow();
                Ok(write_payloads(payloads[range].iter().map(Option::as_deref)).unwrap())
            }
            PartKind::Hashes(0) => {
                let entries = self.entries.borrow();
                let hash = |entry: &Entry| *leaf_hash(&leaf_bytes(entry).unwrap()).as_bytes();
                Ok(entries[range].iter().flat_map(hash).collect())
            }
            _ => panic!("{part} is not asked for"),
        }
    }
}

/// All pages, and how long each is.
fn all(teller: &Teller, from_index: u64) -> Result<(Vec<Entry>, Vec<usize>)> {
    let (mut entries, mut pages) = (Vec::new(), Vec::new());
    loop {
        let start = from_index + u64::try_from(entries.len()).unwrap();
        let page = from(teller, start, u64::MAX, 0)?;
        if page.is_empty() {
            return Ok((entries, pages));
        }
        pages.push(page.len());
        entries.extend(page);
    }
}

/// The error, by which the program ends with 4.
fn refused<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.exit(), Exit::Unverified);
    error.to_string()
}

#[test]
fn entries_come_with_the_payloads_of_their_leaves() {
    let teller = Teller::of(600);
    let (entries, pages) = all(&teller, 0).unwrap();
    assert_eq!((&entries, pages), (&*teller.entries.borrow(), vec![256, 256, 88]));
    let (entries, pages) = all(&teller, 250).unwrap();
    assert_eq!((entries.len(), pages), (350, vec![6, 256, 88]));
    assert_eq!(from(&teller, 255, 9, 0).unwrap().len(), 1);
    assert_eq!(from(&teller, 300, 9, 0).unwrap().len(), 9);

    for index in [0, 255, 256, 599] {
        let said = refused(all(&Teller::of(600).lie(index), 0));
        assert!(said.contains(&format!("entry {index} ")), "{said}");
        let teller = Teller::of(600);
        teller.entries.borrow_mut()[index].payload = None;
        refused(all(&teller, 0));
        // The payload, and what is told of it, are another than the leaf commits to.
        let teller = Teller::of(600).lie(index);
        let other: Event = DaemonStopped { cause: "nothing".into() }.into();
        let salted = [&[7; 32], payload::encode(&other).unwrap().as_slice()].concat();
        teller.payloads.borrow_mut()[index] = Some(salted);
        let said = refused(all(&teller, 0));
        assert!(said.contains("its leaf commits to"), "{said}");
    }
    // Another entry than the next.
    let teller = Teller::of(9);
    teller.entries.borrow_mut().remove(3);
    assert!(refused(all(&teller, 0)).contains("entry 4 where entry 3 is due"));
}

#[test]
fn what_is_erased_meanwhile_is_missing_and_nothing_else_is() {
    let teller = Teller::of(300);
    teller.erase(7);
    teller.erasing.replace(Some(280));
    let (entries, _) = all(&teller, 0).unwrap();
    let missing = entries.iter().filter(|entry| entry.payload.is_none()).map(|entry| entry.index);
    assert_eq!(missing.collect::<Vec<_>>(), [7, 280]);
    // It is erased between the two calls for its page.
    let teller = Teller::of(300);
    teller.erasing.replace(Some(12));
    assert_eq!(all(&teller, 0).unwrap().0[12].payload, None);

    // It is missing from the log, and told all the same; and the other way round.
    let teller = Teller::of(300);
    teller.payloads.borrow_mut()[7] = None;
    refused(all(&teller, 0));
    let teller = Teller::of(300);
    teller.entries.borrow_mut()[7].payload = None;
    refused(all(&teller, 0));
}

#[test]
fn of_an_unknown_type_the_commitment_is_checked() {
    let teller = Teller::of(3);
    let salted = [[7; 32].as_slice(), &[0xf6]].concat();
    teller.entries.borrow_mut()[1] = entry(1, "not.known", &salted, None);
    teller.payloads.borrow_mut()[1] = Some(salted);
    assert_eq!(all(&teller, 0).unwrap().0.len(), 3);
    teller.payloads.borrow_mut()[1] = Some([[7; 32].as_slice(), &[0xf5]].concat());
    refused(all(&teller, 0));
}

#[test]
fn one_entry_is_in_the_tree_and_says_what_it_does() {
    let honest = Teller::of(40);
    let checkpoint = honest.checkpoint();
    let newest = || Ok(checkpoint.clone());
    for index in [0, 17, 39] {
        assert_eq!(one(&honest, index, newest).unwrap(), honest.entry(index).unwrap());
    }
    refused(one(&Teller::of(40).lie(17), 17, newest));
    // Leaf and payload go together, and are not in the log.
    let other = Teller::of(40);
    let event: Event = DaemonStopped { cause: "nothing".into() }.into();
    let salted = [&[7; 32], payload::encode(&event).unwrap().as_slice()].concat();
    other.entries.borrow_mut()[17] = entry(17, event.entry_type(), &salted, Some(&event));
    other.payloads.borrow_mut()[17] = Some(salted);
    assert!(refused(one(&other, 17, newest)).contains("not in the CA's log"));
    // Another one than was asked for.
    let other = Teller::of(40);
    other.entries.borrow_mut().swap(17, 18);
    assert!(refused(one(&other, 17, newest)).contains("entry 18 where entry 17 is due"));
}
