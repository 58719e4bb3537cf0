//! The ids that stand openly in the leaf of an event.
//!
//! The payloads of an issuance, of which there are the most, do not repeat them: there they are taken from the leaf.

use super::Event;
use crate::{GrantId, IssuanceId, RequestId};

/// The request, grant and issuance that an event concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The request.
    pub request: Option<RequestId>,
    /// The grant.
    pub grant: Option<GrantId>,
    /// The issuance.
    pub issuance: Option<IssuanceId>,
}

impl Ids {
    /// Those of an event.
    pub fn of(event: &Event) -> Self {
        let mut ids = Self { request: event.request(), grant: None, issuance: None };
        match event {
            Event::GrantMade(event) => ids.grant = Some(event.grant),
            Event::GrantStarted(event) => ids.grant = Some(event.grant),
            Event::GrantEnded(event) => ids.grant = Some(event.grant),
            Event::GrantRevoked(event) => ids.grant = Some(event.grant),
            Event::CertificateIntended(event) => {
                ids.issuance = Some(event.issuance);
                ids.grant = event.under.as_ref().map(|under| under.grant);
            }
            Event::CertificateIssued(event) => {
                (ids.issuance, ids.grant) = (Some(event.issuance), event.grant);
            }
            Event::IssuanceFailed(event) => {
                (ids.issuance, ids.grant) = (Some(event.issuance), event.grant);
            }
            Event::SessionOpened(event) => {
                (ids.issuance, ids.grant) = (event.issuance, event.grant);
            }
            Event::SessionClosed(event) => ids.grant = event.grant,
            Event::SessionWatched(event) => ids.grant = event.grant,
            _ => {}
        }
        ids
    }
}

impl Event {
    /// Takes from the leaf the ids that the payload does not repeat.
    pub(super) fn complete(&mut self, ids: &Ids) -> Result<(), &'static str> {
        let issuance = ids.issuance.ok_or("its leaf names no issuance");
        match self {
            Self::CertificateIntended(event) => {
                event.issuance = issuance?;
                if let Some(under) = &mut event.under {
                    under.grant = ids.grant.ok_or("its leaf names no grant")?;
                }
            }
            Self::CertificateIssued(event) => {
                (event.issuance, event.grant) = (issuance?, ids.grant);
            }
            Self::IssuanceFailed(event) => {
                (event.issuance, event.grant) = (issuance?, ids.grant);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Stands until the leaf's is put in its place.
pub(super) fn no_issuance() -> IssuanceId {
    IssuanceId::from_bytes([0; 16])
}

/// Stands until the leaf's is put in its place.
pub(super) fn no_grant() -> GrantId {
    GrantId::from_bytes([0; 16])
}
