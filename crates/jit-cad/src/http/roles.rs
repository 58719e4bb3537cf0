//! What the caller may ask for.

use axum::Json;
use jit_ca_api::Role;
use jit_ca_core::{Action, Facts};
use jit_ca_policy::{Starts, decide, may_request};

use super::call::WithMfa;
use crate::clock;

/// `GET /v1/roles`.
pub(super) async fn list(WithMfa(caller): WithMfa) -> Json<Vec<Role>> {
    let now = clock::now();
    let subject = &caller.person.id;
    let bundle = &caller.policy.bundle;
    let roles = may_request(bundle, subject, now, caller.address).into_iter();
    let view = |role: &jit_ca_policy::Role| {
        let facts = Facts {
            action: Action::SkipApproval,
            subject: subject.clone(),
            now,
            address: caller.address,
            mfa_at: caller.login.mfa_at,
            means: caller.login.means.clone(),
            role: Some(role.name.clone()),
            requester: Some(subject.clone()),
            hosts: None,
            duration: None,
            reason: None,
            ticket: None,
        };
        Role {
            name: role.name.clone(),
            description: role.description.to_string(),
            rows: role.rows.clone(),
            default: role.default,
            longest: role.longest,
            approvals: role.approvals.clone(),
            approved_by_rule: decide(bundle, &facts).allows(),
            mfa_max_age: role.mfa_max_age,
            ticket: role.ticket.as_ref().map(ToString::to_string),
            start_within: match role.starts {
                Starts::AtApproval => None,
                Starts::AtFirstUse { within } => Some(within),
            },
            schedule_ahead: role.schedule_ahead,
            certificate_max: role.certificate_max,
            keys: role.keys.clone(),
            break_glass: role.break_glass.as_ref().map(|it| it.longest).filter(|longest| {
                let facts = Facts {
                    action: Action::BreakGlass,
                    mfa_at: Some(now),
                    duration: Some(*longest),
                    ..facts.clone()
                };
                decide(bundle, &facts).allows()
            }),
        }
    };
    Json(roles.map(view).collect())
}
