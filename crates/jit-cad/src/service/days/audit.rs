//! What must hold of any log, whatever the model says: read off the entries alone, in their order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use jit_ca_core::event::{Event, GrantMade, Locked, Officer, RequestMade};
use jit_ca_core::workflow::{Approver, Start, Term};
use jit_ca_core::{GrantId, RequestId, SubjectId, UnixTime, Window};
use jit_ca_log::archive::{self, ArchiveWriter};
use jit_ca_log::verify::{Options, verify};
use jit_ca_log::{Archive, Copies};

use super::lab::{Lab, leaves};

#[derive(Default)]
struct Seen {
    requests: BTreeMap<RequestId, RequestMade>,
    /// Of each request, who agreed; nobody in place of rules, and of emergencies.
    approvers: BTreeMap<RequestId, BTreeSet<Option<SubjectId>>>,
    grants: BTreeMap<GrantId, Given>,
    locks: BTreeSet<Locked>,
    is_faulted: bool,
}

struct Given {
    made: GrantMade,
    window: Option<Window>,
    is_over: bool,
    issued: u32,
}

/// No self-approval, no widening, no issuance after an end, a lock or a revocation, counts right.
pub(super) fn audit(lab: &Lab) -> Result<(), String> {
    let mut seen = Seen::default();
    for (leaf, event) in leaves(&lab.app.store, 0) {
        let at = UnixTime::from_secs(leaf.ts_ms / 1_000);
        seen.read(&event, at).map_err(|what| format!("entry {}: {what}", leaf.idx))?;
    }
    Ok(())
}

