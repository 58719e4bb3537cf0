//! What happened: one struct for each type of entry, which is that entry's payload in the log; but for the ids that
//! are taken from the leaf.
//!
//! Entries once released are for ever: a released struct changes by a new version beside it only,
//! and an unknown field of a known one is an error.

mod bundles;
mod daemon;
mod decisions;
mod erasures;
mod grants;
mod hosts;
mod ids;
mod issuances;
mod locks;
mod logins;
mod parts;
mod passkeys;
mod requests;
mod second_factors;
mod sessions;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

pub use bundles::{
    Asker, BundleActivated, BundleApproved, BundleChanges, BundleProposed, Changed, FileCounts,
    FileListed, FileRemoved, PersonListed, PersonRemoved,
};
pub use daemon::{ClockAcknowledged, ClockFaulted, DaemonStarted, DaemonStopped, LogInit};
pub use erasures::{Erased, ErasureOrdered};
pub use grants::{GrantEnded, GrantMade, GrantRevoked, GrantStarted};
pub use hosts::{HostEnrolled, HostLoggedIn, HostRevoked, HostTokenMade};
pub use ids::Ids;
pub use issuances::{CertificateIntended, CertificateIssued, IssuanceFailed};
pub use locks::{LockLifted, LockSet};
pub use logins::{
    LoggedIn, LoggedInByCertificate, LoggedInByToken, LoggedOut, LoginEnded, LoginSteppedUp,
    PageLoggedIn, Refused, StrangersRefused, SubjectKnown, SubjectVouched,
};
pub use parts::{
    Allowed, Decided, EndCause, ErasureCause, Factor, IssuedUnder, Locked, Officer,
    ProofOfPossession, PublicKey, Scope, Signature, Succession, Validity,
};
pub use passkeys::{Assertion, Consent, PasskeyAdded, PasskeyRemoved, Registration};
pub use requests::{
    ApprovalGiven, GlassBroken, RequestCancelled, RequestDenied, RequestLapsed, RequestMade,
    Reviewed,
};
pub use second_factors::{
    MfaCodeMade, MfaEnrolled, MfaKept, MfaReset, MfaResetAsked, MfaResetWithdrawn, ResetCode,
    Resetter,
};
pub use sessions::{
    ChannelRecorded, SessionClosed, SessionEnd, SessionOpened, SessionWatched, UsedCertificate,
};

macro_rules! events {
    ($($name:literal $type:ident,)*) => {
        $(
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
            $(#[doc = concat!("`", $name, "`.")] $type(Box<$type>),)*
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
    "log.init" LogInit,
    "bundle.file" FileListed,
    "bundle.file.removed" FileRemoved,
    "person" PersonListed,
    "person.removed" PersonRemoved,
    "bundle" BundleActivated,
    "bundle.proposed" BundleProposed,
    "bundle.approval" BundleApproved,
    "daemon.start" DaemonStarted,
    "daemon.stop" DaemonStopped,
    "clock.fault" ClockFaulted,
    "clock.ack" ClockAcknowledged,
    "subject" SubjectKnown,
    "mfa.code" MfaCodeMade,
    "mfa.enrolled" MfaEnrolled,
    "mfa.kept" MfaKept,
    "mfa.reset.asked" MfaResetAsked,
    "mfa.reset.withdrawn" MfaResetWithdrawn,
    "mfa.reset" MfaReset,
    "login" LoggedIn,
    "subject.vouched" SubjectVouched,
    "login.token" LoggedInByToken,
    "login.certificate" LoggedInByCertificate,
    "passkey.added" PasskeyAdded,
    "passkey.removed" PasskeyRemoved,
    "page.login" PageLoggedIn,
    "login.step-up" LoginSteppedUp,
    "host.token" HostTokenMade,
    "host.enrolled" HostEnrolled,
    "login.host" HostLoggedIn,
    "host.revoked" HostRevoked,
    "logout" LoggedOut,
    "login.end" LoginEnded,
    "refusal" Refused,
    "refusal.strangers" StrangersRefused,
    "request" RequestMade,
    "approval" ApprovalGiven,
    "break-glass" GlassBroken,
    "review" Reviewed,
    "denial" RequestDenied,
    "cancel" RequestCancelled,
    "lapse" RequestLapsed,
    "grant" GrantMade,
    "grant.start" GrantStarted,
    "grant.end" GrantEnded,
    "grant.revoke" GrantRevoked,
    "lock" LockSet,
    "unlock" LockLifted,
    "issue.intent" CertificateIntended,
    "issue.done" CertificateIssued,
    "issue.failed" IssuanceFailed,
    "session.open" SessionOpened,
    "session.close" SessionClosed,
    "session.watched" SessionWatched,
    "erase.order" ErasureOrdered,
    "erase" Erased,
}
