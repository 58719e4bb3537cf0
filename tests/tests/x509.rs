//! What an X.509 client certificate says and opens, as OpenSSL and nginx see it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jit_ca_tests::{Ca, Caller, Clock, Lab, Nginx, Output, run, seconds};
use serde_json::{Value, json};

struct Scene {
    alice: Caller,
    bob: Caller,
    grant: Value,
    clients_ca: PathBuf,
    _ca: Ca,
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let ca = Ca::start_with(&lab, |config| {
            let role = fs::read_to_string(config.join("roles/orders-api.toml")).unwrap();
            fs::write(config.join("roles/stock-api.toml"), role.replace("orders-api", "stock-api"))
                .unwrap();
        });
        let (alice, bob) = (ca.caller("alice"), ca.caller("bob"));
        let grant =
            alice.granted("orders-api", json!({"duration": "1m"}), &[&bob])["grant"].clone();
        let chain = ["root", "clients"].map(|purpose| {
            let authorities = alice.wire.trust()["x509"].as_array().unwrap().iter();
            let mut found = authorities.filter(|authority| authority["purpose"] == purpose);
            found.next().unwrap()["certificate"].as_str().unwrap().to_owned()
        });
        let clients_ca = lab.file("clients-ca.pem", chain.concat());
        Self { alice, bob, grant, clients_ca, _ca: ca, lab }
    }

    /// An nginx as `docs/guides/nginx.md` has it: it lets in whom the OU says to have the role.
    fn nginx(&self, clock: Clock) -> Nginx {
        let bounds = "ssl_session_cache off; ssl_session_tickets off; keepalive_time 60s; keepalive_timeout 15s;";
        self.nginx_with(clock, bounds)
    }

    /// The same, with other bounds on what outlives a handshake.
    fn nginx_with(&self, clock: Clock, bounds: &str) -> Nginx {
        let http = format!(
            "  {bounds}
  map $ssl_client_s_dn $jit_ca_role {{ default ''; '~(^|,)OU=(?<ou>[a-z0-9-]+)(,|$)' $ou; }}
  server {{
    listen 127.0.0.1:PORT ssl; ssl_certificate DIR/server.pem; ssl_certificate_key DIR/server.key;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_verify_client on; ssl_verify_depth 2; ssl_client_certificate {};
    location / {{
      if ($jit_ca_role != orders-api) {{ return 403; }}
      return 200 'hello $ssl_client_s_dn';
    }}
  }}\n",
            self.clients_ca.display()
        );
        Nginx::start(&self.lab, clock, &http)
    }

    /// What `openssl verify` says of a chain, at a second since 1970.
    fn verify(&self, chain: &Path, purpose: &str, second: u64) -> Output {
        let mut openssl = Command::new("openssl");
        openssl.args([
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-attime",
            &second.to_string(),
        ]);
        openssl.arg("-CAfile").arg(&self.clients_ca).arg("-untrusted").arg(chain);
        run(openssl.arg(chain))
    }
}

/// What `openssl x509` prints of a certificate.
fn print(file: &Path, arguments: &[&str]) -> String {
    let mut openssl = Command::new("openssl");
    run(openssl.args(["x509", "-noout"]).args(arguments).arg("-in").arg(file)).ok().stdout
}

