//! All ways in which access begins and ends, as parts of a story.
//!
//! What is planned waits for ten minutes. Of two who agree to it one keeps less, and the other signs. Of the rest each
//! begins and ends in its own way.

use jit_ca_core::event::*;
use jit_ca_core::workflow::{Approver, Start, Term};
use jit_ca_core::{
    Action, ActorRef, Digest, GrantId, IssuanceId, Outcome, PersonName, RequestId, Span, SubjectId,
    UnixTime, Window,
};

use super::access::{quorum, request_hash, sign_approval};
use super::story::*;

/// A grant, with what was asked for.
pub(super) struct Granted {
    pub(super) request: RequestMade,
    pub(super) grant: GrantMade,
}

pub(super) fn time(seconds: u64) -> UnixTime {
    UnixTime::from_secs(START + seconds)
}

pub(super) fn from_to(from: u64, to: u64) -> Window {
    Window::new(time(from), time(to)).unwrap()
}

/// Who that is: subject and name.
pub(super) fn person(id: &str, name: &str) -> (SubjectId, PersonName) {
    (subject(id), name.parse().unwrap())
}

impl Teller {
    /// What was asked for and granted in a story.
    pub(super) fn granted(&self, story: &Story, request: usize, grant: usize) -> Granted {
        match (&story[request].1, &story[grant].1) {
            (Event::RequestMade(request), Event::GrantMade(grant)) => {
                Granted { request: request.as_ref().clone(), grant: grant.as_ref().clone() }
            }
            other => panic!("{other:?}"),
        }
    }

    /// What is asked for in time.
    pub(super) fn plans(&self, story: &mut Story, bundle: Digest) {
        // Two have to agree, and one of them has to sign.
        let planned = self.asked(3, bundle, |made| {
            made.start = Start::At(time(600));
            made.hosts = "*".parse().unwrap();
            made.ticket = Some("INC-43".parse().unwrap());
            made.duration = Span::from_secs(1_800);
            made.approvals = vec![quorum(1, "security", false), quorum(1, "sre", true)];
            made.certificates = Some(1);
        });
        let mut by_bob = ApprovalGiven {
            groups: ["security", "sre"].map(|group| group.parse().unwrap()).into(),
            duration: Span::from_secs(1_200),
            hosts: "web1".parse().unwrap(),
            signature: None,
            ..self.approval(&planned)
        };
        by_bob.rows.truncate(1);
        let mut by_carol = self.agreed(&planned);
        let (subject, name) = person("u-3", "carol");
        (by_carol.by, by_carol.decision) =
            (Approver::Person { subject, name }, decided(Action::Approve, "u-3"));
        by_carol.signature = Some(sign_approval(&by_carol, &self.carol));
        let grant = GrantMade {
            rows: by_bob.rows.clone(),
            hosts: by_bob.hosts.clone(),
            ..grant(&planned, Term::Scheduled(from_to(600, 1_800)))
        };
        story.push((ALICE, planned.into()));
        // Which he thinks better of: it binds nobody.
        let mut at_first = ApprovalGiven { duration: Span::from_secs(600), ..by_bob.clone() };
        at_first.groups = ["security".parse().unwrap()].into();
        story.push((BOB, at_first.into()));
        story.push((BOB, by_bob.into()));
        story.push((CAROL, by_carol.into()));
        story.push((CAROL, grant.into()));

        let duration = Span::from_secs(3_600);
        let use_first = |made: &mut RequestMade, within: u64| {
            (made.start, made.use_within) = (Start::FirstUse, Some(Span::from_secs(within)));
        };
        let first = self.asked(4, bundle, |made| use_first(made, 3_600));
        self.agree(story, first, Term::FirstUse { duration, by: time(3_600) });
        let refused = self.asked(5, bundle, |made| made.start = Start::At(time(600)));
        self.agree(story, refused, Term::Scheduled(from_to(600, 4_200)));
        let unused = self.asked(6, bundle, |made| use_first(made, 1_800));
        self.agree(story, unused, Term::FirstUse { duration, by: time(1_800) });
    }

