use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::exit::Exit;
use crate::testing::TestLog;
use jit_ca_api::Predecessor;
use jit_ca_log::Ids;

const ORIGIN: &str = "ca.example.org/jit-ca";

fn grown(mut log: TestLog, entries: &str, count: u64) -> TestLog {
    for _ in 0..count {
        log.push(entries, Ids::default(), None);
    }
    log
}

/// A log of so many entries that say `a`.
fn honest(count: u64) -> TestLog {
    grown(TestLog::new(ORIGIN, 1), "a", count)
}

impl Log for TestLog {
    fn consistency(&self, query: &ConsistencyQuery) -> Result<Consistency> {
        let to = query.to.unwrap_or(self.size());
        let is_there = query.from <= to && to <= self.size();
        let proof = if is_there { self.consistency(query.from, to) } else { Vec::new() };
        Ok(Consistency { checkpoint: self.checkpoint(to.min(self.size())).to_string(), proof })
    }

    fn trust(&self) -> Result<Trust> {
        Ok(trust(self, None))
    }
}

fn trust(log: &TestLog, succeeds: Option<Predecessor>) -> Trust {
    Trust {
        page: None,
        origin: log.key().origin().clone(),
        log_key: log.key().to_string(),
        pin: Digest::from_bytes([0; 32]),
        ssh_user_ca: String::new(),
        ssh_host_ca: String::new(),
        hosts: Vec::new(),
        revoked_host_keys: Vec::new(),
        x509: Vec::new(),
        trust_domain: "example.org".to_owned(),
        succeeds,
    }
}

struct Home {
    folder: tempfile::TempDir,
    witness: Witness,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        Self { folder, witness: Witness::new(&places, honest(0).key()) }
    }

    fn kept(&self) -> Option<String> {
        let kept = self.witness.kept.read(&self.witness.key).unwrap();
        kept.map(|kept| kept.note.to_string())
    }

    /// Where the checkpoint is kept.
    fn file(&self) -> PathBuf {
        places(self.folder.path()).checkpoints().join("ca.example.org+jit-ca+987a061c")
    }

    /// The folders of evidence.
    fn evidence(&self) -> Vec<PathBuf> {
        let Ok(folders) = fs::read_dir(&self.witness.evidence) else { return Vec::new() };
        let mut folders: Vec<_> = folders.map(|folder| folder.unwrap().path()).collect();
        folders.sort();
        folders
    }
}

