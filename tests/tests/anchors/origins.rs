//! A log's key signs one history of an origin: no log takes one that was used. And whose the files of a new log are.

use std::fs;
use std::path::{Path, PathBuf};

use jit_ca_tests::{Ca, Lab, Output, as_root, program, run};

use super::place::{Note, OtherDisk, has_newest};
use super::succession::{NEW, OLD, REASON, set_origin, start, succeed};

const THIRD: &str = "ca.example.org/jit-ca-3";

/// Has the configuration name an origin, and begins a log of it.
fn take(ca: &Ca, origin: &str) -> Output {
    set_origin(ca, origin);
    succeed(ca, origin, REASON, &[])
}

/// The file that the store of a log before is kept as.
fn kept(ca: &Ca, origin: &str) -> PathBuf {
    let begin = format!("jit-ca.redb.{}.", origin.replace('/', "_"));
    let files = fs::read_dir(ca.data().parent().unwrap()).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    files.find(|file| file.file_name().unwrap().to_str().unwrap().starts_with(&begin)).unwrap()
}

#[test]
fn an_origin_is_used_once() {
    let lab = Lab::new();
    let disk = OtherDisk::new(&lab);
    let anchor = disk.file("checkpoint");
    let mut ca = start(&lab, &anchor);
    ca.stop();
    let (backup, held) = (ca.snapshot("backup"), fs::read(&anchor).unwrap());
    take(&ca, NEW).ok();

    // There and back.
    take(&ca, OLD).exits(2).says("was used before").says("never used");
    // The new store is lost, and nobody has seen it: its name is gone all the same.
    let new = fs::read(ca.data()).unwrap();
    ca.restore(&backup);
    take(&ca, NEW).exits(2).says("was used before");
    fs::write(ca.data(), new).unwrap();

    // Two steps on, each that has seen the first log is enough.
    take(&ca, THIRD).ok();
    take(&ca, THIRD).exits(2).says("has begun already");
    let record = ca.config().with_file_name("../keys/origins");
    let named = format!("{OLD}\n{NEW}\n{THIRD}\n");
    assert_eq!(fs::read_to_string(&record).unwrap(), named);
    let (first, second) = (kept(&ca, OLD), kept(&ca, NEW));
    let witnesses = [&record, &first, &second, &anchor].map(|file: &PathBuf| file.clone());
    let saved = witnesses.clone().map(|file| fs::read(file).unwrap());
    let only = |witness: &Path| {
        for (file, bytes) in witnesses.iter().zip(&saved) {
            let _ = fs::remove_file(file);
            if file == witness {
                fs::write(file, bytes).unwrap();
            }
        }
    };
    for witness in &witnesses {
        only(witness);
        let name = witness.file_name().unwrap().to_str().unwrap();
        take(&ca, OLD).exits(2).says("was used before").says(name);
    }
    // Also one that can't be read any more: by its name, and with a warning.
    only(&first);
    for damaged in [Vec::new(), b"redb".repeat(10_000), half_zero(&saved[1])] {
        fs::write(&first, damaged).unwrap();
        take(&ca, OLD).exits(2).says("was used before").says("can't be read as a log");
    }
    fs::write(&record, "no origin\n").unwrap();
    take(&ca, OLD).exits(1).says("keys/origins").says("hint: ");
    for (file, bytes) in witnesses.iter().zip(&saved) {
        fs::write(file, bytes).unwrap();
    }

    // An anchor that was not reached for the whole of the second log holds the first one's. It is known by the stores.
    set_origin(&ca, THIRD);
    fs::remove_file(&second).unwrap();
    ca.refuses_to_serve().exits(1).says("holds no checkpoint of this log").says(OLD);
    fs::write(&second, &saved[2]).unwrap();
    // What lies there already under the name that its checkpoint gets is no reason to stop either.
    let aside = disk.file("checkpoint.ca.example.org_jit-ca");
    fs::write(&aside, "something").unwrap();
    ca.serve();
    has_newest(&ca, || Note::of_file(&anchor).filter(|note| note.origin == THIRD));
    assert_eq!(fs::read_to_string(&aside).unwrap(), "something");
    assert_eq!(fs::read(disk.file("checkpoint.ca.example.org_jit-ca.2")).unwrap(), held);

    // What it has put aside is enough, too.
    ca.stop();
    only(Path::new(""));
    take(&ca, OLD).exits(2).says("was used before").says(anchor.to_str().unwrap());
    set_origin(&ca, THIRD);
    ca.serve();
}

/// Such damage as makes a database go wrong in the middle of being read.
fn half_zero(file: &[u8]) -> Vec<u8> {
    let (begin, rest) = file.split_at(4096);
    [begin, &vec![0; rest.len()]].concat()
}

#[test]
fn what_root_makes_is_the_daemons() {
    let lab = Lab::new();
    let disk = OtherDisk::new(&lab);
    let mut ca = start(&lab, &disk.file("checkpoint"));
    ca.stop();
    let (folder, keys) = (ca.data(), ca.config().with_file_name("../keys"));
    let folder = folder.parent().unwrap();
    let give = |owner: &str, place: &Path| {
        run(as_root("chown").args(["--recursive", owner]).arg(place)).ok();
    };
    let owner = |place: &Path| {
        let stat = run(as_root("stat").args(["--format", "%u:%g %a"]).arg(place)).ok();
        stat.line().to_owned()
    };
    let succeed_as_root = |origin: &str, more: &[&str]| {
        set_origin(&ca, origin);
        let mut env = as_root("env");
        env.arg("JIT_CAD_PASSPHRASE=the passphrase of a test").arg(program("jit-cad"));
        env.args(["log", "succeed", "--origin", origin, "--reason", REASON]).args(more);
        run(env.arg("--config").arg(ca.config())).ok()
    };
    let ours = owner(lab.path());
    let ours = ours.split(' ').next().unwrap();

    give("65533:65532", &ca.data());
    give("65531:65530", &keys);
    succeed_as_root(NEW, &[]);
    assert_eq!(owner(&ca.data()), "65533:65532 600");
    assert_eq!(owner(&kept(&ca, OLD)), "65533:65532 400");
    assert_eq!(owner(&keys.join("origins")), "65531:65530 600");

    // Where there is no store to go by, the keys are.
    fs::remove_dir_all(folder).unwrap();
    succeed_as_root(THIRD, &["--from-anchor"]);
    assert_eq!(owner(folder), "65531:65530 700");
    assert_eq!(owner(&ca.data()), "65531:65530 600");

    give(ours, folder);
    give(ours, &keys);
    ca.serve();
}
