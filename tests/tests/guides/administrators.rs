//! `docs/guides/administrators.md`: a change of the policy that takes two people.

use std::fs;

use jit_ca_tests::{Ca, Lab, blocks};

use super::machine::Machine;

const GUIDE: &str = "docs/guides/administrators.md";
/// Where the guide has the configuration.
const CONFIG: &str = "/var/lib/jit-cad/config/jit-cad.toml";

#[test]
fn the_guide_to_a_second_administrator_works_as_it_stands() {
    let lab = Lab::new();
    let mut ca = Ca::start(&lab);
    let bob = ca.person("bob");
    let machine = Machine::of(&lab, &ca, &[]);
    lab.script("systemctl", "test \"$*\" = 'restart jit-cad'");
    let config = ca.config();
    let here = |text: &str| text.replace(CONFIG, config.to_str().unwrap());
    let blocks = blocks(GUIDE);
    let [rule, turn_on, propose, activate] = blocks.as_slice() else { panic!("{blocks:?}") };

    // The rule, as the guide has it.
    let guide = fs::read_to_string(jit_ca_tests::repository().join(GUIDE)).unwrap();
    let cedar: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let cedar = cedar.join("\n");
    let rules = config.with_file_name("policies/operation.cedar");
    let text = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("{text}\n{cedar}")).unwrap();
    machine.run(&here(&rule.text)).ok().says("is in force; entry").says("policies/operation.cedar");

    machine.run(&here(&turn_on.text)).ok();
    ca.stop();
    ca.serve();

    let role = config.with_file_name("roles/web-logs.toml");
    fs::write(&role, fs::read_to_string(&role).unwrap() + "\n# Looked at.\n").unwrap();
    let told = machine.run(&here(&propose.text)).ok().says("is proposed, and waits");
    let hash = told.stdout.split(' ').next().unwrap();
    assert_eq!(activate.who, "bob");
    // What a person is asked at a terminal.
    let text = activate.text.replace("$HASH", hash).replace("activate", "activate --yes");
    let said = machine.run_as(&bob, &text, "").ok().says("+# Looked at.");
    assert!(said.stdout.ends_with(&format!("{hash} is in force\n")), "{said}");
}
