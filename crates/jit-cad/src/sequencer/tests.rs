//! The sequencer on a real store: what it writes, what it sends back, and what is left after it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::clock;
use crate::sequencer::{CommitError, Proposal, Sequencer};
use crate::store::{Clash, KeyName, Reply, Resource, Store, StoreError};
use jit_ca_cert::purpose::Log;
use jit_ca_cert::{Key, KeyEncryptionKey};
use jit_ca_core::event::{
    Allowed, CertificateIntended, Decided, Event, Factor, IssuanceFailed, IssuedUnder, LogInit,
    LoggedIn, LoggedOut, ProofOfPossession, RequestMade, SubjectKnown, Validity,
};
use jit_ca_core::workflow::{Access, Approve, Approver, Quorum, Start, Today};
use jit_ca_core::{
    Action, ActorRef, Bytes, Decision, Digest, Facts, GrantId, IssuanceId, Means, Origin, Outcome,
    RequestId, Span, UnixTime, Window,
};
use jit_ca_log::tree::{Tree, verify_consistency};
use jit_ca_log::{Checkpoint, LogKey, LogVerifier};
use zeroize::Zeroizing;

mod access;
mod erasure;
mod passkeys;
mod standing;

const ALICE: ActorRef = ActorRef::from_bytes([1; 16]);
const LOGIN: [u8; 17] = [1; 17];

struct Lab {
    store: Arc<Store>,
    sequencer: Sequencer,
    log_key: LogKey,
    folder: tempfile::TempDir,
}