    /// Nobody is asked.
    pub(super) fn emergency(&self, story: &mut Story, bundle: Digest) {
        let made = self.asked(8, bundle, |made| {
            made.decision = decided(Action::BreakGlass, "u-1");
        });
        let broken = GlassBroken {
            request: made.request,
            told: ["security".parse().unwrap()].into(),
            decision: decided(Action::BreakGlass, "u-1"),
        };
        let grant = grant(&made, Term::Open(window(3_600)));
        story.push((ALICE, made.into()));
        story.push((ALICE, broken.into()));
        story.push((ALICE, grant.into()));
    }

    /// Ten minutes later the one starts, and a certificate that is shorter is taken; the other one starts with its first.
    pub(super) fn begins(&self, story: &mut Story, login: &jit_ca_core::Bytes) {
        for (request, grant, window, until) in [
            (at::PLANNED, at::PLANNED_GRANT, from_to(600, 1_800), 1_200),
            (at::FIRST, at::FIRST_GRANT, from_to(600, 4_200), 4_200),
        ] {
            let Granted { grant, .. } = self.granted(story, request, grant);
            let is_planned = matches!(grant.term, Term::Scheduled(_));
            let agreed: &[_] = if is_planned { &["u-2", "u-3"] } else { &["u-2"] };
            let started = GrantStarted {
                grant: grant.grant,
                request: grant.request,
                window,
                decision: decided(Action::Request, "u-1"),
                approvals: agreed.iter().map(|who| decided(Action::Approve, who)).collect(),
            };
            story.push((if is_planned { ActorRef::DAEMON } else { ALICE }, started.into()));
            let validity = Validity { from: time(540), until: time(until) };
            let issuance = IssuanceId::from_bytes(*grant.grant.as_bytes());
            let ssh = self.ssh_in(issuance, &grant, login, validity);
            let done = CertificateIssued {
                issuance: ssh.issuance,
                grant: Some(grant.grant),
                signature: self.keys.ssh_user.raw(ssh.tbs.as_slice()).to_vec().into(),
            };
            story.push((ALICE, ssh.into()));
            story.push((ALICE, done.into()));
        }
    }

    /// More time after what was planned is asked for, and once more when that was taken back.
    pub(super) fn extends(&self, story: &mut Story, bundle: Digest) {
        let withdrawn = self.extension(9, bundle);
        let request = withdrawn.request;
        story.push((ALICE, withdrawn.into()));
        story.push((ALICE, RequestCancelled { request }.into()));
        story.push((ALICE, self.extension(7, bundle).into()));
    }

    pub(super) fn extension(&self, number: u64, bundle: Digest) -> RequestMade {
        self.asked(number, bundle, |made| {
            made.extends = Some(GrantId::from_bytes(id(3)));
            made.start = Start::At(time(1_800));
            (made.made, made.lapses) = (time(600), time(1_200));
        })
    }

    /// By the policy, by the holder, by somebody else; and the emergency is looked at. A person is locked for a moment.
    pub(super) fn ends(&self, story: &mut Story) {
        let refused = self.granted(story, at::REFUSED, at::REFUSED_GRANT);
        let mut no = decided(Action::Request, "u-1");
        no.decision.outcome = Outcome::Deny;
        let refused = GrantEnded { decision: Some(no), ..refused.ended(600, EndCause::Policy) };
        story.push((ActorRef::DAEMON, refused.into()));
        let emergency = self.granted(story, at::EMERGENCY, at::EMERGENCY_GRANT);
        story.push((ALICE, emergency.ended(600, EndCause::GivenBack).into()));
        let (by, name) = person("u-2", "bob");
        let reviewed = Reviewed {
            request: emergency.request.request,
            by,
            name,
            comment: "the site was down indeed".parse().unwrap(),
            decision: decided(Action::Review, "u-2"),
        };
        story.push((BOB, reviewed.into()));
        let mut first = self.granted(story, at::FIRST, at::FIRST_GRANT);
        first.grant.term = Term::Open(from_to(600, 4_200));
        let (by, name) = person("u-3", "carol");
        let revoked = GrantRevoked {
            grant: first.grant.grant,
            request: first.grant.request,
            revoked: time(600),
            by,
            name,
            reason: "the laptop was stolen".parse().unwrap(),
            scope: first.scope(),
            decision: decided(Action::Revoke, "u-3"),
        };
        story.push((CAROL, revoked.into()));
        let reason: jit_ca_core::Text = "the laptop was stolen".parse().unwrap();
        let lock = Locked::Subject(subject("u-2"));
        let set = LockSet { lock: lock.clone(), by: officer(), reason: reason.clone() };
        story.push((CAROL, set.into()));
        let lifted = LockLifted { lock, by: Officer::Machine { uid: 0 }, reason };
        story.push((ActorRef::DAEMON, lifted.into()));
    }

