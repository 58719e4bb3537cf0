//! Workloads that bring a token of their platform.

use std::fs;

use jit_ca_tests::{Ca, Lab, Person, TokenIssuer, Wire, now, wait_for, workloads};
use serde_json::{Value, json};

use super::{add, both_agree, workloads_file};

/// What an issuer's file says of the platforms, as docs/guides/workloads.md has it.
const PLATFORMS: &str = r#"
[[workload]]
name = "github-deploy"
groups = ["dev"]
claims = { repository = "acme/shop", repository_owner_id = "65", ref = "refs/heads/main", environment = "production" }

[[workload]]
name = "gitlab-deploy"
groups = ["dev"]
claims = { project_path = "acme/shop", ref = "main", ref_type = "branch", ref_protected = "true" }

[[workload]]
name = "prod-deployer"
groups = ["dev"]
claims = { "kubernetes.io" = { namespace = "prod", serviceaccount = { name = "deployer" } } }

[[workload]]
name = "spiffe-prod"
groups = ["dev"]
claims = { sub = "spiffe://corp.example/ns/prod/*" }
"#;

/// A role file's answer to who may approve is unchanged; a workload in that group would be one of them.
const APPROVER: &str = r#"
[[workload]]
name = "approver"
groups = ["sre"]
claims = { sub = "approver" }
"#;

fn start(lab: &Lab, issuer: &TokenIssuer, workloads: &str) -> Ca {
    Ca::start_with(lab, |folder| {
        add(folder, "ci", &workloads_file(issuer, workloads), issuer);
        // Rules that name no kind of principal are for both: logs wait for nobody, and workloads have no second factor.
        let rules = folder.join("policies/workloads.cedar");
        let rule = "@id(\"workloads-read-logs\")\npermit (\n  principal is Workload,\n  action in [Action::\"skip-approval\", Action::\"issue\"],\n  \
                    resource == Role::\"web-logs\"\n);\n";
        fs::write(rules, rule).unwrap();
    })
}

/// A machine, and a file with its token.
fn machine(ca: &Ca, name: &str, token: &str) -> Person {
    let machine = ca.stranger(name);
    fs::write(machine.file("token"), token).unwrap();
    machine
}

fn log_in(ca: &Ca, machine: &Person) -> jit_ca_tests::Output {
    let url = ca.url();
    let contact = ["login", "--ca", &url, "--ca-pin", ca.pin()];
    machine.jit_ca(&[&contact[..], &["--workload", "--token-file", "token"]].concat())
}

#[test]
fn each_platforms_token_logs_in_once_and_gets_what_its_workload_may() {
    let lab = Lab::new();
    let issuer = TokenIssuer::start(&lab);
    let ca = start(&lab, &issuer, PLATFORMS);
    for (workload, alg, claims) in [
        ("github-deploy", "RS256", workloads::github_actions()),
        ("gitlab-deploy", "RS256", workloads::gitlab()),
        ("prod-deployer", "RS256", workloads::kubernetes()),
        ("spiffe-prod", "ES256", workloads::spiffe()),
    ] {
        let machine = machine(&ca, workload, &issuer.token(alg, &claims));
        log_in(&ca, &machine).ok();
        let me = machine.jit_ca(&["whoami", "--json"]).ok().json();
        assert_eq!(me["name"], format!("{workload}@ci"));
        let sub = claims["sub"].as_str().unwrap();
        assert_eq!(me["subject"], format!("ci/{workload}/{sub}"));
        let asked = ["request", "web-logs", "--host", "web1", "--reason", "nightly", "--json"];
        let granted = machine.jit_ca(&asked).ok().json();
        assert_eq!(granted["status"], "approved", "{granted}");
        machine.jit_ca(&["cert", "ssh", "--out", "logs"]).ok();
        // Once.
        log_in_again(&ca, &machine).exits(3).says("the token was used before");
    }
    // What else they may, policy tells apart from people.
    let mut claims = workloads::gitlab();
    claims["jti"] = "another, also of the same second".into();
    let machine = machine(&ca, "again", &issuer.token("RS256", &claims));
    log_in(&ca, &machine).ok();
    machine.jit_ca(&["break-glass", "web-shell", "--reason", "x"]).exits(3).says("only people");
    both_agree(&ca.person("carol"));
}

fn log_in_again(ca: &Ca, machine: &Person) -> jit_ca_tests::Output {
    let url = ca.url();
    let contact = ["login", "--again", "--ca", &url, "--ca-pin", ca.pin()];
    machine.jit_ca(&[&contact[..], &["--workload", "--token-file", "token"]].concat())
}

