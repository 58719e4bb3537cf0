//! The log outside the CA: exported, verified, and followed by somebody who is killed again and again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use jit_ca_tests::{Ca, Caller, Lab, Output, Person, Terminal, program, run, wait_for};
use serde_json::{Value, json};

/// Makes entries: a request that is taken back. It does not matter whether the CA is there.
fn write_entries(alice: &Caller) {
    let reply = alice.request("web-shell", json!({}));
    if reply.status.is_some_and(|status| status < 300) {
        alice.decide(&reply.json(), "cancel", &json!({}));
    }
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    // The last line may be half written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn size_of_log(auditor: &Person) -> u64 {
    auditor.jit_ca(&["log", "checkpoint", "--json"]).ok().json()["size"].as_u64().unwrap()
}

/// Waits until the outcome of each issuance is in the log: a certificate is handed out before it is.
fn settle(auditor: &Person) {
    let count = |entries: &Value, kind: &str| {
        entries.as_array().unwrap().iter().filter(|entry| entry["type"] == kind).count()
    };
    wait_for("all outcomes", || {
        let entries = auditor.jit_ca(&["log", "list", "--json"]).ok().json();
        (count(&entries, "issue.intent") == count(&entries, "issue.done")).then_some(())
    });
}

/// Ends a program by a signal, and gives its exit code and what it wrote on stderr.
fn end(child: Child, signal: &str) -> (Option<i32>, String) {
    run(Command::new("kill").arg(signal).arg(child.id().to_string())).ok();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Somebody to whom no CA is known, and with no login.
fn stranger(lab: &Lab, arguments: &[&str]) -> Output {
    let mut command = Command::new(program("jit-ca"));
    command.env_clear().env("HOME", lab.folder("nobody")).args(arguments);
    run(&mut command)
}

// === exports ===

#[test]
fn an_export_is_read_by_others() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let alice = ca.caller("alice");
    let reason = "=HYPERLINK(\"https://evil.example\"), \"quoted\"; ünïcödé";
    alice.request("web-logs", json!({"reason": reason})).ok();
    (0..3).for_each(|_| write_entries(&alice));
    let carol = ca.person("carol");
    settle(&carol);
    let file = |name: &str| carol.file(name);
    let folder = lab.folder("extracted");

    for name in ["log.jsonl", "log.csv", "log.tar"] {
        let said = carol.jit_ca(&["log", "export", name, "--json"]).ok().json();
        assert_eq!(said["entries"], said["size"]);
        let mode = fs::metadata(file(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
        let format = name.split('.').nth(1).unwrap();
        let printed = carol.jit_ca(&["log", "export", "-", "--format", format]).ok();
        if format != "tar" {
            assert_eq!(printed.stdout, fs::read_to_string(file(name)).unwrap());
        }
    }
    let entries = lines(&file("log.jsonl"));
    assert_eq!(u64::try_from(entries.len()).unwrap(), size_of_log(&carol));
    assert!(entries.iter().any(|entry| entry["payload"]["reason"] == reason));

    // Python's reader of CSV finds what its reader of JSON does.
    let compare = lab.file("compare.py", PYTHON);
    let mut python = Command::new("/usr/bin/python3");
    python.arg(compare).args([file("log.csv"), file("log.jsonl")]);
    assert_eq!(run(&mut python).ok().line(), entries.len().to_string());

    // GNU tar lists and extracts the archive, and OpenSSL checks the checkpoint by the key that is in it.
    let tar = run(Command::new("tar").arg("-tf").arg(file("log.tar"))).ok();
    let names: Vec<&str> = tar.stdout.lines().collect();
    assert_eq!(names[..3], ["checkpoint", "log.key", names[2]], "{names:?}");
    assert!(names.contains(&"ca/x509-root.pem") && names.contains(&"ca/log.pem"), "{names:?}");
    assert!(names.iter().any(|name| name.ends_with("/users.toml")), "{names:?}");
    run(Command::new("tar").arg("-xf").arg(file("log.tar")).arg("-C").arg(&folder)).ok();
    let trust = alice.wire.trust()["log_key"].as_str().unwrap().to_owned();
    assert_eq!(fs::read_to_string(folder.join("log.key")).unwrap(), format!("{trust}\n"));
    let checkpoint = fs::read_to_string(folder.join("checkpoint")).unwrap();
    let (text, signatures) = checkpoint.split_once("\n\n").unwrap();
    assert_eq!(text.lines().nth(1).unwrap(), entries.len().to_string());
    let signature = signatures.lines().next().unwrap().rsplit(' ').next().unwrap();
    let signature = Base64::decode_vec(signature).unwrap();
    let (text, signature) =
        (lab.file("text", format!("{text}\n")), lab.file("signature", &signature[4..]));
    let mut openssl = Command::new("openssl");
    openssl
        .args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"])
        .arg(folder.join("ca/log.pem"));
    openssl.arg("-in").arg(text).arg("-sigfile").arg(signature);
    run(&mut openssl).ok().says("Verified Successfully");

    // What is left out is said so, and nothing is begun that can't be.
    let of_alice = carol.jit_ca(&["log", "export", "some.csv", "--subject", "alice", "--json"]);
    let of_alice = of_alice.ok().json();
    assert!(of_alice["entries"].as_u64() < of_alice["size"].as_u64(), "{of_alice}");
    carol.jit_ca(&["log", "export", "some.tar", "--subject", "alice"]).exits(2).says("hint: ");
    carol.jit_ca(&["log", "export", "log"]).exits(2).says("--format");
    carol.jit_ca(&["log", "export", "-"]).exits(2).says("--format");
    carol.jit_ca(&["log", "export", "/dev/null", "--format", "csv"]).exits(2);
    carol.jit_ca(&["log", "export", "none/log.csv"]).exits(1);
    let left: Vec<_> = fs::read_dir(file(".")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".jit-ca-")), "{left:?}");
    assert!(!left.iter().any(|name| name == "some.tar"), "{left:?}");
}

