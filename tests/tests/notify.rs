//! People are told: what, in what form, whatever becomes of those who are told.

mod receiver;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command};

use jit_ca_tests::{Ca, Caller, Lab, free_port, program, run, wait_for};
use serde_json::{Value, json};

use receiver::{Receiver, SECRET, name_targets};

/// A CA with somebody who asks and two who approve.
struct Scene {
    alice: Caller,
    bob: Caller,
    carol: Caller,
    ca: Ca,
    _lab: Lab,
}

impl Scene {
    fn new(lab: Lab, targets: &[String]) -> Self {
        let ca = Ca::start_with_people(&lab, &[("zebedee", &["dev"])], |config| {
            let shell = fs::read_to_string(config.join("roles/web-shell.toml")).unwrap();
            let hasty = shell.replace("pending_for = \"1h\"", "pending_for = \"2s\"");
            fs::write(config.join("roles/hasty.toml"), hasty).unwrap();
            name_targets(&config.join("jit-cad.toml"), targets);
        });
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.caller(name));
        Self { alice, bob, carol, ca, _lab: lab }
    }

    /// Asks for something, which is told as asked.
    fn asks(&self, fields: Value) -> Value {
        self.alice.request("web-shell", fields).ok().json()
    }

    fn listed(&self) -> String {
        self.ca.jit_cad(&["notify", "list"]).ok().stdout
    }

    fn says(&self, what: &str) -> usize {
        self.ca.log_text().lines().filter(|line| line.contains(what)).count()
    }
}

/// A secret as nothing may show it.
fn bare(secret: &str) -> &str {
    secret.strip_prefix("whsec_").unwrap()
}

fn grant_path(request: &Value, verb: &str) -> String {
    format!("/v1/grants/{}/{verb}", request["grant"]["id"].as_str().unwrap())
}

