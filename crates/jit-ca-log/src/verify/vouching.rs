//! Whom issuers vouch for, and who of them is no person.

use std::collections::HashMap;
use std::sync::Arc;

use jit_ca_core::event::{Event, Officer, PersonListed, Resetter, SubjectVouched};
use jit_ca_core::workflow::Approver;
use jit_ca_core::{ActorRef, SubjectKind};

use super::fault::{Fault, must};
use super::{Code, People};
use crate::Leaf;

/// What issuers said last, by pseudonym.
#[derive(Debug, Default)]
pub(super) struct Vouching(HashMap<ActorRef, Said>);

#[derive(Debug)]
enum Said {
    Known {
        kind: SubjectKind,
        /// As the bundle would list such a person.
        person: Arc<PersonListed>,
    },
    /// The payload that says it is erased.
    Erased,
}

impl Vouching {
    pub(super) fn fold(&mut self, leaf: &Leaf, said: &SubjectVouched) {
        let SubjectVouched { subject, name, groups, kind } = said.clone();
        let person = PersonListed { subject, name, groups, ssh_keys: Vec::new() };
        self.0.insert(leaf.actor, Said::Known { kind, person: Arc::new(person) });
    }

    pub(super) fn fold_erased(&mut self, leaf: &Leaf) {
        self.0.insert(leaf.actor, Said::Erased);
    }

    /// The subject as its issuer said it; none where that is erased. Nothing if none vouches.
    pub(super) fn person(&self, actor: ActorRef) -> Option<Option<&PersonListed>> {
        self.0.get(&actor).map(|said| match said {
            Said::Known { person, .. } => Some(person.as_ref()),
            Said::Erased => None,
        })
    }

    /// Whether it may be a workload, which has no second factor.
    pub(super) fn may_be_workload(&self, actor: ActorRef) -> bool {
        self.0.get(&actor).is_some_and(|said| match said {
            Said::Known { kind, .. } => *kind == SubjectKind::Workload,
            Said::Erased => true,
        })
    }

    /// Whether it is known to be one.
    pub(super) fn is_workload(&self, actor: ActorRef) -> bool {
        let said = self.0.get(&actor);
        matches!(said, Some(Said::Known { kind: SubjectKind::Workload, .. }))
    }

    /// INVARIANT (workloads decide nothing): what is done over others, people do.
    pub(super) fn must_be_a_persons(&self, leaf: &Leaf, event: &Event) -> Result<(), Fault> {
        let is_over_others = match event {
            Event::ApprovalGiven(given) => matches!(given.by, Approver::Person { .. }),
            Event::LockSet(set) => matches!(set.by, Officer::Person { .. }),
            Event::LockLifted(lifted) => matches!(lifted.by, Officer::Person { .. }),
            Event::MfaReset(reset) => matches!(reset.by, Resetter::Person { .. }),
            Event::MfaResetAsked(_)
            | Event::MfaResetWithdrawn(_)
            | Event::GlassBroken(_)
            | Event::Reviewed(_)
            | Event::RequestDenied(_)
            | Event::GrantRevoked(_)
            | Event::BundleApproved(_)
            | Event::ErasureOrdered(_)
            | Event::SessionWatched(_) => true,
            _ => false,
        };
        let said = self.0.get(&leaf.actor).filter(|_| is_over_others);
        let is_workload = matches!(said, Some(Said::Known { kind: SubjectKind::Workload, .. }));
        must(!is_workload, Code::Subject, "a workload decides over others")
    }
}

impl People {
    /// Who is vouched for is known under the pseudonym, is nobody of the user file, and the issuer has its file.
    pub(super) fn vouched(&self, leaf: &Leaf, said: &SubjectVouched) -> Result<(), Fault> {
        self.must_act(leaf.actor, &said.subject)?;
        let is_issuers = said.name.issuer() == Some(said.subject.issuer());
        let is_so = is_issuers && !said.subject.is_local();
        must(is_so, Code::Subject, "the name is not one of the subject's issuer")?;
        must(self.may_have_issuer(&said.subject), Code::Subject, "the bundle has no such issuer")
    }
}
