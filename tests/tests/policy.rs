//! `jit-ca policy …` and `jit-ca completions`: what works where no CA is.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jit_ca_tests::{Lab, Output, program, repository, run};
use serde_json::{Value, json};

/// Somebody with the program and a folder, and no CA.
struct Desk {
    lab: Lab,
}

impl Desk {
    fn new() -> Self {
        Self { lab: Lab::new() }
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.lab.path()).env_clear().env("HOME", self.lab.path());
        command.env("XDG_RUNTIME_DIR", self.lab.path().join("run"));
        command
    }

    fn jit_ca(&self, arguments: &[&str]) -> Output {
        run(self.command(program("jit-ca")).args(arguments))
    }

    /// A copy of a policy of the repository.
    fn copy(&self, of: &str, name: &str) -> PathBuf {
        let to = self.lab.path().join(name);
        run(Command::new("cp").arg("-r").arg(repository().join(of)).arg(&to)).ok();
        to
    }
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from:?} is not in {}", file.display());
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn faults_are_data_with_file_line_and_rule() {
    let desk = Desk::new();
    let policy = desk.copy("ca-config", "policy");
    desk.jit_ca(&["policy", "check", "policy"]).ok();
    replace(&policy.join("policies/access.cedar"), "context.duration <=", "context.durration <=");
    fs::write(policy.join("roles/web-logs.toml"), "longest = 1").unwrap();
    desk.jit_ca(&["policy", "check", "policy"])
        .exits(2)
        .says("roles/web-logs.toml:1: ")
        .says("policies/access.cedar:55: rule logs-at-once: attribute `durration`");
    let faults = desk.jit_ca(&["policy", "check", "policy", "--json"]).exits(2).json();
    let rule = faults.as_array().unwrap().iter().find(|fault| fault["rule"] == "logs-at-once");
    let rule = rule.unwrap();
    assert_eq!((&rule["path"], &rule["line"]), (&json!("policies/access.cedar"), &json!(55)));
}

#[test]
fn tests_that_fail_and_rules_that_none_touches_are_told() {
    let desk = Desk::new();
    let policy = desk.copy("ca-config", "policy");
    desk.jit_ca(&["policy", "test", "policy", "--require-coverage"]).ok().says(", 0 failed; ");

    let operation = policy.join("policy-tests/operation.toml");
    replace(&operation, "\"privacy-erases\"", "\"privacy-erases\", \"auditors-read\"");
    desk.jit_ca(&["policy", "test", "policy"]).exits(1).says("FAILED: who answers");
    fs::remove_file(operation).unwrap();
    desk.jit_ca(&["policy", "test", "policy"])
        .ok()
        .says("policies/operation.cedar:3: no test touches the rule auditors-read");
    let tests = desk.jit_ca(&["policy", "test", "policy", "--json"]).ok().json();
    assert_eq!(tests["tests"][0]["passed"], true);
    let untested = tests["untested_rules"].as_array().unwrap();
    assert!(untested.iter().any(|rule| rule["id"] == "privacy-erases"));
    desk.jit_ca(&["policy", "test", "policy", "--require-coverage"]).exits(1).says(&format!(
        "error: {} of {} rules are touched by no test",
        untested.len(),
        tests["rules"]
    ));
    desk.jit_ca(&["policy", "test", "nowhere"]).exits(2);
}

