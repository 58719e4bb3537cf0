//! The log, for who may read it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64ct::{Base64Unpadded, Encoding as _};
use jit_ca_api::{Entry, LogQuery};
use jit_ca_core::workflow::Access;
use jit_ca_core::{ActorRef, PersonName, RequestId, SubjectId, UnixTime};
use jit_ca_log::Leaf;

use super::call::{Filter, Id, WithMfa};
use crate::app::App;
use crate::service::{self, Fault};
use crate::store::{self, Snapshot};

/// How many entries one answer holds at most.
const LONGEST_LIST: usize = 1_000;

/// `GET /v1/log/checkpoint`: the signed note, for anybody.
pub(super) async fn checkpoint(State(app): State<Arc<App>>) -> String {
    app.sequencer.checkpoints().borrow().to_string()
}

/// `GET /v1/log/entries`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Filter(query): Filter<LogQuery>,
) -> Result<Json<Vec<Entry>>, Fault> {
    service::may_read_log(&app, &caller)?;
    let snapshot = app.store.read()?;
    let filter = match filter(&app, &snapshot, &query)? {
        Some(filter) => filter,
        None => return Ok(Json(Vec::new())),
    };
    let found = snapshot.find(&filter)?;
    let entries = found.into_iter().map(|(leaf, bytes)| view(&snapshot, &leaf, &bytes));
    entries.collect::<Result<_, _>>().map(Json)
}

/// `GET /v1/log/entries/N`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(index): Id<u64>,
) -> Result<Json<Entry>, Fault> {
    service::may_read_log(&app, &caller)?;
    let snapshot = app.store.read()?;
    let bytes = snapshot.leaf(index)?.ok_or(Fault::NotFound("entry"))?;
    let leaf = Leaf::decode(&bytes).map_err(store::StoreError::from)?;
    view(&snapshot, &leaf, &bytes).map(Json)
}

/// The filter that a query means; nothing if it names a subject or a grant that the log does not know.
fn filter(
    app: &App,
    snapshot: &Snapshot,
    query: &LogQuery,
) -> Result<Option<store::Filter>, Fault> {
    let subject = match &query.subject {
        None => None,
        Some(text) => {
            let named = text
                .parse::<PersonName>()
                .ok()
                .and_then(|name| app.bundle().person_named(&name).map(|person| person.id.clone()));
            let Some(subject) = named.or_else(|| text.parse::<SubjectId>().ok()) else {
                return Ok(None);
            };
            let Some(known) = snapshot.subject(&subject)? else {
                return Ok(None);
            };
            Some(known.actor)
        }
    };
    let request = match query.grant {
        None => None,
        Some(grant) => {
            let Some(record) = snapshot.access_of(grant)? else {
                return Ok(None);
            };
            Some(record.access.request.id)
        }
    };
    Ok(Some(store::Filter {
        subject,
        role: query.role.clone(),
        request,
        from: query.from,
        to: query.to,
        start: query.start,
        limit: query.limit.unwrap_or(LONGEST_LIST).min(LONGEST_LIST),
    }))
}

fn view(snapshot: &Snapshot, leaf: &Leaf, bytes: &[u8]) -> Result<Entry, Fault> {
    let event = snapshot.event(leaf)?;
    let access = access(snapshot, leaf)?;
    let name = match leaf.actor {
        ActorRef::DAEMON => Some("jit-cad".to_owned()),
        actor => snapshot.subject_of(actor)?.map(|subject| subject.name.to_string()),
    };
    Ok(Entry {
        index: leaf.idx,
        time: UnixTime::from_secs(leaf.ts_ms / 1_000),
        entry_type: leaf.entry_type.to_string(),
        actor: leaf.actor,
        name,
        request: leaf.ids.request.or(access.as_ref().map(|access| access.request.id)),
        grant: leaf.ids.grant,
        issuance: leaf.ids.issuance,
        role: access.map(|access| access.request.role),
        bundle: leaf.bundle,
        tbs: leaf.tbs,
        leaf: Base64Unpadded::encode_string(bytes),
        payload: event
            .map(serde_json::to_value)
            .transpose()
            .map_err(|error| Fault::Internal(Box::new(error)))?,
    })
}

/// The request that an entry belongs to, by itself or by its grant.
fn access(snapshot: &Snapshot, leaf: &Leaf) -> Result<Option<Access>, Fault> {
    let by_request = |request: RequestId| snapshot.access(request);
    let record = match (leaf.ids.request, leaf.ids.grant) {
        (Some(request), _) => by_request(request)?,
        (None, Some(grant)) => snapshot.access_of(grant)?,
        (None, None) => None,
    };
    Ok(record.map(|record| record.access))
}