#[test]
fn what_happens_is_told_signed_and_with_a_command_to_act_on_it() {
    let lab = Lab::new();
    let mut receiver = Receiver::with_tls(&lab);
    receiver.start();
    let targets = [
        receiver.target("all", "ending_soon = \"3s\""),
        receiver.target("some", "events = [\"asked\", \"lock\"]\nroles = [\"hasty\"]"),
    ];
    let scene = Scene::new(lab, &targets);
    let Scene { alice, bob, carol, .. } = &scene;
    let told = |kind: &str, of: &Value| receiver.is_told("all", kind, of);
    let command = |told: &Value| told["data"]["command"].as_str().unwrap().to_owned();

    let denied = scene.asks(json!({"hosts": ["web1"], "ticket": "INC-42", "duration": "20m"}));
    let asked = told("asked", &denied);
    let expected = json!({
        "request": denied["id"], "name": "alice", "role": "web-shell", "hosts": ["web1"], "duration": "20m",
        "reason": "INC-42: orders time out", "ticket": "INC-42", "lapses": denied["lapses"],
        "approvals": [{"count": 1, "from": ["sre"], "signed": false}],
        "command": format!("jit-ca approve {}", denied["id"].as_str().unwrap()),
    });
    assert_eq!((&asked["data"], &asked["timestamp"]), (&expected, &denied["made"]));
    bob.decide(&denied, "deny", &json!({"reason": "not today"})).ok();
    let data = told("denied", &denied)["data"].clone();
    assert_eq!((&data["by"], &data["comment"]), (&json!(["bob"]), &json!("not today")));

    let cancelled = scene.asks(json!({}));
    alice.decide(&cancelled, "cancel", &json!({})).ok();
    told("cancelled", &cancelled);
    let lapsed = alice.request("hasty", json!({})).ok().json();
    told("lapsed", &lapsed);

    // It is said before it ends, and that it has ended.
    let short = alice.granted("web-shell", json!({"duration": "6s"}), &[carol]);
    let approved = told("approved", &short);
    assert_eq!(approved["data"]["by"], json!(["carol"]), "{approved:#}");
    assert_eq!(approved["data"]["window"], short["grant"]["window"]);
    let grant = short["grant"]["id"].as_str().unwrap();
    assert_eq!(command(&approved), format!("jit-ca grant show {grant}"));
    assert!(command(&told("ending_soon", &short)).starts_with(&format!("jit-ca extend {grant}")));
    let ended = told("ended", &short);
    assert_eq!(ended["data"]["comment"], "its time was over");

    // What is given back has no end any more that could be near, and neither has what was too short for it.
    let back = alice.granted("web-shell", json!({"duration": "7s"}), &[bob]);
    alice.wire.post(&grant_path(&back, "end"), &json!({})).ok();
    assert_eq!(told("ended", &back)["data"]["comment"], "its holder gave it back");
    let brief = alice.granted("web-shell", json!({"duration": "5s"}), &[bob]);
    let revoked = alice.granted("web-shell", json!({}), &[bob]);
    carol.wire.post(&grant_path(&revoked, "revoke"), &json!({"reason": "laptop lost"})).ok();
    let data = told("revoked", &revoked)["data"].clone();
    assert_eq!((&data["by"], &data["comment"]), (&json!(["carol"]), &json!("laptop lost")));

    // In an emergency those are named who are to be told; nobody is asked, and it is not said to be approved.
    let call = json!({"role": "web-shell", "reason": "INC-43: the shop is down"});
    let glass = bob.wire.post("/v1/break-glass", &call).ok().json();
    let broken = told("break_glass", &glass);
    assert_eq!(broken["data"]["tell"], json!(["bob", "carol"]));
    assert!(command(&broken).starts_with("jit-ca review r-"), "{broken:#}");
    bob.wire.post(&grant_path(&glass, "end"), &json!({})).ok();
    let path = format!("/v1/requests/{}/review", glass["id"].as_str().unwrap());
    carol.wire.post(&path, &json!({"comment": "as INC-43 says"})).ok();
    assert_eq!(told("reviewed", &glass)["data"]["comment"], "as INC-43 says");
    // What a rule approves waits for nobody.
    let logs = alice.granted("web-logs", json!({}), &[]);
    assert_eq!(told("approved", &logs)["data"]["by"], json!(["the rule logs-at-once"]));

    let lock = json!({"what": "hasty", "reason": "INC-7: keys leaked"});
    bob.wire.post("/v1/locks", &lock).ok();
    carol.wire.post("/v1/locks/lift", &lock).ok();
    let unlock = wait_for("the unlock", || {
        receiver.told("all").into_iter().find(|message| message["body"]["type"] == "unlock")
    });
    assert_eq!(unlock["body"]["data"]["by"], json!(["carol"]));
    scene.ca.jit_cad(&["user", "enroll", "carol", "--alone", "--reason", "INC-9: lost"]).ok();
    let reset = wait_for("the reset", || {
        receiver.told("all").into_iter().find(|message| message["body"]["type"] == "reset")
    });
    let data = &reset["body"]["data"];
    assert_eq!((&data["name"], &data["reason"]), (&json!("carol"), &json!("INC-9: lost")));
    assert!(data["by"][0].as_str().unwrap().contains("on the CA's machine"), "{reset:#}");
    told("ended", &brief);

    // Each once, in the order of the log, and nothing of what is not to be told.
    let all = receiver.told("all");
    let ids: BTreeSet<&str> = all.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), all.len());
    assert!(ids.iter().all(|id| id.starts_with("msg_") && !id.contains('.')), "{ids:?}");
    let of = |request: &Value| -> Vec<&str> {
        let of_it = all.iter().filter(|it| it["body"]["data"]["request"] == request["id"]);
        of_it.map(|message| message["body"]["type"].as_str().unwrap()).collect()
    };
    assert_eq!(of(&denied), ["asked", "denied"]);
    assert_eq!(of(&short), ["asked", "approved", "ending_soon", "ended"]);
    assert_eq!(of(&back), ["asked", "approved", "ended"]);
    assert_eq!(of(&brief), ["asked", "approved", "ended"]);
    assert_eq!(of(&glass), ["break_glass", "ended", "reviewed"]);
    assert_eq!(of(&logs), ["approved"]);
    let some = receiver.told("some");
    let some: Vec<_> =
        some.iter().map(|it| (&it["body"]["type"], &it["body"]["data"]["role"])).collect();
    assert_eq!(some, [(&json!("asked"), &json!("hasty")), (&json!("lock"), &json!("hasty"))]);
    wait_for("an empty outbox", || {
        scene.listed().contains("some: 0 waiting, 0 given up").then_some(())
    });
    assert!(!scene.ca.log_text().contains(bare(SECRET)), "{}", scene.ca.log_text());
}

