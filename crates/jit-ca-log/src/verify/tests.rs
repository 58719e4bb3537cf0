//! A log that holds, and the ways in which one does not. Whoever changes it here has all keys: it is signed anew.

mod access;
mod activations;
mod erasures;
mod keys;
mod lies;
mod million;
mod observed;
mod passkeys;
mod resets;
mod second;
mod story;
mod told;
mod workflow;

use std::io::Cursor;
use std::sync::LazyLock;

use jit_ca_core::event::*;
use jit_ca_core::workflow::{Approver, Start, Term};
use jit_ca_core::{Action, ActorRef, Digest, IssuanceId, Outcome, Span, UnixTime};
use proptest::prelude::*;

use super::*;
use crate::Ids;
use crate::archive::Payload;
use access::request_hash;
use erasures::erased;
use keys::SshKey;
use lies::{Change, event, lies};
use second::found_by_both;
use story::*;
use told::{Members, Told, write};
use workflow::{Granted, from_to, time};

fn verdict(export: Cursor<Vec<u8>>, options: &Options) -> Verdict {
    verify(export, options, &mut |_, _| ()).unwrap()
}

/// How many entries the story has, and its last one.
const SIZE: u64 = at::SIZE as u64;
const LAST: u64 = at::ERASE as u64;

/// The code and the index of what is found first.
fn found(export: Cursor<Vec<u8>>) -> Option<(Code, Option<u64>)> {
    verdict(export, &Options::default()).finding.map(|finding| (finding.code, finding.index))
}

fn holds(told: &Told, teller: &Teller) {
    let verdict = verdict(told.export(teller), &Options::default());
    assert!(verdict.holds(), "{}", verdict.finding.unwrap());
}

#[test]
fn an_honest_log_holds() {
    let teller = Teller::new();
    let told = Told::of(&teller.story());
    let mut steps = Vec::new();
    let options = Options {
        key: Some(teller.log_key()),
        pins: [1, 12, at::SIZE]
            .map(|size| {
                let mut told = told.clone();
                told.leaves.truncate(size);
                told.checkpoint(&teller)
            })
            .to_vec(),
        uses: None,
    };
    let verdict =
        verify(told.export(&teller), &options, &mut |done, of| steps.push((done, of))).unwrap();
    assert_eq!(verdict.finding, None);
    assert_eq!((verdict.size, verdict.root), (Some(SIZE), Some(told.root())));
    let counts = Counts {
        certificates: 6,
        erased: 1,
        orphans: vec![at::SERVER as u64],
        ..Counts::default()
    };
    assert_eq!(verdict.counts, Some(counts));
    assert_eq!(steps, [(0, SIZE), (SIZE, SIZE)]);

    let json = serde_json::to_value(&verdict).unwrap();
    let expected = serde_json::json!({
        "verdict": "holds", "code": null, "first_bad_index": null, "message": null,
        "origin": "ca.test/jit-ca", "size": SIZE, "root": json["root"],
        "certificates": 6, "erased": 1, "unknown": 0, "orphans": [at::SERVER], "unaccounted": [], "pins": 3,
    });
    assert_eq!(json, expected);
}

#[test]
fn a_verdict_says_what_is_wrong_and_where() {
    let teller = Teller::new();
    let mut told = Told::of(&teller.story());
    told.records[at::GRANT].clear();
    let verdict = verdict(told.export(&teller), &Options::default());
    let text = "entry 16: the payload is missing, and no erasure names it (erased)";
    assert_eq!(verdict.finding.as_ref().unwrap().to_string(), text);
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!((&json["verdict"], &json["code"]), (&"broken".into(), &"erased".into()));
    assert_eq!((&json["first_bad_index"], &json["size"]), (&16.into(), &SIZE.into()));
    assert!(json["certificates"].is_null() && json["orphans"].is_null());
}

