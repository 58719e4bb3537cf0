//! `docs/guides/restore.md`, at the site of the guide to a first CA: a copy is put back, refused, and gone on from.

use std::path::Path;

use jit_ca_tests::{Authenticator, Lab, blocks, wait_for};

use super::first_ca::{FOLDERS, Site};

const GUIDE: &str = "docs/guides/restore.md";
/// What else the machine has of its own; before /run, in which all of them lie.
const MORE: [&str; 2] = ["/mnt", "/var/backups"];

#[test]
fn the_guide_to_restoring_a_ca_works_as_it_stands() {
    let lab = Lab::new();
    let mut site = Site::new(&lab, &[MORE.as_slice(), &FOLDERS].concat());
    site.follow();
    let blocks = blocks(GUIDE);
    let [backup, anchor, put_back, succeed, accept, before] = blocks.as_slice() else {
        panic!("{blocks:?}")
    };

    site.run(backup);
    site.is_ready();
    site.run(anchor);
    site.is_ready();
    let size = |site: &Site<'_>, name: &str| {
        let note = site.machine.run(&format!("cat /mnt/anchor/jit-ca/{name}"));
        note.stdout.lines().nth(1).map(|size| size.parse::<u64>().unwrap())
    };
    let begun = wait_for("the anchor", || size(&site, "checkpoint"));
    assert!(site.types("jit-ca whoami").contains("local/u-1001"));

    // What the guide says of the journal.
    site.run(put_back);
    let refused =
        wait_for("a refusal", || Some(site.journal()).filter(|said| said.contains("hint:")));
    for said in [
        "this store lacks entries",
        "the anchor /mnt/anchor/jit-ca/checkpoint holds",
        "jit-cad log succeed",
    ] {
        assert!(refused.contains(said), "{refused}");
    }

    let done = site.run(succeed);
    let used = Authenticator::step() + 1;
    assert!(done.contains("second factors that are kept: 1"), "{done}");
    site.is_ready();
    let aside = wait_for("the old checkpoint", || size(&site, "checkpoint.ca.example.org_jit-ca"));
    assert!(aside >= begun);

    let refused = site.says("jit-ca whoami", 4);
    assert!(refused.contains("the disk died") && refused.contains("--accept-log"), "{refused}");
    site.authenticator.as_ref().unwrap().skip_to(used);
    site.run(accept);
    assert!(site.types("jit-ca whoami").contains("local/u-1001"));

    site.run(before);
    site.machine.run("systemctl stop jit-cad").ok();
    site.machine.run("jit-cad log check --config /var/lib/jit-cad/config/jit-cad.toml").ok();
    // The folders of the lab alone were changed.
    for ours in ["/mnt/anchor", "/var/backups/jit-ca-before", "/var/backups/jit-cad"] {
        assert!(!Path::new(ours).exists(), "{ours}");
    }
}
