//! The README's five minutes, typed into a shell as they stand there.
//!
//! Two things alone are not as in the README: the port, which may be taken here, and `cargo build`, which
//! has been done for all tests. Its two commands at the top are run as well: `./deploy/demo.sh` by
//! `demo.rs`, and `./tests/run.sh` is what runs these tests.

use std::collections::{HashMap, VecDeque};
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use jit_ca_tests::{
    Authenticator, Clock, Lab, Output, Sshd, Terminal, blocks, free_port, now, seconds,
};

/// The commands of the tour in their order: how each begins, its exit code, and what it says.
const TOUR: [(&str, i32, &[&str]); 21] = [
    ("cargo build ", 0, &[]),
    ("export PATH=", 0, &[]),
    ("mkdir tour ", 0, &[]),
    ("jit-cad init ", 0, &["pin SHA256:"]),
    ("for name in alice carol", 0, &[]),
    ("jit-cad check-config ", 0, &["no faults"]),
    ("jit-cad serve ", 0, &[]),
    ("url=", 0, &[]),
    ("as() {", 0, &[]),
    ("as alice jit-ca mfa enroll ", 0, &["secret ", "is enrolled"]),
    ("as carol jit-ca mfa enroll ", 0, &["secret ", "is enrolled"]),
    ("as alice jit-ca login", 0, &["local/u-1001", "second factor"]),
    ("as alice jit-ca roles", 0, &["web-shell"]),
    ("as alice jit-ca request ", 75, &["pending", "web1", "INC-42: orders time out"]),
    ("as carol jit-ca requests", 0, &["alice", "web-shell"]),
    ("as carol jit-ca approve ", 0, &["INC-42: orders time out", "sign this", "approved"]),
    ("as alice jit-ca cert ssh ", 0, &["keys/key-cert.pub", "web-shell"]),
    ("ssh-keygen -L ", 0, &["web-shell.web1", ":alice\""]),
    ("as alice jit-ca status", 0, &["active"]),
    ("as carol jit-ca log list", 0, &["approval", "issue.intent", "issue.done"]),
    ("as carol jit-ca log verify", 0, &["holds"]),
];

/// The reader: a shell, and an authenticator for each person that they play.
struct Reader {
    lab: Lab,
    port: u16,
    shell: Terminal,
    authenticators: HashMap<String, Authenticator>,
    /// The request that waits.
    request: String,
}

impl Reader {
    /// Somebody in a clone of which only the build's programs are needed.
    fn new() -> Self {
        let lab = Lab::new();
        let arguments = "build --locked --package jit-cad --package jit-ca";
        let bin = lab.cargo(arguments, "target/debug");
        let path = format!("{}:{}", bin.display(), env::var("PATH").unwrap());
        let mut shell = Command::new("env");
        shell.current_dir(lab.folder("clone")).env_clear();
        shell.env("PATH", path).env("HOME", lab.path());
        let shell = Terminal::open(shell);
        Self {
            lab,
            port: free_port(),
            shell,
            authenticators: HashMap::new(),
            request: String::new(),
        }
    }

    /// Types one of the README's commands.
    #[track_caller]
    fn types(&mut self, command: &str) -> Output {
        let id = self.request.get(self.request.len().saturating_sub(4)..).unwrap();
        let command = command.replace("approve ID", &format!("approve {id}"));
        let command = command.replace("8440", &self.port.to_string());
        let name = command.strip_prefix("as ").and_then(|rest| rest.split(' ').next());
        let name = name.unwrap_or_default().to_owned();
        self.shell.run(&command, |said| answer(&mut self.authenticators, &name, said))
    }

    /// What a command prints, beside all that the daemon says at the same terminal.
    fn reads(&mut self, command: &str) -> String {
        self.types(&format!("{command} > out")).ok();
        fs::read_to_string(self.tour("out")).unwrap()
    }

