//! What the approvals of a request come to: whether there are enough, and what all of them leave of it.

use jit_ca_core::event::{ApprovalGiven, GrantMade, RequestMade};
use jit_ca_core::workflow::{Approver, Voice, still_needed};
use jit_ca_core::{ActorRef, Hosts, Row, Span};

use super::Code;
use super::approvals::strangers;
use super::fault::{Fault, must};
use super::locks::Locks;
use super::requests::Request;

/// A request with its approvals, when it becomes a grant.
pub(super) struct Agreement<'a> {
    request: &'a Request,
    pub(super) asked: Option<&'a RequestMade>,
    known: Vec<&'a ApprovalGiven>,
}

impl<'a> Agreement<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        let known = request.approvals.iter().filter_map(|approval| approval.given.as_deref());
        Self { request, asked: request.asked.as_deref(), known: known.collect() }
    }

    /// Whether no payload of it is erased.
    pub(super) fn is_known(&self) -> bool {
        self.asked.is_some() && self.known.len() == self.request.approvals.len()
    }

    /// The longest that all who are known have agreed to, the requester among them.
    pub(super) fn duration(&self) -> Option<Span> {
        let approved = self.known.iter().map(|given| given.duration);
        approved.chain(self.asked.map(|asked| asked.duration)).min()
    }

    /// Whether it was an emergency, rules approved, or as many people as have to. Leaves say who, whatever is erased.
    /// Who is locked does not count.
    pub(super) fn must_be_reached(&self, locks: &Locks) -> Result<(), Fault> {
        let by_rules = self.request.approvals.iter().any(|approval| match &approval.given {
            Some(given) => matches!(given.by, Approver::Rules(_)),
            None => approval.actor == ActorRef::DAEMON,
        });
        let is_open = |given: &&&ApprovalGiven| match &given.by {
            Approver::Person { subject, .. } => !locks.hold(subject),
            Approver::Rules(_) => true,
        };
        let voices: Vec<Voice<'_>> = self
            .known
            .iter()
            .filter(is_open)
            .map(|given| Voice { groups: &given.groups, signed: given.signature.is_some() })
            .collect();
        // Somebody of whom nothing else is known may sit anywhere.
        let strangers = strangers(self.request);
        let by_people = match self.asked {
            Some(asked) => still_needed(&asked.approvals, &voices) <= strangers,
            None => voices.len() + strangers > 0,
        };
        let is_reached = self.request.is_emergency || by_rules || by_people;
        must(is_reached, Code::Grant, "too few people approved the request")
    }

    /// The grant must give what was asked for and all have kept, and nothing else.
    pub(super) fn must_give(&self, made: &GrantMade) -> Result<(), Fault> {
        let fault = |is_so, message| must(is_so, Code::Grant, message);
        fault(!made.rows.is_empty(), "the grant gives nothing")?;
        for given in &self.known {
            let is_kept = made.rows.iter().all(|row| given.rows.contains(row));
            fault(is_kept, "the grant has a row that was not approved")?;
            let are_kept = given.hosts.and(&made.hosts).as_ref() == Some(&made.hosts);
            fault(are_kept, "the grant is for hosts that were not approved")?;
        }
        let Some(asked) = self.asked else { return Ok(()) };
        fault(made.role == asked.role, "the grant is of another role")?;
        fault(made.certificates == asked.certificates, "the grant is for other certificates")?;
        let is_asked = made.rows.iter().all(|row| asked.rows.contains(row));
        fault(is_asked, "the grant has a row that was not asked for")?;
        let are_asked = made.hosts.is_within(&asked.hosts, &asked.rows);
        fault(are_asked, "the grant is for hosts that were not asked for")?;
        if self.is_known() {
            let (hosts, rows) = self.kept(asked);
            fault(hosts.as_ref() == Some(&made.hosts), "the grant's hosts are not those approved")?;
            fault(rows.eq(&made.rows), "the grant's rows are not those approved")?;
        }
        Ok(())
    }

    /// The hosts that all kept, and the rows that all kept and that give anything there.
    fn kept(&self, asked: &'a RequestMade) -> (Option<Hosts>, impl Iterator<Item = &'a Row>) {
        let all = Some(asked.hosts.clone());
        let hosts = self.known.iter().fold(all, |kept, given| kept?.and(&given.hosts));
        let (on, known) = (hosts.clone(), self.known.clone());
        let is_kept = move |row: &&Row| {
            on.as_ref().is_some_and(|hosts| row.gives_on(hosts))
                && known.iter().all(|given| given.rows.contains(row))
        };
        (hosts, asked.rows.iter().filter(is_kept))
    }
}
