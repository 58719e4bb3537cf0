use serde_json::{Value, json};

use super::*;
use crate::SourceFile;

const USERS: &str = "[[person]]\nid = \"u-1\"\nname = \"alice\"\ngroups = [\"dev\"]\n";
const OKTA: &str = r#"
issuer = "https://login.example.org"
kind = "people"
client = "jit-ca"
[map]
"team/sre" = ["sre"]
everybody = ["dev", "staff"]
[mfa]
acr = ["urn:mfa"]
amr = ["otp", "hwk"]
"#;
const GITHUB: &str = r#"
issuer = "https://token.actions.githubusercontent.com"
kind = "workloads"
audience = "https://ca.example.org"
[[workload]]
name = "web-deploy"
groups = ["deployers"]
claims = { repository = "acme/web", ref = ["refs/heads/main", "refs/tags/v*"], env = { name = "prod" } }
[[workload]]
name = "other"
groups = ["others"]
claims = { private = "true" }
"#;

fn bundle(okta: &str, github: &str) -> Result<Bundle, crate::Faults> {
    let files =
        [("users.toml", USERS), ("issuers/okta.toml", okta), ("issuers/github.toml", github)];
    Bundle::parse(
        files.map(|(path, text)| SourceFile { path: path.to_owned(), text: text.to_owned() }),
    )
}

fn vouch(bundle: &Bundle, issuer: &str, claims: &Value) -> Option<Vouched> {
    let claims = Claims(claims.as_object().unwrap());
    match &bundle.issuer(&issuer.parse().unwrap()).unwrap().vouches {
        Vouches::People(people) => people.vouch(claims),
        Vouches::Workloads(workloads) => workloads.vouch(claims),
    }
}

fn said(subject: &str, kind: SubjectKind, groups: &[&str]) -> SubjectVouched {
    SubjectVouched {
        subject: subject.parse().unwrap(),
        name: "alice@okta".parse().unwrap(),
        kind,
        groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
    }
}

#[test]
fn nobody_logs_in_by_device_code_unless_the_file_says_so() {
    let allows = |okta: &str| {
        let bundle = bundle(okta, GITHUB).unwrap();
        match &bundle.issuer(&"okta".parse().unwrap()).unwrap().vouches {
            Vouches::People(people) => people.device,
            Vouches::Workloads(_) => panic!("workloads"),
        }
    };
    let with = |value: &str| OKTA.replace("[map]", &format!("device = {value}\n[map]"));
    assert!(!allows(OKTA) && !allows(&with("false")) && allows(&with("true")));
    assert!(bundle(&with("\"yes\""), GITHUB).is_err());
    let workloads =
        GITHUB.replace("[[workload]]\nname = \"web", "device = true\n[[workload]]\nname = \"web");
    assert!(bundle(OKTA, &workloads).is_err());
}

#[test]
fn groups_are_those_that_the_map_gives() {
    let bundle = bundle(OKTA, GITHUB).unwrap();
    let of = |groups: Value| {
        let claims = json!({ "sub": "00u1", "groups": groups });
        let groups = vouch(&bundle, "okta", &claims).unwrap().groups;
        groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of(json!(["team/sre", "everybody"])), "dev sre staff");
    assert_eq!(of(json!("team/sre")), "sre");
    // Its own name for a group is none of ours.
    for none in [json!(["sre", "dev"]), json!([]), json!(null), json!({ "team/sre": true })] {
        assert_eq!(of(none), "");
    }
}

#[test]
fn names_are_shown_and_never_two_subjects() {
    let bundle = bundle(OKTA, GITHUB).unwrap();
    let name = |bundle: &Bundle, claims: Value| {
        let vouched = vouch(bundle, "okta", &claims).unwrap();
        bundle.name_for(&"okta".parse().unwrap(), &vouched).unwrap().to_string()
    };
    let called = |name: &str| json!({ "sub": "00u1", "preferred_username": name });
    assert_eq!(name(&bundle, called("Alice@example.org")), "alice@okta");
    assert_eq!(name(&bundle, called("Zoë O'Hara")), "zo--o-hara@okta");
    assert_eq!(name(&bundle, called("007")), "u007@okta");
    assert_eq!(name(&bundle, called("\u{202e}")), "u00u1@okta");
    assert_eq!(name(&bundle, called(&"x".repeat(300))), format!("{}@okta", "x".repeat(25)));
    let with = bundle.vouching(&[said("okta/other", SubjectKind::Person, &[])]);
    assert_eq!(name(&with, called("alice")), "alice-2@okta");
    let with = bundle.vouching(&[said("okta/00u1", SubjectKind::Person, &[])]);
    assert_eq!(name(&with, called("alice")), "alice@okta");
}

