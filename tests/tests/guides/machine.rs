//! A server's machine: this one, with folders of its own in the place of some of ours.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jit_ca_tests::{Ca, Lab, Output, Person, as_root, free_port, program, run};

/// A machine whose root works in a mount namespace. Programs of the lab come first in its PATH.
pub(super) struct Machine {
    /// What lies in the place of which folder.
    folders: Vec<(PathBuf, String)>,
    /// Where blocks are run.
    folder: PathBuf,
    /// What the blocks find in their environment.
    environment: String,
    path: String,
    /// Where the machine's server writes the number of its process.
    pub(super) pid: PathBuf,
}

impl Machine {
    /// A machine with empty folders in these places.
    pub(super) fn new(lab: &Lab, folders: &[&str]) -> Self {
        let place = |folder: &&str| {
            let own = PathBuf::from(format!("/run/jit-ca-tests/guide-{}", free_port()));
            // What lies there on this machine is hidden, so that it has to be there.
            run(as_root("mkdir").arg("-p").arg(folder)).ok();
            run(as_root("install").args(["-d", "-m", "755"]).arg(&own)).ok();
            (own, (*folder).to_owned())
        };
        let folders: Vec<_> = folders.iter().map(place).collect();
        let path = format!("{}:{}", lab.folder("stand-ins").display(), env::var("PATH").unwrap());
        let pid = lab.path().join("pid");
        Self { folders, folder: lab.folder("work"), environment: String::new(), path, pid }
    }

    /// The same, with our programs, and with a CA that they know.
    pub(super) fn of(lab: &Lab, ca: &Ca, folders: &[&str]) -> Self {
        let mut machine = Self::new(lab, folders);
        let programs = program("jit-ca");
        machine.path = format!("{}:{}", programs.parent().unwrap().display(), machine.path);
        machine.environment = format!("JIT_CA_URL={} JIT_CA_PIN={}", ca.url(), ca.pin());
        machine
    }

    /// Where blocks are run.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where on our machine a file or folder of this one's lies.
    pub(super) fn place(&self, path: &str) -> PathBuf {
        let below =
            |folder: &str| path.strip_prefix(folder).map(|rest| rest.trim_start_matches('/'));
        let mut places = self.folders.iter();
        let found = places.find_map(|(own, folder)| below(folder).map(|rest| own.join(rest)));
        found.expect("a folder of the machine's own")
    }

    /// Puts a file into a folder of the machine's.
    pub(super) fn file(&self, path: &str, lab: &Lab, text: &str) {
        let file = lab.file("file", text);
        run(as_root("install").args(["-D", "-m", "600"]).arg(file).arg(self.place(path))).ok();
    }

    /// Runs a block as this machine's root.
    pub(super) fn run(&self, block: &str) -> Output {
        run(self.root("bash").args(["-euo", "pipefail", "-c", block]))
    }

    /// A program, run by this machine's root, with nothing of our surroundings.
    pub(super) fn root(&self, program: &str) -> Command {
        let mounts: String = self
            .folders
            .iter()
            .map(|(own, folder)| format!("mount --bind {} {folder}\n", own.display()))
            .collect();
        let script = format!(
            "set -e\n{mounts}cd {}\nexec env -i PATH='{}' HOME={} {} \"$@\"",
            self.folder.display(),
            self.path,
            self.folder.display(),
            self.environment,
        );
        let mut command = as_root("unshare");
        command.args([
            "--mount",
            "--propagation",
            "private",
            "bash",
            "-c",
            &script,
            "root",
            program,
        ]);
        command
    }

    /// Runs a block as a person, whose programs are found on this machine's PATH.
    pub(super) fn run_as(&self, person: &Person, block: &str, key_id: &str) -> Output {
        let mut bash = person.command("bash");
        bash.env("PATH", &self.path).env("KEY_ID", key_id);
        run(bash.args(["-euo", "pipefail", "-c", block]))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let pid = fs::read_to_string(&self.pid).unwrap_or_default();
        run(as_root("kill").arg(pid.trim()));
        for (own, _) in &self.folders {
            run(as_root("rm").arg("-rf").arg(own));
        }
        // What root has made there, nobody else could remove.
        run(as_root("rm").arg("-rf").arg(&self.folder));
    }
}
