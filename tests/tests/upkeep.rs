//! The store's upkeep, while the daemon issues: backups, and a file that is written anew.

mod place;
mod room;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use jit_ca_log::tree::Tree;
use jit_ca_tests::{Ca, Caller, Lab, Output, grown};
use jit_cad::store::Store;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// How many entries the log has: copying them takes longer than a call.
const ENTRIES: u64 = 6_000;

/// A CA whose log is long enough, and a person who takes certificates.
struct Scene {
    ca: Ca,
    alice: Caller,
    grant: Value,
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        Self::in_lab(Lab::new(), |_| {})
    }

    fn in_lab(lab: Lab, configure: impl FnOnce(&Path)) -> Self {
        let mut ca = Ca::start_with(&lab, configure);
        let (alice, bob) = (ca.caller("alice"), ca.caller("bob"));
        let grant = alice.granted("orders-api", json!({}), &[&bob])["grant"].clone();
        alice.take_x509(&grant, &["-subj", "/CN=alice"]);
        ca.stop();
        grown::grow(&ca.config(), ENTRIES);
        ca.serve();
        Self { ca, alice, grant, lab }
    }

    /// Takes certificates for as long as the work takes. Gives the indices of their entries.
    fn issuing<T>(&self, work: impl FnOnce() -> T) -> (T, Vec<u64>) {
        let wire = &self.alice.wire;
        let (_, csr) = wire.key_and_csr("again", &["-subj", "/CN=alice"]);
        let path = format!("/v1/grants/{}/x509", self.grant["id"].as_str().unwrap());
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            let calls = scope.spawn(|| {
                let mut entries = Vec::new();
                while !is_done.load(Ordering::Relaxed) {
                    let reply = wire.post(&path, &json!({"csr": csr})).ok().json();
                    entries.push(reply["entry"].as_u64().unwrap());
                }
                entries
            });
            let done = work();
            is_done.store(true, Ordering::Relaxed);
            (done, calls.join().unwrap())
        })
    }

    fn backup(&self, file: &Path) -> Output {
        self.ca.jit_cad(&["log", "backup", file.to_str().unwrap()])
    }

    fn check(&self, backup: &Path) -> Output {
        self.ca.jit_cad(&["log", "check", "--backup", backup.to_str().unwrap()])
    }

    /// Does something while the daemon makes this file, and stands still. Gives what the command said that had it made.
    fn interrupting(&self, command: &[&str], file: &Path, act: impl FnOnce()) -> Output {
        let ca = &self.ca;
        let daemon = Pid::from_raw(ca.pid().cast_signed()).unwrap();
        thread::scope(|scope| {
            let said = scope.spawn(|| ca.jit_cad(command));
            while !file.exists() {
                assert!(!said.is_finished(), "{:?}", said.join());
                thread::yield_now();
            }
            kill_process(daemon, Signal::STOP).unwrap();
            assert!(file.exists(), "it was faster");
            act();
            kill_process(daemon, Signal::CONT).unwrap();
            said.join().unwrap()
        })
    }

    /// How many entries the log has, as its checkpoint says.
    fn size(&self) -> u64 {
        let note = self.alice.wire.get("/log/checkpoint").ok().body;
        note.lines().nth(1).unwrap().parse().unwrap()
    }
}

/// The number and the root that a line like `7 entries …, with the root SHA256:…` tells.
fn told(output: &Output) -> (u64, String) {
    let words: Vec<&str> = output.line().split([' ', ',']).collect();
    let root = words.iter().find(|word| word.starts_with("SHA256:")).unwrap();
    (words[0].parse().unwrap(), (*root).to_owned())
}

