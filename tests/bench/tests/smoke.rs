//! That the benchmark measures what it says: certificates that a real jit-cad issued, each counted once. How fast is
//! not asked here.

#![expect(clippy::expect_used, reason = "a test that can't go on fails")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use jit_ca_tests::{Lab, program, run, wait_for};
use serde_json::Value;

/// The daemon that the load is put on. It ends with its test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn certificates_under_load_are_verified_and_counted() {
    let lab = Lab::new();
    let folder = lab.path().join("bench");
    let mut prepare = bench("prepare");
    run(prepare.arg("--dir").arg(&folder).args(["--people", "2"])).ok();
    let prepared = folder.join("prepared.json");
    let told: Value = json(&prepared);
    let text = |name: &str| told[name].as_str().expect("a text").to_owned();
    let (address, root) = (text("address"), text("root"));
    let daemon = serve(&folder.join("ca/config/jit-cad.toml"), &address);
    let url = format!("https://{address}/log/checkpoint");
    let size = || -> u64 {
        let curl = run(Command::new("curl").args(["-sS", "--cacert", &root, &url])).ok();
        // C2SP tlog-checkpoint: the second line.
        curl.stdout.lines().nth(1).and_then(|size| size.parse().ok()).expect("a size")
    };

    for target in ["jit-ca-ssh", "jit-ca-x509"] {
        let before = size();
        let out = lab.path().join(target);
        let mut load = bench("load");
        load.args(["--target", target, "--address", &address, "--connections", "4"]);
        load.args(["--seconds", "1", "--warm-up", "0", "--pid", &daemon.0.id().to_string()]);
        run(load.arg("--prepared").arg(&prepared).arg("--out").arg(&out)).ok();
        let line = json(&out);
        let number = |name: &str| line[name].as_u64().expect("a number");
        assert_eq!(number("errors"), 0, "{line:#}");
        assert!(number("issued") > 0 && number("verified") > 0, "{line:#}");
        // The log has an intent and an outcome of each.
        let entries = 2 * number("issued_in_all");
        wait_for("an entry for each certificate", || (size() == before + entries).then_some(()));
    }
}

fn bench(command: &str) -> Command {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_jit-ca-bench"));
    let daemon = program("jit-cad");
    bench.arg(command).env("JIT_CA_BIN_DIR", daemon.parent().expect("a folder"));
    bench
}

fn serve(config: &Path, address: &str) -> Daemon {
    let mut serve = Command::new(program("jit-cad"));
    serve.arg("serve").arg("--config").arg(config).args(["--listen", address]);
    serve.env("JIT_CAD_PASSPHRASE", "the passphrase of a test");
    let mut daemon = serve.stdout(Stdio::piped()).spawn().expect("jit-cad");
    let stdout = daemon.stdout.take().expect("a pipe");
    let daemon = Daemon(daemon);
    let mut said = BufReader::new(stdout).lines().map_while(Result::ok);
    assert!(said.any(|line| line == "ready"), "jit-cad does not start");
    daemon
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).expect("a file")).expect("JSON")
}
