//! How many requests and grants somebody may have.

use std::sync::Arc;

use jit_ca_core::workflow::{Access, RequestState};
use jit_ca_core::{RequestId, RoleName, Span, SubjectId, UnixTime};
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
    /// How many requests the subject may have that are pending.
    pub open_requests: u32,
    /// How many grants of the role the subject may have that were asked for within a day.
    pub grants_per_day: Option<u32>,
}

/// The limit that a new request would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// Too many requests of the subject are pending.
    OpenRequests,
    /// The subject had too many grants of the role within a day.
    GrantsPerDay,
}

const DAY: Span = Span::from_secs(24 * 60 * 60);

impl Limits {
    /// The limit that one more request would exceed.
    ///
    /// A pending request counts as the grant that it may become, so that no approval comes to nothing.
    pub(in crate::store) fn exceeded(
        &self,
        requests: &impl ReadableTable<&'static [u8], ()>,
        access: impl Fn(RequestId) -> Result<Option<Arc<AccessRecord>>, StoreError>,
    ) -> Result<Option<Exceeded>, StoreError> {
        let (now, own) = (self.now, Whose::Subject(&self.subject));
        let is_pending =
            |access: &Access| access.state == RequestState::Pending && now < access.request.lapses;
        let mut pending = 0;
        for id in newest(requests, own, Phase::Pending, Between::ALL, usize::MAX)? {
            let record = access(id)?;
            pending += u32::from(record.is_some_and(|record| is_pending(&record.access)));
            if pending >= self.open_requests {
                return Ok(Some(Exceeded::OpenRequests));
            }
        }
        let Some(most) = self.grants_per_day else { return Ok(None) };
        let today = Between::since(now.minus(DAY));
        let mut granted = 0;
        for &phase in Phase::ALL {
            for id in newest(requests, own, phase, today, usize::MAX)? {
                let counts = |access: &Access| {
                    access.request.role == self.role
                        && (access.grant().is_some() || is_pending(access))
                };
                granted += u32::from(access(id)?.is_some_and(|record| counts(&record.access)));
            }
        }
        Ok((granted >= most).then_some(Exceeded::GrantsPerDay))
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