const PYTHON: &str = "
import csv, json, sys
csv.field_size_limit(10**9)
rows = list(csv.DictReader(open(sys.argv[1], newline='', encoding='utf-8'), strict=True))
lines = [json.loads(line) for line in open(sys.argv[2], encoding='utf-8')]
assert len(rows) == len(lines), (len(rows), len(lines))
for row, line in zip(rows, lines):
    assert set(row) == set(line), row
    for name, value in line.items():
        if name == 'payload':
            assert (json.loads(row[name]) if row[name] else None) == value, row
        else:
            assert row[name] == ('' if value is None else str(value)), row
print(len(rows))
";

/// Where the payload of an entry lies in an archive, salt first: found by what the format's page says.
fn payload_in(archive: &[u8], entry: usize) -> usize {
    let text = |at: usize, length: usize| {
        let text = archive[at..at + length].split(|byte| *byte == 0).next().unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    };
    let mut at = 0;
    while !text(at, 100).starts_with("payloads/") {
        let size = usize::from_str_radix(&text(at + 124, 12), 8).unwrap();
        at += 512 + size.next_multiple_of(512);
    }
    at += 512;
    for _ in 0..entry {
        at += 4 + usize::try_from(u32::from_be_bytes(archive[at..at + 4].try_into().unwrap()))
            .unwrap();
    }
    at + 4
}

