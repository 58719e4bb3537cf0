//! Approvals: who agreed to a request, and to what of it.

use jit_ca_core::event::{ApprovalGiven, Consent, RequestMade, Signature};
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::workflow::{Approver, Voice};
use jit_ca_core::{Action, ActorRef, Row};

use super::fault::{Fault, must, must_be_allowed};
use super::log::Log;
use super::passkeys::Passkeys;
use super::people::has_key;
use super::requests::{Request, Requests, must_be_pending};
use super::{Code, People, Signatures, signatures};
use crate::Leaf;
use crate::hash::sha256;

/// An approval of a request that is pending.
#[derive(Debug)]
pub(super) struct Approval {
    /// Who gave it, as the leaf says.
    pub(super) actor: ActorRef,
    /// What it says; none if it is erased.
    pub(super) given: Option<Box<ApprovalGiven>>,
}

/// What an approval is checked by, beside its request.
pub(super) struct Agreeing<'a, 'scope> {
    pub(super) log: &'a Log,
    pub(super) people: &'a People,
    pub(super) signatures: &'a Signatures<'scope>,
    pub(super) passkeys: &'a mut Passkeys,
}

impl Requests {
    pub(super) fn approval(
        &mut self,
        known: Agreeing<'_, '_>,
        leaf: &Leaf,
        given: &ApprovalGiven,
    ) -> Result<(), Fault> {
        let Agreeing { log, people, signatures, passkeys } = known;
        let request = self.requests.get_mut(&given.request);
        match &given.by {
            Approver::Rules(_) => {
                let requester = request.as_ref().and_then(|request| request.subject());
                must_be_allowed(&given.decision, Action::SkipApproval, requester)?;
            }
            Approver::Person { subject, .. } => {
                people.must_act(leaf.actor, subject)?;
                must_be_allowed(&given.decision, Action::Approve, Some(subject))?;
                if let Some(Consent::Ssh(signature)) = &given.signature {
                    check_signature(log, signatures, leaf.idx, given, signature);
                }
            }
        }
        let request = must_be_pending(request)?;
        request.must_not_have_lapsed(leaf)?;
        must_be_anothers(request, leaf, given)?;
        must_be_by_its_approver(people, leaf, given)?;
        if let Some(Consent::Passkey(assertion)) = &given.signature {
            let challenge = sha256(statement(log, given).as_bytes());
            passkeys.assert(signatures, leaf, Code::Approval, challenge, assertion)?;
        }
        if let Some(asked) = &request.asked {
            must_be_asked_for(asked, given)?;
            must_keep(asked, given)?;
        }
        request.agree(Approval { actor: leaf.actor, given: Some(Box::new(given.clone())) });
        Ok(())
    }
}

impl Request {
    /// One person counts once: what is given anew takes the place of the earlier one.
    pub(super) fn agree(&mut self, approval: Approval) {
        self.approvals.retain(|earlier| earlier.actor != approval.actor);
        self.approvals.push(approval);
    }

    /// All its approvals, where each of them is known.
    pub(super) fn known_approvals(&self) -> Option<Vec<&ApprovalGiven>> {
        self.approvals.iter().map(|approval| approval.given.as_deref()).collect()
    }
}

/// INVARIANT (no self approval): whatever the rules say.
fn must_be_anothers(request: &Request, leaf: &Leaf, given: &ApprovalGiven) -> Result<(), Fault> {
    let Approver::Person { subject, .. } = &given.by else { return Ok(()) };
    let is_own = leaf.actor == request.actor || Some(subject) == request.subject();
    must(!is_own, Code::Approval, "the requester approved the request")
}

