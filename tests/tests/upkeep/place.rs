//! Where copies come to lie: in the store's place, wherever that is, and in nobody else's.

use std::os::unix::fs::symlink;
use std::process::Command;

use jit_ca_tests::{as_root, run};

use super::*;

const OLD: &str = "ca.example.org/jit-ca";
const NEW: &str = "ca.example.org/jit-ca-2";

#[test]
fn a_store_that_is_a_link_stays_where_it_is() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let alice = ca.caller("alice");
    ca.stop();
    let (link, folder) = (ca.data(), lab.folder("elsewhere"));
    let file = folder.join("log.redb");
    fs::rename(&link, &file).unwrap();
    symlink(&file, &link).unwrap();
    ca.serve();

    let before = fs::metadata(&file).unwrap();
    ca.jit_cad(&["log", "compact"]).ok();
    assert_ne!(fs::metadata(&file).unwrap().ino(), before.ino());
    assert_eq!(fs::read_link(&link).unwrap(), file);
    assert_eq!(in_folder_of(&file), std::slice::from_ref(&file));
    assert_eq!(in_folder_of(&link), std::slice::from_ref(&link));
    alice.granted("web-logs", json!({}), &[]);
    // It is one store, by either name.
    let refused = Store::open(&file).map(drop).unwrap_err();
    assert!(format!("{refused:?}").contains("AlreadyOpen"), "{refused:?}");

    // So does the log that goes on from it, with the one before beside it.
    ca.stop();
    let config = fs::read_to_string(ca.config()).unwrap();
    let names = [OLD, NEW].map(|origin| format!("origin = \"{origin}\""));
    fs::write(ca.config(), config.replace(&names[0], &names[1])).unwrap();
    ca.jit_cad(&["log", "succeed", "--origin", NEW, "--reason", "to see where it lies"]).ok();
    assert_eq!(fs::read_link(&link).unwrap(), file);
    assert_eq!(in_folder_of(&link), std::slice::from_ref(&link));
    assert_eq!(in_folder_of(&file).len(), 2);
    ca.serve();
}

/// A file that is mounted by itself, over one in the same folder.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        run(as_root("umount").arg("--lazy").arg(&self.0));
    }
}

#[test]
fn a_store_that_is_mounted_by_itself_is_not_replaced_and_the_daemon_goes_on() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let alice = ca.caller("alice");
    ca.stop();
    let (place, file) = (ca.data(), lab.folder("elsewhere").join("log.redb"));
    fs::copy(&place, &file).unwrap();
    run(as_root("mount").arg("--bind").args([&file, &place])).ok();
    let mounted = Mounted(place.clone());
    ca.serve();

    ca.jit_cad(&["log", "compact"]).exits(1).says("busy");
    assert_eq!(in_folder_of(&place), std::slice::from_ref(&place));
    alice.granted("web-logs", json!({}), &[]);
    ca.stop();
    ca.check_log().ok();
    drop(mounted);
    // The lab looks at the whole log at the end: at that which was written.
    fs::copy(&file, &place).unwrap();
}

#[test]
fn a_file_that_comes_while_a_backup_is_made_is_left_alone() {
    let mut scene = Scene::new();
    let file = scene.lab.folder("backups").join("monday.redb");
    let (new, text) = (file.with_file_name("monday.redb.new"), "somebody else's");
    let backup = ["log", "backup", file.to_str().unwrap()];
    let refused = scene.interrupting(&backup, &new, || fs::write(&file, text).unwrap());
    refused.exits(1).says("there is a log already").says("name a file that is not there");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(in_folder_of(&file), std::slice::from_ref(&file));

    // Where the file system can't rename like that, as NFS can't, it is a link that replaces nothing.
    scene.ca.stop();
    let by_link = || {
        let starter = ["-f", "-qqq", "-o", "/dev/null", "-e", "trace=renameat2"];
        let mut strace = Command::new("strace");
        strace.args(starter).args(["-e", "inject=renameat2:error=EINVAL"]);
        strace.arg(jit_ca_tests::program("jit-cad")).args(backup);
        run(strace.arg("--config").arg(scene.ca.config()))
    };
    fs::remove_file(&file).unwrap();
    by_link().ok();
    assert_eq!(in_folder_of(&file), std::slice::from_ref(&file));
    scene.check(&file).ok();
}
