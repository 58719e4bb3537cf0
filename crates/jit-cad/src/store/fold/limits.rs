//! How many requests and grants somebody may have.

use std::sync::Arc;

use jit_ca_core::workflow::{Access, Grant, GrantState, Over, RequestState, Term};
use jit_ca_core::{GrantId, RequestId, RoleName, Span, SubjectId, UnixTime};
use redb::ReadableTable;

use super::Fold;
use super::requests::{Between, Phase, Whose, newest};
use crate::store::StoreError;
use crate::store::record::AccessRecord;

/// What a new request must not exceed.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Whose request.
    pub subject: SubjectId,
    /// For which role.
    pub role: RoleName,
    /// When.
    pub now: UnixTime,
    /// What stands against it.
    pub most: Most,
}

/// What a request of a kind must not exceed.
#[derive(Clone, Copy, Debug)]
pub enum Most {
    /// An emergency: one at a time of a person and role, and whatever else was asked for.
    OneEmergency,
    /// Any other request.
    Requests {
        /// How many requests the subject may have that are pending.
        open: u32,
        /// How many grants of the role the subject may have that begin within a day.
        grants_per_day: Option<u32>,
    },
}

/// The limit that a new request would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// Too many requests of the subject are pending.
    OpenRequests,
    /// An emergency of the subject with the role goes on.
    Emergency {
        /// Its grant.
        grant: GrantId,
        /// When that is over.
        until: UnixTime,
    },
    /// The subject has too many grants of the role that began within a day, or that may.
    GrantsPerDay {
        /// How many have begun.
        begun: u32,
        /// How many are to begin, or may become grants.
        waiting: u32,
        /// When there is room again; not to be said where it is what waits that takes it.
        room: Option<UnixTime>,
    },
}

/// What a request counts as among the grants of a day.
enum Had {
    /// It has begun at this time.
    Begun(UnixTime),
    /// It is to begin, or may become a grant that does.
    Waiting,
}

const DAY: Span = Span::from_secs(24 * 60 * 60);
/// What has begun within a day was asked for since.
const OLDEST: Span =
    Span::from_secs(Span::FARTHEST_START.secs() + Span::LONGEST_GRANT.secs() + DAY.secs());

impl Limits {
    /// The limit that one more request would exceed.
    ///
    /// A pending request counts as the grant that it may become, so that no approval comes to nothing; also an old one,
    /// so that those of many days, all approved on one, are no more grants than may be had on one.
    pub(in crate::store) fn exceeded(
        &self,
        requests: &impl ReadableTable<&'static [u8], ()>,
        access: impl Fn(RequestId) -> Result<Option<Arc<AccessRecord>>, StoreError>,
    ) -> Result<Option<Exceeded>, StoreError> {
        let (now, own) = (self.now, Whose::Subject(&self.subject));
        let (open_requests, grants_per_day) = match self.most {
            Most::Requests { open, grants_per_day } => (open, grants_per_day),
            Most::OneEmergency => return self.emergency(requests, access),
        };
        let is_pending =
            |access: &Access| access.state == RequestState::Pending && now < access.request.lapses;
        let mut pending = 0;
        for id in newest(requests, own, Phase::Pending, Between::ALL, usize::MAX)? {
            let record = access(id)?;
            pending += u32::from(record.is_some_and(|record| is_pending(&record.access)));
            if pending >= open_requests {
                return Ok(Some(Exceeded::OpenRequests));
            }
        }
        let Some(most) = grants_per_day else { return Ok(None) };
        let (mut begun, mut waiting) = (Vec::new(), 0);
        for &phase in Phase::ALL {
            let between = match phase {
                Phase::Over => Between::since(now.minus(OLDEST)),
                Phase::Pending | Phase::Granted => Between::ALL,
            };
            for id in newest(requests, own, phase, between, usize::MAX)? {
                let Some(record) = access(id)? else { continue };
                let access = &record.access;
                match access.grant() {
                    _ if access.request.role != self.role => {}
                    None => waiting += u32::from(is_pending(access)),
                    Some(grant) => match had(grant, now) {
                        Some(Had::Begun(start)) => begun.push(start),
                        Some(Had::Waiting) => waiting += 1,
                        None => {}
                    },
                }
            }
        }
        begun.sort_unstable();
        let had = u32::try_from(begun.len()).unwrap_or(u32::MAX);
        let Some(over) = had.saturating_add(waiting).checked_sub(most) else { return Ok(None) };
        // So many have to be more than a day ago, and one more.
        let last = usize::try_from(over).ok().and_then(|over| begun.get(over));
        let room = last.map(|start| start.plus(DAY));
        Ok(Some(Exceeded::GrantsPerDay { begun: had, waiting, room }))
    }

    /// The emergency that goes on.
    fn emergency(
        &self,
        requests: &impl ReadableTable<&'static [u8], ()>,
        access: impl Fn(RequestId) -> Result<Option<Arc<AccessRecord>>, StoreError>,
    ) -> Result<Option<Exceeded>, StoreError> {
        let own = Whose::Subject(&self.subject);
        for id in newest(requests, own, Phase::Granted, Between::ALL, usize::MAX)? {
            let Some(record) = access(id)? else { continue };
            let access = &record.access;
            let is_one = access.emergency.is_some() && access.request.role == self.role;
            let grant =
                access.grant().filter(|it| is_one && it.state(self.now) == GrantState::Active);
            if let Some(grant) = grant {
                let (grant, until) = (grant.id, grant.deadline());
                return Ok(Some(Exceeded::Emergency { grant, until }));
            }
        }
        Ok(None)
    }
}

/// What a grant counts as. One that never began, and never will, does not count; nor what a wrong clock made.
fn had(grant: &Grant, now: UnixTime) -> Option<Had> {
    match (grant.term, &grant.over) {
        (_, Some(Over::TakenBack)) => None,
        (Term::Open(window), _) => {
            (now < window.start().plus(DAY)).then_some(Had::Begun(window.start()))
        }
        (Term::Scheduled(_) | Term::FirstUse { .. }, _) => {
            (grant.state(now) == GrantState::Waiting).then_some(Had::Waiting)
        }
    }
}

impl Fold<'_> {
    /// The limit that one more request would exceed.
    pub(in crate::store) fn exceeded(
        &self,
        limits: &Limits,
    ) -> Result<Option<Exceeded>, StoreError> {
        limits.exceeded(&self.requests, |id| self.accesses.get(id.as_bytes()))
    }
}
