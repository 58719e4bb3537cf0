//! The log, for who may read it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64ct::{Base64Unpadded, Encoding as _};
use jit_ca_api::{Consistency, ConsistencyQuery, Entry, LogQuery};
use jit_ca_core::{ActorRef, PersonName, SubjectId, UnixTime};
use jit_ca_log::Leaf;

use super::call::{Filter, Id, WithMfa};
use super::poll::Poll;
use crate::app::App;
use crate::service::{self, Fault, log};
use crate::store::{self, AccessRecord, Snapshot};

/// How many entries one answer holds at most.
const LONGEST_LIST: usize = 1_000;

/// `GET /v1/log/checkpoints/N`: the signed note of the first N entries.
pub(super) async fn checkpoint(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(size): Id<u64>,
) -> Result<String, Fault> {
    service::may_read_log(&app, &caller)?;
    log::checkpoint(&app, size).map(|checkpoint| checkpoint.to_string())
}

/// `GET /v1/log/consistency`, for anybody.
pub(super) async fn consistency(
    State(app): State<Arc<App>>,
    Filter(query): Filter<ConsistencyQuery>,
) -> Result<Json<Consistency>, Fault> {
    log::consistency(&app, &query).map(Json)
}

/// `GET /v1/log/entries`. With `wait`, the answer comes when there is an entry for it, or when the time is over.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Filter(mut query): Filter<LogQuery>,
) -> Result<Json<Vec<Entry>>, Fault> {
    let mut poll = Poll::new(&app, query.wait);
    let mut asked = None;
    loop {
        // By the policy in force now, however long it has been waited.
        let caller = &*caller.today(&app)?;
        if asked != Some(caller.policy.hash) {
            service::may_read_log(&app, caller)?;
            asked = Some(caller.policy.hash);
        }
        let found = service::in_turn(&app, caller, move |app| {
            let entries = found(app, &mut query)?;
            Ok((entries, query))
        });
        let entries;
        (entries, query) = found.await?;
        if !entries.is_empty() || !poll.again().await {
            return Ok(Json(entries));
        }
    }
}

/// `GET /v1/log/entries/N`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(index): Id<u64>,
) -> Result<Json<Entry>, Fault> {
    service::may_read_log(&app, &caller)?;
    let size = app.sequencer.newest().checkpoint.size;
    let snapshot = app.store.read()?;
    let bytes = if index < size { snapshot.leaf(index)? } else { None };
    let bytes = bytes.ok_or(Fault::NotFound("entry"))?;
    let leaf = Leaf::decode(&bytes).map_err(store::StoreError::from)?;
    view(&snapshot, &leaf, &bytes).map(Json)
}

/// The entries that a query means, as far as the newest checkpoint goes. The next time that the same is asked, it
/// goes on where this one ended.
fn found(app: &App, query: &mut LogQuery) -> Result<Vec<Entry>, Fault> {
    let size = app.sequencer.newest().checkpoint.size;
    let snapshot = app.store.read()?;
    let Some(filter) = filter(app, &snapshot, query, size)? else {
        return Ok(Vec::new());
    };
    query.start = query.start.max(size);
    let found = snapshot.find(&filter)?;
    found.into_iter().map(|(leaf, bytes)| view(&snapshot, &leaf, &bytes)).collect()
}

/// The filter that a query means, over the first `end` entries; nothing if it names a subject or a grant that the
/// log does not know.
fn filter(
    app: &App,
    snapshot: &Snapshot,
    query: &LogQuery,
    end: u64,
) -> Result<Option<store::Filter>, Fault> {
    let subject = match &query.subject {
        None => None,
        Some(text) => {
            let named = text.parse::<PersonName>().ok().and_then(|name| {
                app.policy().bundle.person_named(&name).map(|person| person.id.clone())
            });
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
            let Some(request) = snapshot.request_of(grant)? else {
                return Ok(None);
            };
            Some(request)
        }
    };
    Ok(Some(store::Filter {
        subject,
        role: query.role.clone(),
        request,
        from: query.from,
        to: query.to,
        start: query.start,
        end,
        limit: query.limit.unwrap_or(LONGEST_LIST).min(LONGEST_LIST),
    }))
}

fn view(snapshot: &Snapshot, leaf: &Leaf, bytes: &[u8]) -> Result<Entry, Fault> {
    let event = snapshot.event(leaf)?;
    let record = record(snapshot, leaf)?;
    let request = record.as_ref().map(|record| &record.access.request);
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
        request: leaf.ids.request.or(request.map(|request| request.id)),
        grant: leaf.ids.grant,
        issuance: leaf.ids.issuance,
        role: request.map(|request| request.role.clone()),
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
fn record(snapshot: &Snapshot, leaf: &Leaf) -> Result<Option<Arc<AccessRecord>>, Fault> {
    Ok(match (leaf.ids.request, leaf.ids.grant) {
        (Some(request), _) => snapshot.access(request)?,
        (None, Some(grant)) => snapshot.access_of(grant)?,
        (None, None) => None,
    })
}
