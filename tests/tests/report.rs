//! The auditor's report: made from a real log, and the same whenever it is made.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use jit_ca_tests::{Ca, Caller, Lab, Output, Person, blocks, now, program, repository, run, used};
use serde_json::{Value, json};

/// What somebody writes to mislead whoever reads the report.
const HOSTILE: &str = "</td><script>alert('x')</script> | `b` *c* 🚀 größer";

/// A CA with an hour's life, and the period in which it happened.
struct Scene {
    alice: Caller,
    bob: Caller,
    carol: Person,
    /// Alice's certificate for a shell.
    shell: PathBuf,
    from: String,
    to: String,
    ca: Ca,
    lab: Lab,
}

impl Scene {
    /// Approved, denied, by rule; two SSH certificates and one of X.509; and a refusal.
    fn new() -> Self {
        let lab = Lab::new();
        let ca = Ca::start(&lab);
        let (alice, bob, carol) = (ca.caller("alice"), ca.caller("bob"), ca.person("carol"));
        let from = next_second();
        let shell =
            json!({"reason": HOSTILE, "duration": "10m", "ticket": "OPS-7", "hosts": ["web1"]});
        let shell = alice.granted("web-shell", shell, &[&bob]);
        let (shell, _) = alice.take_ssh(&shell["grant"], &alice.person.make_key("work", "ed25519"));
        let denied = alice.request("web-shell", json!({})).ok().json();
        bob.decide(&denied, "deny", &json!({"reason": "not today"})).ok();
        let logs = alice.granted("web-logs", json!({"duration": "5m"}), &[]);
        alice.take_ssh(&logs["grant"], &alice.person.make_key("logs", "ed25519"));
        let orders = alice.granted("orders-api", json!({"duration": "1h"}), &[&bob]);
        alice.take_x509(&orders["grant"], &["-subj", "/CN=x"]);
        alice.request("web-shell", json!({"duration": "5h"})).refused("too-long");
        let to = next_second();
        let scene = Self { alice, bob, carol, shell, from, to, ca, lab };
        scene.go_on();
        scene
    }

    /// Something happens after the period.
    fn go_on(&self) {
        self.alice.granted("web-shell", json!({"reason": "INC-99"}), &[&self.bob]);
    }

