//! `docs/guides/trouble.md`, at a CA whose clock was set.

use jit_ca_tests::{Ca, Lab, blocks};
use serde_json::json;

use super::machine::Machine;

const GUIDE: &str = "docs/guides/trouble.md";
/// Where the guide has the configuration.
const CONFIG: &str = "/var/lib/jit-cad/config/jit-cad.toml";

#[test]
fn the_guide_to_trouble_works_as_it_stands() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let alice = ca.caller("alice");
    ca.serve_by_own_clock();
    let grant = alice.granted("web-logs", json!({}), &[])["grant"].clone();
    let key = alice.person.make_key("work", "ed25519");
    let machine = Machine::of(&lab, &ca, &[]);
    let run = |text: &str| machine.run(&text.replace(CONFIG, ca.config().to_str().unwrap()));
    let blocks = blocks(GUIDE);
    let [show, acknowledge] = blocks.as_slice() else { panic!("{blocks:?}") };

    run(&show.text).ok().says("right");
    ca.set_clock(600);
    assert_eq!(alice.ask_ssh(&grant, &key).status, Some(503));
    let code = alice.wire.get("/readyz").problem()["code"].clone();
    assert_eq!(code, "clock-held");
    run(&show.text).ok().says("held").says("daemon 20").says("machine 20");
    ca.set_clock(0);
    run(&acknowledge.text).ok();
    run(&show.text).ok().says("right");
    alice.take_ssh(&grant, &key);
    // What the guide says of the journal.
    assert!(ca.log_text().contains("the machine's clock is not right"));
}