#[test]
fn no_workload_approves_or_decides_anything_over_others() {
    let lab = Lab::new();
    let issuer = TokenIssuer::start(&lab);
    let ca = start(&lab, &issuer, APPROVER);
    let alice = ca.person("alice");
    let asked =
        ["request", "web-shell", "--host", "web1", "--reason", "INC-1", "--no-wait", "--json"];
    let request = alice.jit_ca(&asked).exits(75).json();
    let id = request["id"].as_str().unwrap();
    let approver = machine(&ca, "approver", &issuer.token("RS256", &json!({"sub": "approver"})));
    log_in(&ca, &approver).ok();
    let me = approver.jit_ca(&["whoami", "--json"]).ok().json();
    assert_eq!(me["groups"], json!(["sre"]));
    for refused in [
        &["approve", id, "--unsigned", "--yes"][..],
        &["deny", id],
        &["lock", "all", "--reason", "x"],
        &["log", "list"],
    ] {
        approver.jit_ca(refused).exits(3).says("only people");
    }
    // And it is not told as one who could.
    let shown = alice.jit_ca(&["requests", id]).ok();
    assert!(!shown.stdout.contains("approver@ci"), "{shown}");
    both_agree(&ca.person("carol"));
}

#[test]
fn tokens_that_are_not_for_us_not_now_or_not_whole_are_refused_with_the_reason() {
    let lab = Lab::new();
    let issuer = TokenIssuer::start(&lab);
    let ca = start(&lab, &issuer, PLATFORMS);
    let machine = ca.stranger("ci");
    let wire = Wire::nobody(&ca, &machine);
    let csr = wire.key_and_csr("login", &["-subj", "/CN=x"]).1;
    let call = |token: &str| {
        let call = json!({"issuer": "ci", "csr": csr, "credential": {"token": token}});
        super::from_elsewhere(&wire, &call)
    };
    let with = |name: &str, value: Value| {
        let mut claims = workloads::gitlab();
        claims[name] = value;
        claims
    };
    for (claims, why) in [
        (with("aud", json!("another")), "not meant for this CA"),
        (with("aud", json!(["another", "also"])), "not meant for this CA"),
        (with("iss", json!("https://gitlab.example")), "another issuer's"),
        (with("exp", json!(now() - 120)), "expired"),
        (with("nbf", json!(now() + 600)), "from the future"),
        (with("ref", json!("main2")), "no workload"),
        (with("ref_protected", json!("false")), "no workload"),
        (with("sub", json!("")), "sub"),
        (with("sub", json!("a b")), "sub"),
    ] {
        let reply = call(&issuer.token("RS256", &claims)).refused("login-refused");
        let detail = reply.problem()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(why), "{detail}: {why}");
    }
    for token in ["", "x", "a.b.c", &format!("{}.", "a".repeat(7_000))] {
        call(token).refused("login-refused");
    }
    let good = issuer.token("RS256", &workloads::gitlab());
    let (head, signature) = good.rsplit_once('.').unwrap();
    call(&format!("{head}.{}", signature.chars().rev().collect::<String>()))
        .refused("login-refused");
    // Its own signature, over another header: alg none, and one with the public key as a secret.
    call(&format!("eyJhbGciOiJub25lIn0.{}.", head.split_once('.').unwrap().1))
        .refused("login-refused");
    call(&good).ok();
}

/// A certificate for a service, which waits for nobody, and stands in for a token.
const RENEWED: &str = "renew = \"1h\"\n[[workload]]\nname = \"orders\"\ngroups = [\"dev\"]\nclaims = { sub = \"orders\" }\n";

/// Logs in with what `cert x509` has written into the folder `tls`.
fn log_in_by_certificate(ca: &Ca, machine: &Person) -> jit_ca_tests::Output {
    let url = ca.url();
    let contact = ["login", "--again", "--ca", &url, "--ca-pin", ca.pin()];
    machine.jit_ca(&[&contact[..], &["--workload", "--certificate", "tls"]].concat())
}

/// A certificate for the orders service, in the folder `tls`.
fn certify(machine: &Person) -> Value {
    let asked = ["request", "orders-api", "--reason", "it serves orders", "--json"];
    let granted = machine.jit_ca(&asked).ok().json();
    let grant = granted["grant"]["id"].as_str().unwrap();
    machine.jit_ca(&["cert", "x509", "--grant", grant, "--out", "tls"]).ok();
    granted
}

