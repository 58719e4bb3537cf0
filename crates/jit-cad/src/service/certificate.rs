//! Certificates under a grant.

mod again;

use std::collections::BTreeSet;
use std::sync::Arc;

use jit_ca_api::{SshCall, SshCertificate, X509Call, X509Certificate};
use jit_ca_cert::ssh::{Principals, SshSerial, UserCertificate};
use jit_ca_cert::x509::ClientCertificate;
use jit_ca_cert::{BACKDATE, Intent, Signed, SubjectKey, SubjectName, pkcs10};
use jit_ca_core::event::{Allowed, Decided, Event, GrantStarted, IssuedUnder, ProofOfPossession};
use jit_ca_core::network::Network;
use jit_ca_core::statement::Possession;
use jit_ca_core::workflow::{Access, Grant, Refusal, Usable, certificate_window};
use jit_ca_core::{
    Action, ActorRef, Facts, GrantId, Hosts, IssuanceId, PersonName, RefusalCode, Row, RowName,
    SourceAddress, SshRow, UnixTime, Window,
};
use jit_ca_log::Proof;
use jit_ca_log::hash::sha256;
use jit_ca_log::sshsig;
use jit_ca_policy::Role;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;

use self::again::{ssh_again, x509_again};
use super::access::{choose_row, facts_about, no_longer_gives, still_gives};
use super::caller::hex;
use super::{ATTEMPTS, CallKey, Caller, Fault, locking, starting};
use crate::app::App;
use crate::clock::{self, Millis};
use crate::issuer::{Issuance, IssueError, intended, x509_serial};
use crate::sequencer::{CommitError, Proposal};
use crate::store::{AccessRecord, Clash, Resource};