fn places(home: &Path) -> Places {
    Places {
        home: home.to_owned(),
        config: home.join("config"),
        runtime: home.join("runtime"),
        agent: None,
        user: None,
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// The error as the person sees it.
fn refused<T: std::fmt::Debug>(result: Result<T>) -> (String, String) {
    let error = result.unwrap_err();
    assert_eq!(error.exit(), Exit::Unverified);
    (error.to_string(), error.hint().unwrap())
}

#[test]
fn what_is_shown_first_is_believed_and_then_only_what_goes_on_from_it() {
    let home = Home::new();
    home.witness.meet(&honest(3)).unwrap();
    assert_eq!(home.kept(), Some(honest(3).checkpoint(3).to_string()));
    let mode = fs::metadata(home.file()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    for size in [3, 4, 4, 300] {
        let before = fs::metadata(home.file()).unwrap().ino();
        let was = home.kept();
        home.witness.meet(&honest(size)).unwrap();
        assert_eq!(home.kept(), Some(honest(size).checkpoint(size).to_string()));
        // A write puts another file in its place.
        let is_written = fs::metadata(home.file()).unwrap().ino() != before;
        assert_eq!(is_written, home.kept() != was, "{size}");
    }
    assert!(home.evidence().is_empty());
}

#[test]
fn a_log_that_is_not_what_it_was_is_refused_from_then_on() {
    let unproven = |log: &TestLog| {
        // It is what it says to be, and does not prove it.
        let mut answer = Log::consistency(log, &ConsistencyQuery { from: 5, to: None }).unwrap();
        answer.proof.pop();
        Canned(answer)
    };
    let fork = grown(honest(3), "b", 2);
    let stranger = grown(TestLog::new(ORIGIN, 2), "a", 9);
    let elsewhere = grown(TestLog::new("ca.example.org/other", 1), "a", 9);
    let canned = |log: &TestLog| {
        Canned(Log::consistency(log, &ConsistencyQuery { from: 5, to: None }).unwrap())
    };
    let cases: [(&str, Canned); 6] = [
        ("has lost entries: it had 5, and the CA shows 4", canned(&honest(4))),
        ("two histories of 5 entries", canned(&fork)),
        ("rewritten", canned(&grown(fork.clone(), "b", 4))),
        ("rewritten", unproven(&honest(9))),
        ("not its log's", canned(&stranger)),
        ("not its log's", canned(&elsewhere)),
    ];
    for (why, shown) in cases {
        let home = Home::new();
        home.witness.meet(&honest(5)).unwrap();
        let kept = home.kept().unwrap();
        let (what, hint) = refused(home.witness.meet(&shown));
        assert!(what.contains(why), "{what}");
        assert!(what.contains(&kept) && what.contains(shown.0.checkpoint.trim_end()), "{what}");
        assert_eq!(home.kept().as_ref(), Some(&kept));

        let [saved] = <[PathBuf; 1]>::try_from(home.evidence()).unwrap();
        assert!(hint.contains(saved.to_str().unwrap()), "{hint}");
        assert_eq!(read(&saved.join("old.checkpoint")), kept);
        assert_eq!(read(&saved.join("new.checkpoint")), shown.0.checkpoint);
        assert_eq!(read(&saved.join("log.key")), format!("{}\n", honest(0).key()));
        assert!(read(&saved.join("README")).contains(why));
        assert_eq!(saved.join("consistency.json").exists(), why == "rewritten");

        // The same again says so again, and is saved once; an honest log is taken as before.
        refused(home.witness.meet(&shown));
        assert_eq!(home.evidence(), [saved]);
        home.witness.meet(&honest(6)).unwrap();
    }
}

/// An answer, whatever is asked.
struct Canned(Consistency);

impl Log for Canned {
    fn consistency(&self, _: &ConsistencyQuery) -> Result<Consistency> {
        Ok(self.0.clone())
    }

    fn trust(&self) -> Result<Trust> {
        honest(1).trust()
    }
}

#[test]
fn a_kept_checkpoint_that_was_changed_is_not_gone_on_from() {
    let home = Home::new();
    home.witness.meet(&honest(5)).unwrap();
    let note = read(&home.file());
    fs::write(home.file(), note.replace("\n5\n", "\n4\n")).unwrap();
    let error = home.witness.meet(&honest(6)).unwrap_err();
    assert!(error.to_string().contains("can't be understood"), "{error}");
}

#[test]
fn what_a_certificate_is_proven_under_counts_as_well() {
    let home = Home::new();
    let log = honest(9);
    // Nothing is kept yet; newer; the same; older.
    for (size, kept) in [(4, 4), (7, 7), (7, 7), (5, 7)] {
        home.witness.admit(&log, &log.checkpoint(size)).unwrap();
        assert_eq!(home.kept(), Some(log.checkpoint(kept).to_string()));
    }
    let fork = grown(honest(4), "b", 6);
    for size in [5, 7, 10] {
        // Whichever of the two histories the CA tells when it is asked.
        for asked in [&fork, &grown(honest(9), "a", 1)] {
            let (what, _) = refused(home.witness.admit(asked, &fork.checkpoint(size)));
            assert!(what.contains("rewritten") || what.contains("two histories"), "{what}");
        }
    }
    assert_eq!(home.evidence().len(), 3);
    assert_eq!(home.kept(), Some(log.checkpoint(7).to_string()));
}

/// A log by which another process of this person's is served between this one's question and answer.
struct Overtaken<'h> {
    home: &'h Home,
    shows_this: TestLog,
    shows_the_other: TestLog,
    calls: Cell<u32>,
}

impl Log for Overtaken<'_> {
    fn consistency(&self, query: &ConsistencyQuery) -> Result<Consistency> {
        self.calls.set(self.calls.get() + 1);
        if self.calls.get() == 1 {
            self.home.witness.meet(&self.shows_the_other).unwrap();
        }
        // The CA keeps to each of its stories for as long as that has entries.
        let is_the_others = query.to.is_some_and(|to| to > self.shows_this.size());
        let log = if is_the_others { &self.shows_the_other } else { &self.shows_this };
        Log::consistency(log, query)
    }

    fn trust(&self) -> Result<Trust> {
        self.shows_this.trust()
    }
}

#[test]
fn of_two_at_once_the_newer_is_kept_and_two_histories_are_seen() {
    let overtaken = |shows_this, shows_the_other| {
        let home = Home::new();
        home.witness.meet(&honest(5)).unwrap();
        let log = Overtaken { home: &home, shows_this, shows_the_other, calls: Cell::new(0) };
        let met = home.witness.meet(&log);
        let calls = log.calls.get();
        (met, calls, home)
    };
    let (met, calls, home) = overtaken(honest(6), honest(8));
    met.unwrap();
    assert_eq!((calls, home.kept()), (2, Some(honest(8).checkpoint(8).to_string())));

    let (met, _, home) = overtaken(honest(8), honest(6));
    met.unwrap();
    assert_eq!(home.kept(), Some(honest(8).checkpoint(8).to_string()));

    // Each goes on from what was kept, and not from each other.
    let (met, _, home) = overtaken(grown(honest(5), "b", 9), honest(8));
    refused(met);
    assert_eq!(home.kept(), Some(honest(8).checkpoint(8).to_string()));
    assert_eq!(home.evidence().len(), 1);
}

/// A log that grows each time that somebody asks for its newest checkpoint.
struct Growing(Mutex<TestLog>);

impl Log for Growing {
    fn consistency(&self, query: &ConsistencyQuery) -> Result<Consistency> {
        let mut log = self.0.lock().unwrap();
        if query.to.is_none() {
            log.push("a", Ids::default(), None);
        }
        Log::consistency(&*log, query)
    }

    fn trust(&self) -> Result<Trust> {
        self.0.lock().unwrap().trust()
    }
}

#[test]
fn many_at_once_never_go_back() {
    let home = Home::new();
    let log = Growing(Mutex::new(honest(0)));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let witness = Witness::new(&places(home.folder.path()), honest(0).key());
                let mut last = 0;
                for _ in 0..25 {
                    witness.meet(&log).unwrap();
                    let now = witness.kept.read(&witness.key).unwrap().unwrap().size();
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
            });
        }
    });
    assert_eq!(home.kept(), Some(honest(100).checkpoint(100).to_string()));
    assert!(home.evidence().is_empty());
}

