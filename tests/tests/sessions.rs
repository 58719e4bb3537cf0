//! Sessions: what hosts tell of them and send, who sees them, and when a host is told that one is to end.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::slice::from_ref;
use std::thread;

use base64ct::{Base64Unpadded, Encoding as _};
use jit_ca_core::{SessionId, UnixTime};
use jit_ca_log::tree::{Frontier, leaf_hash};
use jit_ca_tests::{Ca, Caller, Host, Lab, Reply, Wire, now, repository, run, used};
use serde_json::{Value, json};

/// What the CA's configuration says besides.
const CONFIG: &str = "[hosts]\nnames = [\"web1\", \"web2\"]\ncertificate = \"7d\"\n\
    [recordings]\ndir = \"recordings\"\nkeep = \"90d\"\nsession = \"100 KiB\"\n";

/// What was recorded, in its chunks.
const CHUNKS: [&str; 2] = ["{\"version\":3}\n[0.1,\"o\",\"hello\"]\n", "[0.2,\"x\",\"0\"]\n"];

struct Scene {
    alice: Caller,
    bob: Caller,
    carol: Caller,
    web1: Wire,
    web2: Wire,
    grant: Value,
    certificate: Value,
    ca: Ca,
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let ca = Ca::start_with(&lab, |config: &Path| {
            let file = config.join("jit-cad.toml");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(file, text + CONFIG).unwrap();
        });
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
        let [web1, web2] = ["web1", "web2"].map(|name| {
            let host = Host::new(&lab, &ca, name, "ed25519");
            let token = json!({"host": name, "aliases": []});
            host.enrol(&bob.wire.post("/v1/hosts/tokens", &token).ok().json());
            host.login()
        });
        let asked = json!({"hosts": ["web1"], "duration": "10m"});
        let grant = alice.granted("web-shell", asked, &[&bob])["grant"].clone();
        let key = alice.person.make_key("work", "ed25519");
        let (file, reply) = alice.take_ssh(&grant, &key);
        let seen = used(&file, "web1", "deploy", now());
        let until = reply["expires"].clone();
        let certificate = json!({
            "ca": seen["ca"], "serial": seen["serial"], "key_id": seen["key_id"], "until": until,
        });
        Self { alice, bob, carol, web1, web2, grant, certificate, ca, lab }
    }

    fn opened(&self, session: SessionId) -> Value {
        json!({
            "session": session.to_string(), "account": "deploy", "from": "192.0.2.7",
            "certificate": self.certificate, "opened": rfc3339(now()),
        })
    }

    fn entries(&self, entry_type: &str) -> Vec<Value> {
        let entries = self.carol.wire.get("/v1/log/entries").ok().json();
        let entries = entries.as_array().unwrap().iter();
        entries.filter(|entry| entry["type"] == entry_type).cloned().collect()
    }
}

fn rfc3339(second: u64) -> String {
    UnixTime::from_secs(second).to_string()
}

fn id(nth: u8) -> SessionId {
    SessionId::new(1_790_000_000_000 + u64::from(nth), [nth; 10])
}

fn closed(session: SessionId) -> Value {
    let mut tree = Frontier::default();
    CHUNKS.iter().for_each(|chunk| tree.push(leaf_hash(chunk.as_bytes())));
    let root = format!("SHA256:{}", Base64Unpadded::encode_string(tree.root().as_bytes()));
    let bytes: usize = CHUNKS.iter().map(|chunk| chunk.len()).sum();
    json!({
        "session": session.to_string(), "closed": rfc3339(now() + 1), "why": "logged-out",
        "channels": [{
            "number": 1, "command": "ls\n\u{1b}[2J", "terminal": true, "started": rfc3339(now()),
            "root": root, "chunks": 2, "bytes": bytes,
        }],
    })
}

fn tell(host: &Wire, opened: &[Value], closed: &[Value]) -> Reply {
    host.post("/v1/host/sessions", &json!({"opened": opened, "closed": closed}))
}

fn send(host: &Wire, session: SessionId, channel: u32, chunk: u64, bytes: &str) -> Reply {
    let path = format!("/v1/host/sessions/{session}/channels/{channel}/chunks/{chunk}");
    host.call(&["-H", "content-type: application/octet-stream"], &path, Some(bytes))
}