#[test]
fn a_backup_that_is_made_while_it_issues_holds_and_can_be_put_in_place() {
    let mut scene = Scene::new();
    let folder = scene.lab.folder("backups");
    let file = folder.join("monday.redb");
    let before = scene.size();
    let (made, entries) = scene.issuing(|| scene.backup(&file).ok());
    let (size, root) = told(&made);
    let after = entries.iter().filter(|&&entry| entry >= size).count();
    println!("{made}{} certificates meanwhile, {after} behind the copy", entries.len());
    assert!(size >= before && after > 0, "{before} {size} {entries:?}");

    assert!(made.stdout.contains(&format!("in {} bytes", fs::metadata(&file).unwrap().len())));
    // It stands on its own, while the daemon goes on.
    assert_eq!(told(&scene.check(&file).ok()), (size, root.clone()));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(&file).unwrap();
    scene
        .backup(&file)
        .exits(1)
        .says("there is a log already")
        .says("name a file that is not there");
    assert_eq!(fs::read(&file).unwrap(), bytes);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing unfinished is left");

    // What is checked is not touched, nor what lies beside it: it may be on a disk that can't be written.
    let (beside, changed) =
        (folder.join("monday.redb.new"), || fs::metadata(&file).unwrap().mtime_nsec());
    fs::write(&beside, "not of ours").unwrap();
    let unchanged = changed();
    assert_eq!(told(&scene.check(&file).ok()), (size, root.clone()));
    assert_eq!(changed(), unchanged);
    assert!(fs::read(&file).unwrap() == bytes);
    assert_eq!(fs::read_to_string(&beside).unwrap(), "not of ours");
    fs::remove_file(&beside).unwrap();

    // Of this history, and not of one beside it.
    scene.ca.stop();
    let store = Store::open(&scene.ca.data()).unwrap();
    let snapshot = store.read().unwrap();
    assert_eq!(Tree::at(&snapshot, size).root().unwrap().to_string(), root);
    drop((snapshot, store));

    // Without a daemon the command copies by itself.
    let second = folder.join("tuesday.redb");
    let (whole, _) = told(&scene.backup(&second).ok());
    scene.backup(&second).exits(2);
    assert_eq!(told(&scene.check(&second).ok()).0, whole);

    // What was copied is a CA's whole store: people log in with the second factors that they had.
    scene.ca.restore(&file);
    scene.ca.serve();
    let newest = scene.size();
    assert!((size..whole).contains(&newest), "{size} {newest} {whole}");
    let person = scene.ca.stranger("alice");
    person.login(&scene.alice.authenticator.code()).ok();
}

#[test]
fn the_file_is_written_anew_while_it_issues() {
    let scene = Scene::new();
    let data = scene.ca.data();
    let file = || fs::metadata(&data).unwrap();
    let before = file();
    let inode = before.ino();
    let (done, entries) = scene.issuing(|| scene.ca.jit_cad(&["log", "compact"]).ok());
    println!("{done}{} certificates meanwhile", entries.len());
    // The room that it takes, give or take what is written meanwhile; its length is more than that.
    let (said_before, said_after) = done.line().split_once(" bytes of the disk are ").unwrap();
    let said = [said_before, said_after.strip_suffix(" now").unwrap()];
    for (said, file) in said.into_iter().zip([before, file()]) {
        let (said, taken, length) = (said.parse::<u64>().unwrap(), file.blocks() * 512, file.len());
        assert!(said.abs_diff(taken) < 512 << 10, "{said} {taken}");
        assert!(said.abs_diff(taken) <= said.abs_diff(length), "{said} {taken} {length}");
    }
    assert!(file().ino() != inode && !entries.is_empty(), "{done}");
    assert_eq!(in_folder_of(&data), std::slice::from_ref(&data));

    // Whatever was answered meanwhile is there, as the lab checks the whole log at the end; and it goes on.
    scene.alice.take_x509(&scene.grant, &["-subj", "/CN=alice"]);
    let newest = entries.iter().max().unwrap();
    assert!(scene.size() > *newest + 1);
}

fn in_folder_of(file: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(file.parent().unwrap()).unwrap();
    files.map(|found| found.unwrap().path()).collect()
}