/// A CA that has begun another log.
struct Restored {
    log: TestLog,
    succeeds: Predecessor,
}

impl Log for Restored {
    fn consistency(&self, query: &ConsistencyQuery) -> Result<Consistency> {
        Log::consistency(&self.log, query)
    }

    fn trust(&self) -> Result<Trust> {
        Ok(trust(&self.log, Some(self.succeeds.clone())))
    }
}

fn restored(checkpoint: &SignedCheckpoint) -> Restored {
    let reason = "the disk of the\nhost died".to_owned();
    Restored {
        log: grown(TestLog::new("ca.example.org/jit-ca-2", 1), "a", 2),
        succeeds: Predecessor { checkpoint: checkpoint.to_string(), reason },
    }
}

#[test]
fn another_log_is_taken_only_by_its_name() {
    let home = Home::new();
    home.witness.meet(&honest(9)).unwrap();
    let ca = restored(&honest(9).checkpoint(6));
    let (what, hint) = refused(home.witness.meet(&ca));
    for said in
        ["ca.example.org/jit-ca-2", "first 6 entries", "9 that this machine", "3 are lost", "disk"]
    {
        assert!(what.contains(said), "{what}");
    }
    assert!(what.ends_with("reason: the disk of the host died"), "{what}");
    assert!(hint.contains("jit-ca trust --accept-log ca.example.org/jit-ca-2"), "{hint}");
    assert!(home.evidence().is_empty());

    let successor = Successor::of(&ca.trust().unwrap(), &home.witness.key).unwrap();
    let new = Witness::new(&places(home.folder.path()), ca.log.key());
    let accepted = successor.accept(&home.witness, (&new, &ca)).unwrap();
    assert_eq!((accepted.goes_on_from, accepted.seen, accepted.lost), (6, 9, Some(3)));
    assert!(accepted.saved_before.is_empty());
    assert_eq!(read(&accepted.evidence.join("old.checkpoint")), home.kept().unwrap());
    assert_eq!(read(&accepted.evidence.join("new.checkpoint")), ca.succeeds.checkpoint);
    assert!(read(&accepted.evidence.join("README")).contains("disk"));
    new.meet(&ca).unwrap();
}

