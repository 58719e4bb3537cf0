//! `docs/guides/erasure.md`, at a CA that somebody has left.

use std::fs;

use jit_ca_tests::{Ca, Lab, blocks};

use super::machine::Machine;

const GUIDE: &str = "docs/guides/erasure.md";
/// Where the guide has the configuration.
const CONFIG: &str = "/var/lib/jit-cad/config/jit-cad.toml";

#[test]
fn the_guide_to_erasure_works_as_it_stands() {
    let lab = Lab::new();
    let mut ca = Ca::start_with_people(&lab, &[("erin", &["dev"])], |_| ());
    let (bob, authenticator) = ca.enrolled("bob");
    let users = ca.config().with_file_name("users.toml");
    let mut table: toml::Table = fs::read_to_string(&users).unwrap().parse().unwrap();
    let people = table["person"].as_array_mut().unwrap();
    people.retain(|person| person["name"].as_str() != Some("erin"));
    fs::write(&users, table.to_string()).unwrap();
    ca.stop();
    ca.serve();

    let machine = Machine::of(&lab, &ca, &[]);
    let code = lab.file("code", authenticator.code());
    let run = |text: &str| {
        let text = text.replace(CONFIG, ca.config().to_str().unwrap());
        let text = text.replace("local/u-1005", "local/x-0");
        let text = text.replace("~bob/.ssh/id_ed25519", bob.key().to_str().unwrap());
        // What a person is asked for at a terminal.
        machine.run(&text.replace("--reason", &format!("--code-file {} --reason", code.display())))
    };
    let blocks = blocks(GUIDE);
    let [see, order] = blocks.as_slice() else { panic!("{blocks:?}") };
    run(&see.text).ok().says("1 person").says("nothing was erased");
    run(&order.text).ok().says("payloads; entry");
    run(&see.text).exits(2).says("no such subject");
}
