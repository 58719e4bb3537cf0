//! What stands openly in the leaf of an event.

use jit_ca_core::Digest;
use jit_ca_core::event::Event;

use super::Ids;
use crate::hash::sha256;

impl Ids {
    /// The request, grant and issuance that an event concerns.
    pub fn of(event: &Event) -> Self {
        let mut ids = Self { request: event.request(), grant: None, issuance: None };
        match event {
            Event::GrantMade(event) => ids.grant = Some(event.grant),
            Event::GrantEnded(event) => ids.grant = Some(event.grant),
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
            _ => {}
        }
        ids
    }
}

/// The hash of the bytes that are to be signed, which stands in the leaf of an intent and of no other event.
pub fn tbs(event: &Event) -> Option<Digest> {
    match event {
        Event::CertificateIntended(intended) => Some(sha256(intended.tbs.as_slice())),
        _ => None,
    }
}
