//! The caller's passkeys, for the command line.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_api::{Passkey, PasskeyCall, PasskeyLink};

use super::call::{Call, Id, Nothing, WithMfa};
use crate::app::App;
use crate::service::{Caller, Fault, passkeys};

/// `GET /v1/passkeys`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
) -> Result<Json<Vec<Passkey>>, Fault> {
    views(&app, &caller)
}

/// `POST /v1/passkeys`. It writes nothing; called again, it makes another link, in place of the one before.
pub(super) async fn link(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    call: Call<PasskeyCall>,
) -> Result<Json<PasskeyLink>, Fault> {
    let (url, expires) = passkeys::link(&app, &caller, &call.body.label)?;
    Ok(Json(PasskeyLink { url, expires }))
}

/// `POST /v1/passkeys/ID/remove`.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    WithMfa(caller): WithMfa,
    Id(id): Id<String>,
    call: Call<Nothing>,
) -> Result<Json<Vec<Passkey>>, Fault> {
    let id = Base64UrlUnpadded::decode_vec(&id).map_err(|_| Fault::NotFound("passkey"))?;
    passkeys::remove(&app, &caller, &id.into(), &call.key).await?;
    views(&app, &caller)
}

fn views(app: &App, caller: &Caller) -> Result<Json<Vec<Passkey>>, Fault> {
    let found = passkeys::list(app, caller)?.into_iter();
    let view = found.map(|(id, record)| Passkey {
        id: Base64UrlUnpadded::encode_string(id.as_slice()),
        label: record.label,
        host: record.party,
        added: record.added,
        can_be_backed_up: record.passkey.is_backup_eligible,
    });
    Ok(Json(view.collect()))
}
