//! The entry of a login, and its certificate beside it.

use std::net::IpAddr;

use jit_ca_cert::x509::LoginCertificate;
use jit_ca_cert::{Intent, SubjectKey};
use jit_ca_core::event::{Event, Factor, LoggedIn, LoggedInByCertificate, LoggedInByToken};
use jit_ca_core::{ActorRef, Bytes, IssuanceId, Span, Window};
use jit_ca_policy::Person;

use crate::app::App;
use crate::clock::{self, Millis};
use crate::identity::{Authenticated, Proof};
use crate::issuer::{Issuance, intended, x509_serial};
use crate::sequencer::Proposal;
use crate::service::certificate::called;
use crate::service::{CallKey, Fault};
use crate::store::{Reply, Resource};

/// How long a login lasts that can only enrol a second factor.
const ENROLMENT_LOGIN: Span = Span::from_secs(600);

/// Who has proven who they are, and what of it becomes a login.
pub(super) struct Accepted<'a> {
    person: &'a Person,
    actor: ActorRef,
    proof: Proof,
    login_key: &'a SubjectKey,
    address: IpAddr,
}

impl<'a> Accepted<'a> {
    pub(super) fn new(
        by: Authenticated<'a>,
        login_key: &'a SubjectKey,
        (actor, address): (ActorRef, IpAddr),
    ) -> Self {
        Self { person: by.person(), actor, proof: by.into_proof(), login_key, address }
    }

    /// A login that begins now, and lasts no longer than this.
    pub(super) fn propose(
        self,
        app: &App,
        (now, most): (Millis, Span),
        key: &CallKey,
    ) -> Result<(Issuance, Intent<LoginCertificate>, Proposal), Fault> {
        let Self { person, actor, .. } = self;
        let length = match self.proof {
            Proof::Ssh { factor: Factor::EnrolmentCode { .. }, .. } => {
                ENROLMENT_LOGIN.min(app.config.login_longest)
            }
            Proof::Ssh { .. } | Proof::Token { .. } | Proof::Certificate { .. } => {
                app.config.login_longest
            }
        };
        let end = now.time().plus(length.min(most)).min(app.authorities.logins.end());
        let window =
            Window::new(now.time(), end).map_err(|error| Fault::Internal(Box::new(error)))?;
        let id = IssuanceId::new(now.0, clock::random()?);
        let content = LoginCertificate {
            key: self.login_key.clone(),
            issuance: id,
            name: called(app, &person.name, actor),
            subject: actor,
            trust_domain: app.config.trust_domain.clone(),
            window,
        };
        let intent = Intent::new(content, &app.authorities.logins)?;
        let serial = x509_serial(id);
        let validity = (window.start().minus(jit_ca_cert::BACKDATE), window.end());
        let intention = intended(id, &intent, serial.clone(), validity, None);
        let entries = vec![(actor, self.event(serial.into(), window)), (actor, intention)];
        let mut proposal = Proposal::decided_at(now.time(), entries);
        let (resource, at) = (Resource::Issuance(id), now.time());
        proposal.reply = Some(Reply { actor, key: key.key, call: key.call, resource, at });
        Ok((Issuance { id, grant: None, actor }, intent, proposal))
    }

    fn event(self, serial: Bytes, window: Window) -> Event {
        let (subject, name) = (self.person.id.clone(), self.person.name.clone());
        let (login_key, address) = (self.login_key.spki_digest(), self.address);
        match self.proof {
            Proof::Ssh { challenge, key, signature, factor } => LoggedIn {
                subject,
                name,
                key,
                challenge,
                login_key,
                signature,
                factor,
                address,
                serial,
                window,
            }
            .into(),
            Proof::Token { token, expires, challenge, confirmed_from, mfa_at, acr, amr } => {
                LoggedInByToken {
                    subject,
                    name,
                    token,
                    expires,
                    challenge,
                    confirmed_from,
                    login_key,
                    mfa_at,
                    acr,
                    amr: amr.into_iter().collect(),
                    address,
                    serial,
                    window,
                }
                .into()
            }
            Proof::Certificate { certificate, since } => LoggedInByCertificate {
                subject,
                name,
                certificate,
                since,
                login_key,
                address,
                serial,
                window,
            }
            .into(),
        }
    }
}