#[test]
fn whoever_is_ill_keeps_nobody_waiting_and_is_told_later() {
    let lab = Lab::new();
    let mut receiver = Receiver::new(&lab);
    receiver.start();
    let ill = ["ill-500", "ill-429", "ill-redirect", "ill-cut", "ill-slow"];
    let targets: Vec<String> =
        ill.iter().chain(&["endless"]).map(|name| receiver.target(name, "")).collect();
    // Nobody listens there; and there somebody does who is not to be reached.
    let (dead, private) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
    private.set_nonblocking(true).unwrap();
    let elsewhere = |name: &str, url: &str, more: &str| {
        let secret = receiver.file("secret");
        format!(
            "\n[[notify]]\nname = {name:?}\nwebhook = {url:?}\nsecret = {{ file = {secret:?} }}\n{more}\n"
        )
    };
    let at_dead = format!("http://127.0.0.1:{dead}/dead");
    let dead_target = elsewhere("dead", &at_dead, "allow_private = [\"127.0.0.1\"]");
    let port = private.local_addr().unwrap().port();
    let at_private = format!("https://localhost:{port}/private");
    let private_target = elsewhere("private", &at_private, "allow_private = [\"10.1.2.3\"]");
    let nowhere = elsewhere("nowhere", "https://no-such-host.invalid/", "");
    let scene = Scene::new(lab, &[targets, vec![dead_target, private_target, nowhere]].concat());

    // Certificates are issued, each of them, while all of these are asked in vain.
    let request = scene.alice.granted("web-shell", json!({}), &[&scene.bob]);
    let denied = scene.asks(json!({}));
    scene.bob.decide(&denied, "deny", &json!({})).ok();
    let key = scene.alice.person.make_key("work", "ed25519");
    let mut issued = 0;
    let why = [
        "target=ill-500 error=\"it answers with the status 500\"",
        "target=ill-429 error=\"it answers with the status 429\"",
        "target=ill-redirect error=\"it answers with the status 307\"",
        "target=ill-cut error=\"it ",
        "target=ill-slow error=\"it has not answered within 10 seconds\"",
        "target=dead error=\"it is not reached: ",
        "target=nowhere error=\"it is not reached: ",
    ];
    wait_for("all to be found ill", || {
        scene.alice.take_ssh(&request["grant"], &key);
        issued += 1;
        why.iter().all(|why| scene.says(why) == 1).then_some(())
    });
    assert!(issued > 20, "{issued} certificates while others were waited for");
    let unfit = "which is not public and which allow_private does not name";
    assert_eq!(scene.says(unfit), 1, "{}", scene.ca.log_text());
    assert!(private.accept().is_err(), "somebody was connected to who must not be");
    let kinds = ["asked", "approved", "asked", "denied"];
    let listed = scene.listed();
    for target in ill.iter().chain(&["dead", "private", "nowhere"]) {
        assert!(listed.contains(&format!("{target}: 5 waiting, 0 given up")), "{listed}");
    }
    assert!(listed.contains(unfit), "{listed}");
    // Who does not come to an end is hung up on, and is told everything.
    wait_for("the end of what has none", || {
        (receiver.lines("endless.closed").len() == kinds.len()).then_some(())
    });

    // All of them are told in the end, the same and in order.
    receiver.gets_well();
    let types = |name: &str| -> Vec<Value> {
        receiver.told(name).iter().map(|message| message["body"]["type"].clone()).collect()
    };
    for name in ill {
        wait_for(name, || {
            scene.ca.jit_cad(&["notify", "retry", "all"]).ok();
            (types(name).len() >= kinds.len()).then_some(())
        });
        assert_eq!(types(name), kinds, "{name}");
        let ids = |lines: Vec<Value>| -> BTreeSet<String> {
            lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
        };
        let (tried, told) = (receiver.tried(name), receiver.told(name));
        assert!(tried.len() > told.len(), "{name} was not ill");
        assert_eq!(ids(tried), ids(told), "{name}");
    }
    assert!(receiver.tried("stolen").is_empty(), "a redirect was followed");
    assert_eq!(types("endless"), kinds);
    assert!(!scene.ca.log_text().contains(bare(SECRET)), "{}", scene.ca.log_text());
}

