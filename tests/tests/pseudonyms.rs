//! Certificates that call people by their pseudonym, as sshd, OpenSSL, the log and the report see them.

use std::fs;
use std::process::Command;

use jit_ca_tests::{Ca, Clock, Lab, Sshd, now, run, wait_for};

#[test]
fn hosts_and_services_learn_no_name_and_the_log_knows_whose_it_was() {
    let lab = Lab::new();
    let ca = Ca::start_with(&lab, |config| {
        let file = config.join("jit-cad.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text.replace("pseudonyms = false", "pseudonyms = true")).unwrap();
        let logs = fs::read_to_string(config.join("roles/web-logs.toml")).unwrap();
        let logs = logs.replace("journalctl --unit=nginx --since=-1h --no-pager", "whoami");
        fs::write(config.join("roles/web-logs.toml"), logs).unwrap();
    });
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.person(name));
    alice.jit_ca(&["request", "web-logs", "--reason", "INC-42"]).ok();
    let wish = ["request", "orders-api", "--reason", "INC-42", "--no-wait", "--json"];
    let request = alice.jit_ca(&wish).exits(75).json();
    bob.jit_ca(&["approve", request["id"].as_str().unwrap(), "--yes"]).ok();

    // sshd lets her in, and writes down no name.
    let issued = alice.jit_ca(&["cert", "ssh", "--role", "web-logs", "--out", "keys", "--json"]);
    issued.ok();
    let user_ca = alice.jit_ca(&["trust", "--ssh-user-ca"]).ok().stdout;
    let sshd = Sshd::start(&lab, Clock::True, &user_ca, &[("deploy", &["web-logs"])]);
    let [key, certificate] = ["keys/key", "keys/key-cert.pub"].map(|file| alice.file(file));
    sshd.log_in(&alice, "deploy", &key, &certificate).ran("deploy");
    let said = sshd.log();
    let key_id = said.split("Accepted certificate ID \"").nth(1).unwrap();
    let key_id = key_id.split('"').next().unwrap().to_owned();
    assert!(!said.contains("alice"), "{said}");
    let pseudonym = key_id.rsplit(':').next().unwrap().to_owned();
    assert_eq!(pseudonym.len(), 32, "{key_id}");

    // So does whoever looks at her certificate of a service, and at that of her login.
    alice.jit_ca(&["cert", "x509", "--role", "orders-api", "--out", "orders"]).ok();
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-noout", "-text", "-in"]).arg(alice.file("orders/cert.pem"));
    let shown = run(&mut openssl).ok().says(&format!("CN = {pseudonym}, OU = orders-api"));
    assert!(!shown.stdout.contains("alice"), "{shown}");
    alice.jit_ca(&["whoami"]).ok().says("alice");

    // Whoever may read the log finds her by it, and the report says what the host does.
    let who = carol.jit_ca(&["log", "who", &key_id]).ok();
    who.says("alice").says("INC-42");
    carol.jit_ca(&["log", "verify"]).ok().says("holds");
    // A report is on time that is over, as an entry of later shows.
    let last = now();
    wait_for("the next second", || (now() > last).then_some(()));
    alice.jit_ca(&["request", "web-logs", "--reason", "INC-43"]).ok();
    let [from, to] = [last - 3600, last + 1].map(|second| {
        let at = format!("@{second}");
        run(Command::new("date").args(["-u", "-d", &at, "+%FT%TZ"])).ok().line().to_owned()
    });
    let report = carol.jit_ca(&["report", &from, &to, "--json"]).ok().stdout;
    assert!(report.contains(&key_id), "{report}");
    assert!(report.contains(&format!("CN={pseudonym}, OU=orders-api")), "{report}");
}
