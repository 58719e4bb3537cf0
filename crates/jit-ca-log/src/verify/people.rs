//! Who is known under which pseudonym, and which bundle is in force.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use jit_ca_core::event::{
    BundleActivated, BundleApproved, Event, PersonListed, Refused, SubjectKnown,
};
use jit_ca_core::{Action, ActorRef, Digest, RoleName, SubjectId};

use super::Code;
use super::fault::{Fault, must, must_be_allowed};
use super::vouching::Vouching;
use crate::archive::{Copies, Payload};
use crate::{Bundle, Leaf};

/// The parts that a person has in bundles, by pseudonym; none where the payload that says it is erased.
type Listed = HashMap<ActorRef, Option<Arc<PersonListed>>>;

/// Subjects and bundles.
#[derive(Debug)]
pub(super) struct People {
    /// Whose pseudonym is whose; none where it is erased.
    actors: HashMap<ActorRef, Option<SubjectId>>,
    subjects: HashSet<SubjectId>,
    listed: Listed,
    /// As it was when the last bundle came into force.
    in_force: Listed,
    hash: InForce,
    /// The hashes of all bundles that have been in force; none once one is not known.
    hashes: Option<HashSet<Digest>>,
    /// The entry that says it of each person who is a part of bundles.
    newest: HashMap<ActorRef, u64>,
    /// The policy in force, where all parts of its bundle are known.
    policy: Option<Policy>,
    pub(super) copies: Copies,
    /// Those whom no bundle lists.
    pub(super) vouching: Vouching,
    /// Whether an erased payload may have been a part that is still one.
    is_partial: bool,
    /// The bundle in force, where all parts of it are known.
    before: Option<Bundle>,
    approvals: Approvals,
}

/// What waits for an administrator.
#[derive(Debug, Default)]
struct Approvals {
    /// The bundle that was proposed last and did not come into force.
    proposed: Proposed,
    /// The last approval: its index, whose it is, and of which bundle, where that is known.
    last: Option<(u64, ActorRef, Option<Digest>)>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Proposed {
    #[default]
    Nothing,
    Bundle(Digest),
    /// The payload that says it is erased.
    Unknown,
}

impl Default for People {
    fn default() -> Self {
        Self {
            actors: HashMap::new(),
            subjects: HashSet::new(),
            listed: Listed::new(),
            in_force: Listed::new(),
            hash: InForce::Nothing,
            hashes: Some(HashSet::new()),
            newest: HashMap::new(),
            policy: None,
            copies: Copies::default(),
            vouching: Vouching::default(),
            is_partial: false,
            before: None,
            approvals: Approvals::default(),
        }
    }
}

/// What of a policy requests rest on.
#[derive(Debug)]
struct Policy {
    roles: BTreeSet<String>,
    issuers: BTreeSet<String>,
    rules: Vec<String>,
}

/// The hash of the bundle in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum InForce {
    #[default]
    Nothing,
    Bundle(Digest),
    /// The payload that says it is erased.
    Unknown,
}

impl People {
    /// Whether the bundle may be the one in force.
    pub(super) fn may_be_in_force(&self, bundle: Option<Digest>) -> bool {
        match self.hash {
            InForce::Nothing => bundle.is_none(),
            InForce::Bundle(hash) => bundle == Some(hash),
            InForce::Unknown => true,
        }
    }

    /// The pseudonym must be this subject's.
    pub(super) fn must_act(&self, actor: ActorRef, subject: &SubjectId) -> Result<(), Fault> {
        let is_theirs = match self.actors.get(&actor) {
            Some(Some(known)) => known == subject,
            Some(None) => true,
            None => false,
        };
        must(is_theirs, Code::Subject, "the leaf's pseudonym is not the subject's")
    }

    /// The pseudonym of a subject, where that is known.
    pub(super) fn actor_of(&self, subject: &SubjectId) -> Option<ActorRef> {
        let mut known = self.actors.iter();
        known.find(|(_, known)| known.as_ref() == Some(subject)).map(|(actor, _)| *actor)
    }

    /// Whose pseudonym it is, where that is known.
    pub(super) fn subject_of(&self, actor: ActorRef) -> Option<&SubjectId> {
        self.actors.get(&actor).and_then(Option::as_ref)
    }