fn must(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Seen {
    fn read(&mut self, event: &Event, at: UnixTime) -> Result<(), String> {
        match event {
            Event::LockSet(set) => must(self.locks.insert(set.lock.clone()), "locked twice")?,
            Event::LockLifted(lifted) => {
                if let Officer::Person { subject, .. } = &lifted.by {
                    must(self.is_open(&[subject], None), "an unlocking by who is locked")?;
                }
                must(self.locks.remove(&lifted.lock), "not locked")?;
            }
            Event::Reviewed(reviewed) => must(self.is_open(&[&reviewed.by], None), "a review")?,
            Event::ClockFaulted(_) => self.is_faulted = true,
            Event::ClockAcknowledged(_) => self.is_faulted = false,
            Event::LoggedIn(login) => must(self.is_open(&[&login.subject], None), "a login")?,
            Event::RequestMade(made) => {
                must(self.is_open(&[&made.subject], Some(made)), "a request")?;
                if let (Some(grant), Start::At(start)) = (made.extends, made.start) {
                    let end = self.grants.get(&grant).and_then(|given| given.window);
                    must(end.map(Window::end) == Some(start), "an extension with a gap")?;
                }
                self.requests.insert(made.request, RequestMade::clone(made));
            }
            Event::ApprovalGiven(given) => {
                let made = &self.requests[&given.request];
                let approvers = self.approvers.entry(given.request).or_default();
                let Approver::Person { subject, .. } = &given.by else {
                    approvers.insert(None);
                    return Ok(());
                };
                approvers.insert(Some(subject.clone()));
                must(*subject != made.subject, "an approval of one's own")?;
                must(self.is_open(&[subject, &made.subject], Some(made)), "an approval")?;
            }
            Event::GlassBroken(broken) => {
                self.approvers.entry(broken.request).or_default().insert(None);
            }
            Event::GrantMade(granted) => {
                let made = &self.requests[&granted.request];
                must(self.is_open(&[&made.subject], Some(made)), "a grant")?;
                must(self.is_agreed(made), "a grant that too few agree to")?;
                let is_within = granted.rows.iter().all(|row| made.rows.contains(row))
                    && granted.hosts.is_within(&made.hosts, &made.rows);
                must(is_within, "a grant of more than was asked for")?;
                let window = granted.term.window();
                let length = window.map(|window| window.end().since(window.start()));
                let length = match granted.term {
                    Term::FirstUse { duration, .. } => Some(duration),
                    _ => length,
                };
                must(length <= Some(made.duration), "a grant for longer than was asked for")?;
                let made = GrantMade::clone(granted);
                let given = Given { made, window, is_over: false, issued: 0 };
                self.grants.insert(granted.grant, given);
            }
            Event::GrantStarted(started) => {
                let agreed = started.approvals.iter().map(|decided| &decided.facts.subject);
                let are_open = agreed.clone().all(|who| self.is_open(&[who], None));
                must(agreed.count() > 0 && are_open, "a start that nobody agrees to")?;
                let given = self.grants.get_mut(&started.grant).ok_or("no grant")?;
                must(!given.is_over, "a start after the end")?;
                must(started.window.contains(at), "a start at another time")?;
                given.window = Some(started.window);
            }
            Event::GrantEnded(ended) => self.over(ended.grant)?,
            Event::GrantRevoked(revoked) => self.over(revoked.grant)?,
            Event::CertificateIntended(intended) => {
                let Some(under) = &intended.under else { return Ok(()) };
                must(!self.is_faulted, "a certificate by a clock that is wrong")?;
                let given = self.grants.get(&under.grant).ok_or("no grant")?;
                let made = &self.requests[&given.made.request];
                must(self.is_open(&[&made.subject], Some(made)), "a certificate")?;
                must(!given.is_over, "a certificate after the end")?;
                let window = given.window.ok_or("a certificate before the start")?;
                let is_within = window.contains(at) && intended.validity.until <= window.end();
                must(is_within, "a certificate outside its window")?;
                let is_left = given.made.certificates.is_none_or(|most| given.issued < most);
                must(is_left, "more certificates than may be")?;
                self.grants.get_mut(&under.grant).ok_or("no grant")?.issued += 1;
            }
            // In these days nothing but a death comes between the two.
            Event::CertificateIssued(issued) => {
                let Some(grant) = issued.grant else { return Ok(()) };
                must(!self.is_faulted, "a signature by a clock that is wrong")?;
                let given = self.grants.get(&grant).ok_or("no grant")?;
                let made = &self.requests[&given.made.request];
                must(self.is_open(&[&made.subject], Some(made)), "a signature")?;
                must(!given.is_over, "a signature after the end")?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether rules agreed, or as many people as have to, each counted once and none of them locked.
    fn is_agreed(&self, made: &RequestMade) -> bool {
        let Some(approvers) = self.approvers.get(&made.request) else { return false };
        let people = approvers.iter().flatten().filter(|who| self.is_open(&[who], None)).count();
        let needed = made.approvals.iter().map(|quorum| usize::from(quorum.count)).sum();
        approvers.contains(&None) || people >= needed
    }

    fn over(&mut self, grant: GrantId) -> Result<(), String> {
        let given = self.grants.get_mut(&grant).ok_or("no grant")?;
        must(!given.is_over, "a second end")?;
        given.is_over = true;
        Ok(())
    }

    fn is_open(&self, subjects: &[&SubjectId], of: Option<&RequestMade>) -> bool {
        let role = of.map(|made| &made.role);
        !self.locks.iter().any(|lock| match lock {
            Locked::All => true,
            Locked::Subject(subject) => subjects.contains(&subject),
            Locked::Role(locked) => Some(locked) == role,
        })
    }
}

/// What `jit-ca log verify` says of the day's log, exported.
pub(super) fn verified(lab: &Lab) -> Result<(), String> {
    let newest = lab.app.sequencer.newest();
    let snapshot = lab.app.store.read().unwrap();
    let mut writer = ArchiveWriter::new(Vec::new());
    writer.member(archive::CHECKPOINT, newest.note.as_str().as_bytes()).unwrap();
    writer.member(archive::LOG_KEY, format!("{}\n", lab.app.log_key).as_bytes()).unwrap();
    for part in archive::parts(newest.checkpoint.size) {
        let bytes = snapshot.part(part, newest.checkpoint.size).unwrap().unwrap();
        writer.member(&part.to_string(), &bytes).unwrap();
    }
    let mut copies = Copies::default();
    for (leaf, event) in leaves(&lab.app.store, 0) {
        copies.push(&leaf, Some(&event));
    }
    for (name, bytes) in copies.members() {
        writer.member(name, bytes).unwrap();
    }
    let archive = Cursor::new(writer.finish().unwrap());
    Archive::open(archive.clone()).unwrap();
    let verdict = verify(archive, &Options::default(), &mut |_, _| {}).unwrap();
    match verdict.finding {
        None => Ok(()),
        Some(finding) => Err(format!("the verifier says: {finding:?}")),
    }
}