impl Lab {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::create(&folder.path().join("log.redb")).unwrap());
        let origin: Origin = "ca.test/log".parse().unwrap();
        let (key, _) = Key::<Log>::create(&KeyEncryptionKey::new(Zeroizing::new([7; 32]))).unwrap();
        let log_key = key.log_key(origin.clone());
        let sequencer = Sequencer::start(Arc::clone(&store), key, &origin).unwrap();
        let lab = Self { store, sequencer, log_key, folder };
        let subject = "local/u-1".parse().unwrap();
        let known = SubjectKnown { subject, name: "alice".parse().unwrap(), actor: ALICE };
        lab.write(vec![LogInit { origin, keys: Vec::new(), succeeds: None }.into(), known.into()])
            .await
            .unwrap();
        lab
    }

    async fn write(&self, events: Vec<Event>) -> Result<u64, CommitError> {
        let proposal = Proposal::decided_at(
            clock::now(),
            events.into_iter().map(|event| (ALICE, event)).collect(),
        );
        self.sequencer.commit(proposal).await.map(|committed| committed.first)
    }

    async fn clash(&self, events: Vec<Event>) -> Clash {
        match self.write(events).await {
            Err(CommitError::Clash(clash)) => clash,
            other => panic!("{other:?} is no clash"),
        }
    }

    fn access(&self) -> (u64, Access) {
        let record = self.store.read().unwrap().access(request_id()).unwrap().unwrap();
        (record.generation, record.access.clone())
    }

    fn checkpoint(&self) -> Checkpoint {
        self.sequencer.newest().note.open(&self.log_key).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_stand_one_after_the_other_under_consistent_checkpoints() {
    let lab = Lab::new().await;
    let (sequencer, seen) =
        (lab.sequencer.clone(), Arc::new(std::sync::Mutex::new(vec![lab.checkpoint()])));
    let calls = (0..300_u16).map(|number| {
        let (sequencer, seen, log_key) =
            (sequencer.clone(), Arc::clone(&seen), lab.log_key.clone());
        tokio::spawn(async move {
            let mut bytes = [2; 16];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            let event = intended(IssuanceId::from_bytes(bytes), u64::from(number) + 1, None);
            let committed = sequencer
                .commit(Proposal::decided_at(clock::now(), vec![(ALICE, event)]))
                .await
                .unwrap();
            let recorded = committed.recorded(0, ()).unwrap();
            let leaf = recorded.verify(&LogVerifier::new(log_key.clone())).unwrap();
            assert_eq!(leaf.entry_type.as_str(), "issue.intent");
            seen.lock().unwrap().push(recorded.proof().checkpoint.open(&log_key).unwrap());
            recorded.index()
        })
    });
    let mut indexes = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        indexes.push(call.await.unwrap());
    }
    indexes.sort_unstable();
    assert_eq!(indexes, (2..302).collect::<Vec<u64>>());
    assert!(lab.checkpoint().size == 302 && seen.lock().unwrap().len() == 301);

    // INVARIANT (append only): each checkpoint that anybody was given is a beginning of the last.
    let snapshot = lab.store.read().unwrap();
    let last = lab.checkpoint();
    let mut tree = Tree::at(&snapshot, last.size);
    for checkpoint in seen.lock().unwrap().iter() {
        let proof = tree.consistency_proof(checkpoint.size).unwrap();
        verify_consistency(checkpoint.size, checkpoint.root, last.size, last.root, &proof).unwrap();
    }
    lab.store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_signed_again_to_the_byte_and_nothing_else_is() {
    let lab = Lab::new().await;
    let (mut notes, mut proofs) = (Vec::new(), Vec::new());
    for number in 1..20_u8 {
        let event = |number| intended(IssuanceId::from_bytes([number; 16]), number.into(), None);
        let entries = vec![(ALICE, event(number)), (ALICE, event(100 + number))];
        let proposal = Proposal::decided_at(clock::now(), entries);
        let committed = lab.sequencer.commit(proposal).await.unwrap();
        notes.push(lab.sequencer.newest().note.to_string());
        proofs.push(committed.recorded(0, ()).unwrap().proof());
    }
    let newest = lab.checkpoint();
    for (size, note) in (4..).step_by(2).zip(&notes) {
        let again = lab.sequencer.checkpoint_at(size).unwrap().unwrap();
        assert_eq!(again.as_str(), note);
    }
    for proof in proofs {
        // The proof at once is under the checkpoint of the batch, one made later under the newest.
        let (leaf, under) = proof.verify(&lab.log_key).unwrap();
        assert_eq!(under.size, proof.index + 2);
        let again = lab.sequencer.recorded(proof.index, ()).await.unwrap().proof();
        assert_eq!(again.verify(&lab.log_key).unwrap(), (leaf, newest.clone()));
    }
    assert!(lab.sequencer.checkpoint_at(newest.size + 1).unwrap().is_none());

    // INVARIANT (append only): tiles that do not lead to the root that was announced are not signed.
    let announced = Checkpoint { root: Digest::from_bytes([1; 32]), ..newest };
    let snapshot = lab.store.read().unwrap();
    let signed = lab.sequencer.signer.sign_earlier(&snapshot, 4, &announced);
    assert!(matches!(signed, Err(StoreError::Log(_))), "{signed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rests_on_what_has_changed_is_sent_back() {
    let lab = Lab::new().await;
    lab.write(vec![request()]).await.unwrap();
    let (generation, access) = lab.access();
    let cancel = || access.cancel(&access.request.subject, clock::now()).unwrap().remove(0);
    let resting = |generation| {
        let mut proposal = Proposal::decided_at(clock::now(), vec![(ALICE, cancel())]);
        proposal.access = Some((request_id(), generation));
        proposal
    };

    // Two decisions on the same state, at once: one is written, the other sent back.
    let (one, other) = tokio::join!(
        lab.sequencer.commit(resting(generation)),
        lab.sequencer.commit(resting(generation))
    );
    let clashes = [one, other].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(matches!(clashes.as_slice(), [CommitError::Clash(Clash::Access)]), "{clashes:?}");

    let mut by_other_policy = Proposal::decided_at(clock::now(), vec![(ALICE, request())]);
    by_other_policy.bundle = Some(Digest::from_bytes([1; 32]));
    let refused = lab.sequencer.commit(by_other_policy).await;
    assert!(matches!(refused, Err(CommitError::Clash(Clash::Bundle))), "{refused:?}");

    let old =
        Proposal::decided_at(clock::now().minus(Span::from_secs(11)), vec![(ALICE, request())]);
    let refused = lab.sequencer.commit(old).await;
    assert!(matches!(refused, Err(CommitError::Clash(Clash::Late))), "{refused:?}");
    assert_eq!(lab.checkpoint().size, 4);
    lab.store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_is_written_or_told_to_be_lost() {
    let lab = Lab::new().await;
    let said = lab.folder.path().join("said");
    let file = Mutex::new(fs::File::create(&said).unwrap());
    tracing_subscriber::fmt().with_writer(file).with_ansi(false).init();
    let issuance = IssuanceId::from_bytes([1; 16]);
    lab.write(vec![intended(issuance, 9, None)]).await.unwrap();
    let outcome = || {
        let error = "made twice".to_owned();
        let failed = IssuanceFailed { issuance, grant: None, error };
        Proposal::new(vec![(ALICE, failed.into())])
    };
    let old = clock::now().minus(Span::from_secs(11));
    lab.sequencer.commit_soon(outcome());
    lab.sequencer.commit_soon(outcome());
    lab.sequencer.commit_soon(Proposal::decided_at(old, vec![(ALICE, request())]));
    lab.sequencer.flush().await.unwrap();

    assert_eq!(lab.checkpoint().size, 4);
    let said = fs::read_to_string(said).unwrap();
    let lost: Vec<&str> = said.lines().filter(|line| line.contains("an entry is lost")).collect();
    assert_eq!(lost.len(), 1, "{said}");
    assert!(lost[0].contains("ERROR") && lost[0].contains(r#"entries="request""#), "{said}");
    lab.store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_once_is_written_once() {
    let lab = Lab::new().await;
    let code = Digest::from_bytes([5; 32]);
    let expires = clock::now().plus(Span::from_secs(60));
    let subject = || "local/u-1".parse().unwrap();
    let made = jit_ca_core::event::MfaCodeMade { subject: subject(), code, expires };

    assert_eq!(lab.clash(vec![login("a", Factor::EnrolmentCode { code })]).await, Clash::Code);
    lab.write(vec![made.into()]).await.unwrap();
    lab.write(vec![login("a", Factor::EnrolmentCode { code })]).await.unwrap();
    assert_eq!(lab.clash(vec![login("b", Factor::EnrolmentCode { code })]).await, Clash::Code);
    assert_eq!(lab.clash(vec![login("b", Factor::Totp { step: 7 })]).await, Clash::Code);

    let enrolled = jit_ca_core::event::MfaEnrolled {
        subject: subject(),
        login: LOGIN.as_slice().into(),
        step: 7,
    };
    lab.write(vec![enrolled.clone().into()]).await.unwrap();
    assert_eq!(lab.clash(vec![login("b", Factor::Totp { step: 7 })]).await, Clash::Code);
    assert_eq!(lab.clash(vec![login("a", Factor::Totp { step: 8 })]).await, Clash::Challenge);
    lab.write(vec![login("b", Factor::Totp { step: 8 })]).await.unwrap();
    assert_eq!(lab.clash(vec![login("c", Factor::Totp { step: 8 })]).await, Clash::Code);

    let issuance = |byte| IssuanceId::from_bytes([byte; 16]);
    lab.write(vec![intended(issuance(1), 9, None)]).await.unwrap();
    assert_eq!(lab.clash(vec![intended(issuance(1), 10, None)]).await, Clash::Taken);
    assert_eq!(lab.clash(vec![intended(issuance(2), 9, None)]).await, Clash::Taken);

    let reply = Reply {
        actor: ALICE,
        key: KeyName::new("k"),
        call: code,
        resource: Resource::Request(request_id()),
        at: clock::now(),
    };
    let call = || {
        let mut proposal =
            Proposal::decided_at(clock::now(), vec![(ALICE, intended(issuance(3), 11, None))]);
        proposal.reply = Some(reply.clone());
        proposal
    };
    lab.sequencer.commit(call()).await.unwrap();
    assert!(matches!(lab.sequencer.commit(call()).await, Err(CommitError::Clash(Clash::Call))));

    let out = LoggedOut { subject: subject(), login: LOGIN.as_slice().into() };
    lab.write(vec![out.clone().into()]).await.unwrap();
    assert_eq!(lab.clash(vec![out.into()]).await, Clash::Login);
    assert_eq!(lab.clash(vec![enrolled.into()]).await, Clash::Code);
    lab.store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_outside_a_grant() {
    let lab = Lab::new().await;
    let code = Digest::from_bytes([5; 32]);
    let made = jit_ca_core::event::MfaCodeMade {
        subject: "local/u-1".parse().unwrap(),
        code,
        expires: clock::now().plus(Span::from_secs(60)),
    };
    lab.write(vec![made.into(), request()]).await.unwrap();
    lab.write(vec![login("a", Factor::EnrolmentCode { code })]).await.unwrap();
    let grant = GrantId::from_bytes([4; 16]);
    let issuance = |byte| IssuanceId::from_bytes([byte; 16]);
    let until =
        |until| intended(issuance(until_byte(until)), 1 + until.secs(), Some((grant, until)));
    let now = clock::now();
    assert_eq!(lab.clash(vec![until(now.plus(Span::from_secs(1)))]).await, Clash::Access);

    let (_, access) = lab.access();
    let approve = Approve {
        by: Approver::Rules(vec!["rule".into()]),
        hash: access.request.hash,
        duration: None,
        rows: None,
        hosts: None,
        comment: None,
        signature: None,
        decision: decided(),
        today: Today::default(),
    };
    lab.write(access.approve(approve, grant, now).unwrap()).await.unwrap();
    // INVARIANT (window within grant): to the second.
    let end = lab.access().1.grant().unwrap().deadline();
    assert_eq!(lab.clash(vec![until(end.plus(Span::from_secs(1)))]).await, Clash::Access);
    lab.write(vec![until(end)]).await.unwrap();

    let out = LoggedOut { subject: "local/u-1".parse().unwrap(), login: LOGIN.as_slice().into() };
    lab.write(vec![out.into()]).await.unwrap();
    assert_eq!(lab.clash(vec![until(end.minus(Span::from_secs(1)))]).await, Clash::Login);
    lab.store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_found() {
    let lab = Lab::new().await;
    lab.write(vec![request()]).await.unwrap();
    lab.store.check().unwrap();
    let path = lab.folder.path().join("copy.redb");
    let copy = |table: &str| {
        std::fs::copy(lab.folder.path().join("log.redb"), &path).unwrap();
        change_first_value(&path, table);
        let store = Store::open(&path).unwrap();
        let head = store.read().unwrap().verify_head().map(drop);
        (head.is_err(), store.check().unwrap_err().to_string())
    };
    assert!(copy("log.leaves").1.contains("damaged"));
    assert!(copy("log.payloads").1.contains("payload of entry 0"));
    assert!(copy("log.tiles").0, "a start finds it");
    assert!(copy("fold.subjects").1.contains("fold.subjects is not the fold"));
}

/// Flips a bit in the middle of the first value of a table.
fn change_first_value(path: &Path, table: &str) {
    use redb::ReadableTable as _;
    let database = redb::Database::open(path).unwrap();
    let write = database.begin_write().unwrap();
    let flip = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    macro_rules! change {
        ($key:ty) => {{
            let mut table =
                write.open_table(redb::TableDefinition::<$key, &[u8]>::new(table)).unwrap();
            let changed = table.first().unwrap().map(|(_, value)| flip(value.value())).unwrap();
            let first = table.pop_first().unwrap().unwrap();
            let key = first.0.value().to_owned();
            drop(first);
            table.insert(key, changed.as_slice()).unwrap();
        }};
    }
    match table {
        "fold.subjects" => {
            let mut table =
                write.open_table(redb::TableDefinition::<&str, &[u8]>::new(table)).unwrap();
            let changed = table.get("local/u-1").unwrap().map(|value| flip(value.value())).unwrap();
            table.insert("local/u-1", changed.as_slice()).unwrap();
        }
        "log.tiles" => change!((u8, u64)),
        _ => change!(u64),
    }
    write.commit().unwrap();
}

fn until_byte(until: UnixTime) -> u8 {
    u8::try_from(until.secs() % 250).unwrap()
}

fn request_id() -> RequestId {
    RequestId::from_bytes([3; 16])
}

fn login(challenge: &str, factor: Factor) -> Event {
    let now = clock::now();
    let event = LoggedIn {
        subject: "local/u-1".parse().unwrap(),
        name: "alice".parse().unwrap(),
        key: Bytes::default(),
        challenge: challenge.to_owned(),
        login_key: Digest::from_bytes([0; 32]),
        signature: Bytes::default(),
        factor,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        serial: LOGIN.as_slice().into(),
        window: Window::starting(now, Span::from_secs(600)).unwrap(),
    };
    event.into()
}

fn intended(issuance: IssuanceId, serial: u64, under: Option<(GrantId, UnixTime)>) -> Event {
    let now = clock::now();
    let until = under.map_or(now.plus(Span::from_secs(60)), |(_, until)| until);
    let under = under.map(|(grant, _)| IssuedUnder {
        grant,
        row: "web-shell".parse().unwrap(),
        login: LOGIN.as_slice().into(),
        idempotency_key: "k".into(),
        possession: ProofOfPossession::Pkcs10(Bytes::default()),
        decision: Allowed {
            now,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            mfa_at: None,
            rules: Vec::new(),
        },
    });
    let event = CertificateIntended {
        issuance,
        purpose: "ssh-user".into(),
        serial: serial.to_be_bytes().as_slice().into(),
        tbs: Bytes::from(vec![1, 2, 3]),
        validity: Validity { from: now, until },
        under,
    };
    event.into()
}

fn request() -> Event {
    let now = clock::now();
    let event = RequestMade {
        request: request_id(),
        subject: "local/u-1".parse().unwrap(),
        name: "alice".parse().unwrap(),
        role: "web-shell".parse().unwrap(),
        rows: vec!["ssh web-shell login=deploy hosts=web1".parse().unwrap()],
        hosts: "*".parse().unwrap(),
        duration: Span::from_secs(60),
        start: Start::AtApproval,
        extends: None,
        reason: "why".parse().unwrap(),
        ticket: None,
        bundle: Digest::from_bytes([0; 32]),
        hash: Digest::from_bytes([0; 32]),
        made: now,
        lapses: now.plus(Span::from_secs(60)),
        approvals: vec![Quorum { count: 1, from: ["sre".parse().unwrap()].into(), signed: false }],
        use_within: None,
        certificates: Some(3),
        decision: decided(),
    };
    event.into()
}

fn decided() -> Decided {
    Decided {
        facts: Facts {
            action: Action::Request,
            subject: "local/u-1".parse().unwrap(),
            now: clock::now(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            mfa_at: None,
            means: Means::default(),
            role: None,
            requester: None,
            hosts: None,
            duration: None,
            reason: None,
            ticket: None,
        },
        decision: Decision { outcome: Outcome::Allow, rules: Vec::new(), reasons: Vec::new() },
    }
}
