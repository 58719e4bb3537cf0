//! Those whom the user file does not name: people and workloads for whom an issuer vouches.

pub(crate) mod device;
mod people;
mod workloads;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use jit_ca_tests::{
    OpenIdProvider, Output, Person, Reply, Served, TokenIssuer, Wire, repository, run,
};
use serde_json::Value;

/// The policy's file of an OpenID provider, with groups as the demo's policy knows them.
pub(crate) fn people_file(provider: &OpenIdProvider) -> String {
    format!(
        "issuer = \"{}\"\nkind = \"people\"\nclient = \"jit-ca\"\nscopes = [\"email\", \"groups\"]\nname = \"email\"\n\
         [map]\ndev = [\"dev\"]\nsre-approvers = [\"sre\", \"auditors\"]\n[mfa]\nacr = [\"urn:example:mfa\"]\n",
        provider.issuer()
    )
}

/// Has the policy in a folder name an issuer.
pub(crate) fn add(folder: &Path, name: &str, file: &str, served: &Served) {
    fs::create_dir_all(folder.join("issuers")).unwrap();
    fs::write(folder.join(format!("issuers/{name}.toml")), file).unwrap();
    let config = folder.join("jit-cad.toml");
    let text = fs::read_to_string(&config).unwrap();
    let access = format!("\n[[issuer]]\nname = \"{name}\"\nca_file = {:?}\n", served.ca_file());
    fs::write(config, text + &access).unwrap();
}

fn with_provider(provider: &OpenIdProvider) -> impl FnOnce(&Path) + '_ {
    |folder| add(folder, "op", &people_file(provider), provider)
}

/// An issuer of workloads, each of which is in the group of developers, whose requests for logs wait for nobody.
pub(crate) fn workloads_file(issuer: &TokenIssuer, workloads: &str) -> String {
    format!(
        "issuer = \"{}\"\nkind = \"workloads\"\naudience = \"jit-ca\"\n{workloads}",
        issuer.issuer()
    )
}

/// Exports the log, and has both verifiers judge it.
pub(crate) fn both_agree(auditor: &Person) -> Output {
    let file = auditor.file("log.tar");
    auditor.jit_ca(&["log", "export", file.to_str().unwrap()]).ok();
    auditor.jit_ca(&["log", "verify", file.to_str().unwrap()]).ok();
    let mut verifier = Command::new("/usr/bin/python3");
    run(verifier.arg(repository().join("tests/verify.py")).arg(&file)).ok();
    auditor.jit_ca(&["log", "replay", file.to_str().unwrap()]).ok()
}

/// Logs in from an address that nobody has called from: who fails too often from one has to wait.
fn from_elsewhere(wire: &Wire, call: &Value) -> Reply {
    static PLACES: AtomicU8 = AtomicU8::new(2);
    let place = PLACES.fetch_add(1, Ordering::Relaxed);
    let (address, key) = (format!("127.0.1.{place}"), format!("idempotency-key: at-{place}"));
    let json = "content-type: application/json";
    let from = ["--interface", &address, "-H", json, "-H", &key];
    wire.call(&from, "/v1/logins/issuer", Some(&call.to_string()))
}