#[test]
fn a_denial_is_explained() {
    let desk = Desk::new();
    desk.copy("ca-config", "policy");
    let explain = |arguments: &[&str]| {
        desk.jit_ca(&[&["policy", "explain", "policy", "--subject", "alice"], arguments].concat())
    };
    let asked = ["--role", "web-shell", "--mfa-age", "5m"];
    assert_eq!(explain(&asked).ok().stdout, "allow\n  by dev-request (policies/access.cedar:22)\n");
    explain(&["--role", "web-shell", "--for", "5h", "--mfa-age", "9h"])
        .ok()
        .says("deny\n")
        .says("too-long: the longest duration of web-shell is 4h")
        .says("mfa-too-old: the second factor was given 9h ago, and web-shell accepts 8h")
        .says("give the second factor again and ask for at most 4h (by dev-request)");
    explain(&["--role", "web-shell"]).ok().says("mfa-required: ").says("give a second factor");
    explain(&[&asked[..], &["--host", "db1"]].concat()).ok().says("its hosts are web1 and web2");
    let logs =
        ["--action", "skip-approval", "--role", "web-logs", "--mfa-age", "5m", "--for", "2h"];
    explain(&logs).ok().says("    context.duration <= duration(\"1h\")");
    let approve = ["--action", "approve", "--role", "web-shell", "--mfa-age", "5m"];
    explain(&[&approve[..], &["--requester", "bob"]].concat()).ok().says("not-an-approver");
    let data = explain(&["--role", "web-shell", "--json"]).ok().json();
    assert_eq!(data["decision"]["outcome"], "deny");
    assert_eq!(
        data["ways"][0],
        json!({ "changes": ["give a second factor"], "rules": ["dev-request"] })
    );
    assert_eq!(data["would_permit"][0]["lacks"], json!(["principal in Group::\"sre\""]));
    desk.jit_ca(&["policy", "explain", "policy", "--subject", "mallory"]).exits(2).says("mallory");
    // What is no question is no denial.
    explain(&[]).exits(2).says("`request` concerns a role").says("--role");
    explain(&["--role", "root"]).exits(2).says("the policy has no role root").says("web-logs");
    explain(&["--role", "web-shell", "--action", "lock"]).exits(2).says("leave --role out");
    for action in ["approve", "review", "revoke"] {
        let about = ["--role", "web-shell", "--action", action];
        explain(&about).exits(2).says("say whose it is: --requester SUBJECT");
        let nobody = [&about[..], &["--requester", "mallory"]].concat();
        explain(&nobody).exits(2).says("mallory");
    }
    let far = ["--role", "web-shell", "--mfa-age", "5m", "--at"];
    for at in ["9999-12-31T23:59:59Z", "+2h"] {
        explain(&[&far[..], &[at]].concat()).ok().says("allow\n  by dev-request");
    }
}

#[test]
fn who_can_and_what_can_are_two_readings_of_one_policy() {
    let desk = Desk::new();
    desk.copy("ca-config", "policy");
    let who = desk.jit_ca(&["policy", "who-can", "policy", "web-shell"]).ok();
    assert_eq!(
        who.stdout,
        "alice\n  always, by dev-request\ngroup sre (2 people)\n  always, by sre-request\n"
    );
    desk.jit_ca(&["policy", "who-can", "policy", "--action", "read-log"]).ok().says("carol\n");
    desk.jit_ca(&["policy", "who-can", "policy", "web-shell", "--action", "read-log"]).exits(2);
    desk.jit_ca(&["policy", "who-can", "policy"]).exits(2).says("name it");
    desk.jit_ca(&["policy", "who-can", "policy", "root"]).exits(2).says("its roles are");
    desk.jit_ca(&["policy", "what-can", "policy", "bob"])
        .ok()
        .says("request 2 roles: web-logs, web-shell\n  always, by sre-request\n")
        .says("issue every role (4)\n");
    desk.jit_ca(&["policy", "what-can", "policy", "dave"]).ok().says("nothing");
    let alice =
        desk.jit_ca(&["policy", "what-can", "policy", "local/u-1001", "--json"]).ok().json();
    assert_eq!(alice["access"][0]["roles"].as_array().unwrap().len(), 4);
    assert_eq!(alice["asked"]["in_pairs"], json!([]));

    // Where a rule looks at so many facts that not all is asked about, what it wants is, and all three say so.
    const MANY: &str = r#"@id("late") permit (principal in Group::"sre", action == Action::"request", resource == Role::"web-deploy")
        when { context.hosts == ["web1"] && context has ticket && context.ticket like "CHG-*" }
        when { context.duration <= duration("10m") && context.weekday >= 6 && context.minute < 6 * 60 };"#;
    fs::write(desk.copy("ca-config", "many").join("policies/late.cedar"), MANY).unwrap();
    let caveat = "combined two by two, and as each rule wants them: request web-deploy";
    for arguments in [
        &["who-can", "many", "web-deploy"][..],
        &["what-can", "many", "bob"],
        &["diff", "policy", "many"],
    ] {
        let said = desk.jit_ca(&[&["policy"], arguments].concat());
        said.says("on web1 alone").says(caveat);
    }
    assert_eq!(alice["access"][0]["when"], json!({ "kind": "always" }));
}

