use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;

/// Runs a client against the system's sftp-server; `PWD` is the folder, for both. What it used, a line each, without the folder.
fn used(folder: &Path, client: &str, arguments: &[&str]) -> Vec<String> {
    let server = folder.with_extension("server");
    let told = ARGUMENTS.join(" ");
    let script = format!("#!/bin/sh\nexec /usr/lib/openssh/sftp-server {told}\n");
    fs::write(&server, script).unwrap();
    fs::set_permissions(&server, fs::Permissions::from_mode(0o700)).unwrap();
    let (ours, theirs) = pair().unwrap();
    // The server has its stderr from the client. What that says itself is no message of the server's, and told apart.
    let mut client = Command::new(client);
    client
        .arg("-D")
        .arg(&server)
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(theirs);
    let batch = fs::File::open(folder.with_extension("batch"));
    client.stdin(batch.map_or_else(|_| Stdio::null(), Stdio::from));
    let mut running = client.spawn().unwrap();
    // It holds the other end of the pair, too.
    drop(client);
    let mut messages = fs::File::from(ours);
    let mut watch = Watch::default();
    let mut lines = Vec::new();
    let mut buffer = [0; 2 * LONGEST];
    loop {
        let length = match messages.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => length,
        };
        lines.extend(watch.message(&buffer[..length]).iter().map(ToString::to_string));
    }
    running.wait().unwrap();
    lines.extend(watch.end().iter().map(ToString::to_string));
    let prefix = format!("{}/", folder.display());
    lines.iter().map(|line| line.replace(&prefix, "")).collect()
}

fn sftp(folder: &Path, batch: &[u8]) -> Vec<String> {
    fs::write(folder.with_extension("batch"), batch).unwrap();
    used(folder, "sftp", &["-b", "-"])
}

fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = fs::canonicalize(root.path()).unwrap().join("files");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a"), "hello").unwrap();
    (root, folder)
}

#[test]
fn what_sftp_does_is_told() {
    let (_root, folder) = folder();
    fs::write(folder.with_extension("source"), "0123456789").unwrap();
    let batch = b"get a ../got\n\
        put ../files.source new\n\
        rename new newer\n\
        mkdir m\n\
        ls -l\n\
        rmdir m\n\
        -ls nowhere\n\
        ln newer hard\n\
        ln -s newer soft\n\
        chmod 600 newer\n\
        rm hard\n\
        -rm hard\n\
        -get nowhere\n\
        -put ../files.source nowhere/x\n\
        -mkdir m/n\n\
        put ../files.empty\n";
    fs::write(folder.with_extension("empty"), "").unwrap();
    let lines = sftp(&folder, batch);
    let expected = [
        "read a 5",
        "write new 10",
        "rename new -> newer",
        "mkdir m",
        "rmdir m",
        "link newer -> hard",
        "symlink newer -> soft",
        "change newer",
        "remove hard",
        "remove hard",
        "refused hard",
        "refused nowhere/x",
        "mkdir m/n",
        "refused m/n",
        "write files.empty 0",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn names_forge_no_message() {
    let (_root, folder) = folder();
    let hostile: [&[u8]; 6] = [
        b"x\r\nremove name \"y\"\r\n",
        b"q\" bytes read 9 written 9",
        b"back\\slash\\134 \\",
        b"\xff\xc3\xa4\t\x07",
        b"a\" flags READ mode 0666",
        b"* ?[x]#",
    ];
    for name in hostile {
        fs::write(folder.join(OsStr::from_bytes(name)), "1234").unwrap();
    }
    let mut found = used(&folder, "scp", &["-q", "-r", "host:.", "../copied"]);
    let mut expected: Vec<String> =
        hostile.iter().map(|name| FileUse::Read(FileName::from(*name), 4).to_string()).collect();
    expected.push("read a 5".to_owned());
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    for name in hostile {
        assert_eq!(
            fs::read(folder.with_file_name("copied").join(OsStr::from_bytes(name))).unwrap(),
            b"1234"
        );
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_unclear() {
    let mut watch = Watch::default();
    let mut lines = |message: &[u8]| -> Vec<String> {
        watch.message(message).iter().map(ToString::to_string).collect()
    };
    assert_eq!(lines(b"rename old \"a\" new \"b\"\r\n"), ["rename a -> b"]);
    assert_eq!(
        lines(b"rename old \"a\" new \"b\" new \"c\"\r\n"),
        [r#"unclear "rename old \"a\" new \"b\" new \"c\"""#]
    );
    let long = format!("open \"{}", "a".repeat(1014));
    assert_eq!(lines(long.as_bytes()), [format!("unclear \"open \\\"{}\"", "a".repeat(1014))]);
    // Cut, with a quote in it that is no end.
    let cut = format!("remove name \"/etc/shadow\"{}", "/".repeat(994));
    assert!(lines(cut.as_bytes())[0].starts_with("unclear "));
    assert!(lines(b"session opened for local user ada from [192.0.2.1]\r\n").is_empty());
    assert!(lines(b"").is_empty());
}

#[test]
fn a_refusal_is_of_what_was_asked_last() {
    let mut watch = Watch::default();
    let mut lines = |message: &[u8]| -> Vec<String> {
        watch.message(message).iter().map(ToString::to_string).collect()
    };
    assert!(lines(b"open \"a\" flags READ mode 0666\r\n").is_empty());
    assert_eq!(lines(b"mkdir name \"m\" mode 0777\r\n"), ["mkdir m"]);
    assert!(lines(b"lstat name \"n\"\r\n").is_empty());
    assert!(lines(b"sent status No such file\r\n").is_empty());
    assert_eq!(lines(b"remove name \"o\"\r\n"), ["remove o"]);
    assert_eq!(lines(b"sent status Permission denied\r\n"), ["refused o"]);
    assert!(lines(b"sent status Permission denied\r\n").is_empty());
    assert_eq!(lines(b"forced close \"a\" bytes read 7 written 9\r\n"), ["read a 7", "write a 9"]);
    assert!(lines(b"open \"b\" flags WRITE,CREATE mode 0666\r\n").is_empty());
    assert_eq!(watch.end(), [FileUse::Opened(b"b".as_slice().into())]);
}