#[test]
fn a_workload_s_certificate_stands_in_for_a_token_for_a_time() {
    let lab = Lab::new();
    let issuer = TokenIssuer::start(&lab);
    let ca = Ca::start_with(&lab, |folder| {
        add(folder, "ci", &workloads_file(&issuer, RENEWED), &issuer);
        let rule = "@id(\"orders\")\npermit (\n  principal is Workload,\n  action in [Action::\"skip-approval\", Action::\"issue\"],\n  \
                    resource == Role::\"orders-api\"\n);\n";
        fs::write(folder.join("policies/orders.cedar"), rule).unwrap();
    });
    let service = machine(&ca, "service", &issuer.token("RS256", &json!({"sub": "orders"})));
    log_in(&ca, &service).ok();
    certify(&service);

    // On another machine, with the folder alone; and with what that one gets in turn.
    let mut before = service;
    for name in ["second", "third"] {
        let next = ca.stranger(name);
        fs::create_dir(next.file("tls")).unwrap();
        for file in ["cert.pem", "key.pem"] {
            fs::copy(before.file("tls").join(file), next.file("tls").join(file)).unwrap();
        }
        log_in_by_certificate(&ca, &next).ok();
        let me = next.jit_ca(&["whoami", "--json"]).ok().json();
        assert_eq!(
            (&me["subject"], &me["login"]["mfa_at"]),
            (&json!("ci/orders/orders"), &json!(null))
        );
        before = next;
    }
    let granted = certify(&before);
    let carol = ca.person("carol");
    let logins = carol.jit_ca(&["log", "list", "--json"]).ok().json();
    let since = |entry: &&Value| entry["type"] == "login.certificate";
    let since: Vec<_> = logins
        .as_array()
        .unwrap()
        .iter()
        .filter(since)
        .map(|it| it["payload"]["since"].clone())
        .collect();
    assert!(since.len() == 2 && since[0] == since[1], "{since:?}");

    // It is no login by itself, and a login's is none of these.
    let wire = Wire::showing(&ca, &before, &before.file("tls"));
    wire.get("/v1/me").refused("unauthenticated");
    let call = json!({"csr": wire.key_and_csr("login", &["-subj", "/CN=x"]).1});
    Wire::nobody(&ca, &before).post("/v1/logins/certificate", &call).refused("unauthenticated");
    ca.caller("dave").wire.post("/v1/logins/certificate", &call).refused("unauthenticated");

    // Whose certificate rests on no token comes in by none.
    let bob = ca.person("bob");
    let alice = ca.person("alice");
    let asked = ["request", "orders-api", "--reason", "INC-1", "--no-wait", "--json"];
    let pending = alice.jit_ca(&asked).exits(75).json();
    bob.jit_ca(&["approve", pending["id"].as_str().unwrap(), "--yes"]).ok();
    alice.jit_ca(&["cert", "x509", "--role", "orders-api", "--out", "tls"]).ok();
    log_in_by_certificate(&ca, &alice).exits(3).says("none that a workload got");

    // A grant that was taken away takes its certificates along.
    let revoked = granted["grant"]["id"].as_str().unwrap();
    bob.jit_ca(&["revoke", revoked, "--reason", "INC-2"]).ok();
    log_in_by_certificate(&ca, &before).exits(3).says("a grant that is open");

    // A lock ends it as well, and its end gives nothing back.
    let locked = ca.stranger("locked");
    let token = issuer.token("RS256", &json!({"sub": "orders", "jti": "another"}));
    fs::write(locked.file("token"), token).unwrap();
    log_in(&ca, &locked).ok();
    certify(&locked);
    log_in_by_certificate(&ca, &locked).ok();
    for verb in ["lock", "unlock"] {
        bob.jit_ca(&[verb, "ci/orders/orders", "--reason", "INC-3"]).ok();
    }
    log_in_by_certificate(&ca, &locked).exits(3).says("none that a workload got");

    // And the issuer's file says for how long.
    let second = ca.stranger("again");
    let token = issuer.token("RS256", &json!({"sub": "orders", "jti": "a third"}));
    fs::write(second.file("token"), token).unwrap();
    log_in(&ca, &second).ok();
    let begun = now();
    certify(&second);
    let file = ca.config().parent().unwrap().join("issuers/ci.toml");
    let text = fs::read_to_string(&file).unwrap();
    for (renew, said) in [
        ("renew = \"1s\"", "older than the issuer's file takes"),
        ("", "lets nobody in without a token"),
    ] {
        wait_for("a second to pass", || (now() > begun + 1).then_some(()));
        fs::write(&file, text.replace("renew = \"1h\"", renew)).unwrap();
        ca.jit_cad(&["reload"]).ok();
        log_in_by_certificate(&ca, &second).exits(3).says(said);
    }
    both_agree(&carol);
}