    /// How long a person's login lasts from now.
    fn login_lasts(&mut self, name: &str) -> u64 {
        let me = self.reads(&format!("as {name} jit-ca whoami --json"));
        let me: serde_json::Value = serde_json::from_str(&me).unwrap();
        seconds(&me["login"]["expires"]) - now()
    }

    fn tour(&self, file: &str) -> PathBuf {
        self.lab.path().join("clone/tour").join(file)
    }
}

/// What a person answers to what they are asked: yes, or a code of their authenticator, whose secret
/// they have just been shown or know.
fn answer(known: &mut HashMap<String, Authenticator>, name: &str, said: &str) -> String {
    if said.ends_with("[y/N] ") {
        return "y".to_owned();
    }
    if let Some(authenticator) = Authenticator::shown_in(said) {
        known.insert(name.to_owned(), authenticator);
    }
    known[name].code()
}

/// A block's commands; what is indented belongs to the line before it, and `done` as well.
fn commands(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in text.lines() {
        match commands.last_mut() {
            Some(last) if line.starts_with(' ') || line == "done" => {
                last.push('\n');
                last.push_str(line);
            }
            _ => commands.push(line.to_owned()),
        }
    }
    commands
}

#[test]
fn the_five_minutes_of_the_readme_work_as_they_stand() {
    let mut reader = Reader::new();
    let mut expected = VecDeque::from(TOUR);
    for block in blocks("README.md") {
        if block.who == "web1" {
            log_in_to_web1(&mut reader, &block.text);
            continue;
        }
        assert_eq!(block.who, "tour");
        for command in commands(&block.text) {
            let (beginning, code, said) = expected.pop_front().expect("a command that TOUR has");
            assert!(command.starts_with(beginning), "{command}");
            let output = reader.types(&command).exits(code);
            said.iter().fold(output.clone(), |output, text| output.says(text));
            after(&mut reader, beginning, &output);
        }
    }
    assert!(expected.is_empty(), "the README leaves out {expected:?}");

    // "Afterwards": the daemon ends well, and its log holds.
    reader.types("kill %1").ok();
    reader.types("wait %1").ok();
    reader.types("jit-cad log check --config ca/config/jit-cad.toml").ok().says("entries hold");
}

/// What stands between two commands, and what the README says of them beside what they print.
fn after(reader: &mut Reader, command: &str, output: &Output) {
    match command {
        "jit-cad init " => {
            let file = reader.tour("ca/config/jit-cad.toml");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(file, text.replace("8440", &reader.port.to_string())).unwrap();
        }
        "jit-cad serve " => reader.shell.shows("\nready\n"),
        "as alice jit-ca mfa enroll " => {
            assert!((590..=600).contains(&reader.login_lasts("alice")));
        }
        "as alice jit-ca login" => {
            assert!((43_190..=43_200).contains(&reader.login_lasts("alice")));
        }
        "as alice jit-ca request " => {
            let mut words = output.stdout.split_whitespace();
            let id = words.find(|word| word.starts_with("r-")).expect("an id");
            id.clone_into(&mut reader.request);
        }
        _ => {}
    }
}

/// `deploy@web1` is a real sshd's that trusts the CA.
fn log_in_to_web1(reader: &mut Reader, command: &str) {
    let user_ca = reader.reads("as alice jit-ca trust --ssh-user-ca");
    let principals = ["web-shell", "web-shell.web1"];
    let sshd =
        Sshd::start(&reader.lab, Clock::True, user_ca.trim_end(), &[("deploy", &principals)]);
    let options = sshd.options().join(" ");
    reader.lab.script("ssh", &format!("exec /usr/bin/ssh -F none {options} \"$@\""));
    let mut lines = ["echo I am $(whoami)", "exit 3"].into_iter();
    let remote_shell = |_: &str| lines.next().expect("no more questions").to_owned();
    // What ssh ends with is what the remote shell does.
    reader.shell.run(command, remote_shell).exits(3).says("I am deploy");
    assert!(sshd.log().contains(":alice\""), "{}", sshd.log());
}