#[test]
fn what_is_given_up_is_kept_shown_and_sent_again() {
    let lab = Lab::new();
    let mut receiver = Receiver::new(&lab);
    receiver.start();
    let targets = ["ill-500", "picky"]
        .map(|name| receiver.target(name, "give_up = \"1s\"\nevents = [\"asked\", \"cancelled\"]"));
    let scene = Scene::new(lab, &targets);
    let request = scene.asks(json!({}));
    scene.alice.decide(&request, "cancel", &json!({})).ok();

    // One who does not want this message is told all others meanwhile.
    receiver.is_told("picky", "cancelled", &request);
    wait_for("the end of patience", || (scene.says("a message is given up") == 3).then_some(()));
    assert_eq!(receiver.tried("picky").len(), 3 + 1, "three attempts, and the other one");
    let listed = scene.listed();
    assert!(listed.contains("ill-500: 0 waiting, 2 given up"), "{listed}");
    assert!(listed.contains("picky: 0 waiting, 1 given up"), "{listed}");
    assert!(listed.contains("tried 3 times: it answers with the status 422"), "{listed}");
    assert!(!listed.contains("INC-42") && !listed.contains("alice"), "{listed}");

    // Each of them, also after a restart, under the id that it had.
    let Scene { mut ca, .. } = scene;
    ca.stop();
    ca.serve();
    receiver.gets_well();
    let retry = |which: &str| ca.jit_cad(&["notify", "retry", which]);
    retry("none-is-so").exits(2).says("no message that was tried").says("hint: ");
    let of_picky = listed.split("picky: ").nth(1).unwrap();
    let id = of_picky.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    retry(&id.chars().skip(20).collect::<String>()).ok().says("1 to be sent again");
    wait_for("another attempt", || {
        let tried = receiver.tried("picky");
        (tried.iter().filter(|message| message["id"] == id).count() >= 4).then_some(())
    });
    retry("all").ok();
    receiver.is_told("ill-500", "asked", &request);
    receiver.is_told("ill-500", "cancelled", &request);
    wait_for("an empty outbox", || {
        let listed = ca.jit_cad(&["notify", "list"]).ok().stdout;
        listed.contains("ill-500: 0 waiting, 0 given up").then_some(())
    });
}

