//! `docs/guides/passkeys.md`, at a CA whose page somebody adds a passkey on.

use std::fs;

use jit_ca_tests::{Browser, Lab, wait_for};

use super::Guided;

const GUIDE: &str = "docs/guides/passkeys.md";

#[test]
fn the_guide_to_passkeys_works_as_it_stands() {
    let lab = Lab::new();
    let Guided { mut ca, machine, blocks, .. } = Guided::new(&lab, GUIDE);
    let config = ca.config();
    let [page, add, list, again, remove] = blocks.as_slice() else { panic!("{blocks:?}") };
    machine.run(&page.text).ok().says("no faults");
    // Of two tests at once, each has a port of its own.
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("127.0.0.1:8441", "127.0.0.1:0")).unwrap();
    ca.stop();
    ca.serve();
    assert!(ca.page().starts_with("https://ca.example.org:"), "{}", ca.page());

    let bob = ca.person("bob");
    let root = lab.file("root.pem", bob.jit_ca(&["trust", "--x509-root"]).ok().stdout);
    let mut browser = Browser::start(&lab, "browser", &[&root], &["ca.example.org"]);
    let link = machine.run_as(&bob, &add.text, "").ok().says("it works once");
    browser.run(&format!("await plug(); await page.goto({:?});", link.line()));
    browser.run("await press('Add the passkey'); await says('The passkey is added');");
    let listed = machine.run_as(&bob, &list.text, "").ok().says("CAN BE BACKED UP");
    assert!(listed.stdout.contains("laptop"), "{listed}");

    // Where jit-ca opens the browser.
    let asked = lab.path().join("asked");
    let keep = format!("printf %s \"$1\" >{0}.new; mv {0}.new {0}", asked.display());
    lab.script("xdg-open", &keep);
    std::thread::scope(|scope| {
        let login = scope.spawn(|| machine.run_as(&bob, &again.text, ""));
        let address = wait_for("jit-ca opens the browser", || fs::read_to_string(&asked).ok());
        browser.run(&format!("await page.goto('about:blank'); await page.goto({address:?});"));
        browser.run(
            "await press('Use a passkey'); await page.getByText('Go back to your terminal').waitFor();",
        );
        login.join().unwrap().ok().says("logged in to");
    });
    machine.run_as(&bob, &remove.text, "").ok().says("you have no passkey");
}