#[test]
fn the_entries_of_an_export_are_read_again() {
    let teller = Teller::new();
    let mut story = teller.story();
    for count in 0..300 {
        let since = UnixTime::from_secs(START);
        story.push((ActorRef::DAEMON, StrangersRefused { count, since }.into()));
    }
    let told = Told::of(&story);
    let mut archive = Archive::open(told.export(&teller)).unwrap();
    assert_eq!(archive.log_key().unwrap(), teller.log_key());
    let entries: Vec<_> = archive.entries().unwrap().map(Result::unwrap).collect();
    assert_eq!(entries.len(), story.len());
    for ((entry, leaf), (index, (_, event))) in
        entries.iter().zip(&told.leaves).zip(story.iter().enumerate())
    {
        assert_eq!(&entry.leaf, leaf);
        assert_eq!(entry.event(), (index != at::CODE).then_some(event));
    }
    assert_eq!(entries[at::CODE].payload, Payload::Erased);

    // Behind a part that can't be read comes nothing.
    let mut members = told.members(&teller);
    members[7].1.clear();
    let mut archive = Archive::open(write(&members)).unwrap();
    let read: Vec<_> = archive.entries().unwrap().collect();
    assert_eq!(read.len(), 257);
    assert!(read[256].is_err());
}

#[test]
fn each_lie_is_found_where_it_is_told() {
    let teller = Teller::new();
    each_is_found(&teller, &teller.story(), &lies());
}

/// What both verifiers find of a story in which one thing is changed: what is said, and at the entry that is said.
#[track_caller]
fn each_is_found(teller: &Teller, story: &Story, lies: &[(Code, usize, Change)]) {
    let exports = lies.iter().map(|(_, _, lie)| {
        let mut story = story.clone();
        lie(teller, &mut story);
        Told::of(&story).export(teller)
    });
    let found = found_by_both(exports.collect());
    let unfound = lies.iter().zip(found).enumerate().filter_map(|(nth, (lie, found))| {
        let (code, index, _) = *lie;
        let told = Some((code, u64::try_from(index).ok()));
        (found != told).then_some((nth, code, index, found))
    });
    let unfound: Vec<_> = unfound.collect();
    assert!(unfound.is_empty(), "{unfound:#?}");
}

/// A request that rules approved: its entries are the last three.
fn by_rules(teller: &Teller) -> Story {
    let mut story = teller.beginning();
    let text = "@id(\"on-call\")\npermit (principal, action, resource);\n".into();
    let rules = FileListed { path: "policies/on-call.cedar".into(), text };
    story.insert(1, (ActorRef::DAEMON, rules.into()));
    *event!(story, at::BUNDLE + 1, BundleActivated) = activated(&story[..at::BUNDLE + 1].to_vec());
    let access = teller.access(in_force(&story), 2, &vec![1].into());
    story.extend(access.into_iter().take(3));
    let given = event!(story, BY_RULES, ApprovalGiven);
    given.by = Approver::Rules(vec!["on-call".into()]);
    (given.signature, given.decision) = (None, decided(Action::SkipApproval, "u-1"));
    given.groups.clear();
    story[BY_RULES].0 = ActorRef::DAEMON;
    story[BY_RULES + 1].0 = ActorRef::DAEMON;
    story
}

const BY_RULES: usize = at::BUNDLE + 3;

#[test]
fn rules_approve_without_people_and_signatures() {
    let teller = Teller::new();
    let story = by_rules(&teller);
    holds(&Told::of(&story), &teller);

    let with = |change: fn(&mut ApprovalGiven), actor: ActorRef| {
        let mut story = story.clone();
        change(event!(story, BY_RULES, ApprovalGiven));
        story[BY_RULES].0 = actor;
        found(Told::of(&story).export(&teller))
    };
    let at = Some(BY_RULES as u64);
    let other: fn(&mut ApprovalGiven) =
        |given| given.decision = decided(Action::SkipApproval, "u-2");
    assert_eq!(with(other, ActorRef::DAEMON), Some((Code::Decision, at)));
    let lies: [fn(&mut ApprovalGiven); 2] = [
        |given| given.by = Approver::Rules(vec!["on-call".into(), "of-nobody".into()]),
        |given| given.by = Approver::Rules(Vec::new()),
    ];
    for lie in lies {
        assert_eq!(with(lie, ActorRef::DAEMON), Some((Code::Approval, at)));
    }
    assert_eq!(with(|_| (), BOB), Some((Code::Approval, at)));
}