#[test]
fn a_crash_between_an_entry_and_its_message_loses_nothing() {
    let lab = Lab::new();
    let mut receiver = Receiver::new(&lab);
    receiver.start();
    let targets = [receiver.target("ill-slow", ""), receiver.target("ill-500", "")];
    let mut scene = Scene::new(lab, &targets);
    let mut requests = Vec::new();
    for round in 0..3 {
        let request = scene.asks(json!({"reason": format!("INC-{round}")}));
        if round == 1 {
            // In the middle of a message.
            wait_for("a message", || (!receiver.tried("ill-slow").is_empty()).then_some(()));
        }
        scene.ca.kill();
        scene.ca.serve();
        requests.push(request);
    }
    receiver.gets_well();
    scene.ca.jit_cad(&["notify", "retry", "all"]).ok();
    for name in ["ill-slow", "ill-500"] {
        requests.iter().for_each(|request| drop(receiver.is_told(name, "asked", request)));
        let tried = receiver.tried(name);
        for message in receiver.told(name) {
            let same = tried.iter().filter(|it| it["body"] == message["body"]);
            assert!(same.into_iter().all(|it| it["id"] == message["id"]), "{tried:#?}");
        }
    }

    // For whom the configuration names no longer, nothing is kept.
    let late = scene.asks(json!({}));
    receiver.is_told("ill-500", "asked", &late);
    fs::remove_file(receiver.file("well")).unwrap();
    scene.asks(json!({"reason": "for nobody"}));
    wait_for("the outbox", || scene.listed().contains("ill-500: 1 waiting").then_some(()));
    scene.ca.stop();
    let config = scene.ca.config();
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.split("\n[[notify]]\nname = \"ill").next().unwrap()).unwrap();
    scene.ca.serve();
    wait_for("the line", || (scene.says("names this target no longer") == 2).then_some(()));
}

#[test]
fn what_is_erased_is_told_to_nobody_and_is_not_in_the_outbox() {
    let lab = Lab::new();
    let mut receiver = Receiver::new(&lab);
    receiver.start();
    let mut scene = Scene::new(lab, &[receiver.target("ill-500", "")]);
    let zebedee = scene.ca.caller("zebedee");
    let secret = json!({"reason": "zebedee has the flu"});
    let request = zebedee.request("web-shell", secret).ok().json();
    zebedee.decide(&request, "cancel", &json!({})).ok();
    let of_alice = scene.asks(json!({"reason": "INC-9"}));
    wait_for("an attempt", || (!receiver.tried("ill-500").is_empty()).then_some(()));

    let users = scene.ca.config().with_file_name("users.toml");
    let mut table: toml::Table = fs::read_to_string(&users).unwrap().parse().unwrap();
    let people = table["person"].as_array_mut().unwrap();
    people.retain(|person| person["name"].as_str() != Some("zebedee"));
    fs::write(&users, table.to_string()).unwrap();
    scene.ca.stop();
    scene.ca.serve();
    let key = scene.bob.person.key();
    let order = ["log", "erase", "zebedee", "--by", "bob", "--reason", "GDPR 17", "--key"];
    let order = [order.as_slice(), &[key.to_str().unwrap()]].concat();
    scene.ca.jit_cad_reading(&order, &scene.bob.authenticator.code()).ok();
    // What the outbox still has says which entries, and nothing of what they said.
    let file = fs::read(scene.ca.data()).unwrap();
    assert!(!file.windows(7).any(|at| at == b"zebedee"), "it is in the store");

    receiver.gets_well();
    scene.ca.jit_cad(&["notify", "retry", "all"]).ok();
    let other = scene.asks(json!({}));
    receiver.is_told("ill-500", "asked", &of_alice);
    receiver.is_told("ill-500", "asked", &other);
    let told = receiver.told("ill-500");
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(scene.listed().contains("ill-500: 0 waiting, 0 given up"), "{}", scene.listed());
}