#[test]
fn more_entries_than_were_seen_are_no_proof_that_these_are_among_them() {
    let home = Home::new();
    home.witness.meet(&honest(9)).unwrap();
    // It was rewritten, and has grown beyond what was seen, before it ended.
    let rewritten = grown(honest(3), "b", 9);
    refused(home.witness.meet(&rewritten));
    let [saved] = <[PathBuf; 1]>::try_from(home.evidence()).unwrap();
    let ca = restored(&grown(rewritten, "b", 1).checkpoint(13));
    let (what, hint) = refused(home.witness.meet(&ca));
    for said in ["13 entries", "not proven", "9 that this machine", saved.to_str().unwrap()] {
        assert!(what.contains(said), "{said}: {what}");
    }
    assert!(!what.contains("all that") && !what.contains("lost"), "{what}");
    assert!(hint.contains("--accept-log"), "{hint}");

    let successor = Successor::of(&ca.trust().unwrap(), &home.witness.key).unwrap();
    let new = Witness::new(&places(home.folder.path()), ca.log.key());
    let accepted = successor.accept(&home.witness, (&new, &ca)).unwrap();
    assert_eq!((accepted.goes_on_from, accepted.seen, accepted.lost), (13, 9, None));
    assert_eq!(accepted.saved_before, [saved]);
    assert!(
        read(&accepted.evidence.join("README")).contains("If it is smaller, nothing here proves")
    );

    // As many as were seen, and the same.
    let home = Home::new();
    home.witness.meet(&honest(9)).unwrap();
    let (what, _) = refused(home.witness.meet(&restored(&honest(9).checkpoint(9))));
    assert!(what.contains("all that this machine has seen"), "{what}");
}

/// What a machine says of the log when it meets the CA as if for the first time.
fn first(home: &Home, log: &impl Log, key: &LogKey) -> Result<()> {
    let trust = log.trust().unwrap();
    must_be_expected(&places(home.folder.path()), &trust, key, "https://ca.example.org")
}

#[test]
fn whoever_forgets_the_ca_is_told_of_its_other_log_all_the_same() {
    let home = Home::new();
    let ca = restored(&honest(9).checkpoint(6));
    let key = ca.log.key();
    // Nothing was seen here, or nothing of this CA's.
    first(&home, &ca, &key).unwrap();
    let elsewhere = grown(TestLog::new("ca.example.org/other", 7), "a", 9);
    Witness::new(&places(home.folder.path()), elsewhere.key()).meet(&elsewhere).unwrap();
    first(&home, &ca, &key).unwrap();

    home.witness.meet(&honest(9)).unwrap();
    first(&home, &honest(10), &home.witness.key).unwrap();
    let (what, hint) = refused(first(&home, &ca, &key));
    assert!(what.contains("at least 3 are lost") && what.contains("disk"), "{what}");
    let pin = Digest::from_bytes([0; 32]);
    let command = format!(
        "jit-ca trust --accept-log {} --ca https://ca.example.org --ca-pin {pin}",
        key.origin()
    );
    assert!(hint.ends_with(&command), "{hint}");

    // By its name it is taken, once for ever; and the one before is not any more.
    let successor = Successor::of(&ca.trust().unwrap(), &home.witness.key).unwrap();
    let new = Witness::new(&places(home.folder.path()), key.clone());
    successor.accept(&home.witness, (&new, &ca)).unwrap();
    first(&home, &ca, &key).unwrap();
    let (what, _) = refused(first(&home, &honest(10), &home.witness.key));
    assert!(what.contains("nothing shows how the one goes on"), "{what}");
    // The one after the next is held to the next.
    let last = ca.log.checkpoint(2).to_string();
    let third = Restored {
        log: grown(TestLog::new("ca.example.org/jit-ca-3", 1), "a", 2),
        succeeds: Predecessor { checkpoint: last, reason: "it flooded".to_owned() },
    };
    let (what, _) = refused(first(&home, &third, &third.log.key()));
    assert!(what.contains("jit-ca-3 in place of ca.example.org/jit-ca-2"), "{what}");
}

