//! Which events are decisions.

use super::{Decided, Event, Officer, Resetter};

impl Officer {
    /// What the policy was asked and said, if it was.
    fn decision(&self) -> Option<&Decided> {
        match self {
            Self::Person { decision, .. } => Some(decision),
            Self::Machine { .. } => None,
        }
    }
}

impl Resetter {
    /// What the policy was asked and said, if it was.
    fn decision(&self) -> Option<&Decided> {
        match self {
            Self::Person { decision, .. } => Some(decision),
            Self::Machine { .. } => None,
        }
    }
}

impl Event {
    /// What the policy was asked and said, where the event's payload has all of it. (An intent's is completed by the
    /// request that it is under.)
    pub fn decisions(&self) -> impl Iterator<Item = &Decided> {
        let more: &[Decided] = match self {
            Self::GrantStarted(event) => &event.approvals,
            _ => &[],
        };
        self.decision().into_iter().chain(more)
    }

    fn decision(&self) -> Option<&Decided> {
        match self {
            Self::BundleApproved(event) => Some(&event.decision),
            Self::Refused(event) => event.decision.as_ref(),
            Self::RequestMade(event) => Some(&event.decision),
            Self::ApprovalGiven(event) => Some(&event.decision),
            Self::GlassBroken(event) => Some(&event.decision),
            Self::Reviewed(event) => Some(&event.decision),
            Self::RequestDenied(event) => Some(&event.decision),
            Self::GrantStarted(event) => Some(&event.decision),
            Self::GrantEnded(event) => event.decision.as_ref(),
            Self::GrantRevoked(event) => Some(&event.decision),
            Self::LockSet(event) => event.by.decision(),
            Self::LockLifted(event) => event.by.decision(),
            Self::MfaResetAsked(event) => Some(&event.decision),
            Self::MfaResetWithdrawn(event) => Some(&event.decision),
            Self::MfaReset(event) => event.by.decision(),
            Self::ErasureOrdered(event) => Some(&event.decision),
            Self::SessionWatched(event) => Some(&event.decision),
            Self::HostTokenMade(event) => Some(&event.decision),
            Self::HostRevoked(event) => Some(&event.decision),
            // Each by its name: an event that is new is not to be left out unseen.
            Self::LogInit(_)
            | Self::FileListed(_)
            | Self::FileRemoved(_)
            | Self::PersonListed(_)
            | Self::PersonRemoved(_)
            | Self::BundleActivated(_)
            | Self::BundleProposed(_)
            | Self::DaemonStarted(_)
            | Self::DaemonStopped(_)
            | Self::ClockFaulted(_)
            | Self::ClockAcknowledged(_)
            | Self::SubjectKnown(_)
            | Self::MfaCodeMade(_)
            | Self::MfaEnrolled(_)
            | Self::MfaKept(_)
            | Self::LoggedIn(_)
            | Self::SubjectVouched(_)
            | Self::LoggedInByToken(_)
            | Self::LoggedInByCertificate(_)
            | Self::PasskeyAdded(_)
            | Self::PasskeyRemoved(_)
            | Self::PageLoggedIn(_)
            | Self::LoginSteppedUp(_)
            | Self::HostEnrolled(_)
            | Self::HostLoggedIn(_)
            | Self::LoggedOut(_)
            | Self::LoginEnded(_)
            | Self::StrangersRefused(_)
            | Self::RequestCancelled(_)
            | Self::RequestLapsed(_)
            | Self::GrantMade(_)
            | Self::CertificateIntended(_)
            | Self::CertificateIssued(_)
            | Self::IssuanceFailed(_)
            | Self::SessionOpened(_)
            | Self::SessionClosed(_)
            | Self::Erased(_) => None,
        }
    }
}