#[test]
fn openssl_shows_the_profile_and_nothing_of_a_hostile_request() {
    let scene = Scene::new();
    let hostile = [
        "-subj",
        "/CN=root/O=Evil/OU=web-shell",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "subjectAltName=DNS:evil.example,URI:spiffe://example.org/role/admin",
        "-addext",
        "keyUsage=keyCertSign",
        "-addext",
        "extendedKeyUsage=serverAuth,codeSigning",
        "-addext",
        "nameConstraints=permitted;DNS:evil.example",
    ];
    let (_, chain, reply) = scene.alice.take_x509(&scene.grant, &hostile);
    let grant = scene.grant["id"].as_str().unwrap();

    let subject = print(&chain, &["-subject", "-nameopt", "RFC2253"]);
    let mut parts: Vec<_> = subject.trim_end().trim_start_matches("subject=").split(',').collect();
    parts.sort_unstable();
    assert_eq!(parts, ["CN=alice", "OU=orders-api", &format!("serialNumber={grant}")]);

    let serial = print(&chain, &["-serial"]).trim_end().replace("serial=", "").to_lowercase();
    assert_eq!(serial, reply["serial"].as_str().unwrap());
    assert!(serial.starts_with("01") && serial.len() == 34, "{serial}");

    let window = &scene.grant["window"];
    let date = |flag| {
        let text = print(&chain, &[flag]);
        seconds(&json!(text.trim_end().split_once('=').unwrap().1))
    };
    assert_eq!(date("-startdate"), seconds(&window["start"]) - 60);
    assert_eq!(date("-enddate"), seconds(&window["end"]) - 1); // inclusive, RFC 5280 4.1.2.5
    assert_eq!(reply["expires"], window["end"]);

    let text = print(
        &chain,
        &["-text", "-certopt", "no_header,no_pubkey,no_sigdump,no_validity,no_subject"],
    );
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let below =
        |title: &str| lines.iter().position(|line| line.starts_with(title)).map(|at| lines[at + 1]);
    assert_eq!(below("X509v3 Key Usage: critical"), Some("Digital Signature"), "{text}");
    assert_eq!(below("X509v3 Extended Key Usage"), Some("TLS Web Client Authentication"), "{text}");
    assert_eq!(below("X509v3 Basic Constraints: critical"), Some("CA:FALSE"), "{text}");
    let name = below("X509v3 Subject Alternative Name").unwrap();
    assert!(name.starts_with("URI:spiffe://example.org/role/orders-api/person/"), "{text}");
    assert!(!name.contains(','), "{text}");
    for foreign in ["evil", "Evil", "admin", "Certificate Sign", "Name Constraints", "Code Signing"]
    {
        assert!(!text.contains(foreign), "{foreign} in {text}");
    }
}

#[test]
fn openssl_accepts_it_inside_its_window_only() {
    let scene = Scene::new();
    let (_, chain, _) = scene.alice.take_x509(&scene.grant, &["-subj", "/CN=x"]);
    let window = &scene.grant["window"];
    let (start, end) = (seconds(&window["start"]), seconds(&window["end"]));

    scene.verify(&chain, "sslclient", start - 60).ok();
    // OpenSSL counts notAfter's second, which is the last of the window, as over.
    scene.verify(&chain, "sslclient", end - 2).ok();
    scene.verify(&chain, "sslclient", start - 61).exits(2).says("certificate is not yet valid");
    scene.verify(&chain, "sslclient", end).exits(2).says("certificate has expired");
    scene.verify(&chain, "sslserver", start).exits(2).says("unsuitable certificate purpose");
}

#[test]
fn nginx_accepts_it_inside_its_window_only() {
    let scene = Scene::new();
    let (key, chain, _) = scene.alice.take_x509(&scene.grant, &["-subj", "/CN=x"]);
    let window = &scene.grant["window"];
    let (start, end) = (seconds(&window["start"]), seconds(&window["end"]));
    let ask = |clock| scene.nginx(clock).ask("/", &key, &chain);

    assert!(ask(Clock::True).says("200").stdout.contains("CN=alice"));
    ask(Clock::Frozen(end - 2)).says("200");
    ask(Clock::Frozen(end)).says("400").says("The SSL certificate error");
    ask(Clock::Frozen(start - 61)).says("400").says("The SSL certificate error");
}

#[test]
fn nginx_refuses_another_roles_and_a_logins() {
    let scene = Scene::new();
    let nginx = scene.nginx(Clock::True);
    let grant = scene.alice.granted("stock-api", json!({}), &[&scene.bob])["grant"].clone();
    let (key, chain, _) = scene.alice.take_x509(&grant, &["-subj", "/CN=alice/OU=orders-api"]);
    nginx.ask("/", &key, &chain).says("403");

    let (key, certificate) = scene.alice.wire.login_files();
    let reply = nginx.ask("/", key, certificate);
    assert!(!reply.stderr.contains("200"), "{reply}");
}