/// Who signs does so with a key of theirs and is in the groups that it says; rules do and are neither.
fn must_be_by_its_approver(
    people: &People,
    leaf: &Leaf,
    given: &ApprovalGiven,
) -> Result<(), Fault> {
    let fault = |is_so, message| must(is_so, Code::Approval, message);
    match &given.by {
        Approver::Rules(rules) => {
            let is_daemons = leaf.actor == ActorRef::DAEMON;
            fault(is_daemons, "somebody else than the daemon says what rules say")?;
            let are_rules =
                !rules.is_empty() && rules.iter().all(|rule| people.may_have_rule(rule));
            fault(are_rules, "no such rules are in the bundle in force")?;
            fault(given.signature.is_none(), "rules sign nothing")?;
            fault(given.groups.is_empty(), "rules are in no groups")
        }
        Approver::Person { subject, .. } => {
            let Some(own) = people.person(leaf.actor, subject, Code::Approval)? else {
                return Ok(());
            };
            let is_theirs = match &given.signature {
                Some(Consent::Ssh(by)) => has_key(own, by.key.as_slice()),
                Some(Consent::Passkey(_)) | None => true,
            };
            fault(is_theirs, "the key is not one of the approver's")?;
            let are_theirs = given.groups.is_subset(&own.groups);
            fault(are_theirs, "the approver is not in the groups that the approval says")
        }
    }
}

/// It must be of this request, and count for one of its quorums.
fn must_be_asked_for(asked: &RequestMade, given: &ApprovalGiven) -> Result<(), Fault> {
    let fault = |is_so, message| must(is_so, Code::Approval, message);
    fault(given.hash == asked.hash, "the approval is of another request")?;
    let is_emergency = asked.decision.facts.action == Action::BreakGlass;
    fault(!is_emergency, "nobody approves what is allowed in an emergency alone")?;
    let voice = Voice { groups: &given.groups, signed: given.signature.is_some() };
    let counts = matches!(given.by, Approver::Rules(_))
        || asked.approvals.iter().any(|quorum| quorum.hears(voice));
    fault(counts, "the approval counts for none of the quorums asked for")
}

/// Nobody gets more than they asked for: an approval keeps some of what was asked for, and says why if it is not all.
fn must_keep(asked: &RequestMade, given: &ApprovalGiven) -> Result<(), Fault> {
    let fault = |is_so, message| must(is_so, Code::Approval, message);
    let is_no_longer = !given.duration.is_zero() && given.duration <= asked.duration;
    fault(is_no_longer, "the approval is for longer than was asked for, or for no time")?;
    let kept: Vec<&Row> = asked.rows.iter().filter(|row| given.rows.contains(row)).collect();
    let are_rows = !kept.is_empty() && kept.into_iter().eq(&given.rows);
    fault(are_rows, "the approval keeps other rows than were asked for, or none")?;
    let are_hosts = given.hosts.is_within(&asked.hosts, &asked.rows);
    fault(are_hosts, "the approval is for hosts that were not asked for")?;
    let is_all =
        (given.duration, &given.rows, &given.hosts) == (asked.duration, &asked.rows, &asked.hosts);
    fault(is_all || given.comment.is_some(), "an approval for less does not say why")
}

/// The statement that is signed.
fn statement(log: &Log, given: &ApprovalGiven) -> String {
    statement::Approval {
        origin: &log.origin,
        request: &given.hash,
        duration: given.duration,
        rows: &given.rows,
        hosts: &given.hosts,
    }
    .text()
}

fn check_signature(
    log: &Log,
    signatures: &Signatures<'_>,
    index: u64,
    given: &ApprovalGiven,
    signature: &Signature,
) {
    let (statement, signature) = (statement(log, given), signature.clone());
    let message = "the approval's signature does not hold";
    signatures.check(index, Code::Signature, message, move || {
        let (key, sshsig) = (signature.key.as_slice(), signature.sshsig.as_slice());
        signatures::of_statement(key, Kind::Approval, &statement, sshsig)
    });
}

/// How many people's approvals are erased, of whom nothing is known but that they approved.
pub(super) fn strangers(request: &Request) -> usize {
    let erased = request.approvals.iter().filter(|approval| approval.given.is_none());
    erased.filter(|approval| approval.actor != ActorRef::DAEMON).count()
}