#[test]
fn a_log_is_verified_with_the_ca_and_without() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let [alice, bob] = ["alice", "bob"].map(|name| ca.caller(name));
    let carol = ca.person("carol");
    let early = lab.file("early", carol.jit_ca(&["log", "checkpoint"]).ok().stdout);
    let grant = alice.granted("web-shell", json!({}), &[&bob])["grant"].clone();
    alice.take_ssh(&grant, &alice.person.make_key("work", "ed25519"));
    settle(&carol);

    // As it is now, and as a file of it.
    carol.jit_ca(&["log", "verify"]).ok().says("holds").says("the CA remembered");
    carol.jit_ca(&["log", "export", "log.tar"]).ok();
    // At a terminal one sees how far it is.
    let mut terminal = Terminal::open(carol.command("env"));
    let command = format!("TERM=xterm {} log verify", program("jit-ca").display());
    let seen = terminal.run(&command, |_| panic!("nothing is asked")).ok();
    assert!(seen.stdout.contains(" entries, ") && seen.stdout.contains("holds"), "{seen}");
    let holds = carol.jit_ca(&["log", "verify", "log.tar", "--json"]).ok();
    let size = size_of_log(&carol);
    let verdict = holds.clone().says("kept").json();
    assert_eq!((&verdict["verdict"], &verdict["size"]), (&json!("holds"), &json!(size)));
    assert_eq!((&verdict["key_from"], &verdict["pins"]), (&json!("profile"), &json!(1)));
    assert!(verdict["certificates"].as_u64().unwrap() >= 8, "{verdict:#}");

    // By somebody who knows no CA, while there is none: by its own key, or by the one that is published.
    let archive = carol.file("log.tar").display().to_string();
    let early = early.display().to_string();
    let key = alice.wire.trust()["log_key"].as_str().unwrap().to_owned();
    stranger(&lab, &["log", "verify", &archive]).ok().says("archive's own").says(&key);
    let given =
        stranger(&lab, &["log", "verify", &archive, "--key", &key, "--pin", &early, "--json"]);
    let given = given.ok().json();
    assert_eq!((&given["key_from"], &given["pins"]), (&json!("command-line"), &json!(1)));
    let key_file = lab.file("log.key", format!("{key}\n")).display().to_string();
    stranger(&lab, &["log", "verify", &archive, "--log-key", &key_file]).ok().says("holds");
    stranger(&lab, &["log", "verify"]).exits(2).says("hint: ");
    stranger(&lab, &["log", "verify", "no-such-file"]).exits(1);
    stranger(&lab, &["log", "verify", &archive, "--pin", &key_file]).exits(1);
    stranger(&lab, &["log", "verify", &archive, "--key", "ca.example.org"]).exits(2);

    // A changed payload, and an archive that is cut short.
    let bytes = fs::read(&archive).unwrap();
    let broken = |name: &str, bytes: &[u8]| {
        let file = lab.file(name, bytes).display().to_string();
        let said = stranger(&lab, &["log", "verify", &file, "--log-key", &key_file, "--json"]);
        (file, said.exits(4).json())
    };
    let mut changed = bytes.clone();
    changed[payload_in(&bytes, 17) + 40] ^= 1;
    let (file, verdict) = broken("changed.tar", &changed);
    assert_eq!((&verdict["code"], &verdict["first_bad_index"]), (&json!("payload"), &json!(17)));
    stranger(&lab, &["log", "verify", &file]).exits(4).says("broken: entry 17 (payload): ");
    for cut in [512, 1024, bytes.len() / 2, bytes.len() - 100] {
        let (_, verdict) = broken("cut.tar", &bytes[..bytes.len() - cut]);
        assert_eq!(
            (&verdict["code"], &verdict["first_bad_index"]),
            (&json!("archive"), &Value::Null)
        );
    }

    // An older one holds as it did, and is said to be older; but not where a newer one is asked for.
    write_entries(&alice);
    fs::write(carol.file("newer"), carol.jit_ca(&["log", "checkpoint"]).ok().stdout).unwrap();
    let seen = size_of_log(&carol);
    let older = carol.jit_ca(&["log", "verify", "log.tar", "--json"]).ok();
    let said = format!("older than what this machine has seen ({seen} entries)");
    let older = older.says(&said).says("not checked offline").json();
    assert_eq!((&older["verdict"], &older["pins"]), (&json!("holds"), &json!(0)));
    assert_eq!(older["seen"], seen);
    let stale = carol.jit_ca(&["log", "verify", "log.tar", "--pin", "newer"]).exits(4);
    stale.says("broken (stale)");
    let known = carol.jit_ca(&["log", "verify", "log.tar", "--log-key", &key_file, "--json"]);
    assert_eq!(known.ok().json()["seen"], Value::Null);
}

// === following ===

fn follow(auditor: &Person, more: &[&str]) -> Child {
    auditor.start_jit_ca(&[&["log", "follow"], more].concat())
}

#[test]
fn killed_fifteen_times_it_has_each_entry_once() {
    const KILLS: usize = 15;
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let alice = ca.caller("alice");
    let carol = ca.person("carol");
    let (out, moved) = (carol.file("log.jsonl"), carol.file("log.jsonl.1"));
    let arguments = ["--out", "log.jsonl", "--from-start"];
    let is_over = &AtomicBool::new(false);

    scope(|scope| {
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                write_entries(&alice);
            }
        });
        for kill in 0..KILLS {
            let mut following = follow(&carol, &arguments);
            // At another moment of a start, a wait or a write each time.
            sleep(Duration::from_millis(u64::try_from(kill * 389 % 1_100).unwrap()));
            match kill {
                4 | 9 => {
                    ca.kill();
                    ca.serve();
                }
                // As a program that rotates files does, while it is written.
                7 => {
                    wait_for("lines", || (!lines(&out).is_empty()).then_some(()));
                    fs::rename(&out, &moved).unwrap();
                    wait_for("a new file", || (!lines(&out).is_empty()).then_some(()));
                }
                _ => {}
            }
            following.kill().unwrap();
            following.wait().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });

    let following = follow(&carol, &arguments);
    let size = size_of_log(&carol);
    let is_last = |entry: &Value| entry["index"].as_u64() == Some(size - 1);
    wait_for("the last entry", || lines(&out).last().is_some_and(is_last).then_some(()));
    assert_eq!(end(following, "-TERM").0, Some(0));
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);

    // Both files together are what is exported, to the byte.
    carol.jit_ca(&["log", "export", "export.jsonl"]).ok();
    let followed = fs::read_to_string(moved).unwrap() + &fs::read_to_string(&out).unwrap();
    let exported = fs::read_to_string(carol.file("export.jsonl")).unwrap();
    let indices: Vec<u64> = followed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indices, (0..size).collect::<Vec<_>>());
    assert!(followed == exported);
    assert!(size > 100, "only {size} entries");
}

