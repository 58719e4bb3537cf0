//! The guide to sessions, of one that a host tells of.

use std::fs;

use jit_ca_core::{SessionId, UnixTime};
use jit_ca_tests::{Ca, Caller, Host, Lab, blocks, now, repository, used};
use serde_json::{Value, json};

use super::machine::Machine;

const GUIDE: &str = "docs/guides/sessions.md";
const HOSTS: &str = "[hosts]\nnames = [\"web1\"]\ncertificate = \"7d\"\n";

#[test]
fn the_guide_to_sessions_works_as_it_stands() {
    let lab = Lab::new();
    let guide = fs::read_to_string(repository().join(GUIDE)).unwrap();
    let section: String =
        guide.lines().filter_map(|line| line.strip_prefix("    ")).collect::<Vec<_>>().join("\n");
    let ca = Ca::start_with(&lab, |config| {
        let file = config.join("jit-cad.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text + HOSTS + &section).unwrap();
    });
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
    for caller in [&alice, &bob, &carol] {
        caller.person.login(&caller.authenticator.code()).ok();
    }
    let host = Host::new(&lab, &ca, "web1", "ed25519");
    let token = json!({"host": "web1", "aliases": []});
    host.enrol(&bob.wire.post("/v1/hosts/tokens", &token).ok().json());
    let host = host.login();
    let id = SessionId::new(now() * 1_000, [7; 10]);
    let time = UnixTime::from_secs(now()).to_string();
    let opened = json!({"session": id.to_string(), "account": "deploy", "opened": time});
    let opened = with_certificate(opened, &alice, &bob);
    host.post("/v1/host/sessions", &json!({"opened": [opened]})).ok();
    let chunk = format!("/v1/host/sessions/{id}/channels/1/chunks/0");
    host.call(&["-H", "content-type: application/octet-stream"], &chunk, Some("{}\n")).ok();

    let machine = Machine::of(&lab, &ca, &[]);
    for block in blocks(GUIDE) {
        let (caller, says) = match block.who.as_str() {
            "alice" => (&alice, "deploy@web1"),
            "bob" => (&bob, "web1"),
            "carol" => (&carol, "session.watched"),
            other => panic!("who is {other}?"),
        };
        let text = format!("SESSION={id}\n{}", block.text);
        let said = machine.run_as(&caller.person, &text, "").ok();
        let is_export = block.text.contains("export");
        assert!(is_export || said.stdout.contains(says), "no {says} in {said}");
    }
}

fn with_certificate(mut opened: Value, alice: &Caller, bob: &Caller) -> Value {
    let grant = alice.granted("web-shell", json!({"hosts": ["web1"]}), &[bob])["grant"].clone();
    let (file, reply) = alice.take_ssh(&grant, &alice.person.key());
    let seen = used(&file, "web1", "deploy", now());
    opened["certificate"] = json!({
        "ca": seen["ca"], "serial": seen["serial"], "key_id": seen["key_id"],
        "until": reply["expires"],
    });
    opened
}