    /// The person as the bundle in force says it, where that is known; a fault if nobody like that is in it.
    pub(super) fn person(
        &self,
        actor: ActorRef,
        subject: &SubjectId,
        code: Code,
    ) -> Result<Option<&PersonListed>, Fault> {
        match self.in_force.get(&actor) {
            Some(None) => Ok(None),
            Some(Some(person)) if person.subject == *subject => Ok(Some(person)),
            _ => match self.vouching.person(actor).filter(|_| self.may_have_issuer(subject)) {
                None => Err(Fault::new(code, "the subject is not in the bundle in force")),
                Some(person) => Ok(person),
            },
        }
    }

    /// Whether the bundle in force may have the subject's issuer.
    pub(super) fn may_have_issuer(&self, subject: &SubjectId) -> bool {
        let path = format!("issuers/{}.toml", subject.issuer());
        self.policy.as_ref().is_none_or(|policy| policy.issuers.contains(&path))
    }

    /// Whether the bundle in force may have this role.
    pub(super) fn may_have_role(&self, role: &RoleName) -> bool {
        let path = format!("roles/{role}.toml");
        self.policy.as_ref().is_none_or(|policy| policy.roles.contains(&path))
    }

    /// Whether the bundle in force may have this rule.
    pub(super) fn may_have_rule(&self, rule: &str) -> bool {
        let id = format!("@id(\"{rule}\")");
        let has = |policy: &Policy| policy.rules.iter().any(|text| text.contains(&id));
        self.policy.as_ref().is_none_or(has)
    }

    /// The entries that say who the people are that are parts of bundles.
    pub(super) fn newest(&self) -> impl Iterator<Item = u64> {
        self.newest.values().copied()
    }

    pub(super) fn known(&self, leaf: &Leaf, known: &SubjectKnown) -> Result<(), Fault> {
        let is_new = !matches!(self.actors.get(&known.actor), Some(Some(_)))
            && !self.subjects.contains(&known.subject);
        must(known.actor == leaf.actor, Code::Subject, "the pseudonym is not the leaf's")?;
        let is_nobodys = known.actor != ActorRef::DAEMON;
        must(is_nobodys, Code::Subject, "the pseudonym is the daemon's")?;
        must(is_new, Code::Subject, "the subject or the pseudonym is known already")
    }

    /// Who is refused is who acts; what the policy said of it, a bundle said that was in force some time before.
    pub(super) fn refused(&self, leaf: &Leaf, refused: &Refused) -> Result<(), Fault> {
        self.must_act(leaf.actor, &refused.subject)?;
        let was_in_force = |bundle| self.hashes.as_ref().is_none_or(|all| all.contains(bundle));
        let is_so = refused.decision.is_some() == refused.bundle.is_some()
            && refused.bundle.as_ref().is_none_or(was_in_force);
        must(is_so, Code::Decision, "it was not decided by a bundle that has been in force")
    }

    /// What an administrator approves was proposed, is approved by whom the policy lets, and is in force with the next
    /// entry.
    pub(super) fn approved(&self, leaf: &Leaf, approved: &BundleApproved) -> Result<(), Fault> {
        self.must_act(leaf.actor, &approved.by)?;
        must_be_allowed(&approved.decision, Action::Administer, Some(&approved.by))?;
        if let Some(person) = self.person(leaf.actor, &approved.by, Code::Bundle)? {
            must(person.name == approved.name, Code::Bundle, "the name is not the person's")?;
        }
        let may_be_proposed = match self.approvals.proposed {
            Proposed::Nothing => false,
            Proposed::Bundle(hash) => hash == approved.hash,
            Proposed::Unknown => true,
        };
        must(may_be_proposed, Code::Bundle, "the bundle is not the one that was proposed last")
    }