/// An SSH user certificate for the caller's key, under one of the caller's grants.
///
/// # Errors
/// If the grant is not the caller's or not open, the policy refuses, the key is of a kind that is not certified or is
/// not the caller's to use, or the log can't be written.
pub async fn ssh(
    app: &App,
    caller: &Caller,
    grant: GrantId,
    call: &SshCall,
    idempotency_key: &str,
    key: &CallKey,
) -> Result<SshCertificate, Fault> {
    let mut approach = Some(app.sequencer.approach());
    let subject_key = SubjectKey::from_openssh(&call.public_key)
        .map_err(|error| key_refused(app, caller, error))?;
    let possession =
        proof_of_possession(app, caller, grant, &subject_key, &call.signature, idempotency_key)?;
    for _ in 0..ATTEMPTS {
        if let Some(Resource::Issuance(issuance)) = app.repeated(caller, key)? {
            return ssh_again(app, caller, issuance, &subject_key).await;
        }
        let caller = &*caller.today(app)?;
        let is_kind: fn(&Row) -> bool = |row| matches!(row, Row::Ssh(_));
        let row = call.row.as_ref();
        let ready = match Ready::new(app, caller, grant, row, &subject_key, is_kind).await {
            Err(Fault::Commit(error)) => {
                try_again(app, caller, error.into()).await?;
                continue;
            }
            ready => ready?,
        };
        let Row::Ssh(row) = &ready.row else {
            return Err(Fault::Refused(Refusal::new(
                RefusalCode::UnknownRow,
                "the row is not an SSH row",
            )));
        };
        let issuance = ready.issuance;
        let serial = ssh_serial(ready.now)?;
        let content = UserCertificate {
            key: subject_key.clone(),
            serial,
            grant,
            issuance: issuance.id,
            name: called(app, &ready.record.access.request.name, caller.actor),
            principals: Principals::new(row.principals(&ready.hosts).unwrap_or_default())?,
            window: ready.window,
            extensions: row.extensions.clone(),
            force_command: row.force_command.clone(),
            source_addresses: source_addresses(row, caller),
            nonce: clock::random()?,
        };
        let issuer = (&app.keys.ssh_user, app.keys.ssh_user.public());
        let intent = Intent::new(content, issuer.1)?;
        let mut proposal = ready.proposal(caller, key, idempotency_key, &possession, |under| {
            let validity = (ready.window.start().minus(BACKDATE), ready.window.end());
            intended(
                issuance.id,
                &intent,
                serial.as_u64().to_be_bytes().to_vec(),
                validity,
                Some(under),
            )
        });
        proposal.approach = approach.take();
        match app.issuer.issue(issuance, intent, issuer.0, proposal).await {
            Ok((signed, proof)) => return Ok(ssh_answer(&signed, ready.row.name(), &proof)),
            Err(error) => try_again(app, caller, error).await?,
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// An X.509 client certificate for the caller's key, under one of the caller's grants.
///
/// INVARIANT (nothing from the caller): of the request, the public key is read and nothing else.
///
/// # Errors
/// As [`ssh`].
pub async fn x509(
    app: &App,
    caller: &Caller,
    grant: GrantId,
    call: &X509Call,
    idempotency_key: &str,
    key: &CallKey,
) -> Result<X509Certificate, Fault> {
    let mut approach = Some(app.sequencer.approach());
    let csr = csr_der(&call.csr)?;
    let subject_key = pkcs10::public_key(&csr).map_err(|error| key_refused(app, caller, error))?;
    let possession = ProofOfPossession::Pkcs10(csr.into());
    for _ in 0..ATTEMPTS {
        if let Some(Resource::Issuance(issuance)) = app.repeated(caller, key)? {
            return x509_again(app, caller, issuance, &subject_key).await;
        }
        let caller = &*caller.today(app)?;
        let is_kind: fn(&Row) -> bool = |row| matches!(row, Row::X509(_));
        let row = call.row.as_ref();
        let ready = match Ready::new(app, caller, grant, row, &subject_key, is_kind).await {
            Err(Fault::Commit(error)) => {
                try_again(app, caller, error.into()).await?;
                continue;
            }
            ready => ready?,
        };
        if !matches!(ready.row, Row::X509(_)) {
            return Err(Fault::Refused(Refusal::new(
                RefusalCode::UnknownRow,
                "the row is not an X.509 row",
            )));
        }
        let issuance = ready.issuance;
        let content = ClientCertificate {
            key: subject_key.clone(),
            issuance: issuance.id,
            name: called(app, &ready.record.access.request.name, caller.actor),
            subject: caller.actor,
            role: ready.record.access.request.role.clone(),
            grant,
            trust_domain: app.config.trust_domain.clone(),
            window: ready.window,
        };
        let issuer = (&app.keys.clients, &app.authorities.clients);
        let intent = Intent::new(content, issuer.1)?;
        let mut proposal = ready.proposal(caller, key, idempotency_key, &possession, |under| {
            let validity = (ready.window.start().minus(BACKDATE), ready.window.end());
            intended(issuance.id, &intent, x509_serial(issuance.id), validity, Some(under))
        });
        proposal.approach = approach.take();
        match app.issuer.issue(issuance, intent, issuer.0, proposal).await {
            Ok((signed, proof)) => return Ok(x509_answer(app, &signed, ready.row.name(), &proof)),
            Err(error) => try_again(app, caller, error).await?,
        }
    }
    Err(Fault::Commit(CommitError::Busy))
}

/// What is decided about a certificate, new or not: that the grant gives it now, to the caller, for this key.
struct Given {
    row: Row,
    grant: Grant,
    window: Window,
    decided: Decided,
}

/// Everything decided about an issuance before its bytes are made.
struct Ready {
    now: Millis,
    record: Arc<AccessRecord>,
    row: Row,
    hosts: Hosts,
    window: Window,
    /// The grant's start, if this is its first use.
    start: Option<GrantStarted>,
    issuance: Issuance,
    decision: Allowed,
}

impl Given {
    /// `start` is written with the certificate, if it is the grant's first use.
    fn new(
        app: &App,
        caller: &Caller,
        access: &Access,
        row: &RowName,
        start: Option<&GrantStarted>,
        key: &SubjectKey,
        now: UnixTime,
    ) -> Result<Self, Fault> {
        let request = &access.request;
        let (subjects, role) = ([&request.subject], Some(&request.role));
        locking::must_be_open(app, caller, Some(Action::Issue), &subjects, role)?;

        // 1. The workflow: is the grant open, and does it give this row?
        let facts = facts_about(access, caller.facts(Action::Issue, now));
        let usable = access
            .usable(&caller.person.id, row, start, now)
            .map_err(|refusal| app.refused(caller, Some(Action::Issue), refusal, None))?;
        // 2. The policy, as it is today.
        let decided = app.ask(caller, facts)?;
        let refuse =
            |refusal| app.refused(caller, Some(Action::Issue), refusal, Some(decided.clone()));
        if !still_gives(caller, access, usable.row, &usable.grant.hosts) {
            return Err(refuse(no_longer_gives(access, usable.row)));
        }
        // 3. The key: of a type that the role takes, and nobody's but the caller's.
        must_take(caller.policy.bundle.role(&request.role), key).map_err(refuse)?;
        if let Some(whose) = belongs_to_another(app, caller, key) {
            let text = format!("the key is {whose}");
            return Err(refuse(Refusal::new(RefusalCode::KeyRefused, text)));
        }
        let Usable { row, grant, window } = usable;
        Ok(Self { row: row.clone(), grant: grant.clone(), window, decided })
    }
}

impl Ready {
    async fn new(
        app: &App,
        caller: &Caller,
        grant: GrantId,
        row: Option<&RowName>,
        key: &SubjectKey,
        is_kind: fn(&Row) -> bool,
    ) -> Result<Self, Fault> {
        let now = clock::now_millis();
        let (mut record, mut start) = (own_grant(app, caller, grant)?, None);
        if record.access.grant().is_some_and(|grant| grant.can_begin(now.time())) {
            start = starting::start(app, &caller.policy, &record, now.time()).await?;
            // A start that is still to be written rests on what was looked at.
            if start.is_none() {
                record = own_grant(app, caller, grant)?;
            }
        }
        let access = &record.access;
        let Some(found) = access.grant() else {
            return Err(Fault::NotFound("grant"));
        };
        let name = choose_row(&found.rows, row, is_kind)?;
        let given = Given::new(app, caller, access, &name, start.as_ref(), key, now.time())?;
        let Given { row, grant: usable, window, decided } = given;
        must_be_left(app, &usable).map_err(|refusal| {
            app.refused(caller, Some(Action::Issue), refusal, Some(decided.clone()))
        })?;

        let issuance = Issuance {
            id: IssuanceId::new(now.0, clock::random()?),
            grant: Some(grant),
            actor: caller.actor,
        };
        let role = caller.policy.bundle.role(&access.request.role);
        let longest = role.and_then(|role| role.certificate_max);
        let window = certificate_window(window, longest, now.time());
        let hosts = usable.hosts;
        let Decided { facts, decision } = decided;
        let Facts { address, mfa_at, .. } = facts;
        let decision = Allowed { now: facts.now, address, mfa_at, rules: decision.rules };
        Ok(Self { now, row, hosts, window, start, issuance, decision, record })
    }

    fn proposal(
        &self,
        caller: &Caller,
        key: &CallKey,
        idempotency_key: &str,
        possession: &ProofOfPossession,
        intent: impl FnOnce(IssuedUnder) -> Event,
    ) -> Proposal {
        let under = IssuedUnder {
            grant: self.issuance.grant.unwrap_or(GrantId::from_bytes([0; 16])),
            row: self.row.name(),
            login: caller.serial.clone().into(),
            idempotency_key: idempotency_key.to_owned(),
            possession: possession.clone(),
            decision: self.decision.clone(),
        };
        // The intent comes last: it is what is recorded and signed.
        let start = self.start.clone().map(Event::from);
        let entries = start.into_iter().chain([intent(under)]).map(|event| (caller.actor, event));
        let mut proposal = Proposal::decided_at(self.now.time(), entries.collect());
        proposal.rest_on(&caller.policy);
        proposal.access = Some((self.record.access.request.id, self.record.generation));
        proposal.reply =
            Some(caller.reply(key, Resource::Issuance(self.issuance.id), self.now.time()));
        proposal
    }
}

/// A grant of the caller's, with its request.
fn own_grant(app: &App, caller: &Caller, grant: GrantId) -> Result<Arc<AccessRecord>, Fault> {
    let record = app.store.read()?.access_of(grant)?;
    let own = record.filter(|record| record.access.request.subject == caller.person.id);
    own.ok_or_else(|| not_the_callers(app, caller, grant))
}

/// One more certificate may be issued under the grant.
fn must_be_left(app: &App, grant: &Grant) -> Result<(), Refusal> {
    let Some(most) = grant.certificates else { return Ok(()) };
    let issued = app.store.read().and_then(|snapshot| snapshot.certificates_of(grant.id));
    match issued {
        Ok(issued) if issued < most => Ok(()),
        _ => {
            let text = format!("{most} certificates may be issued under the grant, and were");
            Err(Refusal::new(RefusalCode::TooManyCertificates, text))
        }
    }
}

/// Whose grants there are is nobody else's business; that somebody tried is an entry.
fn not_the_callers(app: &App, caller: &Caller, grant: GrantId) -> Fault {
    let refusal = Refusal::new(RefusalCode::NotYours, format!("{grant} is not the caller's"));
    match app.refused(caller, Some(Action::Issue), refusal, None) {
        Fault::Refused(_) => Fault::NotFound("grant"),
        slow => slow,
    }
}

/// The key is of a type that the role takes today.
fn must_take(role: Option<&Role>, key: &SubjectKey) -> Result<(), Refusal> {
    let key_type = key.key_type();
    match role {
        Some(role) if !role.keys.contains(&key_type) => {
            let taken: Vec<String> = role.keys.iter().map(ToString::to_string).collect();
            let text = format!("{} takes {} keys, not {key_type}", role.name, taken.join(", "));
            Err(Refusal::new(RefusalCode::KeyRefused, text))
        }
        _ => Ok(()),
    }
}

/// Whose key it is, if it is one of the CA's or of another person's.
fn belongs_to_another(app: &App, caller: &Caller, key: &SubjectKey) -> Option<&'static str> {
    let keys = &app.keys;
    let cas = [
        keys.ssh_user.public(),
        keys.ssh_host.public(),
        keys.root.public(),
        keys.clients.public(),
        keys.servers.public(),
        keys.logins.public(),
    ];
    let is_the_logs = key.bits() == app.log_key.public_key().as_slice();
    if is_the_logs || cas.iter().any(|ca| ca.point() == key.bits()) {
        return Some("one of the CA's own");
    }
    let owner = caller.policy.bundle.person_by_key(&key.to_openssh(""));
    owner.is_some_and(|owner| owner.id != caller.person.id).then_some("another person's")
}

/// A key, or a proof of possessing it, that is not taken: an entry, where it is a refusal.
fn key_refused(app: &App, caller: &Caller, error: jit_ca_cert::Error) -> Fault {
    match Fault::from(error) {
        Fault::Refused(refusal) => app.refused(caller, Some(Action::Issue), refusal, None),
        fault => fault,
    }
}

/// The caller's signature with the key to be certified, over the possession statement.
fn proof_of_possession(
    app: &App,
    caller: &Caller,
    grant: GrantId,
    key: &SubjectKey,
    armoured: &str,
    idempotency_key: &str,
) -> Result<ProofOfPossession, Fault> {
    let blob = key.ssh_blob();
    let statement = Possession {
        origin: &app.config.origin,
        grant: &grant,
        login: &caller.serial_hex(),
        key: &sha256(&blob),
        idempotency_key,
    };
    let refuse = || {
        let refusal = Refusal::new(
            RefusalCode::NoPossession,
            "the signature is not over the possession statement by the key to be certified",
        );
        app.refused(caller, Some(Action::Issue), refusal, None)
    };
    let public_key = ssh_key::PublicKey::from_bytes(&blob).map_err(|_| refuse())?;
    sshsig::prove_possession(public_key.key_data(), &statement.text(), armoured)
        .map_err(|_| refuse())
}

fn source_addresses(row: &SshRow, caller: &Caller) -> BTreeSet<Network> {
    match &row.source_address {
        None => BTreeSet::new(),
        Some(SourceAddress::Caller) => BTreeSet::from([Network::single(caller.address)]),
        Some(SourceAddress::Networks(networks)) => networks.clone(),
    }
}

/// What a certificate calls its subject.
pub fn called(app: &App, name: &PersonName, actor: ActorRef) -> SubjectName {
    match app.config.pseudonyms {
        false => SubjectName::from(name),
        true => SubjectName::from(actor),
    }
}

pub(super) fn ssh_serial(now: Millis) -> Result<SshSerial, Fault> {
    Ok(SshSerial::new(now.0, u32::from_be_bytes(clock::random()?)))
}

/// Something changed under the issuance: it is decided again.
async fn try_again(app: &App, caller: &Caller, error: IssueError) -> Result<(), Fault> {
    match error {
        IssueError::Commit(CommitError::Clash(Clash::Bundle)) => {
            app.policy_after(&caller.policy).await?;
            Ok(())
        }
        IssueError::Commit(CommitError::Clash(Clash::Login)) => Err(Fault::login_ended()),
        IssueError::Commit(CommitError::Clash(_)) => Ok(()),
        error => Err(error.into()),
    }
}

fn ssh_answer(signed: &Signed<UserCertificate>, row: RowName, proof: &Proof) -> SshCertificate {
    let content = signed.content();
    SshCertificate {
        issuance: content.issuance,
        grant: content.grant,
        row,
        certificate: signed.text(),
        serial: content.serial.as_u64().to_string(),
        expires: content.window.end(),
        entry: proof.index,
        proof: proof.to_string(),
    }
}

fn x509_answer(
    app: &App,
    signed: &Signed<ClientCertificate>,
    row: RowName,
    proof: &Proof,
) -> X509Certificate {
    let content = signed.content();
    X509Certificate {
        issuance: content.issuance,
        grant: content.grant,
        row,
        certificate: signed.text(),
        chain: app.authorities.clients.pem(),
        serial: hex(&x509_serial(content.issuance)),
        expires: content.window.end(),
        entry: proof.index,
        proof: proof.to_string(),
    }
}

/// The DER of a PKCS#10 request in PEM.
///
/// # Errors
/// If it is none.
pub fn csr_der(pem: &str) -> Result<Vec<u8>, Fault> {
    let csr = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes());
    let csr = csr.map_err(|_| {
        Fault::bad(
            "the certificate request is not PEM",
            "send a PKCS#10 request as PEM, such as `openssl req -new` makes",
        )
    })?;
    Ok(csr.to_vec())
}