#[test]
fn what_a_host_tells_is_in_the_log_and_its_recording_is_watched_by_leave_alone() {
    let scene = Scene::new();
    let Scene { alice, bob, web1, web2, .. } = &scene;
    let session = id(1);
    let opened = scene.opened(session);
    tell(web1, from_ref(&opened), &[]).ok();
    tell(web1, from_ref(&opened), &[]).ok();
    let mut other = opened.clone();
    other["account"] = json!("root");
    tell(web1, &[other], &[]).refused("conflict");
    tell(web2, from_ref(&opened), &[]).refused("conflict");
    tell(web2, &[], &[closed(session)]).refused("not-found");
    // People tell nothing, and hosts see nothing.
    tell(&bob.wire, from_ref(&opened), &[]).refused("unauthenticated");
    web1.get("/v1/sessions").refused("unauthenticated");
    send(&bob.wire, session, 1, 0, "x").refused("unauthenticated");

    // Chunks come in any order, each once, and can be watched as far as they are here.
    send(web2, session, 1, 0, CHUNKS[0]).refused("not-found");
    send(web1, session, 0, 0, CHUNKS[0]).refused("bad-request");
    send(web1, session, 1, 0, CHUNKS[0]).ok();
    send(web1, session, 1, 0, CHUNKS[0]).ok();
    send(web1, session, 1, 0, "another\n").refused("conflict");
    let watch = |who: &Wire| who.get(&format!("/v1/sessions/{session}/channels/1/recording"));
    assert!(watch(&bob.wire).ok().body.ends_with(CHUNKS[0]));

    let told = closed(session);
    tell(web1, &[], from_ref(&told)).ok();
    tell(web1, &[], from_ref(&told)).ok();
    let mut again = told.clone();
    again["why"] = json!("unguarded");
    tell(web1, &[], &[again]).refused("conflict");
    send(web1, session, 1, 2, "more\n").refused("conflict");
    send(web1, session, 2, 0, "more\n").refused("conflict");
    send(web1, session, 1, 1, CHUNKS[1]).ok();

    // One's own sessions are listed, and not watched without leave.
    let own = alice.wire.get("/v1/sessions").ok().json();
    let seen = &own["sessions"][0];
    assert_eq!(seen["grant"], scene.grant["id"], "{own:#}");
    assert_eq!((&seen["name"], &seen["why"]), (&json!("alice"), &json!("logged-out")));
    assert_eq!(seen["channels"][0]["here"], 2);
    assert_eq!(seen["channels"][0]["recorded"]["command"], "ls\u{fffd}\u{fffd}[2J");
    watch(&alice.wire).refused("not-permitted");
    let whole = watch(&bob.wire).ok().body;
    assert!(whole.contains(CHUNKS[0]) && whole.ends_with(CHUNKS[1]), "{whole:?}");
    let dave = scene.ca.caller("dave");
    assert_eq!(dave.wire.get("/v1/sessions").ok().json()["sessions"], json!([]));
    watch(&dave.wire).refused("not-found");
    let listed = |query: &str| {
        let list = bob.wire.get(&format!("/v1/sessions?{query}")).ok().json();
        list["sessions"].as_array().unwrap().len()
    };
    for (query, count) in [
        ("host=web1", 1),
        ("host=web2", 0),
        ("role=web-shell", 1),
        ("role=db-read", 0),
        ("open=true", 0),
        ("mine=true", 0),
        ("from=2020-01-01T00:00:00Z", 1),
        ("to=2020-01-01T00:00:00Z", 0),
    ] {
        assert_eq!(listed(query), count, "{query}");
    }
    let [open, close, watched] =
        ["session.open", "session.close", "session.watched"].map(|it| scene.entries(it).len());
    assert_eq!((open, close, watched), (1, 1, 2));
}