    /// Folds an entry in that was checked, and checks the hash of a bundle.
    pub(super) fn fold(&mut self, leaf: &Leaf, payload: &Payload) -> Result<(), Fault> {
        if leaf.entry_type.as_str() == "person" {
            self.newest.insert(leaf.actor, leaf.idx);
        }
        let event = match payload {
            Payload::Event(event) => event,
            Payload::OfUnknownType(_) => return Ok(()),
            Payload::Erased => {
                self.fold_erased(leaf);
                self.copies.push(leaf, None);
                return Ok(());
            }
        };
        self.copies.push(leaf, Some(event));
        match event {
            Event::SubjectKnown(known) => {
                self.actors.insert(known.actor, Some(known.subject.clone()));
                self.subjects.insert(known.subject.clone());
            }
            Event::PersonListed(person) => {
                self.listed.insert(leaf.actor, Some(Arc::new(person.as_ref().clone())));
            }
            Event::PersonRemoved(person) => {
                self.listed.remove(&person.actor);
                self.newest.remove(&person.actor);
            }
            Event::SubjectVouched(said) => self.vouching.fold(leaf, said),
            Event::BundleProposed(bundle) => {
                self.approvals.proposed = Proposed::Bundle(bundle.hash);
            }
            Event::BundleApproved(approved) => {
                self.approvals.last = Some((leaf.idx, leaf.actor, Some(approved.hash)));
            }
            Event::BundleActivated(activated) => return self.activate(leaf, activated),
            _ => {}
        }
        Ok(())
    }

    fn fold_erased(&mut self, leaf: &Leaf) {
        match leaf.entry_type.as_str() {
            "subject" => {
                self.actors.entry(leaf.actor).or_default();
            }
            "person" => {
                self.listed.insert(leaf.actor, None);
                self.is_partial = true;
            }
            "subject.vouched" => self.vouching.fold_erased(leaf),
            "bundle.proposed" => self.approvals.proposed = Proposed::Unknown,
            "bundle.approval" => self.approvals.last = Some((leaf.idx, leaf.actor, None)),
            "bundle.file" | "bundle.file.removed" | "person.removed" => self.is_partial = true,
            "bundle" => {
                (self.hash, self.policy, self.before) = (InForce::Unknown, None, None);
                self.hashes = None;
                self.approvals.proposed = Proposed::Nothing;
                self.in_force.clone_from(&self.listed);
            }
            _ => {}
        }
    }

    fn activate(&mut self, leaf: &Leaf, activated: &BundleActivated) -> Result<(), Fault> {
        // A hash that fits shows that all parts are known: whatever was erased is no part any more.
        let fits = self.copies.bundle().hash() == activated.hash;
        must(fits || self.is_partial, Code::Bundle, "the hash is not that of the bundle's parts")?;
        self.must_be_approved(leaf, activated)?;
        let now = fits.then(|| self.copies.bundle().clone());
        let empty = (self.hash == InForce::Nothing).then(Bundle::empty);
        if let (Some(before), Some(now)) = (self.before.as_ref().or(empty.as_ref()), &now) {
            let actors: HashMap<_, _> = before.actors().chain(now.actors()).collect();
            let changes = before.changes_to(now, |subject| actors.get(subject).copied());
            let message = "it does not say what it changes";
            must(changes == activated.changes, Code::Bundle, message)?;
        }
        (self.before, self.is_partial) = (now, !fits);
        self.policy = fits.then(|| {
            let files = &self.copies.bundle().files;
            let below = |folder| files.keys().filter(move |path| path.starts_with(folder));
            let rules = files.iter().filter(|(path, _)| path.starts_with("policies/"));
            Policy {
                roles: below("roles/").cloned().collect(),
                issuers: below("issuers/").cloned().collect(),
                rules: rules.map(|file| file.1.clone()).collect(),
            }
        });
        self.hash = InForce::Bundle(activated.hash);
        self.hashes.as_mut().map(|hashes| hashes.insert(activated.hash));
        self.in_force.clone_from(&self.listed);
        self.approvals.proposed = Proposed::Nothing;
        Ok(())
    }

    /// Whom it names as its approver, the entry before is of; without one, no approval is before it.
    fn must_be_approved(&self, leaf: &Leaf, activated: &BundleActivated) -> Result<(), Fault> {
        let last = self.approvals.last.filter(|(index, ..)| index.checked_add(1) == Some(leaf.idx));
        let is_so = match (last, activated.approved) {
            (Some((_, actor, hash)), Some(approved)) => {
                actor == approved && hash.is_none_or(|hash| hash == activated.hash)
            }
            (None, None) => true,
            _ => false,
        };
        must(is_so, Code::Bundle, "it does not say who approved it")
    }
}

/// Whether the person's part has this key, given in its SSH wire form.
pub(super) fn has_key(person: &PersonListed, key: &[u8]) -> bool {
    let key = Base64::encode_string(key);
    person.ssh_keys.iter().any(|own| own.split(' ').nth(1) == Some(key.as_str()))
}
