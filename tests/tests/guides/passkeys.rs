//! `docs/guides/passkeys.md`, at a CA whose page somebody adds a passkey on.

use std::fs;

use jit_ca_tests::{Lab, SoftPasskey};

use super::Guided;

const GUIDE: &str = "docs/guides/passkeys.md";

#[test]
fn the_guide_to_passkeys_works_as_it_stands() {
    let lab = Lab::new();
    let Guided { mut ca, machine, blocks, .. } = Guided::new(&lab, GUIDE);
    let config = ca.config();
    let [page, add, list, remove] = blocks.as_slice() else { panic!("{blocks:?}") };
    machine.run(&page.text).ok().says("no faults");
    // Of two tests at once, each has a port of its own.
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("127.0.0.1:8441", "127.0.0.1:0")).unwrap();
    ca.stop();
    ca.serve();
    assert!(ca.page().starts_with("https://ca.example.org:"), "{}", ca.page());

    let bob = ca.person("bob");
    let link = machine.run_as(&bob, &add.text, "").ok().says("it works once");
    let passkey = SoftPasskey::enrol(&ca, link.line());
    let listed = machine.run_as(&bob, &list.text, "").ok().says("CAN BE BACKED UP");
    assert!(listed.stdout.contains("laptop") && listed.stdout.contains(&passkey.id()), "{listed}");
    machine.run_as(&bob, &remove.text, "").ok().says("you have no passkey");
}