#[test]
fn what_rules_approved_begins_by_their_leave_or_ends_without() {
    let teller = Teller::new();
    let begun = |start, term| {
        let mut story = by_rules(&teller);
        let made = event!(story, BY_RULES - 1, RequestMade);
        made.start = start;
        made.hash = request_hash(made);
        let hash = made.hash;
        event!(story, BY_RULES, ApprovalGiven).hash = hash;
        event!(story, BY_RULES + 1, GrantMade).term = term;
        let granted = teller.granted(&story, BY_RULES - 1, BY_RULES + 1);
        (story, granted)
    };
    let (window, duration) = (from_to(0, 1_800), Span::from_secs(1_800));
    let scheduled = || begun(Start::At(time(0)), Term::Scheduled(window));
    let first_use = || begun(Start::FirstUse, Term::FirstUse { duration, by: time(1_800) });
    let (mut exports, mut expected) = (Vec::new(), Vec::new());
    let mut tell = |mut story: Story, event: Event, code: Option<Code>| {
        story.push((ActorRef::DAEMON, event));
        exports.push(Told::of(&story).export(&teller));
        expected.push(code.map(|code| (code, Some(BY_RULES as u64 + 2))));
    };
    let of_rules = || decided(Action::SkipApproval, "u-1");
    for (approvals, code) in [
        (vec![of_rules()], None),
        (vec![], Some(Code::State)),
        (vec![of_rules(), of_rules()], Some(Code::State)),
        (vec![decided(Action::Approve, "u-2")], Some(Code::State)),
        (vec![decided(Action::SkipApproval, "u-2")], Some(Code::Decision)),
    ] {
        let (story, Granted { grant: GrantMade { grant, request, .. }, .. }) = scheduled();
        let decision = decided(Action::Request, "u-1");
        tell(story, GrantStarted { grant, request, window, decision, approvals }.into(), code);
    }
    for ((story, granted), action, code) in [
        (scheduled(), Action::SkipApproval, None),
        (first_use(), Action::SkipApproval, None),
        (first_use(), Action::Request, None),
        (first_use(), Action::Approve, Some(Code::Decision)),
        // What has begun is not ended by the policy.
        (begun(Start::AtApproval, Term::Open(window)), Action::Request, Some(Code::State)),
    ] {
        let mut no = decided(action, "u-1");
        no.decision.outcome = Outcome::Deny;
        let ended = GrantEnded { decision: Some(no), ..granted.ended(0, EndCause::Policy) };
        tell(story, ended.into(), code);
    }
    assert_eq!(found_by_both(exports), expected);
}

#[test]
fn time_goes_back_where_the_clock_was_acknowledged_and_nowhere_else() {
    let teller = Teller::new();
    let mut story = teller.story();
    // The daemon's own certificate is issued whatever the clock says.
    story.insert(at::SERVER, faulted());
    story.insert(at::SERVER + 2, acknowledged());
    holds(&Told::of(&story), &teller);
    for (index, is_fault) in [(at::SERVER, true), (at::SERVER + 1, true), (at::SERVER + 2, false)] {
        let mut told = Told::of(&story);
        told.leaves[..index].iter_mut().for_each(|leaf| leaf.ts_ms += 5_000);
        let expected = is_fault.then_some((Code::Leaf, Some(index as u64)));
        assert_eq!(found(told.export(&teller)), expected);
    }
}

#[test]
fn an_acknowledgement_counts_whatever_is_erased() {
    let teller = Teller::new();
    let gone = vec![(at::SERVER as u64, at::SERVER as u64 + 1)];
    let mut story = teller.story();
    story.splice(at::SERVER..at::SERVER, [faulted(), acknowledged()]);
    assert_eq!(found(erased(&story, gone.clone()).export(&teller)), None);
    story.insert(at::SERVER + 2, acknowledged());
    let expected = Some((Code::Clock, Some(at::SERVER as u64 + 2)));
    assert_eq!(found(erased(&story, gone).export(&teller)), expected);
}