#[test]
fn a_reviewer_reads_who_gains_and_who_loses() {
    let desk = Desk::new();
    let new = desk.copy("ca-config", "new");
    desk.copy("ca-config", "old");
    desk.jit_ca(&["policy", "diff", "old", "new"]).ok().says("the same");
    replace(&new.join("policies/access.cedar"), "<= duration(\"1h\")", "<= duration(\"30m\")");
    replace(&new.join("users.toml"), "groups = [\"contractors\"]", "groups = [\"dev\"]");
    replace(&new.join("policies/access.cedar"), "Group::\"contractors\"", "Group::\"privacy\"");
    replace(&new.join("roles/web-shell.toml"), "longest = \"4h\"", "longest = \"2h\"");
    fs::remove_dir_all(new.join("policy-tests")).unwrap();
    let page = desk.jit_ca(&["policy", "diff", "old", "new"]).exits(1);
    for line in [
        "dave gains request every role (4)\n",
        "    now: always, by dev-request\n",
        "bob loses request 2 roles: web-logs, web-shell\n",
        "alice, carol keeps skip-approval web-logs, at fewer times\n",
        "    now: for at most 30m, by logs-at-once\n",
        "  ~ web-shell\n    longest: 4h -> 2h\n",
        "  group dev (2 people): + dave\n",
        "      - when { principal in [Group::\"dev\", Group::\"sre\"] && context.mfa && context.duration <= duration(\"1h\") };\n",
        "  - policy-tests/access.toml: logs wait for nobody\n",
        "  ~ users.toml\n",
        "What rules say in other situations was not asked",
    ] {
        assert!(page.stdout.contains(line), "{line}is not in\n{page}");
    }
    let diff = desk.jit_ca(&["policy", "diff", "old", "new", "--json"]).exits(1).json();
    let gains = diff["access"].as_array().unwrap().iter().filter(|one| one["way"] == "gains");
    assert!(
        gains
            .flat_map(|one| one["people"]["ids"].as_array().unwrap())
            .all(|id| id == "local/u-1004")
    );
    assert_eq!(diff["roles"][0]["settings"][0]["was"], "4h");
    desk.jit_ca(&["policy", "diff", "old", "nowhere"]).exits(2);
}

/// 500 people, 40 groups and 60 roles: what a change says of them is a page.
#[test]
fn a_company_of_five_hundred_stays_readable() {
    let made = repository().join("tests/company/make.py");
    run(Command::new("python3").arg(made).arg("--check")).ok();
    let desk = Desk::new();
    let old = repository().join("tests/company/good").display().to_string();
    desk.jit_ca(&["policy", "test", &old, "--require-coverage"]).ok();
    let new = desk.copy("tests/company/good", "new");
    replace(
        &new.join("policies/company.cedar"),
        "\"*-shell\" ||",
        "\"*-api\" || resource.name like \"*-shell\" ||",
    );
    let everybody = "@id(\"incidents-ask\")\npermit (principal in Group::\"incident\", action == Action::\"request\", resource);\n";
    fs::write(new.join("policies/incidents.cedar"), everybody).unwrap();
    let page = desk.jit_ca(&["policy", "diff", &old, "new"]).exits(1);
    assert!(page.stdout.lines().count() < 150, "{page}");
    page.clone().says("gains request").says("+ incidents-ask (policies/incidents.cedar:1)");
    let diff = desk.jit_ca(&["policy", "diff", &old, "new", "--json"]).exits(1).json();
    let gained = |change: &&Value| change["way"] == "gains";
    let people: std::collections::BTreeSet<&str> = diff["access"]
        .as_array()
        .unwrap()
        .iter()
        .filter(gained)
        .flat_map(|change| change["people"]["ids"].as_array().unwrap())
        .map(|id| id.as_str().unwrap())
        .collect();
    // Those on call who are not in every team, and the incident managers.
    assert!((50..=60).contains(&people.len()), "{}", people.len());
}

#[test]
fn bash_completes_what_it_is_told() {
    let desk = Desk::new();
    desk.copy("ca-config", "policy");
    let bin = program("jit-ca").parent().unwrap().display().to_string();
    let mut terminal = desk.command("script");
    terminal.env("PATH", format!("{bin}:/usr/bin:/bin")).env("TERM", "dumb");
    terminal.args(["--quiet", "--return", "--flush", "--command"]);
    terminal.args(["bash --norc --noprofile -i", "/dev/null"]);
    let mut bash = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let typed = "source <(jit-ca completions bash)\n\
                 jit-ca pol\twho\tpolicy web-logs --act\tread-log\n\
                 jit-ca policy test --req\tpolicy\n\
                 jit-ca ssh --rol\t--help | head -1\n\
                 exit\n";
    bash.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    // Each is what the program did with the whole word, and not what the terminal shows of it.
    assert!(shown.contains("`read-log` concerns no role"), "{shown}");
    assert!(shown.contains("rules touched"), "{shown}");
    assert!(shown.contains("jit-ca ssh --role --help"), "{shown}");
    for shell in ["zsh", "fish"] {
        desk.jit_ca(&["completions", shell]).ok().says("who-can");
    }
    desk.jit_ca(&["completions", "tcsh"]).exits(2);
}