    /// What nobody agreed to lapses, and what nobody used ends.
    pub(super) fn is_over(&self, story: &mut Story) {
        let Event::RequestMade(extension) = &story[at::EXTENSION].1 else { panic!() };
        let lapsed = RequestLapsed {
            request: extension.request,
            lapsed: extension.lapses,
            scope: scope(extension),
        };
        story.push((ActorRef::DAEMON, lapsed.into()));
        let mut planned = self.granted(story, at::PLANNED, at::PLANNED_GRANT);
        planned.grant.term = Term::Open(from_to(600, 1_800));
        story.push((ActorRef::DAEMON, planned.ended(1_800, EndCause::Over).into()));
        let unused = self.granted(story, at::UNUSED, at::UNUSED_GRANT);
        story.push((ActorRef::DAEMON, unused.ended(1_800, EndCause::Unused).into()));
    }

    /// A request of Alice, changed from the usual one.
    pub(super) fn asked(
        &self,
        number: u64,
        bundle: Digest,
        change: impl FnOnce(&mut RequestMade),
    ) -> RequestMade {
        let mut made = self.request(RequestId::from_bytes(id(number)), bundle);
        change(&mut made);
        made.hash = request_hash(&made);
        made
    }

    /// Bob agrees to all of it, and signs.
    fn agreed(&self, request: &RequestMade) -> ApprovalGiven {
        let mut given = self.approval(request);
        (given.duration, given.comment) = (request.duration, None);
        given.signature = Some(sign_approval(&given, &self.bob));
        given
    }

    pub(super) fn agree(&self, story: &mut Story, request: RequestMade, term: Term) {
        let (given, grant) = (self.agreed(&request), grant(&request, term));
        story.push((ALICE, request.into()));
        story.push((BOB, given.into()));
        story.push((BOB, grant.into()));
    }
}

impl Granted {
    pub(super) fn ended(&self, ended: u64, cause: EndCause) -> GrantEnded {
        GrantEnded {
            grant: self.grant.grant,
            request: self.grant.request,
            ended: time(ended),
            cause,
            scope: self.scope(),
            decision: None,
        }
    }

    pub(super) fn scope(&self) -> Scope {
        let window = match self.grant.term {
            Term::Open(window) | Term::Scheduled(window) => Some(window),
            Term::FirstUse { .. } => None,
        };
        let (rows, hosts) = (self.grant.rows.clone(), self.grant.hosts.clone());
        Scope { rows, hosts, window, ..scope(&self.request) }
    }
}

/// Carol, by the policy.
pub(super) fn officer() -> Officer {
    let (subject, name) = person("u-3", "carol");
    Officer::Person { subject, name, decision: Box::new(decided(Action::Lock, "u-3")) }
}

/// Of a request that became no grant.
pub(super) fn scope(request: &RequestMade) -> Scope {
    Scope {
        subject: request.subject.clone(),
        name: request.name.clone(),
        role: request.role.clone(),
        rows: request.rows.clone(),
        hosts: request.hosts.clone(),
        window: None,
        duration: request.duration,
        reason: request.reason.clone(),
        ticket: request.ticket.clone(),
    }
}

/// All that was asked for.
fn grant(request: &RequestMade, term: Term) -> GrantMade {
    GrantMade {
        grant: GrantId::from_bytes(*request.request.as_bytes()),
        request: request.request,
        subject: request.subject.clone(),
        role: request.role.clone(),
        rows: request.rows.clone(),
        hosts: request.hosts.clone(),
        term,
        certificates: request.certificates,
    }
}