#[test]
fn what_was_made_by_a_clock_that_was_put_back_is_over() {
    let teller = Teller::new();
    for (made, rests, code) in [
        (at::CODE, at::LOGIN, Code::Login),
        (at::LOGIN, at::ENROLLED, Code::Login),
        (at::REQUEST, at::APPROVAL, Code::State),
        (at::GRANT, at::SSH, Code::Under),
    ] {
        let with = |later: u64| {
            let mut story = teller.story();
            story.truncate(at::LOGOUT);
            story.splice(made + 1..=made, [faulted(), acknowledged()]);
            let mut told = Told::of(&story);
            told.leaves[made..made + 2].iter_mut().for_each(|leaf| leaf.ts_ms += later);
            found(told.export(&teller))
        };
        assert_eq!(with(0), None);
        assert_eq!(with(1), Some((code, Some(rests as u64 + 2))));
    }
}

#[test]
fn an_enrolment_code_is_used_once_by_whom_it_was_made_for() {
    let teller = Teller::new();
    let with = |change: fn(&mut MfaCodeMade)| {
        let mut story = teller.story();
        story.truncate(at::LOGOUT);
        change(event!(story, at::CODE, MfaCodeMade));
        found(Told::of(&story).export(&teller))
    };
    let refused = Some((Code::Login, Some(at::LOGIN as u64)));
    assert_eq!(with(|_| ()), None);
    assert_eq!(with(|made| made.code = Digest::from_bytes([0; 32])), refused);
    assert_eq!(with(|made| made.subject = subject("u-2")), refused);
    let mut story = teller.story();
    story.truncate(at::LOGOUT);
    let Event::MfaCodeMade(made) = &story[at::CODE].1 else { panic!() };
    let factor = Factor::EnrolmentCode { code: made.code };
    let again = teller.login(IssuanceId::from_bytes([7; 16]), factor);
    story.push((ALICE, again.into()));
    let found = found(Told::of(&story).export(&teller));
    assert_eq!(found, Some((Code::Login, Some(at::LOGOUT as u64))));
}

#[test]
fn a_log_that_goes_on_from_another_keeps_second_factors() {
    let teller = Teller::new();
    let mut story = teller.story();
    let checkpoint = Told::default().checkpoint(&teller).to_string();
    let reason = "the disk was lost".parse().unwrap();
    event!(story, 0, LogInit).succeeds = Some(Succession { checkpoint, reason });
    let kept = |step| (BOB, MfaKept { subject: subject("u-2"), step }.into());
    story.insert(at::ORDER, kept(199));
    holds(&Told::of(&story), &teller);

    // The order's step is 200.
    story[at::ORDER] = kept(200);
    let found = found(Told::of(&story).export(&teller));
    assert_eq!(found, Some((Code::Login, Some(at::ORDER as u64 + 1))));
}

