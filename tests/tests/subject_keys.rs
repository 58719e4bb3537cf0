//! Keys of the types that a role may take beyond the usual ones, on a real sshd and a real nginx.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use jit_ca_tests::{Ca, Clock, Lab, Nginx, Person, Sshd, run};

/// Has a role take keys of these types.
fn take(config: &Path, role: &str, keys: &str) {
    let file = config.join(format!("roles/{role}.toml"));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, text.replace("default =", &format!("keys = [{keys}]\ndefault ="))).unwrap();
}

fn ssh_key(person: &Person, kind: &str, bits: &str) -> String {
    let file = person.file(&format!(".ssh/{kind}-{bits}"));
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-b", bits, "-N", "", "-C", "work", "-f"])
        .arg(&file))
    .ok();
    file.display().to_string()
}

#[test]
fn ssh_keys_of_other_types_open_a_host_where_the_role_takes_them() {
    let lab = Lab::new();
    let ca = Ca::start_with(&lab, |config| {
        take(config, "web-logs", r#""ed25519", "ecdsa-p384", "rsa""#);
        let logs = fs::read_to_string(config.join("roles/web-logs.toml")).unwrap();
        let logs = logs.replace("journalctl --unit=nginx --since=-1h --no-pager", "whoami");
        fs::write(config.join("roles/web-logs.toml"), logs).unwrap();
    });
    let (alice, bob) = (ca.person("alice"), ca.person("bob"));
    alice.jit_ca(&["roles"]).ok().says("keys           ed25519, ecdsa-p384, rsa");
    alice.jit_ca(&["request", "web-logs", "--reason", "INC-42"]).ok();
    let user_ca = alice.jit_ca(&["trust", "--ssh-user-ca"]).ok().stdout;
    let sshd = Sshd::start(&lab, Clock::True, &user_ca, &[("deploy", &["web-logs"])]);
    for (kind, bits) in [("ecdsa", "384"), ("rsa", "3072")] {
        let key = ssh_key(&alice, kind, bits);
        let issued = alice.jit_ca(&["cert", "ssh", "--role", "web-logs", "--key", &key, "--json"]);
        let certificate = issued.ok().json()["certificate"].as_str().unwrap().to_owned();
        sshd.log_in(&alice, "deploy", key.as_ref(), certificate.as_ref()).ran("deploy");
    }
    for (kind, bits, why) in [
        ("ecdsa", "256", "web-logs takes ed25519, ecdsa-p384, rsa keys, not ecdsa-p256"),
        ("ecdsa", "521", "is not accepted"),
        ("rsa", "2048", "RSA of 2048 bits"),
    ] {
        let key = ssh_key(&alice, kind, bits);
        let arguments = ["cert", "ssh", "--role", "web-logs", "--key", &key];
        alice.jit_ca(&arguments).exits(3).says(why);
    }
    // A role that says nothing takes the usual two.
    let wish = ["request", "web-shell", "--reason", "INC-42", "--no-wait", "--json"];
    let request = alice.jit_ca(&wish).exits(75).json();
    bob.jit_ca(&["approve", request["id"].as_str().unwrap(), "--yes"]).ok();
    let key = alice.file(".ssh/rsa-3072").display().to_string();
    let refused = alice.jit_ca(&["cert", "ssh", "--role", "web-shell", "--key", &key]).exits(3);
    refused.says("web-shell takes ed25519, ecdsa-p256 keys, not rsa");
    // Both verifiers agree to what was proven by such keys when the CA is stopped.
}

#[test]
fn x509_keys_of_other_types_are_certified_by_request_and_nginx_lets_them_in() {
    let lab = Lab::new();
    let ca = Ca::start_with(&lab, |config| take(config, "orders-api", r#""ecdsa-p384", "rsa""#));
    let (alice, bob) = (ca.person("alice"), ca.person("bob"));
    let wish = ["request", "orders-api", "--reason", "INC-42", "--no-wait", "--json"];
    let request = alice.jit_ca(&wish).exits(75).json();
    bob.jit_ca(&["approve", request["id"].as_str().unwrap(), "--yes"]).ok();

    let [root, clients] =
        ["--x509-root", "--x509-clients"].map(|which| alice.jit_ca(&["trust", which]).ok().stdout);
    let anchors = lab.file("clients-ca.pem", root + &clients);
    let http = format!(
        "  server {{
    listen 127.0.0.1:PORT ssl; ssl_certificate DIR/server.pem; ssl_certificate_key DIR/server.key;
    ssl_verify_client on; ssl_verify_depth 2; ssl_client_certificate {};
    location / {{ return 200 'hello $ssl_client_s_dn'; }}
  }}\n",
        anchors.display()
    );
    let nginx = Nginx::start(&lab, Clock::True, &http);
    for (name, algorithm) in
        [("p384", ["EC", "ec_paramgen_curve:P-384"]), ("rsa", ["RSA", "rsa_keygen_bits:3072"])]
    {
        let [key, csr] = ["key", "csr"].map(|kind| alice.file(&format!("{name}.{kind}")));
        let [algorithm, option] = algorithm;
        let mut make = Command::new("openssl");
        make.args(["genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out"]).arg(&key);
        run(&mut make).ok();
        let mut ask = Command::new("openssl");
        ask.args(["req", "-new", "-subj", "/CN=root", "-key"]).arg(&key).arg("-out").arg(&csr);
        run(&mut ask).ok();
        let csr = csr.display().to_string();
        let issued = alice.jit_ca(&["cert", "x509", "--csr", &csr, "--out", name]).ok();
        issued.says("with whoever made the request");
        assert!(!alice.file(&format!("{name}/key.pem")).exists());
        let certificate = alice.file(&format!("{name}/cert.pem"));
        nginx.ask("/", &key, &certificate).ok().says("OU=orders-api").says("CN=alice");
    }
    // What it makes itself is P-256, and what is no request says so before the CA is asked.
    alice.jit_ca(&["cert", "x509", "--out", "fresh"]).exits(3).says("not ecdsa-p256");
    let key = alice.file("rsa.key").display().to_string();
    let wrong = alice.jit_ca(&["cert", "x509", "--csr", &key, "--out", "wrong"]).exits(2);
    wrong.says("is no PKCS#10 request").says("openssl req -new");
    assert!(!alice.file("wrong").exists());
}

/// Makes a key, and a request for it.
fn ask(person: &Person, name: &str, key: &[&str], request: &[&str]) -> String {
    let [key_file, csr] = ["key", "csr"].map(|kind| person.file(&format!("{name}.{kind}")));
    let mut make = Command::new("openssl");
    run(make.arg("genpkey").args(key).arg("-out").arg(&key_file)).ok();
    let mut ask = Command::new("openssl");
    ask.args(["req", "-new", "-subj", "/CN=x", "-key"]).arg(&key_file).arg("-out").arg(&csr);
    run(ask.args(request)).ok();
    csr.display().to_string()
}

#[test]
fn a_request_that_is_not_taken_says_what_would_be() {
    let lab = Lab::new();
    let ca = Ca::start_with(&lab, |config| take(config, "orders-api", r#""ecdsa-p384", "rsa""#));
    let (alice, bob) = (ca.person("alice"), ca.person("bob"));
    let wish = ["request", "orders-api", "--reason", "INC-42", "--no-wait", "--json"];
    let request = alice.jit_ca(&wish).exits(75).json();
    bob.jit_ca(&["approve", request["id"].as_str().unwrap(), "--yes"]).ok();
    let cert = |csr: &str, out: &str| alice.jit_ca(&["cert", "x509", "--csr", csr, "--out", out]);

    let p384 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
    let sha512 = ask(&alice, "sha512", &p384, &["-sha512"]);
    let refused = cert(&sha512, "new").exits(2);
    refused.says("ECDSA with SHA-256 or SHA-384").says("SHA-256, 384 or 512").says("-sha256");
    let explicit = [p384.as_slice(), &["-pkeyopt", "ec_param_enc:explicit"]].concat();
    let explicit = ask(&alice, "explicit", &explicit, &[]);
    let refused = cert(&explicit, "new").exits(3).says("not in the usual encoding (a named curve)");
    assert!(!refused.stderr.contains("use ed25519"), "{refused}");

    // In DER it is none until it is converted, as the hint says.
    let der = ask(&alice, "der", &p384, &["-outform", "DER"]);
    let refused = cert(&der, "new").exits(2).says("is no PKCS#10 request in PEM");
    let (_, command) = refused.stderr.split_once("convert it: ").unwrap();
    run(alice.command("sh").args(["-c", command])).ok();
    cert("request.pem", "new").ok();

    // Beside a key of before, a certificate would be for another.
    fs::create_dir(alice.file("old")).unwrap();
    fs::copy(alice.file("sha512.key"), alice.file("old/key.pem")).unwrap();
    cert("request.pem", "old").exits(2).says("old/key.pem").says("--out");
    assert!(!alice.file("old/cert.pem").exists());
    fs::copy(alice.file("der.key"), alice.file("new/key.pem")).unwrap();
    cert("request.pem", "new").ok();
    let used = alice.jit_ca(&["grant", "show", request["id"].as_str().unwrap(), "--json"]).ok();
    assert_eq!(used.json()["certificates"].as_array().map(Vec::len), Some(2), "{used}");
}

#[test]
fn the_folder_of_a_certificate_is_there_before_the_ca_is_asked() {
    let lab = Lab::new();
    let ca = Ca::start_with(&lab, |config| {
        for role in ["web-shell", "orders-api"] {
            let mut file =
                fs::File::options().append(true).open(config.join(format!("roles/{role}.toml")));
            writeln!(file.as_mut().unwrap(), "\n[limits]\ncertificates = 1").unwrap();
        }
    });
    let (alice, bob) = (ca.person("alice"), ca.person("bob"));
    for role in ["web-shell", "orders-api"] {
        let wish = ["request", role, "--reason", "INC-42", "--no-wait", "--json"];
        let request = alice.jit_ca(&wish).exits(75).json();
        bob.jit_ca(&["approve", request["id"].as_str().unwrap(), "--yes"]).ok();
    }
    let key = ssh_key(&alice, "ecdsa", "256");
    let csr = ask(&alice, "one", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &[]);
    fs::write(alice.file("file"), "no folder").unwrap();
    let with_key = ["cert", "ssh", "--key", &key, "--out"];
    let with_csr = ["cert", "x509", "--csr", &csr, "--out"];
    // What can't be written is not asked for.
    for command in
        [with_key.as_slice(), &["cert", "ssh", "--out"], &with_csr, &["cert", "x509", "--out"]]
    {
        alice.jit_ca(&[command, &["file/new"]].concat()).exits(1).says("file/new can't be made");
    }
    alice.jit_ca(&[with_key.as_slice(), &["keys/new"]].concat()).ok();
    assert!(alice.file("keys/new/ecdsa-256-cert.pub").exists());
    alice.jit_ca(&[with_csr.as_slice(), &["orders/new"]].concat()).ok();
    assert!(alice.file("orders/new/cert.pem").exists());
}
