//! Requests and grants as people name them: by a whole id, or by its ending. A grant goes by its request's id as well.

use std::fmt;

use jit_ca_api::{Request, RequestList};
use jit_ca_core::{GrantId, RequestId};

use crate::error::{Error, Result};
use crate::id_ending;
use crate::login::Ca;

/// The request that is named.
///
/// # Errors
/// If there is none, or several, or the caller may not see it.
pub(crate) fn request(ca: &Ca, text: &str) -> Result<Request> {
    let id = match text.parse::<RequestId>() {
        Ok(id) => id,
        Err(_) => {
            let RequestList { requests, more, .. } = ca.client.requests(&Default::default())?;
            id_ending::find("request", text, requests.iter().map(|it| it.id), more)?
        }
    };
    ca.client.request_by_id(&id, &Default::default()).map_err(Error::from)
}

/// The grant that is named, by itself or by its request.
///
/// # Errors
/// If there is none, or several, or the request never became one.
pub(crate) fn grant(ca: &Ca, text: &str) -> Result<GrantId> {
    if let Ok(id) = text.parse::<GrantId>() {
        return Ok(id);
    }
    if let Ok(id) = text.parse::<RequestId>() {
        return grant_of(&ca.client.request_by_id(&id, &Default::default())?);
    }
    let RequestList { requests, more, .. } = ca.client.requests(&Default::default())?;
    grant_among(&requests, text, more)
}

/// The grant that is named among these requests; of which there may be more.
///
/// # Errors
/// As [`grant`].
pub(crate) fn grant_among(requests: &[Request], text: &str, more: bool) -> Result<GrantId> {
    let ids = requests.iter().flat_map(|request| {
        let grant = request.grant.as_ref().map(|grant| Id::Grant(grant.id));
        grant.into_iter().chain([Id::Request(request.id)])
    });
    match id_ending::find("grant", text, ids, more)? {
        Id::Grant(id) => Ok(id),
        Id::Request(id) => match requests.iter().find(|request| request.id == id) {
            Some(request) => grant_of(request),
            None => Err(none_of(id, "is gone")),
        },
    }
}

/// An id of either kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Grant(GrantId),
    Request(RequestId),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant(id) => id.fmt(f),
            Self::Request(id) => id.fmt(f),
        }
    }
}

fn grant_of(request: &Request) -> Result<GrantId> {
    let stands = format!("is {}", request.status);
    let grant = request.grant.as_ref().map(|grant| grant.id);
    grant.ok_or_else(|| none_of(request.id, &stands))
}

fn none_of(id: RequestId, stands: &str) -> Error {
    let hint = format!("see how it stands: jit-ca requests {id}");
    Error::usage(format!("{id} {stands}, and there is no grant of it"), hint)
}
