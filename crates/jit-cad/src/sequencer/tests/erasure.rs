//! Erasing, and the file written anew, while others read and write.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use jit_ca_core::event::{Erased, ErasureCause, MfaCodeMade};

use super::*;

/// What nobody is to find any more. It is in the payload alone.
const SECRET: &str = "local/a-name-that-nobody-else-has";

fn about(subject: &str) -> Event {
    let expires = UnixTime::from_secs(7);
    let subject = subject.parse().unwrap();
    MfaCodeMade { subject, code: Digest::from_bytes([5; 32]), expires }.into()
}

fn erasure(entries: Vec<(u64, u64)>) -> Event {
    let cause = ErasureCause::Retention(UnixTime::from_secs(7));
    Erased { cause, reason: "kept for long enough".parse().unwrap(), entries }.into()
}

fn holds(lab: &Lab, text: &str) -> bool {
    let bytes = fs::read(lab.folder.path().join("log.redb")).unwrap();
    bytes.windows(text.len()).any(|at| at == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_in_no_page_and_nobody_has_to_wait() {
    let lab = Lab::new().await;
    for _ in 0..40 {
        lab.write(vec![about(SECRET), about("local/u-1")]).await.unwrap();
    }
    assert!(holds(&lab, SECRET));
    let (size, before) = (lab.checkpoint().size, lab.store.read().unwrap());
    let entries = (2..size).step_by(2).map(|index| (index, index)).collect();
    lab.write(vec![erasure(entries)]).await.unwrap();
    assert_eq!(lab.store.read().unwrap().unfinished_erasure().unwrap(), Some(size));
    assert!(lab.store.check().is_err(), "it is not finished");

    // Entries are written while the file is, and after.
    let rewriting = lab.store.rewrite().unwrap();
    lab.write(vec![about("local/u-1")]).await.unwrap();
    lab.sequencer.replace(rewriting).await.unwrap().unwrap();
    lab.write(vec![about("local/u-1")]).await.unwrap();
    assert!(!holds(&lab, SECRET));
    assert_eq!(lab.checkpoint().size, size + 3);
    lab.store.check().unwrap();

    // Who was reading still does, in the file that has gone.
    assert!(before.payload(2).unwrap().is_some());
    let after = lab.store.read().unwrap();
    assert!(after.payload(2).unwrap().is_none() && after.payload(3).unwrap().is_some());
    let proof = after.tree().unwrap().consistency_proof(size).unwrap();
    let old = before.head().unwrap().unwrap();
    let new = lab.checkpoint();
    verify_consistency(old.size, old.root, new.size, new.root, &proof).unwrap();
    assert_eq!(fs::read_dir(lab.folder.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_not_finished_is_made_again() {
    let lab = Lab::new().await;
    lab.write(vec![about(SECRET)]).await.unwrap();
    lab.write(vec![erasure(vec![(2, 2)])]).await.unwrap();
    let folder = lab.folder.path();
    let (file, unfinished) = (folder.join("log.redb"), folder.join("log.redb.new"));
    let copy = folder.join("copy.redb");
    fs::copy(&file, &copy).unwrap();
    // Copied, and then the daemon dies.
    let rewriting = lab.store.rewrite().unwrap();
    fs::copy(&unfinished, folder.join("copy.redb.new")).unwrap();
    // Whoever looks at the log of a daemon that runs leaves its work alone.
    assert!(Store::open(&file).is_err());
    assert!(unfinished.exists());
    // What is not finished leaves nothing behind.
    drop(rewriting);
    assert!(!unfinished.exists());

    let store = Store::open(&copy).unwrap();
    assert!(!folder.join("copy.redb.new").exists());
    assert_eq!(store.read().unwrap().unfinished_erasure().unwrap(), Some(3));
    let rewriting = store.rewrite().unwrap();
    store.catch_up(&rewriting).unwrap();
    store.replace(&rewriting).unwrap().unwrap();
    assert_eq!(store.read().unwrap().unfinished_erasure().unwrap(), None);
    let bytes = fs::read(&copy).unwrap();
    assert!(!bytes.windows(SECRET.len()).any(|at| at == SECRET.as_bytes()));
    store.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_holds_nothing_that_was_erased_and_overwrites_nothing() {
    let lab = Lab::new().await;
    lab.write(vec![about(SECRET), about("local/u-1")]).await.unwrap();
    lab.write(vec![erasure(vec![(2, 2)])]).await.unwrap();
    assert!(holds(&lab, SECRET), "the file was not written anew yet");
    let folder = lab.folder.path();
    let file = folder.join("backup.redb");
    // What lies where it would be until it is whole may be anybody's.
    let new = folder.join("backup.redb.new");
    fs::write(&new, "not of ours").unwrap();
    let refused = lab.store.backup(&file);
    assert!(matches!(&refused, Err(StoreError::Exists(path)) if *path == new), "{refused:?}");
    assert_eq!(fs::read_to_string(&new).unwrap(), "not of ours");
    fs::remove_file(&new).unwrap();
    // Later something is written that is no entry: the head goes on telling of the last one.
    let last = lab.store.read().unwrap().head().unwrap().unwrap().last;
    while clock::now_millis() <= last {
        std::thread::yield_now();
    }
    lab.sequencer.flush().await.unwrap();
    let (head, size) = lab.store.backup(&file).unwrap();
    lab.write(vec![about("local/u-1")]).await.unwrap();

    let bytes = fs::read(&file).unwrap();
    assert_eq!((head.size, bytes.len()), (5, usize::try_from(size).unwrap()));
    assert!(!bytes.windows(SECRET.len()).any(|at| at == SECRET.as_bytes()));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(lab.store.backup(&file), Err(StoreError::Exists(_))));
    assert_eq!(fs::read(&file).unwrap(), bytes);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 2);

    let copy = Store::open(&file).unwrap();
    assert_eq!(copy.check().unwrap(), head);
    assert!(copy.read().unwrap().payload(2).unwrap().is_none());
    assert!(copy.read().unwrap().payload(3).unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_erasures_are_finished_by_one_copy() {
    let lab = Lab::new().await;
    lab.write(vec![about(SECRET), about(SECRET)]).await.unwrap();
    lab.write(vec![erasure(vec![(2, 2)])]).await.unwrap();
    let rewriting = lab.store.rewrite().unwrap();
    lab.write(vec![erasure(vec![(3, 3)])]).await.unwrap();
    // It would bring back what the second one took.
    assert!(lab.sequencer.replace(rewriting).await.unwrap().is_err());
    let rewriting = lab.store.rewrite().unwrap();
    lab.sequencer.replace(rewriting).await.unwrap().unwrap();
    assert!(!holds(&lab, SECRET));
}