#[test]
fn what_is_printed_goes_on_after_a_signal_and_after_a_login() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let alice = ca.caller("alice");
    let (carol, authenticator) = ca.enrolled("carol");
    carol.login(&authenticator.code()).ok();
    settle(&carol);
    let first = size_of_log(&carol);
    // The next `count` entries that are printed.
    let printed = |following: &mut Child, count: usize| -> Vec<u64> {
        let stdout = BufReader::new(following.stdout.as_mut().unwrap());
        let lines = stdout.lines().take(count).map(|line| {
            serde_json::from_str::<Value>(&line.unwrap()).unwrap()["index"].as_u64().unwrap()
        });
        lines.collect()
    };

    // From the first new entry on; by then there is a cursor.
    let mut following = follow(&carol, &["--cursor", "cursor"]);
    wait_for("a cursor", || carol.file("cursor").exists().then_some(()));
    write_entries(&alice);
    assert_eq!(printed(&mut following, 2), [first, first + 1]);
    // A line is printed before it is remembered.
    let next = || {
        let text = fs::read_to_string(carol.file("cursor")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["next"].as_u64().unwrap()
    };
    wait_for("the cursor", || (next() == first + 2).then_some(()));
    assert_eq!(end(following, "-INT"), (Some(0), String::new()));
    write_entries(&alice);

    // The login ends while it waits: that is said, and nothing is lost by it.
    let mut following = follow(&carol, &["--cursor", "cursor"]);
    assert_eq!(printed(&mut following, 2), [first + 2, first + 3]);
    wait_for("the cursor", || (next() == first + 4).then_some(()));
    carol.jit_ca(&["logout"]).ok();
    let output = following.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("the login has ended") && said.contains("hint: "), "{said}");
    let lost = next();
    carol.login(&authenticator.code()).ok();
    let mut following = follow(&carol, &["--cursor", "cursor"]);
    assert_eq!(printed(&mut following, 1), [lost]);
    end(following, "-TERM");

    // From an entry on; and none that is not there.
    let mut following = follow(&carol, &["--since-index", "7"]);
    assert_eq!(printed(&mut following, 3), [7, 8, 9]);
    assert_eq!(end(following, "-TERM").0, Some(0));
    carol.jit_ca(&["log", "follow", "--since-index", "100000"]).exits(2).says("hint: ");
    // Somebody else's file is not appended to.
    fs::write(carol.file("notes"), "mine\n").unwrap();
    carol.jit_ca(&["log", "follow", "--out", "notes"]).exits(2).says("hint: ");
    assert_eq!(fs::read_to_string(carol.file("notes")).unwrap(), "mine\n");
}

#[test]
fn a_log_that_was_rewritten_is_not_followed() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let alice = ca.caller("alice");
    let carol = ca.person("carol");
    ca.stop();
    let old = ca.snapshot("old");
    ca.serve();
    let before = size_of_log(&carol);
    (0..3).for_each(|_| write_entries(&alice));
    let size = size_of_log(&carol);
    let following = follow(&carol, &["--out", "log.jsonl", "--from-start"]);
    let out = carol.file("log.jsonl");
    let length = usize::try_from(size).unwrap();
    wait_for("all entries", || (lines(&out).len() >= length).then_some(()));
    end(following, "-TERM");
    let followed = fs::read_to_string(&out).unwrap();

    // Fewer entries than were seen; then more again, but others. The cursor alone shows it: what `jit-ca`
    // keeps beside its profile is taken away.
    let forget = || fs::remove_dir_all(carol.file(".config/jit-ca/checkpoints")).unwrap();
    ca.stop();
    ca.restore(&old);
    ca.serve();
    forget();
    let refused = carol.jit_ca(&["log", "follow", "--out", "log.jsonl"]).exits(4);
    refused.says("lost entries").says("hint: ");
    assert!(size_of_log(&carol) < size);
    while size_of_log(&carol) <= size + 1 {
        write_entries(&alice);
    }
    forget();
    carol.jit_ca(&["log", "follow", "--out", "log.jsonl"]).exits(4).says("root").says("hint: ");
    // Nothing of the other history was written.
    assert_eq!(fs::read_to_string(&out).unwrap(), followed);
    assert!(before < size);
}