#[test]
fn slack_is_sent_its_own_form_at_an_address_that_nobody_is_shown() {
    let lab = Lab::new();
    let mut receiver = Receiver::new(&lab);
    receiver.start();
    let token = "T0B0SECRETTOKEN";
    let url = format!("http://127.0.0.1:{}/{token}\n", receiver.port);
    fs::write(receiver.file("slack-url"), url).unwrap();
    let slack = |name: &str, more: &str| {
        let file = receiver.file("slack-url");
        format!("\n[[notify]]\nname = {name:?}\nslack = {{ file = {file:?} }}\n{more}\n")
    };
    let named = "allow_private = [\"127.0.0.1\"]";
    let mut scene = Scene::new(lab, &[slack("chat", named)]);
    let reason = "<!channel> `jit-ca approve r-evil` & more";
    let request = scene.asks(json!({"reason": reason, "hosts": ["web1"]}));
    let sent = wait_for("a message", || receiver.lines(token).first().cloned());
    assert_eq!((&sent["id"], &sent["type"]), (&Value::Null, &json!("application/json")));
    let text = "*alice* asks for *web-shell* on web1 for 30m (needs 1 of sre)";
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}});
    let command = format!("`jit-ca approve {}`", request["id"].as_str().unwrap());
    let written = "> &lt;!channel&gt; 'jit-ca approve r-evil' &amp; more";
    let blocks = [section(text), section(written), section(&command)];
    let body =
        json!({"text": text, "blocks": blocks, "unfurl_links": false, "unfurl_media": false});
    assert_eq!(sent["body"], body);

    // Not in the daemon's own log, not in what it lists, not where it refuses to start.
    let mut said = scene.listed();
    scene.ca.stop();
    let config = fs::read_to_string(scene.ca.config()).unwrap();
    fs::write(scene.ca.config(), config.replace(named, "")).unwrap();
    let refused =
        scene.ca.refuses_to_serve().exits(2).says("chat").says("allow_private").says("hint: ");
    said += &(refused.stderr + &scene.ca.log_text());
    fs::write(receiver.file("slack-url"), "\n").unwrap();
    said += &scene.ca.refuses_to_serve().exits(2).says("the secret is empty").stderr;
    let wrong = config.replace("\nslack = ", "\nwebhook = \"https://localhost/\"\nsecret = ");
    fs::write(scene.ca.config(), wrong).unwrap();
    fs::write(receiver.file("slack-url"), format!("whsec_{token}\n")).unwrap();
    said += &scene.ca.refuses_to_serve().exits(2).says("whsec_").says("hint: ").stderr;
    assert!(!said.contains(token), "{said}");
    fs::write(scene.ca.config(), config).unwrap();
    fs::write(receiver.file("slack-url"), "https://hooks.slack.com/services/x\n").unwrap();
    scene.ca.serve();
}

/// A program that does not outlive its test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn whoever_watches_sees_what_is_asked_and_decided_as_it_comes() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let (alice, bob) = (ca.caller("alice"), ca.person("bob"));
    let carol = ca.caller("carol");
    let before = alice.request("web-shell", json!({"reason": "INC-1"})).ok().json();
    let shown = lab.path().join("shown");
    let mut watch = bob.command(program("jit-ca"));
    watch.args(["requests", "--watch"]).stdout(fs::File::create(&shown).unwrap());
    let mut watch = Ends(watch.spawn().unwrap());
    let id = |request: &Value| request["id"].as_str().unwrap().to_owned();
    let next = |what: &str| {
        wait_for(what, || fs::read_to_string(&shown).unwrap().contains(what).then_some(()));
    };
    next(&format!("{}  alice asks for web-shell on * for 30m: INC-1", id(&before)));
    let request = alice.request("web-shell", json!({"reason": "INC-2", "hosts": ["web1"]}));
    let request = request.ok().json();
    next(&format!("{}  alice asks for web-shell on web1 for 30m: INC-2", id(&request)));
    next(&format!("jit-ca approve {}", id(&request)));
    carol.decide(&request, "deny", &json!({})).ok();
    next(&format!("{}  denied by carol", id(&request)));
    carol.approve(&before).ok();
    next(&format!("{}  approved by carol", id(&before)));
    run(Command::new("kill").arg("-INT").arg(watch.0.id().to_string())).ok();
    let ended = watch.0.wait().unwrap();
    assert!(ended.success(), "{ended}");
}
