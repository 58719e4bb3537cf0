//! A host that has enrolled, and its CA: what is done there arrives, and what ends early ends there.

use std::fs;
use std::process::Stdio;

use jit_ca_tests::{Ca, Caller, Lab, Output, Server, now, program, repository, run, wait_for};
use serde_json::{Value, json};

/// A server that systemd runs, enrolled and installed as the guides have it, with its CA on this machine.
struct Scene {
    ca: Ca,
    alice: Caller,
    bob: Caller,
    server: Server,
    /// Goes last.
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let server = Server::boot(&lab, "web1");
        let (ours, its) = server.plug_in();
        let ca = Ca::start_at(&lab, ours, &[], |config| {
            let file = config.join("jit-cad.toml");
            let text = fs::read_to_string(&file).expect("a configuration");
            let text = text.replace("\"127.0.0.1\"]", &format!("\"{ours}\"]"));
            let more = "[hosts]\nnames = [\"web1\"]\ncertificate = \"7d\"\n\
                        [recordings]\ndir = \"recordings\"\nkeep = \"90d\"\nsession = \"256 MiB\"\n";
            fs::write(file, text + more).expect("a configuration");
        });
        let [alice, bob] = ["alice", "bob"].map(|name| ca.caller(name));
        for caller in [&alice, &bob] {
            caller.person.login(&caller.authenticator.code()).ok();
        }
        // The name that ssh knows the host by is the certificate's; where it is, is the lab's.
        let options = format!(
            "-F none -o HostName={its} -o HostKeyAlias=web1 -o UserKnownHostsFile=none -o StrictHostKeyChecking=yes -o LogLevel=ERROR"
        );
        lab.script("ssh", &format!("exec /usr/bin/ssh {options} -o ConnectionAttempts=10 \"$@\""));

        server.run("id deploy || useradd --create-home --shell /bin/bash deploy").ok();
        server.run("ssh-keygen -A; rm -f /etc/ssh/sshd_config.d/*; systemctl start ssh").ok();
        let programs = program("jit-ca-host").parent().expect("a folder").display().to_string();
        let deploy = repository().join("deploy").display().to_string();
        server.run(&format!("{deploy}/install-host.sh {programs}")).ok();
        let toml = format!(
            "[ca]\nurl = \"{}\"\npin = \"{}\"\n[accounts.deploy]\ntags = [\"web-shell\"]\n",
            ca.url(),
            ca.pin()
        );
        server.file("/root/more.toml", &toml);
        server.run("cat /root/more.toml >>/etc/jit-ca/host.toml").ok();
        let token = bob.person.jit_ca(&["host", "token", "web1", "--json"]).ok().json();
        server.file("/root/token", token["token"].as_str().expect("a token"));
        server.run("jit-ca-host enroll --token-file /root/token; jit-ca-host install; systemctl enable --now jit-ca-courier").ok();
        Self { ca, alice, bob, server, lab }
    }

    /// Gives alice the role for so long, and runs a command on the host as she would.
    fn ssh(&self, command: &[&str]) -> std::process::Command {
        let mut ssh = self.alice.person.command(program("jit-ca"));
        let path = format!(
            "{}:{}",
            self.lab.folder("stand-ins").display(),
            std::env::var("PATH").expect("a path")
        );
        ssh.env("PATH", path).args(["ssh", "--role", "web-shell", "-o", "RequestTTY=force"]);
        ssh.args(["deploy@web1", "--"]).args(command);
        ssh
    }

    fn granted(&self) -> Value {
        self.alice.granted("web-shell", json!({"hosts": ["web1"]}), &[&self.bob])["grant"].clone()
    }

    /// What bob sees of sessions, without the one that `install` tried.
    fn sessions(&self) -> Vec<Value> {
        let seen = self.bob.person.jit_ca(&["sessions", "--host", "web1", "--json"]).ok().json();
        let sessions = seen.as_array().expect("a list").iter();
        sessions.filter(|session| session["name"] == "alice").cloned().collect()
    }

    fn session_id(&self) -> String {
        wait_for("a session", || {
            let found = self.sessions();
            found.first().map(|session| session["session"].as_str().expect("an id").to_owned())
        })
    }

    fn export(&self, session: &str) -> Output {
        let file = self.bob.person.file("cast");
        let file = file.to_str().expect("UTF-8");
        self.bob.person.jit_ca(&["session", "export", session, "--out", file])
    }
}

