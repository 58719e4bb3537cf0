//! What a client keeps of the CA.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jit_ca_api::{Predecessor, Trust, X509Authority};
use jit_ca_cert::Purpose;

use crate::app::App;
use crate::service::{Fault, hosts};

/// `GET /v1/trust`.
pub(super) async fn trust(State(app): State<Arc<App>>) -> Result<Json<Trust>, Fault> {
    let authorities = &app.authorities;
    let x509 = [
        (Purpose::Root, authorities.root.pem()),
        (Purpose::Clients, authorities.clients.pem()),
        (Purpose::Servers, authorities.servers.pem()),
        (Purpose::Logins, authorities.logins.pem()),
    ];
    let authority = |(purpose, certificate): (Purpose, String)| X509Authority {
        purpose: purpose.as_str().trim_start_matches("x509-").to_owned(),
        certificate,
    };
    let origin = app.config.origin.clone();
    Ok(Json(Trust {
        ssh_user_ca: app.keys.ssh_user.public().to_openssh(&format!("jit-ca user CA of {origin}")),
        ssh_host_ca: app.keys.ssh_host.public().to_openssh(&format!("jit-ca host CA of {origin}")),
        hosts: app.config.hosts.as_ref().map(|hosts| hosts.names.clone()).unwrap_or_default(),
        revoked_host_keys: hosts::revoked_keys(&app)?,
        origin,
        log_key: app.log_key.to_string(),
        pin: app.pin(),
        x509: x509.into_iter().map(authority).collect(),
        trust_domain: app.config.trust_domain.to_string(),
        page: app.page.get().map(|page| page.origin().to_owned()),
        succeeds: app.succeeds.as_ref().map(|before| Predecessor {
            checkpoint: before.checkpoint.clone(),
            reason: before.reason.to_string(),
        }),
    }))
}
