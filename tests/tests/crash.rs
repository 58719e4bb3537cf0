//! The daemon is killed while it issues, again and again: what a client got is in the log.
//!
//! ```text
//! kill  kill  kill …     clients go on where they were cut off, by the same idempotency keys
//!   └ start                 now and then killed once more while it starts
//! end   start ─> all certificates, proofs and checkpoints that anybody was given, held against the whole log
//! ```

mod clients;
mod history;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use jit_ca_log::SignedCheckpoint;
use jit_ca_tests::{Ca, Lab, as_root, mix, now, run, wait_for};
use serde_json::json;

use clients::Clients;
use history::History;

/// How many times the daemon is killed under load.
const KILLS: (usize, usize) = (100, 3_000);
/// A kill comes after so many certificates at most, and so much later at most.
const MOST_CERTIFICATES: u64 = 24;
const MOST_MICROS: u64 = 6_000;
/// One start of so many is killed as well.
const KILLED_STARTS: u64 = 8;
/// A login that lives only in daemons that are killed is idle after a while; grants end.
const KILLS_PER_LOGIN: usize = 400;

#[test]
fn killed_under_load_it_logs_every_certificate_and_repeats_no_serial() {
    let kills = if env::var_os("JIT_CA_LONG").is_some() { KILLS.1 } else { KILLS.0 };
    let seed = env::var("JIT_CA_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(now());
    println!("JIT_CA_SEED={seed}");
    let mut drawn = mix(seed);
    let mut below = |end: u64| {
        drawn = mix(drawn);
        drawn % end
    };

    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| ca.caller(name));
    let mut clients = Clients::new(&lab, &alice, &bob);
    let (mut starts, mut killed_starts) = (Vec::new(), 0);
    for kill in 0..kills {
        if kill % KILLS_PER_LOGIN == KILLS_PER_LOGIN - 1 {
            alice.login_again(&ca);
            bob.login_again(&ca);
            clients.renew(&alice, &bob);
        }
        let certificates = usize::try_from(1 + below(MOST_CERTIFICATES)).unwrap();
        clients.until_killed(&mut ca, certificates, Duration::from_micros(below(MOST_MICROS)));
        if below(KILLED_STARTS) == 0
            && let Some(longest) = starts.iter().max()
        {
            let longest: &Duration = longest;
            let micros = u64::try_from(longest.as_micros()).unwrap();
            ca.serve_and_kill(Duration::from_micros(below(micros)));
            killed_starts += 1;
        }
        let begun = Instant::now();
        ca.serve();
        starts.push(begun.elapsed());
    }
    let finished = clients.finish(&alice);

    let history = History::read(&ca.caller("carol"));
    starts.sort();
    println!(
        "{kills} kills under load, {killed_starts} during a start: {} certificates, {} intents that the next life found \
         without outcome, {} calls answered by a later life, {} answered twice, {finished} at the end; {} checkpoints",
        clients.received.len(),
        history.orphans,
        clients.resumed,
        clients.repeated.len(),
        clients.checkpoints.len(),
    );
    println!(
        "start to ready: {:?} in the middle, {:?} at most",
        starts[kills / 2],
        starts[kills - 1]
    );
    assert!(history.lives > kills, "{} lives", history.lives);
    history.must_hold(&clients.received);
    clients.repeated.iter().for_each(|reply| history.must_prove(reply));
    for note in &clients.checkpoints {
        history.must_extend(&note.parse::<SignedCheckpoint>().unwrap());
    }

    // A run in which little was going on shows little.
    assert!(clients.received.len() >= 8 * kills, "certificates");
    assert!(history.orphans >= kills, "intents without outcome");
    assert!(clients.resumed >= kills && clients.repeated.len() >= kills, "calls made again");
    assert!(clients.checkpoints.len() >= kills, "checkpoints");
}

/// A small disk of its own for the store.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn new(lab: &Lab, size: &str) -> Self {
        let folder = lab.folder("disk");
        let options = format!("size={size},mode=777");
        run(as_root("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder)).ok();
        Self(folder)
    }

    /// Has the store lie on it, and issuance stop where less than this is free.
    pub(crate) fn configure(config: &Path, keep_free: &str) {
        let file = config.join("jit-cad.toml");
        let text = fs::read_to_string(&file).unwrap();
        let text = text.replace("../data/jit-ca.redb", "../../disk/jit-ca.redb");
        fs::write(file, text.replace("\"256 MiB\"", &format!("\"{keep_free}\""))).unwrap();
    }

    /// How many KiB are free.
    pub(crate) fn free(&self) -> u64 {
        let shown = run(Command::new("df").args(["-k", "--output=avail"]).arg(&self.0)).ok();
        shown.line().lines().last().unwrap().trim().parse().unwrap()
    }

    /// Takes so much of it.
    pub(crate) fn fill_to(&self, size: &str) {
        let filler = format!("{}/filler", self.0.display());
        run(Command::new("fallocate").args(["-l", size, &filler])).ok();
    }

    pub(crate) fn fill(&self) {
        // It ends when nothing more can be written.
        run(Command::new("dd")
            .args(["if=/dev/zero", "bs=4k"])
            .arg(format!("of={}/filler", self.0.display())));
    }

    pub(crate) fn empty(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(as_root("umount").arg("--lazy").arg(&self.0));
    }
}

#[test]
fn on_a_full_disk_it_issues_nothing_and_goes_on_when_there_is_room() {
    let lab = Lab::new();
    let disk = Disk::new(&lab, "8m");
    // Nothing stops it before.
    let mut ca = Ca::start_with(&lab, |config| Disk::configure(config, "0 MiB"));
    let [alice, carol] = ["alice", "carol"].map(|name| ca.caller(name));
    let grant = alice.granted("web-logs", json!({}), &[])["grant"].clone();
    let key = alice.person.make_key("work", "ed25519");
    let (call, idempotency_key) = alice.wire.ssh_call(grant["id"].as_str().unwrap(), &key);
    disk.fill();

    // Until the room that the store has set aside is used up.
    let long = "x".repeat(500);
    let mut asked = 0;
    let refused = loop {
        let reply = alice.request("web-shell", json!({"reason": long}));
        asked += 1;
        assert!(asked < 3000, "the store is never full");
        if reply.status != Some(200) && reply.status != Some(201) {
            break reply;
        }
    };
    // The daemon ends by itself then: what it could not write, it does not know either.
    assert!(refused.status.is_none_or(|status| status >= 500), "{refused:#?}");
    let path = format!("/v1/grants/{}/ssh", grant["id"].as_str().unwrap());
    let reply = alice.wire.post_again(&path, &call, &idempotency_key);
    assert!(reply.status.is_none_or(|status| status >= 500), "{reply:#?}");
    assert_ne!(carol.wire.get("/readyz").status, Some(200));
    wait_for("a word on it", || ca.log_text().contains("No space left on device").then_some(()));

    disk.empty();
    ca.kill();
    ca.serve();
    carol.wire.get("/readyz").ok();
    alice.take_ssh(&grant, &key);
}