#[test]
fn what_is_done_on_a_host_arrives_at_the_ca_and_is_watched_by_leave() {
    let scene = Scene::new();
    scene.granted();
    // Nobody asks whether the host is known: its certificate says so.
    assert_eq!(run(&mut scene.ssh(&["id", "-un"])).ok().line(), "deploy");
    run(scene.ssh(&["echo", "seen-by-$USER"]).stdin(Stdio::null())).ok();
    let id = scene.session_id();
    let closed = wait_for("its end", || {
        let found = scene.sessions();
        (found.len() == 2 && found.iter().all(|session| !session["closed"].is_null()))
            .then_some(found)
    });
    assert!(closed.iter().all(|session| session["role"] == "web-shell"), "{closed:?}");
    // Whoever has no leave sees their own, and watches none.
    let own = scene.alice.person.jit_ca(&["sessions", "--json"]).ok().json();
    assert_eq!(own.as_array().expect("a list").len(), 2);
    let file = scene.alice.person.file("cast");
    let export = ["session", "export", &id, "--out", file.to_str().expect("UTF-8")];
    assert_ne!(scene.alice.person.jit_ca(&export).code, 0);
    wait_for("all of the recording", || (scene.export(&id).code == 0).then_some(()));
    let all: String = closed
        .iter()
        .map(|session| {
            scene.export(session["session"].as_str().expect("an id")).ok();
            fs::read_to_string(scene.bob.person.file("cast")).expect("a recording")
        })
        .collect();
    assert!(all.contains("\"command\":\"id -un\""), "{all}");
    assert!(all.contains("seen-by-deploy"), "{all}");
    // Nothing is left on the host.
    wait_for("the host to let go", || {
        scene
            .server
            .run("ls /var/lib/jit-ca-host/sessions")
            .ok()
            .stdout
            .contains("s-")
            .then_some(())
            .is_none()
            .then_some(())
    });
    scene
        .server
        .run("jit-ca-host doctor")
        .ok()
        .says("the clock goes with the CA's")
        .says("sshd trusts the CA's key");
}

#[test]
fn a_grant_that_is_revoked_ends_its_session_within_seconds() {
    let scene = Scene::new();
    let grant = scene.granted();
    let mut ssh = scene.ssh(&["sleep", "1001"]);
    let mut ssh = ssh.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("jit-ca");
    let id = scene.session_id();
    let grant = grant["id"].as_str().expect("an id");
    scene.bob.person.jit_ca(&["revoke", grant, "--reason", "a laptop was stolen"]).ok();
    let revoked = now();
    wait_for("its end", || {
        scene.server.run("pgrep -x sleep || true").ok().stdout.is_empty().then_some(())
    });
    assert!(now() - revoked <= 6, "{} s", now() - revoked);
    ssh.wait().expect("ssh ends");
    let why = wait_for("the CA's word", || {
        let session =
            scene.sessions().into_iter().find(|session| session["session"] == id.as_str())?;
        session["why"].as_str().map(str::to_owned)
    });
    assert_eq!(why, "grant-ended");
}

#[test]
fn while_the_ca_is_down_logins_go_on_and_nothing_is_lost() {
    let mut scene = Scene::new();
    scene.granted();
    run(&mut scene.ssh(&["true"])).ok();
    let key =
        scene.alice.person.jit_ca(&["cert", "ssh", "--role", "web-shell", "--out", "held"]).ok();
    drop(key);
    scene.ca.stop();
    let (key, stand_in) =
        (scene.alice.person.file("held/key"), scene.lab.folder("stand-ins").join("ssh"));
    let known = scene.alice.person.file(".config/jit-ca/known_hosts");
    let known = format!("GlobalKnownHostsFile={}", known.display());
    for number in 1..=3 {
        let mut ssh = scene.alice.person.command(&stand_in);
        ssh.args(["-o", &known, "-o", "IdentitiesOnly=yes", "-i"]).arg(&key);
        run(ssh.args(["deploy@web1", &format!("echo while-away-{number}")])).ok();
    }
    scene.server.run("ls -d /var/lib/jit-ca-host/sessions/s-*").ok();
    scene.ca.serve();
    let all = wait_for("all of them", || {
        let found = scene.sessions();
        let is_over = found.iter().all(|session| !session["closed"].is_null());
        (found.len() == 4 && is_over).then_some(found)
    });
    for session in all {
        let id = session["session"].as_str().expect("an id").to_owned();
        wait_for("its recording", || (scene.export(&id).code == 0).then_some(()));
    }
}