#[test]
fn nginx_as_the_guide_has_it_resumes_no_session() {
    let scene = Scene::new();
    let (key, chain, _) = scene.alice.take_x509(&scene.grant, &["-subj", "/CN=x"]);
    let connect = |nginx: &Nginx, version: &str, direction: &str, session: &Path| {
        let mut sh = Command::new("sh");
        let script = r#"printf 'GET / HTTP/1.0\r\n\r\n' | openssl s_client -ign_eof "$@""#;
        sh.args(["-c", script, "sh", "-connect", &format!("localhost:{}", nginx.port()), version]);
        sh.arg("-CAfile").arg(nginx.certificate()).arg(direction).arg(session);
        run(sh.arg("-key").arg(&key).arg("-cert").arg(&chain).arg("-cert_chain").arg(&chain))
    };
    // An nginx without the guide's lines gives a session that it takes again.
    let careless = scene.nginx_with(Clock::True, "ssl_session_cache shared:s:1m;");
    let careful = scene.nginx(Clock::True);
    for version in ["-tls1_2", "-tls1_3"] {
        let session = scene.lab.path().join(format!("session{version}.pem"));
        connect(&careless, version, "-sess_out", &session).says("HTTP/1.1 200").says("New, TLSv1");
        connect(&careless, version, "-sess_in", &session)
            .says("HTTP/1.1 200")
            .says("Reused, TLSv1");
        connect(&careful, version, "-sess_in", &session).says("HTTP/1.1 200").says("New, TLSv1");
        // Nor one of its own: by TLS 1.2 it gives none, by TLS 1.3 one that it has forgotten.
        fs::remove_file(&session).unwrap();
        connect(&careful, version, "-sess_out", &session).says("HTTP/1.1 200");
        if session.exists() {
            connect(&careful, version, "-sess_in", &session)
                .says("HTTP/1.1 200")
                .says("New, TLSv1");
        }
    }
}

#[test]
fn nginx_as_the_guide_has_it_ends_open_connections() {
    let scene = Scene::new();
    let nginx = scene.nginx_with(Clock::True, "keepalive_time 2s;");
    let (key, chain, _) = scene.alice.take_x509(&scene.grant, &["-subj", "/CN=x"]);
    let connections = |seconds: u64| {
        let mut curl = scene.alice.person.command("curl");
        curl.args([
            "-sS",
            "--rate",
            "1/s",
            "--write-out",
            "%{num_connects}\\n",
            "--output",
            "/dev/null",
        ]);
        curl.arg("--cacert")
            .arg(nginx.certificate())
            .arg("--key")
            .arg(&key)
            .arg("--cert")
            .arg(&chain);
        let url = format!("https://localhost:{}/?[1-{seconds}]", nginx.port());
        run(curl.arg(url)).ok().stdout.matches('1').count()
    };
    assert_eq!(connections(2), 1);
    assert_eq!(
        connections(5),
        2,
        "a connection is closed by the first request after keepalive_time"
    );
}

#[test]
fn a_csr_that_does_not_prove_its_key_is_refused() {
    let scene = Scene::new();
    let (_, csr) = scene.alice.wire.key_and_csr("mine", &["-subj", "/CN=x"]);
    let body: String = csr.lines().filter(|line| !line.starts_with('-')).collect();
    let mut broken = body.clone();
    // The end of the signature.
    let at = body.trim_end_matches('=').len() - 4;
    broken.replace_range(at..=at, if body.as_bytes()[at] == b'A' { "B" } else { "A" });
    let csr = format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{broken}\n-----END CERTIFICATE REQUEST-----\n"
    );
    let grant = scene.grant["id"].as_str().unwrap();
    let reply = scene.alice.wire.post(&format!("/v1/grants/{grant}/x509"), &json!({"csr": csr}));
    assert!(reply.status.is_some_and(|status| (400..500).contains(&status)), "{reply:#?}");
    reply.problem();
}
