//! Requests, what is locked, and who may have how many: what a snapshot tells of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jit_ca_core::{GrantId, RequestId, RoleName, SubjectId, UnixTime};
use jit_ca_log::payload;
use redb::{ReadableTable as _, ReadableTableMetadata as _};

use super::fold::{Between, Exceeded, Limits, Phase, Whose};
use super::record::{AccessRecord, LockRecord};
use super::{Snapshot, StoreError, fold};

/// Which requests to look for.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// Whose, in groups of which each is looked through by itself, so that none hides another.
    pub groups: &'a [Group<'a>],
    /// In which phases. Those that come first here come first, where there are more than `most`.
    pub phases: &'a [Phase],
    /// Of which time.
    pub between: Between,
    /// How many to find at most.
    pub most: usize,
}

/// Requests that are looked through together.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// Whose.
    pub whose: &'a [Whose<'a>],
    /// How many of them to look at: the newest.
    pub within: usize,
    /// Whether of some of them not even their number is for the caller to know.
    pub is_hidden: bool,
}

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// The newest, newest first.
    pub records: Vec<AccessRecord>,
    /// Whether there is more that it was to find, or more than it was to look at.
    pub more: bool,
}

impl Snapshot {
    /// A request.
    ///
    /// # Errors
    /// If redb fails.
    pub fn access(&self, request: RequestId) -> Result<Option<Arc<AccessRecord>>, StoreError> {
        let table = self.transaction.open_table(fold::ACCESSES)?;
        fold::read(&table, request.as_bytes(), &self.decoded.accesses)
    }

    /// The request that a grant came from.
    ///
    /// # Errors
    /// If redb fails.
    pub fn access_of(&self, grant: GrantId) -> Result<Option<Arc<AccessRecord>>, StoreError> {
        self.request_of(grant)?.map_or(Ok(None), |request| self.access(request))
    }

    /// The id of the request that a grant came from, also where both are erased.
    ///
    /// # Errors
    /// If redb fails.
    pub fn request_of(&self, grant: GrantId) -> Result<Option<RequestId>, StoreError> {
        let table = self.transaction.open_table(fold::GRANTS)?;
        Ok(table.get(grant.as_bytes())?.map(|row| RequestId::from_bytes(*row.value().0)))
    }

    /// How many certificates were issued under a grant.
    ///
    /// # Errors
    /// If redb fails.
    pub fn certificates_of(&self, grant: GrantId) -> Result<u32, StoreError> {
        let table = self.transaction.open_table(fold::GRANTS)?;
        Ok(table.get(grant.as_bytes())?.map_or(0, |row| row.value().1))
    }

    /// Requests that time alone will still change, pending or granted, soonest first.
    ///
    /// # Errors
    /// If redb fails.
    pub fn unfinished(&self, due_by: UnixTime) -> Result<Vec<Arc<AccessRecord>>, StoreError> {
        let table = self.transaction.open_table(fold::DUE)?;
        let mut records = Vec::new();
        for row in table.range(..=(due_by.secs(), &[0xff; 16]))? {
            let (key, ()) = row.map(|(key, _)| (key, ()))?;
            let (_, request) = key.value();
            records.extend(self.access(RequestId::from_bytes(*request))?);
        }
        Ok(records)
    }

    /// The newest requests, newest first, that are looked for and that `wanted` accepts.
    ///
    /// # Errors
    /// If redb fails.
    pub fn search(
        &self,
        search: &Search<'_>,
        wanted: impl Fn(&AccessRecord) -> bool,
    ) -> Result<Found, StoreError> {
        let requests = self.transaction.open_table(fold::REQUESTS)?;
        let accesses = self.transaction.open_table(fold::ACCESSES)?;
        let Search { groups, phases, between, most } = *search;
        let (mut found, mut more) = (BTreeMap::new(), false);
        for (&phase, group) in
            phases.iter().flat_map(|phase| groups.iter().map(move |it| (phase, it)))
        {
            let mut ids = BTreeSet::new();
            let Group { whose, within, is_hidden } = *group;
            let (before, one_more) = (found.len(), within.saturating_add(1));
            for &whose in whose {
                ids.extend(fold::newest(&requests, whose, phase, between, one_more)?);
            }
            let is_cut = ids.len() > within;
            for id in ids.into_iter().rev().take(within) {
                if found.contains_key(&Reverse(id)) {
                    continue;
                }
                let Some(bytes) = accesses.get(id.as_bytes())? else { continue };
                let record: AccessRecord = payload::decode(bytes.value())?;
                if !wanted(&record) {
                    continue;
                }
                if found.len() == most {
                    more = true;
                    break;
                }
                found.insert(Reverse(id), record);
            }
            more |= is_cut && (!is_hidden || found.len() > before);
        }
        Ok(Found { records: found.into_values().collect(), more })
    }

    /// The roles that anybody has asked for, as far as they are still known, in their order.
    ///
    /// # Errors
    /// If redb fails.
    pub fn roles_asked_for(&self) -> Result<Vec<RoleName>, StoreError> {
        let requests = self.transaction.open_table(fold::REQUESTS)?;
        let mut roles = BTreeSet::new();
        for &phase in Phase::ALL {
            roles.extend(fold::roles(&requests, phase)?);
        }
        Ok(roles.into_iter().collect())
    }

    /// The requests of emergencies that somebody still has to look at, oldest first.
    ///
    /// # Errors
    /// If redb fails.
    pub fn to_review(&self) -> Result<Vec<Arc<AccessRecord>>, StoreError> {
        let mut records = Vec::new();
        for row in self.transaction.open_table(fold::REVIEWS)?.iter()? {
            let (request, _) = row?;
            records.extend(self.access(RequestId::from_bytes(*request.value()))?);
        }
        Ok(records)
    }

    /// The limit that one more request would exceed.
    ///
    /// # Errors
    /// If redb fails.
    pub fn exceeded(&self, limits: &Limits) -> Result<Option<Exceeded>, StoreError> {
        let requests = self.transaction.open_table(fold::REQUESTS)?;
        limits.exceeded(&requests, |id| self.access(id))
    }

    /// What follows on a grant of this holder's and is in force.
    ///
    /// # Errors
    /// If redb fails.
    pub fn follower(
        &self,
        holder: &SubjectId,
        grant: GrantId,
        now: UnixTime,
    ) -> Result<Option<Arc<AccessRecord>>, StoreError> {
        let requests = self.transaction.open_table(fold::REQUESTS)?;
        fold::follower(&requests, |id| self.access(id), holder, grant, now)
    }

    /// The locks that hold.
    ///
    /// # Errors
    /// If redb fails.
    pub fn locks(&self) -> Result<Vec<LockRecord>, StoreError> {
        let table = self.transaction.open_table(fold::LOCKS)?;
        table.iter()?.map(|row| Ok(payload::decode(row?.1.value())?)).collect()
    }

    /// The lock that stops one of these subjects, or this role, if there is one.
    ///
    /// # Errors
    /// If redb fails.
    pub fn lock_on(
        &self,
        subjects: &[&SubjectId],
        role: Option<&RoleName>,
    ) -> Result<Option<LockRecord>, StoreError> {
        let locks = self.transaction.open_table(fold::LOCKS)?;
        match locks.is_empty()? {
            true => Ok(None),
            false => fold::stopping(&locks, subjects, role),
        }
    }
}