    /// A report that Carol makes with these arguments.
    fn report(&self, arguments: &[&str]) -> Output {
        let period = ["report", self.from.as_str(), self.to.as_str()];
        self.carol.jit_ca(&[period.as_slice(), arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.report(&[&["--format", "json"], arguments].concat()).ok().json()
    }

    fn export(&self, name: &str) -> PathBuf {
        let file = self.lab.path().join(name);
        self.carol.jit_ca(&["log", "export", file.to_str().unwrap()]).ok();
        file
    }
}

/// The next second, once it has begun: RFC 3339.
fn next_second() -> String {
    let next = now() + 1;
    while now() < next {
        sleep(Duration::from_millis(20));
    }
    let mut date = Command::new("date");
    run(date.args(["--utc", "+%FT%TZ", "--date"]).arg(format!("@{next}"))).ok().line().to_owned()
}

#[test]
fn the_figures_are_what_happened() {
    let scene = Scene::new();
    let report = scene.json(&[]);
    let figures = &report["figures"];
    for (figure, expected) in [
        ("requests", json!(4)),
        ("grants", json!(3)),
        ("grants_by_people", json!(2)),
        ("grants_by_rules", json!(1)),
        ("denied", json!(1)),
        ("cancelled", json!(0)),
        ("lapsed", json!(0)),
        ("pending", json!(0)),
        ("longest_grant", json!("1h")),
        ("median_grant", json!("10m")),
        ("ssh_certificates", json!(2)),
        ("x509_certificates", json!(1)),
        ("people_with_access", json!(1)),
        ("refusals", json!(1)),
        ("standing_privileges", json!(0)),
        ("self_approvals", json!(0)),
    ] {
        assert_eq!(figures[figure], expected, "{figure} in {figures:#}");
    }
    let shell = &report["requests"][0];
    assert_eq!((&shell["reason"], &shell["ticket"]), (&json!(HOSTILE), &json!("OPS-7")));
    assert_eq!(shell["approvals"][0]["by"], json!({"person": "bob"}));
    assert_eq!(report["requests"][1]["outcome"]["denied"]["reason"], "not today");
    assert_eq!(report["requests"][2]["approvals"][0]["by"], json!({"rules": ["logs-at-once"]}));
    let refusal = json!({"name": "alice", "action": "request", "code": "too-long", "count": 1});
    assert_eq!(report["exceptions"]["refusals"], json!([refusal]));
    // Who could: what the configuration of the tests says.
    let policy = &report["policies"][0];
    assert_eq!((&policy["state"], &report["policies"][1]), (&json!("whole"), &Value::Null));
    let roles = policy["roles"].as_array().unwrap();
    let shell = roles.iter().find(|role| role["role"] == "web-shell").unwrap();
    assert_eq!(shell["people"]["may_request"], json!(["alice", "bob", "carol"]));
    assert_eq!(shell["people"]["can_approve"], json!(["bob", "carol"]));
    assert_eq!(policy["powers"]["read_log"], json!(["carol"]));
    assert!(policy["read_by"].as_str().unwrap().ends_with("on the daemon's machine"));

    // What sshd and OpenSSL show of the certificates.
    let certificate = &report["certificates"][2];
    assert_eq!(certificate["kind"], "x509");
    let grant = report["requests"][3]["grant"]["grant"].as_str().unwrap();
    assert_eq!(
        certificate["key_id"],
        json!(format!("CN=alice, OU=orders-api, serialNumber={grant}"))
    );
    let key_id = report["certificates"][0]["key_id"].as_str().unwrap();
    scene.carol.jit_ca(&["log", "who", key_id]).ok().says("OPS-7");

    // The checkpoint is the log's, of the entries of before the end.
    let size = report["log"]["size"].as_u64().unwrap();
    assert_eq!(report["log"]["checkpoint_size"], json!(size));
    let entry =
        |index: u64| scene.carol.jit_ca(&["log", "show", &index.to_string(), "--json"]).ok().json();
    let to = json!(scene.to);
    assert!(
        entry(size - 1)["time"].as_str() < to.as_str()
            && entry(size)["time"].as_str() >= to.as_str()
    );
}

#[test]
fn the_same_period_gives_the_same_bytes() {
    let mut scene = Scene::new();
    let forms = ["md", "html", "json"];
    let made = |scene: &Scene| forms.map(|form| scene.report(&["--format", form]).ok().stdout);
    let before = made(&scene);
    scene.go_on();
    scene.ca.stop();
    scene.ca.serve();
    assert_eq!(made(&scene), before);

    // In a file, its ending says the form; and it is its owner's alone.
    for (form, text) in forms.iter().zip(&before) {
        let file = scene.lab.path().join(format!("report.{form}"));
        let view = scene.report(&["--out", file.to_str().unwrap(), "--json"]).ok().json();
        assert_eq!(
            (view["format"].as_str(), &fs::read_to_string(&file).unwrap()),
            (Some(*form), text)
        );
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(scene.report(&[]).ok().stdout, before[0]);
    assert_eq!(scene.report(&["--json"]).ok().stdout, before[2]);
}

#[test]
fn an_export_gives_the_same_without_the_ca() {
    let mut scene = Scene::new();
    let online = scene.json(&[]);
    let archive = scene.export("log.tar");
    scene.ca.stop();
    let file = archive.to_str().unwrap();
    let mut offline = scene.json(&["--export", file]);
    assert!(offline["log"]["checkpoint_size"].as_u64() > offline["log"]["size"].as_u64());
    for field in ["checkpoint", "checkpoint_size", "commands"] {
        assert_ne!(offline["log"][field], online["log"][field], "{field}");
        offline["log"][field] = online["log"][field].clone();
    }
    assert_eq!(offline, online);

    // What does not hold has no report.
    let mut bytes = fs::read(&archive).unwrap();
    let at = bytes.windows(5).position(|at| at == b"OPS-7").unwrap();
    bytes[at] = b'X';
    let forged = scene.lab.file("forged.tar", bytes);
    let refused = scene.report(&["--export", forged.to_str().unwrap()]).exits(4);
    assert!(refused.says("the log does not hold").stdout.is_empty());
}

#[test]
fn a_browser_finds_text_where_somebody_wrote_markup() {
    let scene = Scene::new();
    let html = scene.report(&["--format", "html"]).ok().stdout;
    let file = scene.lab.file("report.html", &html);
    // A parser of somebody else's: each tag is closed, nothing is run or fetched, and the reason is text.
    let script = r#"
import html.parser, sys
VOID = {"meta", "br", "link", "img", "input", "hr"}
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(); self.open, self.text, self.tags = [], [], set()
    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not any(name.startswith("on") or name == "src" for name, _ in attrs), attrs
        assert all(not value.startswith(("http", "javascript")) for name, value in attrs if name == "href"), attrs
        if tag not in VOID: self.open.append(tag)
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
    def handle_data(self, data): self.text.append(data)
page = Page(); page.feed(open(sys.argv[1], encoding="utf-8").read()); page.close()
assert not page.open, page.open
assert not page.tags & {"script", "iframe", "img", "link", "object"}, page.tags
assert sys.argv[2] in page.text, page.text
print("well-formed")
"#;
    let mut python = Command::new("/usr/bin/python3");
    run(python.args(["-c", script]).arg(&file).arg(HOSTILE)).ok().says("well-formed");

    let markdown = scene.report(&["--format", "md"]).ok().stdout;
    assert!(!markdown.contains("<script") && markdown.contains("&lt;script&gt;"), "{markdown}");
}

#[test]
fn it_is_for_who_may_read_the_log_and_on_time_that_is_over() {
    let scene = Scene::new();
    let alice = &scene.alice.person;
    alice.login(&scene.alice.authenticator.code()).ok();
    let refused = alice.jit_ca(&["report", &scene.from, &scene.to]).exits(3);
    assert!(refused.stdout.is_empty(), "{refused}");

    let carol = &scene.carol;
    carol
        .jit_ca(&["report", &scene.from, "2999-01-01"])
        .exits(2)
        .says("yet to come")
        .says("hint: ");
    carol.jit_ca(&["report", &scene.to, &scene.from]).exits(2).says("hint: ");
    carol.jit_ca(&["report", "2001-01-01", "2001-02-01"]).exits(2).says("no entry").says("hint: ");
    carol.jit_ca(&["report", "yesterday", &scene.to]).exits(2).says("2026-11-01");
}

#[test]
fn the_guide_to_auditing_works_as_it_stands() {
    let scene = Scene::new();
    let carol = &scene.carol;
    symlink(repository().join("tests/verify.py"), carol.file("verify.py")).unwrap();
    let certificates = scene.json(&[])["certificates"].clone();
    let key_id = certificates[0]["key_id"].as_str().unwrap();
    let used = used(&scene.shell, "web1", "deploy", now());
    fs::write(carol.file("web1.jsonl"), format!("{used}\n")).unwrap();
    let bin = program("jit-ca");
    let path = format!("{}:{}", bin.parent().unwrap().display(), env::var("PATH").unwrap());
    let mut said = String::new();
    for block in blocks("docs/guides/audit.md") {
        assert_eq!(block.who, "carol");
        let mut bash = carol.command("bash");
        bash.env("PATH", &path).env("KEY_ID", key_id).env("FROM", &scene.from).env("TO", &scene.to);
        said += &run(bash.args(["-euo", "pipefail", "-c", &block.text])).ok().stdout;
    }
    for text in [
        "holds",
        "\"verdict\": \"holds\"",
        "OPS-7",
        "1 of 1 use that hosts saw are as the log has it",
        "\"mismatched\": []",
    ] {
        assert!(said.contains(text), "{text} is not in {said}");
    }
    for name in ["report.html", "report.md", "report.json", "offline.html"] {
        let report = fs::read_to_string(carol.file(name)).unwrap();
        assert!(report.contains("OPS-7") && !report.contains("INC-99"), "{name}");
    }
}

#[test]
fn who_is_erased_later_is_told_by_pseudonym_alone() {
    let lab = Lab::new();
    let mut ca = Ca::start_with_people(&lab, &[("zebedee", &["dev"])], |_| ());
    let (zebedee, bob) = (ca.caller("zebedee"), ca.caller("bob"));
    let from = next_second();
    let brief = json!({"duration": "2s", "reason": "a disk is full"});
    zebedee.take_ssh(&zebedee.granted("web-shell", brief, &[&bob])["grant"], &zebedee.person.key());
    let to = next_second();
    let carol = ca.person("carol");
    let made = |form| carol.jit_ca(&["report", &from, &to, "--format", form]).ok();
    let before = made("json").json();
    assert_eq!(before["requests"][0]["requester"], "zebedee");

    let users = ca.config().with_file_name("users.toml");
    let mut table: toml::Table = fs::read_to_string(&users).unwrap().parse().unwrap();
    table["person"]
        .as_array_mut()
        .unwrap()
        .retain(|person| person["name"].as_str() != Some("zebedee"));
    fs::write(&users, table.to_string()).unwrap();
    ca.stop();
    ca.serve();
    sleep(Duration::from_secs(3));
    let key = bob.person.key();
    let arguments = ["log", "erase", "zebedee", "--by", "bob", "--reason", "DPO-31", "--key"];
    let arguments = [arguments.as_slice(), &[key.to_str().unwrap()]].concat();
    ca.jit_cad_reading(&arguments, &bob.authenticator.code()).ok();

    let after = made("json").json();
    let unnamed = after["requests"][0]["requester"].as_str().unwrap();
    assert!(unnamed.starts_with("erased (actor "), "{after:#}");
    // The same entries, the same checkpoint: what happened is still counted.
    assert_eq!(after["log"]["checkpoint"], before["log"]["checkpoint"]);
    for figure in ["requests", "grants", "grants_by_people", "people_with_access"] {
        assert_eq!(after["figures"][figure], before["figures"][figure], "{figure}");
    }
    assert_eq!(after["policies"][0]["state"], "part_erased");
    assert_eq!(after["policies"][0]["people_erased"], 1);
    let may = |report: &Value| report["policies"][0]["roles"][0]["people"]["may_request"].clone();
    assert_eq!((may(&before), may(&after)), (json!(["alice", "zebedee"]), json!(["alice"])));
    for form in ["md", "html", "json"] {
        let text = made(form).stdout;
        assert!(!text.contains("zebedee") && !text.contains("a disk is full"), "{text}");
    }

    // The erasure is told in the report on its own time, with its reason.
    let later = next_second();
    ca.person("alice");
    let told = carol.jit_ca(&["report", &to, &later, "--format", "json"]).ok().json();
    let erasure = &told["exceptions"]["erasures"][0];
    assert_eq!((&erasure["reason"], &erasure["ordered_by"]), (&json!("DPO-31"), &json!("bob")));
    assert_eq!(told["policies"][1]["changes"]["people_removed"], json!([unnamed]));
}