#[test]
fn a_session_that_no_certificate_of_the_log_accounts_for_is_listed_by_both_verifiers() {
    let scene = Scene::new();
    let Scene { web1, lab, .. } = &scene;
    let honest = scene.opened(id(1));
    let mut likeness = scene.opened(id(2));
    likeness["certificate"]["until"] = json!(rfc3339(now() + 86_400));
    let mut late = scene.opened(id(3));
    late["opened"] = json!(rfc3339(now() + 3_600));
    let mut by_key = scene.opened(id(4));
    by_key["certificate"] = Value::Null;
    tell(web1, &[honest, likeness, late, by_key], &[closed(id(1))]).ok();
    let carol = &scene.carol.person;
    carol.login(&scene.carol.authenticator.code()).ok();
    let export = lab.path().join("log.tar");
    carol.jit_ca(&["log", "export", export.to_str().unwrap()]).ok();
    let online = carol.jit_ca(&["log", "verify", export.to_str().unwrap(), "--json"]).ok().json();
    let mut python = Command::new("/usr/bin/python3");
    let offline = run(python.arg(repository().join("tests/verify.py")).arg(&export)).ok().json();
    let opened: Vec<Value> =
        scene.entries("session.open").iter().map(|entry| entry["index"].clone()).collect();
    assert_eq!(opened.len(), 4);
    assert_eq!(online["unaccounted"], json!(opened[1..]), "{online:#}");
    assert_eq!(offline["unaccounted"], online["unaccounted"]);
}

#[test]
fn a_recording_is_exported_as_it_was_recorded_or_not_at_all() {
    let scene = Scene::new();
    let Scene { bob, web1, .. } = &scene;
    let session = id(1);
    tell(web1, &[scene.opened(session)], &[]).ok();
    send(web1, session, 1, 0, CHUNKS[0]).ok();
    bob.person.login(&bob.authenticator.code()).ok();
    let file = bob.person.file("recording.cast");
    let ending = session.to_string().split_off(20);
    let export = || {
        let arguments = ["session", "export", &ending, "--out", file.to_str().unwrap()];
        bob.person.jit_ca(&arguments)
    };
    export().ok().says("goes on");
    assert_eq!(fs::read_to_string(&file).unwrap(), CHUNKS[0]);
    fs::remove_file(&file).unwrap();

    tell(web1, &[], &[closed(session)]).ok();
    export().exits(2).says("chunk 1 of").says("is not here");
    assert!(!file.exists());
    send(web1, session, 1, 1, CHUNKS[1]).ok();
    export().ok().says("2 chunks, as its host said when it was over: SHA256:");
    assert_eq!(fs::read_to_string(&file).unwrap(), CHUNKS.concat());
    let listed = bob.person.jit_ca(&["sessions"]).ok().stdout;
    assert!(listed.contains("deploy@web1") && listed.contains("alice"), "{listed}");
    let shown = bob.person.jit_ca(&["session", "show", &ending]).ok().stdout;
    assert!(shown.contains("2 of 2 chunks here"), "{shown}");

    // Somebody at the CA's disk makes another recording of it.
    let recordings = scene.ca.config().with_file_name("recordings");
    let chunk = recordings.join(session.to_string()).join("1").join("1");
    fs::write(chunk, "[0.2,\"o\",\"nothing\"]\n").unwrap();
    fs::remove_file(&file).unwrap();
    export().exits(4).says("are not what its host said was recorded");
    assert!(!file.exists());
}

#[test]
fn a_host_hears_at_once_that_a_grant_has_ended() {
    let scene = Scene::new();
    let Scene { bob, web1, .. } = &scene;
    let serial = &scene.certificate["serial"];
    let ask = |serials: &[&Value], wait: u64| {
        let path = format!("/v1/host/standing?wait={wait}");
        web1.post(&path, &json!({"certificates": serials})).ok().json()["ended"].clone()
    };
    assert_eq!(ask(&[serial], 0), json!([]));
    assert_eq!(ask(&[&json!("7")], 0), json!([{"serial": "7", "why": "unknown"}]));
    web1.post("/v1/host/standing", &json!({"certificates": ["x"]})).refused("bad-request");
    bob.wire.post("/v1/host/standing", &json!({"certificates": []})).refused("unauthenticated");
    let grant = scene.grant["id"].as_str().unwrap();
    let heard = thread::scope(|scope| {
        let heard = scope.spawn(|| ask(&[serial], 30));
        bob.wire.post(&format!("/v1/grants/{grant}/revoke"), &json!({"reason": "enough"})).ok();
        let revoked = std::time::Instant::now();
        let heard = heard.join().unwrap();
        assert!(revoked.elapsed().as_secs() < 5, "{:?}", revoked.elapsed());
        heard
    });
    assert_eq!(heard, json!([{"serial": serial, "why": "grant-ended"}]));
}
