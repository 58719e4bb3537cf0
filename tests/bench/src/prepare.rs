//! A CA to be measured: `jit-cad init` with a policy of 100 rules, and people who are logged in with a second factor
//! and hold a grant that a rule approved. The daemon is stopped in the end; the script starts it again, as it starts
//! every server.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use clap::Args;
use jit_ca_tests::{Ca, Caller, Lab};
use serde_json::json;

use crate::Result;
use crate::target::{Prepared, PreparedCaller};

/// How many rules the policy has.
const RULES: usize = 100;
/// The role that is measured.
const ROLE: &str = "measured";
/// The group of everybody who is measured.
const GROUP: &str = "measured-people";
/// The name of the one who uses the command line.
const AT_THE_COMMAND_LINE: &str = "someone";

#[derive(Args, Debug)]
pub(crate) struct PrepareArgs {
    /// A folder for all of it; empty, or not there yet
    #[arg(long)]
    dir: PathBuf,
    /// How many people call
    #[arg(long, default_value_t = 16)]
    people: usize,
}

pub(crate) fn main(args: &PrepareArgs) -> Result<()> {
    let lab = Lab::staying(&args.dir);
    let names: Vec<String> = (0..args.people).map(|number| format!("person-{number}")).collect();
    let mut people: Vec<(&str, &[&str])> =
        names.iter().map(|name| (name.as_str(), [GROUP].as_slice())).collect();
    people.push((AT_THE_COMMAND_LINE, &[GROUP]));
    let ca = Ca::start_with_people(&lab, &people, write_policy);

    let person = ca.person(AT_THE_COMMAND_LINE);
    person.jit_ca(&["request", ROLE, "--reason", "INC-42: it is slow"]).ok();

    // Enrolling and logging in by hand is many small programs; some at a time.
    let mut callers = Vec::new();
    for names in names.chunks(4) {
        callers.extend(thread::scope(|scope| {
            let joining: Vec<_> =
                names.iter().map(|name| scope.spawn(|| join(&ca, name))).collect();
            joining.into_iter().map(|joins| joins.join().expect("a login")).collect::<Vec<_>>()
        }));
    }
    let (first, _) = callers.first().ok_or("nobody calls")?;
    let trust = first.wire.trust();
    let text = |pointer: &str| trust.pointer(pointer).and_then(|text| text.as_str());
    let clients = trust["x509"].as_array().and_then(|authorities| {
        let clients = authorities.iter().find(|authority| authority["purpose"] == "clients")?;
        clients["certificate"].as_str()
    });
    let prepared = Prepared {
        address: ca.url().trim_start_matches("https://").parse()?,
        origin: text("/origin").ok_or("no origin")?.to_owned(),
        root: first.wire.root(),
        ssh_ca: text("/ssh_user_ca").ok_or("no SSH CA")?.to_owned(),
        x509_ca: clients.ok_or("no X.509 CA")?.to_owned(),
        log_key: text("/log_key").map(str::to_owned),
        callers: callers.into_iter().map(|(_, prepared)| prepared).collect(),
    };
    fs::write(args.dir.join("prepared.json"), serde_json::to_vec_pretty(&prepared)?)?;
    Ok(())
}

/// Enrols somebody, logs in, and asks for the role.
fn join(ca: &Ca, name: &str) -> (Caller, PreparedCaller) {
    let caller = ca.caller(name);
    let request = caller.granted(ROLE, json!({}), &[]);
    let grant = request["grant"]["id"].as_str().expect("a grant").to_owned();
    let me = caller.wire.get("/v1/me").ok().json();
    let login = me["login"]["serial"].as_str().expect("a serial").to_owned();
    let (key, certificate) = caller.wire.login_files();
    let (key, certificate) = (key.to_owned(), certificate.to_owned());
    (caller, PreparedCaller { certificate, key, login, grant })
}

/// Adds roles, and rules until there are so many: for each role who may ask, who is approved at once, who takes
/// certificates and from where not; and some for all roles.
fn write_policy(config: &Path) {
    let write = |name: String, text: String| fs::write(config.join(name), text).expect("a file");
    let policies = fs::read_dir(config.join("policies")).expect("policies");
    let policies = policies.map(|file| fs::read_to_string(file.expect("a file").path()));
    let is_rule = |line: &&str| line.starts_with("permit") || line.starts_with("forbid");
    let there = policies.map(|text| text.expect("a policy").lines().filter(is_rule).count());

    let roles: Vec<String> =
        (0..20).map(|number| format!("service-{number}")).chain([ROLE.to_owned()]).collect();
    let mut rules: Vec<String> = Vec::new();
    for (number, role) in roles.iter().enumerate() {
        write(format!("roles/{role}.toml"), role_file(role));
        rules.extend(rules_of(number, role));
    }
    let missing = RULES.checked_sub(there.sum::<usize>() + rules.len()).expect("fewer rules");
    for number in 0..missing {
        let when = format!(
            "context.source_address.isInRange(ip(\"198.51.100.{number}/32\")) \
             || context.reason like \"*rehearsal {number}*\""
        );
        let rule = "forbid (principal, action == Action::\"issue\", resource)";
        rules.push(format!("@id(\"everywhere-{number}\")\n{rule}\nwhen {{ {when} }};\n"));
    }
    write("policies/measured.cedar".to_owned(), rules.join("\n"));
}

fn role_file(role: &str) -> String {
    format!(
        "description = \"What is measured, and what stands beside it\"\n\
         default = \"1h\"\nlongest = \"1h\"\nhosts = [\"web1\", \"web2\"]\n\n\
         [[approvals]]\ncount = 1\nfrom = [\"sre\"]\n\n[mfa]\nmax_age = \"8h\"\n\n\
         [[ssh]]\ntag = \"{role}\"\nlogin = \"{role}\"\nextensions = [\"permit-pty\"]\n\n\
         [[x509]]\nservice = \"{role}-api\"\n"
    )
}

fn rules_of(number: usize, role: &str) -> [String; 4] {
    let rule = |id: &str, effect: &str, who: &str, action: &str, when: &str| {
        format!(
            "@id(\"{role}-{id}\")\n{effect} ({who}, action == Action::\"{action}\", \
             resource == Role::\"{role}\"){when};\n"
        )
    };
    let people = format!("principal in Group::\"{GROUP}\"");
    let with_mfa = "\nwhen { context.mfa && context.duration <= duration(\"1h\") }";
    // The second factor's age is another one each second, and so is the question.
    let recent = "\nwhen { context has mfa_age && context.mfa_age < duration(\"8h\") \
                  && context.duration <= duration(\"1h\") }";
    let from =
        format!("\nwhen {{ context.source_address.isInRange(ip(\"203.0.113.{number}/32\")) }}");
    [
        rule("request", "permit", &people, "request", ""),
        rule("at-once", "permit", &people, "skip-approval", with_mfa),
        rule("issue", "permit", &people, "issue", recent),
        rule("not-from-there", "forbid", "principal", "issue", &from),
    ]
}