#[test]
fn a_mail_address_counts_once_it_is_verified() {
    let by_mail = bundle(&OKTA.replace("client =", "name = \"email\"\nclient ="), GITHUB).unwrap();
    let handle = |verified: Value| {
        let claims =
            json!({ "sub": "00u1", "email": "root@example.org", "email_verified": verified });
        vouch(&by_mail, "okta", &claims).unwrap().handle
    };
    assert_eq!(handle(json!(true)), "root");
    for no in [json!(false), json!("true"), json!(null)] {
        assert_eq!(handle(no), "u00u1");
    }
}

#[test]
fn a_second_factor_is_what_the_file_says_it_is() {
    let bundle = bundle(OKTA, GITHUB).unwrap();
    let Vouches::People(people) = &bundle.issuer(&"okta".parse().unwrap()).unwrap().vouches else {
        panic!("people")
    };
    let at = |claims: Value| {
        people.mfa_at(Claims(claims.as_object().unwrap())).map(jit_ca_core::UnixTime::secs)
    };
    assert_eq!(at(json!({ "acr": "urn:mfa", "auth_time": 5 })), Some(5));
    assert_eq!(at(json!({ "amr": ["pwd", "otp"], "auth_time": 5 })), Some(5));
    for none in [
        json!({ "amr": ["pwd"], "auth_time": 5 }),
        json!({ "acr": "urn:other", "auth_time": 5 }),
        json!({ "auth_time": 5 }),
        // It does not say when.
        json!({ "acr": "urn:mfa", "iat": 5 }),
        json!({ "acr": "urn:mfa", "auth_time": "5" }),
        json!({ "acr": ["urn:mfa"], "auth_time": 5 }),
    ] {
        assert_eq!(at(none), None);
    }
}

#[test]
fn a_workload_is_the_first_that_the_token_fits() {
    let bundle = bundle(OKTA, GITHUB).unwrap();
    let claims = json!({
        "sub": "repo:acme/web", "repository": "acme/web", "ref": "refs/tags/v1.2", "env": { "name": "prod" },
        "private": true,
    });
    let vouched = vouch(&bundle, "github", &claims).unwrap();
    assert_eq!(
        (vouched.sub.as_str(), vouched.handle.as_str()),
        ("web-deploy/repo:acme/web", "web-deploy")
    );
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        vouch(&bundle, "github", &claims).map(|vouched| vouched.handle)
    };
    for (name, value) in [
        ("repository", json!("acme/web2")),
        ("repository", json!(null)),
        ("ref", json!("refs/heads/main2")),
        ("ref", json!("xrefs/tags/v1")),
        ("env", json!("prod")),
        ("env", json!({ "name": "dev" })),
    ] {
        assert_eq!(with(name, value).as_deref(), Some("other"));
    }
    assert_eq!(with("private", json!(false)).as_deref(), Some("web-deploy"));
    assert_eq!(vouch(&bundle, "github", &json!({ "sub": "x", "private": false })), None);
}

#[test]
fn nobody_has_what_the_file_no_longer_gives() {
    let bundle = bundle(OKTA, GITHUB).unwrap();
    let all = [
        said("okta/00u1", SubjectKind::Person, &["sre", "root"]),
        said("okta/00u2", SubjectKind::Workload, &["sre"]),
        said("gone/00u3", SubjectKind::Person, &["sre"]),
        said("github/00u4", SubjectKind::Person, &["deployers"]),
        said("local/u-9", SubjectKind::Person, &["sre"]),
    ];
    let with = bundle.vouching(&all);
    let known: Vec<String> = with.people().map(|person| person.id.to_string()).collect();
    assert_eq!(known, ["local/u-1", "okta/00u1"]);
    let groups = &with.person(&"okta/00u1".parse().unwrap()).unwrap().groups;
    assert_eq!(groups.iter().map(GroupName::as_str).collect::<Vec<_>>(), ["sre"]);
    assert_eq!(with.vouching(&[]).people().count(), 1);
}