#[test]
fn a_log_that_has_to_do_with_a_known_one_explains_itself() {
    let home = Home::new();
    home.witness.meet(&honest(9)).unwrap();
    let kept = home.kept().unwrap();
    // The name with another key; the key with another name; a predecessor that is not the one known.
    let namesake = grown(TestLog::new(ORIGIN, 2), "a", 12);
    let renamed = grown(TestLog::new("ca.example.org/jit-ca-2", 1), "a", 12);
    let pretender = Restored {
        log: grown(TestLog::new("ca.example.org/jit-ca-2", 2), "a", 2),
        succeeds: Predecessor {
            checkpoint: namesake.checkpoint(12).to_string(),
            reason: String::new(),
        },
    };
    let cases = [
        ("has another key than", first(&home, &namesake, &namesake.key()), namesake.key()),
        ("by the same key", first(&home, &renamed, &renamed.key()), renamed.key()),
        (
            "has another key than the",
            first(&home, &pretender, &pretender.log.key()),
            pretender.log.key(),
        ),
    ];
    for (why, met, key) in cases {
        let (what, hint) = refused(met);
        assert!(what.contains(why), "{what}");
        for shown in ["ca.example.org/jit-ca+987a061c", &key.to_string(), kept.trim_end()] {
            assert!(what.contains(shown), "{shown}: {what}");
        }
        assert!(hint.contains(home.file().to_str().unwrap()), "{hint}");
    }
    // The way on where nothing can be shown: what was seen is kept elsewhere.
    fs::rename(home.file(), home.folder.path().join("kept")).unwrap();
    first(&home, &namesake, &namesake.key()).unwrap();
}

#[test]
fn what_is_met_is_what_is_given_and_kept() {
    let home = Home::new();
    // A log that grows with each question shows one that covers the answer.
    let met = home.witness.meet(&Growing(Mutex::new(honest(4)))).unwrap();
    assert_eq!(Some(met.to_string()), home.kept());
    assert_eq!(met.to_string(), honest(5).checkpoint(5).to_string());
}

#[test]
fn another_log_that_does_not_go_on_from_the_known_one_is_not_taken() {
    let home = Home::new();
    home.witness.meet(&honest(9)).unwrap();
    // Signed by another key than the old log's.
    let forged = restored(&grown(TestLog::new(ORIGIN, 2), "a", 6).checkpoint(6));
    assert!(Successor::of(&forged.trust().unwrap(), &home.witness.key).is_none());
    let (what, _) = refused(home.witness.meet(&forged));
    assert!(what.contains("not its log's"), "{what}");
    // Of the same log, and of another history of it.
    let fork = restored(&grown(honest(3), "b", 6).checkpoint(9));
    let successor = Successor::of(&fork.trust().unwrap(), &home.witness.key).unwrap();
    let new = Witness::new(&places(home.folder.path()), fork.log.key());
    for result in [
        successor.accept(&home.witness, (&new, &fork)).map(drop),
        home.witness.meet(&fork).map(drop),
    ] {
        let (what, _) = refused(result);
        assert!(what.contains("two histories of 9 entries"), "{what}");
    }
    assert_eq!(home.evidence().len(), 2);
}