#[test]
fn leaves_and_payloads_say_the_same() {
    let teller = Teller::new();
    let told = Told::of(&teller.story());
    let check = |code, index: usize, change: &dyn Fn(&mut Told)| {
        let mut told = told.clone();
        change(&mut told);
        assert_eq!(found(told.export(&teller)), Some((code, Some(index as u64))));
    };
    check(Code::Leaf, 3, &|told| told.leaves[3].idx = 4);
    check(Code::Leaf, 4, &|told| told.leaves[4].ts_ms -= 1);
    check(Code::Payload, 3, &|told| told.leaves[3].commit = Digest::from_bytes([0; 32]));
    check(Code::Payload, 3, &|told| told.records[3][40] ^= 1);
    check(Code::Payload, 3, &|told| told.records[3].truncate(31));
    check(Code::Payload, at::BUNDLE, &|told| {
        told.leaves[at::BUNDLE].bundle = Some(Digest::from_bytes([0; 32]));
    });
    check(Code::Payload, 9, &|told| told.leaves[9].bundle = None);
    check(Code::Payload, at::SSH_DONE, &|told| {
        told.leaves[at::SSH_DONE].bundle = told.leaves[at::SSH].bundle;
    });
    check(Code::Payload, at::SSH, &|told| told.leaves[at::SSH].tbs = None);
    check(Code::Payload, at::SSH, &|told| {
        told.leaves[at::SSH].tbs = Some(Digest::from_bytes([0; 32]));
    });
    check(Code::Payload, at::CODE, &|told| {
        told.leaves[at::CODE].tbs = Some(Digest::from_bytes([0; 32]));
    });
    check(Code::Payload, at::GRANT, &|told| told.leaves[at::GRANT].ids.grant = None);
    // One more byte behind it, and a number that is longer than it needs be.
    check(Code::Payload, 3, &|told| {
        told.records[3].push(0);
        told.recommit(3);
    });
    check(Code::Payload, at::ENROLLED, &|told| {
        let record = &mut told.records[at::ENROLLED];
        let end = record.len();
        assert_eq!(record[end - 2..], [0x18, 100]);
        record.splice(end - 2.., [0x19, 0, 100]);
        told.recommit(at::ENROLLED);
    });
    // A type that is not known is hashed like any other, and counted.
    let mut unknown = told.clone();
    unknown.leaves[at::SERVER].entry_type = "tea.break".parse().unwrap();
    (unknown.leaves[at::SERVER].tbs, unknown.leaves[at::SERVER].ids) = (None, Ids::default());
    unknown.records[at::SERVER] = vec![7; 40];
    unknown.recommit(at::SERVER);
    let verdict = verdict(unknown.export(&teller), &Options::default());
    assert_eq!(verdict.counts.unwrap().unknown, 1);
}

#[test]
fn a_bundle_that_fits_again_makes_its_parts_known_again() {
    let teller = Teller::new();
    let mut story = teller.beginning();
    let daemon = ActorRef::DAEMON;
    let role = |text: &str| FileListed { path: "roles/web.toml".into(), text: text.into() };
    story.push((daemon, role("new").into()));
    story.push((daemon, activated(&story).into()));
    story.push((daemon, role("newer").into()));
    let hash = Digest::from_bytes([0; 32]);
    story.push((daemon, BundleActivated { hash, ..activated(&story) }.into()));
    let unknown = |entries| Erased {
        cause: ErasureCause::Retention(UnixTime::from_secs(START + 1)),
        reason: "kept for a year".parse().unwrap(),
        entries,
    };
    let with = |entries| {
        let mut story = story.clone();
        story.push((daemon, unknown(entries).into()));
        found(Told::of(&story).export(&teller))
    };
    // The first listing is erased; the second replaces it, and its bundle fits. So the last one's does not.
    assert_eq!(with(vec![(1, 1)]), Some((Code::Bundle, Some(12))));
    // With the last listing erased it may.
    assert_eq!(with(vec![(11, 11)]), None);
}

#[test]
fn parts_hold_what_they_say() {
    let teller = Teller::new();
    let story = teller.story();
    let told = Told::of(&story);
    let members = told.members(&teller);
    let check = |expected, change: &dyn Fn(&mut Members)| {
        let mut members = members.clone();
        change(&mut members);
        assert_eq!(found(write(&members)), Some(expected));
    };
    check((Code::Checkpoint, None), &|m| m[0].1.truncate(20));
    check((Code::Checkpoint, None), &|m| m[1].1.truncate(20));
    check((Code::Checkpoint, None), &|m| m[1].1.push(b'\n'));
    check((Code::Missing, Some(LAST)), &|m| m[2].1.truncate(at::SIZE * 32 - 1));
    check((Code::Missing, Some(LAST)), &|m| assert!(m[3].1.pop().is_some()));
    check((Code::Missing, Some(LAST)), &|m| assert!(m[4].1.pop().is_some()));
    check((Code::Hash, Some(LAST)), &|m| m[2].1[at::ERASE * 32] ^= 1);
    check((Code::Hash, Some(0)), &|m| m[3].1[2] ^= 1);
    for part in 2..5 {
        check((Code::Surplus, None), &|m| m[part].1.push(0));
    }
    check((Code::Surplus, None), &|m| m[4].1.extend([0; 4]));
    check((Code::Copy, None), &|m| m[5].1[40] ^= 1);
    check((Code::Copy, None), &|m| drop(m.pop()));
    check((Code::Copy, None), &|m| m.push(("bundles/x".into(), vec![])));
    check((Code::Copy, None), &|m| m.swap(5, 6));
    check((Code::Archive, None), &|m| m.swap(2, 3));
    check((Code::Archive, None), &|m| m.swap(0, 1));
    check((Code::Archive, None), &|m| m.push(("more".into(), vec![])));
    check((Code::Archive, None), &|m| m.push(m[5].clone()));
    check((Code::Archive, None), &|m| m[2].0.push('0'));
    check((Code::Archive, None), &|m| m.truncate(4));

    let mut other = told.clone();
    other.leaves[at::ERASE].ts_ms += 1;
    check((Code::Root, None), &|m| m[0].1 = other.checkpoint(&teller).to_string().into_bytes());

    assert_eq!(found(Told::default().export(&teller)), Some((Code::Init, Some(0))));
}