#[test]
fn faults_say_what_to_do() {
    for (from, to, expected) in [
        ("https://login", "http://login", "is not the address of an issuer"),
        ("example.org\"", "example.org?x\"", "is not the address of an issuer"),
        ("kind = \"people\"", "kind = \"pets\"", "can't be \"pets\""),
        ("kind = \"people\"", "", "whom it vouches for"),
        ("client = \"jit-ca\"", "", "`client` is missing"),
        ("[\"sre\"]", "[\"SRE\"]", "is no group"),
        ("[mfa]\nacr = [\"urn:mfa\"]\namr = [\"otp\", \"hwk\"]", "", "a second factor"),
        ("client =", "clientt = 1\nclient =", "unknown key"),
    ] {
        let faults = bundle(&OKTA.replace(from, to), GITHUB).unwrap_err().to_string();
        assert!(faults.contains(expected), "{faults}");
    }
    for (from, to, expected) in [
        ("audience = \"https://ca.example.org\"", "", "`audience` is missing"),
        ("claims = { private = \"true\" }", "", "everybody to whom"),
        ("\"true\"", "\"*\"", "can't be compared"),
        ("\"true\"", "\"a*b\"", "can't be compared"),
        ("\"other\"", "\"web-deploy\"", "two workloads"),
        (
            "https://token.actions.githubusercontent.com",
            "https://login.example.org",
            "that issuers/github.toml names",
        ),
    ] {
        let faults = bundle(OKTA, &GITHUB.replace(from, to)).unwrap_err().to_string();
        assert!(faults.contains(expected), "{faults}");
    }
}

/// What rules say of those whom no file names can be tested like all else.
#[test]
fn policy_tests_name_whom_an_issuer_would_vouch_for() {
    const ROLE: &str = "description = \"A role\"\nhosts = [\"web1\"]\ndefault = \"1h\"\nlongest = \"4h\"\n\
                        [[approvals]]\ncount = 1\nfrom = [\"sre\"]\n[[ssh]]\ntag = \"web\"\nlogin = \"deploy\"\n";
    const RULE: &str = "@id(\"deployers\") permit (principal is Workload in Group::\"deployers\", action == Action::\"request\", resource);";
    const TESTS: &str = "[[vouched]]\nsubject = \"github/web-deploy/repo:acme/web\"\nname = \"web-deploy@github\"\ngroups = [\"deployers\"]\n\
                         [[case]]\nname = \"a deployment asks\"\nsubject = \"web-deploy@github\"\naction = \"request\"\nrole = \"web\"\nexpect = \"allow\"\n\
                         [[case]]\nname = \"and breaks no glass\"\nsubject = \"github/web-deploy/repo:acme/web\"\naction = \"break-glass\"\nrole = \"web\"\nexpect = \"deny\"\ncode = \"not-a-person\"\n";
    let read = |tests: &str| {
        let files = [
            ("users.toml", USERS),
            ("issuers/okta.toml", OKTA),
            ("issuers/github.toml", GITHUB),
            ("roles/web.toml", ROLE),
            ("policies/a.cedar", RULE),
            ("policy-tests/a.toml", tests),
        ];
        Bundle::parse(
            files.map(|(path, text)| SourceFile { path: path.to_owned(), text: text.to_owned() }),
        )
    };
    let results = crate::run_tests(&read(TESTS).unwrap());
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|result| result.passed), "{results:?}");
    for (from, to, expected) in [
        ("web-deploy@github", "web-deploy@okta", "not a name that the issuer vouches for"),
        ("[\"deployers\"]", "[\"sre\"]", "puts nobody into sre"),
        ("github/web", "gone/web", "there is no issuer gone"),
    ] {
        let faults = read(&TESTS.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(faults.contains(expected), "{faults}");
    }
}
