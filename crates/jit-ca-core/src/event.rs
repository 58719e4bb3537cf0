//! What happened: one struct for each type of entry, which is that entry's payload in the log; but for the ids that
//! are taken from the leaf.
//!
//! Entries once released are for ever: a released struct changes by a new version beside it only,
//! and an unknown field of a known one is an error.

mod bundles;
mod decisions;
mod ids;
mod parts;
mod passkeys;

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::workflow::{Approver, Quorum, Start, Term};
use crate::{
    Action, ActorRef, Bytes, Digest, GrantId, GroupName, Hosts, IssuanceId, Origin, PersonName,
    RefusalCode, RequestId, RoleName, Row, Span, SubjectId, SubjectKind, Text, UnixTime, Window,
};

pub use bundles::{Asker, BundleChanges, Changed, FileCounts};
pub use ids::Ids;
pub use parts::{
    Allowed, Decided, EndCause, ErasureCause, Factor, IssuedUnder, Locked, Officer,
    ProofOfPossession, PublicKey, Scope, Signature, Succession, Validity,
};
pub use passkeys::{Assertion, Consent, Registration};

macro_rules! events {
    ($($(#[$doc:meta])* $name:literal $type:ident { $($(#[$field_doc:meta])* $field:ident: $field_type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $type {
                $($(#[$field_doc])* pub $field: $field_type,)*
            }

            impl From<$type> for Event {
                fn from(event: $type) -> Self {
                    Self::$type(Box::new(event))
                }
            }
        )*

        /// Anything that happened. It serialises as its payload; the entry's type says which it is.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Event {
            $($(#[$doc])* $type(Box<$type>),)*
        }

        impl Event {
            /// The entry's type.
            pub const fn entry_type(&self) -> &'static str {
                match self {
                    $(Self::$type(_) => $name,)*
                }
            }

            /// Reads the payload of an entry of `entry_type`; `None` if no such type is known. The ids are those of
            /// its leaf, some of which no payload repeats.
            ///
            /// # Errors
            /// If the payload is not one of that type, or the leaf lacks such an id.
            pub fn read<'de, D: Deserializer<'de>>(
                entry_type: &str,
                ids: &Ids,
                payload: D,
            ) -> Result<Option<Self>, D::Error> {
                let mut event: Self = match entry_type {
                    $($name => $type::deserialize(payload)?.into(),)*
                    _ => return Ok(None),
                };
                event.complete(ids).map_err(D::Error::custom)?;
                Ok(Some(event))
            }
        }
    };
}

events! {
    /// The log begins.
    "log.init" LogInit {
        /// The log's name for ever.
        origin: Origin,
        /// The public keys of all purposes.
        keys: Vec<PublicKey>,
        /// The log that this one goes on from, if the CA had one before.
        succeeds: Option<Succession>,
    }

    /// A file is part of the bundles from here on, in place of any before of this path.
    ///
    /// Files and people are entries of their own, so that one can be erased without the others.
    "bundle.file" FileListed {
        /// Its path below the configuration's folder.
        path: String,
        /// What it says.
        text: String,
    }

    /// A file is no longer part of the bundles.
    "bundle.file.removed" FileRemoved {
        /// Its path below the configuration's folder.
        path: String,
    }

    /// A person is part of the bundles from here on, in place of what was said of that person before.
    "person" PersonListed {
        /// Who.
        subject: SubjectId,
        /// What the person is called.
        name: PersonName,
        /// The groups that the person is in.
        groups: BTreeSet<GroupName>,
        /// The keys that the person logs in and approves with: type and base64, as in a `.pub` file.
        ssh_keys: Vec<String>,
    }

    /// A person is no longer part of the bundles.
    "person.removed" PersonRemoved {
        /// The pseudonym.
        actor: ActorRef,
    }

    /// The files and people that are listed here are the bundle in force from here on.
    "bundle" BundleActivated {
        /// SHA-256 over them.
        hash: Digest,
        /// The time zone in which rules read weekday and minute.
        zone: String,
        /// What it changes of the bundle before.
        changes: BundleChanges,
        /// Who had it read.
        asked: Asker,
        /// The pseudonym of the administrator who approved it, if one had to: the entry before says so.
        approved: Option<ActorRef>,
    }

    /// A bundle waits for an administrator's approval, in place of any that waited before. The one in force stays in
    /// force.
    "bundle.proposed" BundleProposed {
        /// SHA-256 over its files and people.
        hash: Digest,
        /// The time zone in which its rules would read weekday and minute.
        zone: String,
        /// What it would change of the bundle in force.
        changes: BundleChanges,
        /// The paths of the files among that.
        files: Changed<String>,
        /// Who had it read.
        asked: Asker,
    }

    /// An administrator approved the bundle that was proposed last; the next entry is its activation.
    "bundle.approval" BundleApproved {
        /// The bundle.
        hash: Digest,
        /// Who.
        by: SubjectId,
        /// What that person is called.
        name: PersonName,
        /// The serial of the login certificate of the call.
        login: Bytes,
        /// What the policy in force was asked and said.
        decision: Decided,
    }

    /// The daemon starts.
    "daemon.start" DaemonStarted {
        /// The daemon's version.
        version: String,
        /// Where it listens.
        address: String,
    }

    /// The daemon stops in order.
    "daemon.stop" DaemonStopped {
        /// What ended it.
        cause: String,
    }

    /// The machine's clock is not what it should be: nothing is issued from here on, until somebody has looked at it.
    "clock.fault" ClockFaulted {
        /// What it should say: the time goes on like this in the log.
        expected: UnixTime,
        /// What it says.
        found: UnixTime,
    }

    /// An administrator says that the machine's clock is right. This entry and those behind it go by it, and it alone
    /// may be older than the entry before.
    "clock.ack" ClockAcknowledged {
        /// What was found out.
        reason: Text,
        /// The account on the daemon's machine that said it.
        uid: u32,
    }

    /// A subject is known under a pseudonym from here on.
    "subject" SubjectKnown {
        /// Who.
        subject: SubjectId,
        /// What it is called.
        name: PersonName,
        /// The pseudonym in the leaves.
        actor: ActorRef,
    }

    /// An administrator made a one-use code for a first second factor.
    "mfa.code" MfaCodeMade {
        /// For whom.
        subject: SubjectId,
        /// SHA-256 of the code.
        code: Digest,
        /// Until when it can be used.
        expires: UnixTime,
    }

    /// A subject has proven a new second factor; it replaces one before.
    "mfa.enrolled" MfaEnrolled {
        /// Who.
        subject: SubjectId,
        /// The login that enrolled it.
        login: Bytes,
        /// The RFC 6238 step of the code that proved it, used up by this.
        step: u64,
    }

    /// A subject keeps the second factor that it had in the log before; only where `log.init` names one.
    "mfa.kept" MfaKept {
        /// Who.
        subject: SubjectId,
        /// The newest RFC 6238 step of which a code may have been used, used up by this.
        step: u64,
    }

    /// A subject logged in.
    "login" LoggedIn {
        /// Who.
        subject: SubjectId,
        /// What it is called.
        name: PersonName,
        /// The SSH key that signed the statement, in its wire form.
        key: Bytes,
        /// What the CA had sent to be answered, used up by this.
        challenge: String,
        /// SHA-256 of the login key's SubjectPublicKeyInfo.
        login_key: Digest,
        /// The signature over the statement, as an SSHSIG blob.
        signature: Bytes,
        /// The second factor given.
        factor: Factor,
        /// The address that it came from.
        address: IpAddr,
        /// The login certificate's serial.
        serial: Bytes,
        /// The login certificate's window.
        window: Window,
    }

    /// An issuer vouches for a subject: what is known of it from here on, in place of what was known before.
    "subject.vouched" SubjectVouched {
        /// Who: the issuer, and that issuer's own id.
        subject: SubjectId,
        /// What the subject is called.
        name: PersonName,
        /// Whether it is a person or a workload.
        kind: SubjectKind,
        /// The groups that it is in, by the issuer's file and what the issuer said.
        groups: BTreeSet<GroupName>,
    }

    /// A subject logged in with a token of its issuer. What the issuer said stands in the last `subject.vouched`.
    "login.token" LoggedInByToken {
        /// Who.
        subject: SubjectId,
        /// What it is called.
        name: PersonName,
        /// SHA-256 of the token, used up by this. The token itself is not kept: it may open other doors.
        token: Digest,
        /// Until when the token could be used at all, by its own word.
        expires: UnixTime,
        /// What the CA had sent to be answered, used up by this: a person's token has the hash of the sign-on statement
        /// as its nonce. A workload's has none.
        challenge: Option<String>,
        /// SHA-256 of the login key's SubjectPublicKeyInfo.
        login_key: Digest,
        /// When the issuer saw a second factor, if it did.
        mfa_at: Option<UnixTime>,
        /// How the issuer says that it saw the subject: its `acr` (OpenID Connect Core 2).
        acr: Option<Text>,
        /// The same in methods: its `amr` (RFC 8176).
        amr: BTreeSet<Text>,
        /// The address that it came from.
        address: IpAddr,
        /// The login certificate's serial.
        serial: Bytes,
        /// The login certificate's window.
        window: Window,
    }

    /// A subject has a new passkey. It logs in to the CA's page and approves there.
    "passkey.added" PasskeyAdded {
        /// Who.
        subject: SubjectId,
        /// What the subject calls it.
        label: Text,
        /// The RP ID that it is for: the page's host.
        party: String,
        /// The serial of the login certificate of the call that asked for it.
        login: Bytes,
        /// What the CA had sent with that call, used up by this.
        challenge: String,
        /// The passkey, made in answer to the SHA-256 of the passkey statement.
        registration: Registration,
        /// The answer to the same of a passkey that the subject had; none if this is the first.
        consent: Option<Assertion>,
    }

    /// A subject gave a passkey up.
    "passkey.removed" PasskeyRemoved {
        /// Who.
        subject: SubjectId,
        /// The passkey's id.
        passkey: Bytes,
        /// The serial of the login certificate of the call.
        login: Bytes,
    }

    /// A subject logged in to the CA's page by a passkey. No certificate is issued to such a login.
    "page.login" PageLoggedIn {
        /// Who.
        subject: SubjectId,
        /// What it is called.
        name: PersonName,
        /// What the CA had sent to be answered, used up by this.
        challenge: String,
        /// The answer to the SHA-256 of the page login statement.
        assertion: Assertion,
        /// The address that it came from.
        address: IpAddr,
        /// SHA-256 of the cookie that the login is known by.
        serial: Bytes,
        /// From when to when it lasts.
        window: Window,
    }

    /// A subject ended its login.
    "logout" LoggedOut {
        /// Who.
        subject: SubjectId,
        /// The login certificate's serial; of a login to the page, the SHA-256 of its cookie.
        login: Bytes,
    }

    /// The daemon ended a subject's login.
    "login.end" LoginEnded {
        /// Whose.
        subject: SubjectId,
        /// The login certificate's serial.
        login: Bytes,
        /// What the issuer said, which no longer vouches for the subject.
        refusal: String,
    }

    /// Something that a known subject asked for was refused.
    "refusal" Refused {
        /// Who.
        subject: SubjectId,
        /// What it wanted to do: a policy action, or none for a login.
        action: Option<Action>,
        /// Why not, for programs.
        code: RefusalCode,
        /// Why not, for people.
        detail: String,
        /// The address that it came from.
        address: IpAddr,
        /// What the policy was asked and said, if it was.
        decision: Option<Decided>,
        /// The bundle that said it: the one in force then. Another may be by the time that this is written.
        bundle: Option<Digest>,
    }

    /// Logins of strangers that were refused, counted, so that nobody can fill the log.
    "refusal.strangers" StrangersRefused {
        /// How many.
        count: u64,
        /// Since when.
        since: UnixTime,
    }

    /// A subject asks for a role.
    "request" RequestMade {
        /// The request.
        request: RequestId,
        /// Who asks.
        subject: SubjectId,
        /// What it is called.
        name: PersonName,
        /// For which role.
        role: RoleName,
        /// The role's rows, frozen.
        rows: Vec<Row>,
        /// On which hosts.
        hosts: Hosts,
        /// For how long.
        duration: Span,
        /// From when.
        start: Start,
        /// The grant that it is to follow on.
        extends: Option<GrantId>,
        /// Why.
        reason: Text,
        /// The ticket that it is about.
        ticket: Option<Text>,
        /// The bundle in force.
        bundle: Digest,
        /// The hash of the request's statement.
        hash: Digest,
        /// When it was made.
        made: UnixTime,
        /// When it lapses if it is still pending.
        lapses: UnixTime,
        /// Who has to approve it.
        approvals: Vec<Quorum>,
        /// Where it starts with the first certificate: within what time.
        use_within: Option<Span>,
        /// How many certificates may be issued under it; any number if it does not say.
        certificates: Option<u32>,
        /// What the policy was asked and said.
        decision: Decided,
    }

    /// A person or a rule approved a request.
    "approval" ApprovalGiven {
        /// The request.
        request: RequestId,
        /// Its hash, as the approver had it.
        hash: Digest,
        /// Who approved.
        by: Approver,
        /// Of the groups that have to approve, those that the approver is in.
        groups: BTreeSet<GroupName>,
        /// For how long.
        duration: Span,
        /// The rows kept.
        rows: Vec<Row>,
        /// The hosts kept.
        hosts: Hosts,
        /// What the approver has to say.
        comment: Option<Text>,
        /// The signature over the approval statement, if it was signed; a rule's is not.
        signature: Option<Consent>,
        /// What the policy was asked and said.
        decision: Decided,
    }

    /// A glass was broken: the request becomes a grant at once, as it is an emergency, and is looked at afterwards.
    "break-glass" GlassBroken {
        /// The request.
        request: RequestId,
        /// The groups whose members are told.
        told: BTreeSet<GroupName>,
        /// What the policy was asked and said.
        decision: Decided,
    }

    /// Somebody looked at an emergency afterwards.
    "review" Reviewed {
        /// Its request.
        request: RequestId,
        /// Who.
        by: SubjectId,
        /// What that person is called.
        name: PersonName,
        /// What was found.
        comment: Text,
        /// What the policy was asked and said.
        decision: Decided,
    }

    /// A person denied a request.
    "denial" RequestDenied {
        /// The request.
        request: RequestId,
        /// Who denied it.
        by: SubjectId,
        /// What that person is called.
        name: PersonName,
        /// Why.
        reason: Option<Text>,
        /// What the policy was asked and said.
        decision: Decided,
    }

    /// The requester took a request back.
    "cancel" RequestCancelled {
        /// The request.
        request: RequestId,
    }

    /// A request waited for longer than its role lets it.
    "lapse" RequestLapsed {
        /// The request.
        request: RequestId,
        /// When its time was over.
        lapsed: UnixTime,
        /// What it was about.
        scope: Scope,
    }

    /// An approved request became a grant.
    "grant" GrantMade {
        /// The grant.
        grant: GrantId,
        /// The request that it comes from.
        request: RequestId,
        /// Who holds it.
        subject: SubjectId,
        /// The role.
        role: RoleName,
        /// The rows that it gives.
        rows: Vec<Row>,
        /// On which hosts.
        hosts: Hosts,
        /// For which time.
        term: Term,
        /// How many certificates may be issued under it; any number if it does not say.
        certificates: Option<u32>,
    }

    /// A grant starts that was made for a time to come, or for its first use.
    "grant.start" GrantStarted {
        /// The grant.
        grant: GrantId,
        /// The request that it came from.
        request: RequestId,
        /// Its window. The entry is later than its start where the daemon was down then.
        window: Window,
        /// What the policy said of the request, once more.
        decision: Decided,
        /// What it said of those who had agreed and still count: of rules, or of people.
        approvals: Vec<Decided>,
    }

    /// A grant ended.
    "grant.end" GrantEnded {
        /// The grant.
        grant: GrantId,
        /// The request that it came from.
        request: RequestId,
        /// When it ended. The entry is later where the daemon was down then.
        ended: UnixTime,
        /// What for.
        cause: EndCause,
        /// What it was about.
        scope: Scope,
        /// What the policy said where it was the cause.
        decision: Option<Decided>,
    }

    /// A person took a grant away from its holder.
    "grant.revoke" GrantRevoked {
        /// The grant.
        grant: GrantId,
        /// The request that it came from.
        request: RequestId,
        /// When.
        revoked: UnixTime,
        /// Who did.
        by: SubjectId,
        /// What that person is called.
        name: PersonName,
        /// Why.
        reason: Text,
        /// What it was about.
        scope: Scope,
        /// What the policy was asked and said.
        decision: Decided,
    }

    /// Nothing is done for whom or what is locked, until it is unlocked: no login, no approval, no certificate.
    "lock" LockSet {
        /// What.
        lock: Locked,
        /// Who locks it.
        by: Officer,
        /// Why.
        reason: Text,
    }

    /// What was locked is so no longer.
    "unlock" LockLifted {
        /// What.
        lock: Locked,
        /// Who unlocks it.
        by: Officer,
        /// Why.
        reason: Text,
    }

    /// A certificate is about to be signed; the leaf holds the SHA-256 of `tbs`.
    "issue.intent" CertificateIntended {
        /// The issuance.
        #[serde(skip, default = "ids::no_issuance")]
        issuance: IssuanceId,
        /// Which of the CA's keys will sign.
        purpose: String,
        /// The certificate's serial, big endian.
        serial: Bytes,
        /// The bytes to be signed.
        tbs: Bytes,
        /// From when to when it is valid, as the certificate says it.
        validity: Validity,
        /// The grant that it is issued under, with what only such certificates have.
        under: Option<IssuedUnder>,
    }

    /// A certificate was signed and checked.
    "issue.done" CertificateIssued {
        /// The issuance.
        #[serde(skip, default = "ids::no_issuance")]
        issuance: IssuanceId,
        /// The grant, if it was issued under one.
        #[serde(skip)]
        grant: Option<GrantId>,
        /// The signature, as the certificate holds it.
        signature: Bytes,
    }

    /// A certificate was not signed, or the signed one was not what was intended.
    "issue.failed" IssuanceFailed {
        /// The issuance.
        #[serde(skip, default = "ids::no_issuance")]
        issuance: IssuanceId,
        /// The grant, if it was to be issued under one.
        #[serde(skip)]
        grant: Option<GrantId>,
        /// What went wrong.
        error: String,
    }

    /// A person ordered that what the log says of a subject be erased; the next entry is that erasure.
    "erase.order" ErasureOrdered {
        /// Who.
        by: SubjectId,
        /// What that person is called.
        name: PersonName,
        /// The signature over the erasure statement.
        signature: Signature,
        /// The RFC 6238 step of the code given with it, used up by this; none where the signature is a security key's,
        /// which says in it that it has verified its user.
        step: Option<u64>,
        /// What the policy was asked and said.
        decision: Decided,
    }

    /// Payloads were erased, in the commit of this entry. It names nobody, and is never erased itself.
    "erase" Erased {
        /// What for.
        cause: ErasureCause,
        /// Why.
        reason: Text,
        /// The entries whose payloads are gone: ranges `(first, last)`, sorted, both ends in them.
        entries: Vec<(u64, u64)>,
    }
}
