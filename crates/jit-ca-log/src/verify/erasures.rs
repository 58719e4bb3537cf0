//! Payloads that are gone, and the entries that say so.

use std::collections::BTreeSet;

use jit_ca_core::event::{Erased, ErasureCause, ErasureOrdered, Signature};
use jit_ca_core::statement::{Erasure, Kind};
use jit_ca_core::{Span, UnixTime};

use super::fault::{Fault, must};
use super::log::Log;
use super::{Code, People, Signatures, signatures};
use crate::{EntryType, Leaf};

/// What is missing, and what was erased.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    /// The entries without a payload, in order.
    missing: Vec<u64>,
    /// The entries whose payloads are never erased.
    kept: BTreeSet<u64>,
    /// When each entry was written, in milliseconds.
    times: Vec<u64>,
    /// Ranges of entries that were erased, both ends in them.
    named: Vec<(u64, u64)>,
    /// The entry before, if it was an order; with its signature, if it is not erased.
    order: Option<Option<Signature>>,
}

impl Erasures {
    /// Takes in that there is an entry; `order` is what it says if it is one.
    pub(super) fn pass(&mut self, leaf: &Leaf, is_erased: bool, order: Option<&ErasureOrdered>) {
        if is_erased {
            self.missing.push(leaf.idx);
        }
        self.times.push(leaf.ts_ms);
        if is_kept(&leaf.entry_type) {
            self.kept.insert(leaf.idx);
        }
        let is_order = leaf.entry_type.as_str() == "erase.order";
        self.order = is_order.then(|| order.map(|order| order.signature.clone()));
    }

    pub(super) fn erase(
        &mut self,
        log: &Log,
        people: &People,
        signatures: &Signatures<'_>,
        leaf: &Leaf,
        erased: &Erased,
    ) -> Result<(), Fault> {
        if let (ErasureCause::Subject(actor), Some(Some(signature))) = (&erased.cause, &self.order)
        {
            let statement = Erasure {
                origin: &log.origin,
                actor,
                reason: &erased.reason,
                entries: &erased.entries,
            };
            let (statement, signature) = (statement.text(), signature.clone());
            let message = "the signature of the order to erase does not hold";
            signatures.check(leaf.idx, Code::Signature, message, move || {
                let (key, sshsig) = (signature.key.as_slice(), signature.sshsig.as_slice());
                signatures::of_statement(key, Kind::Erasure, &statement, sshsig)
            });
        }
        match erased.cause {
            ErasureCause::Subject(_) => {
                must(self.order.is_some(), Code::Erase, "nobody ordered the erasure")?;
                let last = erased.entries.last().and_then(|(_, last)| last.checked_add(1));
                let keeps_order = last != Some(leaf.idx);
                must(keeps_order, Code::Erase, "it erases the order that it is by")?;
            }
            ErasureCause::Retention(before) => {
                let oldest = UnixTime::from_secs(leaf.ts_ms / 1_000).minus(LEAST_KEPT);
                must(
                    before <= oldest,
                    Code::Erase,
                    "it erases what was kept for less than 30 days",
                )?;
                let last = erased.entries.last().and_then(|(_, last)| usize::try_from(*last).ok());
                let newest = last.and_then(|last| self.times.get(last)).copied();
                let is_old = newest.is_none_or(|newest| newest < before.secs() * 1_000);
                must(is_old, Code::Erase, "it erases what is newer than it says")?;
            }
        }
        let mut next = 0;
        for &(first, last) in &erased.entries {
            let is_range = next <= first && first <= last && last < leaf.idx;
            must(is_range, Code::Erase, "the ranges of what is erased are no ranges")?;
            let is_free = self.kept.range(first..=last).next().is_none();
            must(is_free, Code::Erase, "it erases an entry that is never erased")?;
            let is_gone = self.missing_in(first, last) == last - first + 1;
            must(is_gone, Code::Erase, "it erases a payload that is still there")?;
            let is_past = !people.newest().any(|newest| (first..=last).contains(&newest));
            must(is_past, Code::Erase, "it erases who somebody is that the CA knows")?;
            next = last + 1;
        }
        self.named.extend(&erased.entries);
        Ok(())
    }

    /// How many payloads are missing between these entries, both among them.
    fn missing_in(&self, first: u64, last: u64) -> u64 {
        let before = self.missing.partition_point(|&index| index < first);
        let until = self.missing.partition_point(|&index| index <= last);
        u64::try_from(until - before).unwrap_or(u64::MAX)
    }

    /// How many payloads are missing.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.missing.len()).unwrap_or(u64::MAX)
    }

    /// The first entry whose payload is missing and that no erasure names.
    pub(super) fn unnamed(&mut self) -> Option<u64> {
        self.named.sort_unstable();
        let (mut ranges, mut covered) = (self.named.iter().peekable(), None);
        self.missing.iter().copied().find(|&index| {
            // An erasure names what comes before it alone, so all that name this one are here.
            while let Some(&(_, last)) = ranges.next_if(|(first, _)| *first <= index) {
                covered = covered.max(Some(last));
            }
            covered < Some(index)
        })
    }
}

/// What people did can't be forgotten sooner without somebody's order.
const LEAST_KEPT: Span = Span::from_secs(30 * 24 * 60 * 60);

fn is_kept(entry_type: &EntryType) -> bool {
    matches!(
        entry_type.as_str(),
        "log.init" | "bundle" | "person.removed" | "host.enrolled" | "erase"
    )
}
