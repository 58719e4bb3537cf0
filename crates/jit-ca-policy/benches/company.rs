//! The policy of the company in `tests/company`: what it takes to check it, to decide by it, and to compare it.
//!
//!     cargo bench -p jit-ca-policy --bench company
//!
//! divan has no percentiles, and a slow decision in a hundred is what somebody waits for.

#![expect(clippy::print_stdout, reason = "a benchmark says what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark that can't go on fails")]

use std::path::Path;
use std::time::{Duration, Instant};

use jit_ca_core::{Action, Facts, Means, RoleName, Span, SubjectId, UnixTime};
use jit_ca_policy::{Bundle, Deed, SourceFile, decide, diff, explain, who_can};

/// Enough that a hundred of them are beyond the 99th percentile.
const DECISIONS: usize = 10_000;
const TIMES: usize = 10;

fn main() {
    let files = files();
    let bundle = Bundle::parse(files.clone()).unwrap();
    let (people, roles) = (bundle.people().count(), bundle.roles().count());
    println!("{people} people, {roles} roles, {} rules", bundle.rules().count());
    println!("{:<44} {:>9} {:>9} {:>9}", "", "p50", "p99", "most");

    let questions = questions(&bundle);
    let mut questions = questions.iter();
    let (mut allowed, mut denied) = (0, 0);
    // No two questions are the same, so that no answer is known.
    tell("a decision", DECISIONS, || match decide(&bundle, questions.next().unwrap()).allows() {
        true => allowed += 1,
        false => denied += 1,
    });
    println!("  {allowed} allowed, {denied} denied");
    tell("a check: all files read, all rules validated", TIMES, || {
        Bundle::parse(files.clone()).unwrap();
    });
    let other = Bundle::parse(other(files.clone())).unwrap();
    tell("a diff of two", TIMES, || assert!(!diff(&bundle, &other).unwrap().access.is_empty()));
    let deed =
        Deed { action: Action::Request, role: bundle.roles().next().map(|r| r.name.clone()) };
    tell("who can", TIMES, || assert!(!who_can(&bundle, &deed).unwrap().access.is_empty()));
    let night = Facts {
        now: "2026-01-05T23:00:00Z".parse().unwrap(),
        mfa_at: None,
        means: Means::default(),
        role: Some("deploy".parse().unwrap()),
        ..fact(Action::Request, &bundle.people().next().unwrap().id, 1)
    };
    tell("an explanation with three changes", TIMES, || {
        assert_eq!(explain(&bundle, &night).unwrap().ways.len(), 1);
    });
}

/// Measures a few times, and says how long it took.
fn tell(what: &str, times: usize, mut one: impl FnMut()) {
    let mut took: Vec<Duration> = (0..times)
        .map(|_| {
            let begun = Instant::now();
            one();
            begun.elapsed()
        })
        .collect();
    took.sort();
    let at = |hundredths: usize| took.get((times * hundredths / 100).min(times - 1)).unwrap();
    println!("{what:<44} {:>9.1?} {:>9.1?} {:>9.1?}", at(50), at(99), at(100));
}

fn files() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/company/good");
    let mut files = Vec::new();
    for folder in ["", "roles", "policies", "policy-tests"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.push(SourceFile { path: name, text: std::fs::read_to_string(path).unwrap() });
            }
        }
    }
    files
}

/// The same with a rule that lets fewer people do less.
fn other(mut files: Vec<SourceFile>) -> Vec<SourceFile> {
    for file in &mut files {
        file.text = file.text.replace(
            "context.duration <= duration(\"1h\")",
            "context.duration <= duration(\"30m\")",
        );
    }
    files.retain(|file| !file.path.starts_with("policy-tests/"));
    files
}

/// Everybody in turn, each role in turn, the four actions on roles; at a time and with a second factor of an age that
/// nobody else has.
fn questions(bundle: &Bundle) -> Vec<Facts> {
    let people: Vec<&SubjectId> = bundle.people().map(|person| &person.id).collect();
    let roles: Vec<&RoleName> = bundle.roles().map(|role| &role.name).collect();
    let actions = [Action::Request, Action::SkipApproval, Action::Approve, Action::Issue];
    let questions = (0..DECISIONS).map(|number| {
        let pick = |step: usize, of: usize| number * step % of;
        let action = *actions.get(pick(1, actions.len())).unwrap();
        let requester = people.get(pick(31, people.len())).map(|id| (*id).clone());
        Facts {
            role: roles.get(pick(7, roles.len())).map(|role| (*role).clone()),
            requester: requester.filter(|_| action == Action::Approve),
            ..fact(action, people.get(pick(17, people.len())).unwrap(), number)
        }
    });
    questions.collect()
}

fn fact(action: Action, subject: &SubjectId, number: usize) -> Facts {
    let later = Span::from_secs(u64::try_from(number).unwrap());
    let now = "2026-01-05T09:00:00Z".parse::<UnixTime>().unwrap().plus(later);
    Facts {
        action,
        subject: subject.clone(),
        now,
        address: "10.20.1.2".parse().unwrap(),
        mfa_at: Some(now.minus(Span::from_secs(later.secs() % 600))),
        means: Means::default(),
        role: None,
        requester: None,
        hosts: None,
        duration: Some("30m".parse().unwrap()),
        reason: Some(format!("INC-{number}").parse().unwrap()),
        ticket: Some(format!("CASE-{number}").parse().unwrap()),
    }
}
