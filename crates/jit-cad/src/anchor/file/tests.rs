use std::os::unix::fs::symlink;
use std::process::Command;

use tempfile::TempDir;

use super::*;

/// A folder that others may write to, and a file that they must not reach through it.
struct Planted {
    folder: TempDir,
    secret: TempDir,
}

impl Planted {
    fn new() -> Self {
        let planted =
            Self { folder: tempfile::tempdir().unwrap(), secret: tempfile::tempdir().unwrap() };
        fs::write(planted.secret(), "a secret").unwrap();
        planted
    }

    fn secret(&self) -> PathBuf {
        self.secret.path().join("secret")
    }

    fn anchor(&self) -> AnchorFile {
        AnchorFile::new(self.path("checkpoint"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn a_link_is_neither_read_nor_written_through() {
    let planted = Planted::new();
    let anchor = planted.anchor();
    for name in ["checkpoint", "checkpoint.new", "checkpoint.tmp", "checkpoint.old"] {
        symlink(planted.secret(), planted.path(name)).unwrap();
    }
    let refused = anchor.newest().unwrap_err().to_string();
    assert!(refused.contains("no regular file"), "{refused}");
    assert_eq!(anchor.aside().unwrap(), Vec::<String>::new());

    // The link itself gives way, and nothing is left of how that was done.
    anchor.keep("a note").unwrap();
    assert_eq!(fs::read_to_string(planted.secret()).unwrap(), "a secret");
    assert!(fs::symlink_metadata(planted.path("checkpoint")).unwrap().is_file());
    assert_eq!(anchor.newest().unwrap().as_deref(), Some("a note"));
    assert_eq!(planted.names().len(), 4, "{:?}", planted.names());
    let mode = fs::metadata(planted.path("checkpoint")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn only_a_regular_file_is_read_and_nothing_is_waited_for() {
    let planted = Planted::new();
    let pipe = planted.path("checkpoint");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(planted.anchor().newest().unwrap_err().to_string().contains("no regular file"));
    fs::remove_file(&pipe).unwrap();
    fs::create_dir(&pipe).unwrap();
    assert!(planted.anchor().newest().unwrap_err().to_string().contains("no regular file"));
    fs::remove_dir(&pipe).unwrap();
    assert_eq!(planted.anchor().newest().unwrap(), None);

    let size = usize::try_from(LARGEST_NOTE).unwrap();
    fs::write(&pipe, "x".repeat(size + 1)).unwrap();
    assert_eq!(planted.anchor().newest().unwrap().unwrap().len(), size);
}

#[test]
fn a_folder_that_is_not_there_is_no_empty_anchor() {
    let planted = Planted::new();
    let anchor = AnchorFile::new(planted.path("unmounted/checkpoint"));
    assert_eq!(anchor.newest().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(anchor.keep("a note").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn whatever_is_aside_already_stays() {
    let planted = Planted::new();
    let (anchor, origin) = (planted.anchor(), "ca.example.org/jit-ca".parse().unwrap());
    symlink(planted.path("nowhere"), planted.path("checkpoint.ca.example.org_jit-ca.2")).unwrap();
    for note in ["first", "second", "third"] {
        anchor.keep(note).unwrap();
        anchor.set_aside(&origin).unwrap();
    }
    assert_eq!(planted.read("checkpoint.ca.example.org_jit-ca"), "first");
    assert_eq!(planted.read("checkpoint.ca.example.org_jit-ca.3"), "second");
    assert_eq!(planted.read("checkpoint.ca.example.org_jit-ca.4"), "third");
    let mut aside = anchor.aside().unwrap();
    aside.sort();
    assert_eq!(aside, ["first", "second", "third"]);
    assert_eq!(planted.names().len(), 4, "{:?}", planted.names());
}