#[test]
fn tiles_above_the_leaves_are_what_they_give() {
    let teller = Teller::new();
    let mut story = teller.beginning();
    for count in 0..300 {
        let since = UnixTime::from_secs(START);
        story.push((ActorRef::DAEMON, StrangersRefused { count, since }.into()));
    }
    let told = Told::of(&story);
    let mut members = told.members(&teller);
    assert_eq!(members[8].0, "tile/1/000.p/1");
    holds(&told, &teller);
    members[8].1[0] ^= 1;
    assert_eq!(found(write(&members)), Some((Code::Tile, None)));
}

#[test]
fn the_reader_knows_a_key_and_has_seen_checkpoints() {
    let teller = Teller::new();
    let told = Told::of(&teller.story());
    let found = |options: &Options| {
        verdict(told.export(&teller), options).finding.map(|finding| finding.code)
    };
    let another = LogKey::new(origin(), [0; 32]);
    let options = Options { key: Some(another), ..Options::default() };
    assert_eq!(found(&options), Some(Code::Checkpoint));

    let mut longer = told.clone();
    let strangers = StrangersRefused { count: 1, since: UnixTime::from_secs(START) };
    longer.push(ActorRef::DAEMON, &strangers.into());
    let mut other = told.clone();
    other.leaves.truncate(9);
    other.leaves[8].ts_ms += 1;
    let pins = |pins: &[&Told]| Options {
        key: None,
        pins: pins.iter().map(|told| told.checkpoint(&teller)).collect(),
        uses: None,
    };
    assert_eq!(found(&pins(&[&other, &longer])), Some(Code::Stale));
    assert_eq!(found(&pins(&[&told, &other])), Some(Code::Pin));
    assert_eq!(found(&pins(&[&told, &Told::default()])), None);
    let mut options = pins(&[&told]);
    let mut stranger = Teller::new();
    stranger.keys.log = keys::SshKey::new(77);
    options.pins.push(told.checkpoint(&stranger));
    assert_eq!(found(&options), Some(Code::Pin));
}

/// An honest export, the same for all cases of a property.
fn export() -> &'static [u8] {
    static EXPORT: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let teller = Teller::new();
        Told::of(&teller.story()).export(&teller).into_inner()
    });
    &EXPORT
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No bit of an export can be changed without a finding.
    #[test]
    fn no_bit_changes_unseen(bits in proptest::collection::vec(any::<usize>(), 16)) {
        let export = export();
        for bit in bits {
            let bit = bit % (8 * export.len());
            let mut changed = export.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(found(Cursor::new(changed)).is_some(), "bit {}", bit);
        }
    }

    /// However it is cut, it is not an export.
    #[test]
    fn no_cut_goes_unseen(at in any::<usize>()) {
        let export = export();
        let cut = export[..at % export.len()].to_vec();
        prop_assert_eq!(found(Cursor::new(cut)), Some((Code::Archive, None)));
    }
}
