//! `docs/guides/trouble.md`, at a CA whose clock was set.

use std::fs;
use std::path::Path;

use jit_ca_tests::{Ca, Lab, blocks, repository};
use serde_json::{Value, json};

use super::first_ca::{FOLDERS, Site};
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
    let [show, acknowledge, _move] = blocks.as_slice() else { panic!("{blocks:?}") };

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

#[test]
fn the_store_moves_to_a_larger_disk_as_the_guide_has_it() {
    let lab = Lab::new();
    let mut site = Site::new(&lab, &[["/srv"].as_slice(), &FOLDERS].concat());
    site.follow();
    for block in blocks("docs/guides/upkeep.md") {
        site.run(&block);
    }
    let blocks = blocks(GUIDE);
    let larger = blocks.last().unwrap();
    site.run(larger);
    site.is_ready();
    site.machine.run("rm /var/lib/jit-cad/data/jit-ca.redb").ok();
    site.machine.run("systemctl restart jit-cad").ok();
    site.is_ready();
    assert!(site.types("jit-ca whoami").contains("local/u-1001"));
    // The folder of the lab alone was changed.
    assert!(!Path::new("/srv/jit-ca").exists());
}

#[test]
fn the_guide_and_the_openapi_document_name_the_codes_that_there_are() {
    let read = |file: &str| fs::read_to_string(repository().join(file)).unwrap();
    let (guide, problems) = (read(GUIDE), read("crates/jit-cad/src/http/problem.rs"));
    let table = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let in_guide = table.flat_map(|codes| codes.trim_end_matches('`').split("`, `"));
    let document = read("crates/jit-ca-api/openapi.json");
    let document: Value = serde_json::from_str(&document).unwrap();
    let said = document["components"]["responses"]["NotWritten"]["description"].clone();
    let said: Vec<_> = said.as_str().unwrap().split('`').skip(1).step_by(2).collect();
    let in_guide: Vec<_> = in_guide.filter(|code| !code.starts_with('/')).collect();
    let sorted = |mut codes: Vec<&str>| {
        codes.sort_unstable();
        codes.join(" ")
    };
    assert_eq!(sorted(in_guide.clone()), sorted(said));
    for code in in_guide {
        assert!(problems.contains(&format!("\"{code}\"")), "{code}");
    }
}
