//! A server: this machine's files in a copy that is thrown away, with a systemd, a network and processes of its own.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::{Lab, Output, as_root, program, repository, run, wait_for};

/// A server that systemd runs: `tests/server.sh` says how it is built. It ends with this.
#[derive(Debug)]
pub struct Server {
    name: String,
    /// Where its first process is built, and says what goes wrong.
    folder: PathBuf,
    starter: Child,
    /// Its first process, by our numbers.
    init: u32,
}

impl Server {
    /// Boots one. It reads our programs and the checkout's `deploy`, where they lie on this machine.
    pub fn boot(lab: &Lab, name: &str) -> Self {
        let folder = lab.folder(&format!("server-{name}"));
        let log = File::create(lab.path().join(format!("server-{name}.log"))).expect("a file");
        let programs = program("jit-ca").parent().expect("a folder").to_owned();
        let mut unshare = as_root("unshare");
        unshare.args(["--mount", "--pid", "--fork", "--cgroup", "--uts", "--ipc", "--net"]);
        // Without this its processes would outlive a test that is killed.
        unshare.arg("--kill-child").arg(repository().join("tests/server.sh")).arg(name);
        unshare.arg(&folder).arg(programs).arg(repository().join("deploy"));
        unshare.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let starter = unshare.spawn().expect("unshare");
        let mut server = Self { name: name.to_owned(), folder, starter, init: 0 };
        server.init = wait_for("a server's first process", || server.first_process());
        wait_for("systemd", || {
            let up = run(server.command("systemctl").args(["is-active", "server.target"]));
            (up.line() == "active").then_some(())
        });
        server
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first process, by our numbers.
    pub fn process(&self) -> u32 {
        self.init
    }

    /// A program, run by its root with nothing of our surroundings.
    pub fn command(&self, program: &str) -> Command {
        let mut command = as_root("nsenter");
        command.args(["--target", &self.init.to_string(), "--all", "--"]);
        command.args([
            "env",
            "-i",
            "--chdir=/",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root",
            program,
        ]);
        command
    }

    /// A program of this machine's, with this machine's files, in the server's network.
    pub fn beside(&self, program: &str) -> Command {
        let mut command = as_root("nsenter");
        command.args(["--target", &self.init.to_string(), "--net", "--", program]);
        command
    }

    /// Gives it and another server a cable, and each an address at its end of it.
    pub fn join(&self, other: &Self, own: &str, others: &str) {
        let (cable, end) = (format!("to-{}", other.name), format!("to-{}", self.name));
        let mut link = self.beside("ip");
        link.args(["link", "add", &cable, "type", "veth", "peer", "name", &end]);
        run(link.args(["netns", &other.init.to_string()])).ok();
        for (server, device, address) in [(self, &cable, own), (other, &end, others)] {
            let mut ip = server.beside("ip");
            run(ip.args(["address", "add", &format!("{address}/24"), "dev", device])).ok();
            run(server.beside("ip").args(["link", "set", device, "up"])).ok();
        }
    }

    /// Gives it and this machine a cable, and each an address at its end of it: ours, and its.
    pub fn plug_in(&self) -> (Ipv4Addr, Ipv4Addr) {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        // Tests of another run may have cables of their own.
        let number = loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let mut link = as_root("ip");
            link.args(["link", "add", &format!("jit-ca-{number}"), "type", "veth"]);
            link.args(["peer", "name", "lab", "netns", &self.init.to_string()]);
            if run(&mut link).code == 0 {
                break number;
            }
        };
        let (ours, its) = ([10, 78, number, 1].into(), [10, 78, number, 2].into());
        let cable = format!("jit-ca-{number}");
        run(as_root("ip").args(["address", "add", &format!("{ours}/24"), "dev", &cable])).ok();
        run(as_root("ip").args(["link", "set", &cable, "up"])).ok();
        let mut address = self.beside("ip");
        run(address.args(["address", "add", &format!("{its}/24"), "dev", "lab"])).ok();
        run(self.beside("ip").args(["link", "set", "lab", "up"])).ok();
        (ours, its)
    }

    /// Runs a script as its root.
    pub fn run(&self, script: &str) -> Output {
        run(self.command("bash").args(["-euo", "pipefail", "-c", script]))
    }

    /// Writes a file, for all to read.
    pub fn file(&self, path: &str, text: &str) {
        let mut install = self.command("install");
        install.args(["-D", "-m", "644", "/dev/stdin", path]);
        crate::program::run_with_input(&mut install, text).ok();
    }

    /// What its journal says, of a unit.
    pub fn journal(&self, unit: &str) -> String {
        run(self.command("journalctl").args(["--no-pager", "-u", unit])).stdout
    }

    /// The child of `unshare`, once it is systemd.
    fn first_process(&self) -> Option<u32> {
        let starter = self.starter.id();
        // Between us and unshare may stand sudo.
        let mut below = vec![starter];
        while let Some(process) = below.pop() {
            let children = format!("/proc/{process}/task/{process}/children");
            let children = fs::read_to_string(children).unwrap_or_default();
            let children = children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok());
            for child in children {
                let is_systemd = fs::read_link(format!("/proc/{child}/exe"))
                    .is_ok_and(|exe| exe == Path::new("/usr/lib/systemd/systemd"));
                if is_systemd {
                    return Some(child);
                }
                below.push(child);
            }
        }
        let log = self.folder.with_extension("log");
        let said = fs::read_to_string(log).unwrap_or_default();
        assert!(!self.is_over(), "the server did not boot:\n{said}");
        None
    }

    fn is_over(&self) -> bool {
        !Path::new(&format!("/proc/{}", self.starter.id())).exists()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The first process of a pid namespace takes all others with it.
        if self.init != 0 {
            run(as_root("kill").args(["-KILL", &self.init.to_string()]));
        }
        let _ = self.starter.kill();
        let _ = self.starter.wait();
        run(as_root("rm").arg("-rf").arg(&self.folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_one() {
        let lab = Lab::new();
        let server = Server::boot(&lab, "web1");
        assert_eq!(server.run("hostname").ok().line(), "web1");
        assert_eq!(server.run("cat /proc/1/comm").ok().line(), "systemd");
        server.file("/etc/jit-ca-tests/a file", "text");
        assert_eq!(server.run("cat '/etc/jit-ca-tests/a file'").ok().line(), "text");
        assert!(!Path::new("/etc/jit-ca-tests").exists(), "it has files of its own");

        let other = Server::boot(&lab, "web2");
        server.join(&other, "10.77.1.1", "10.77.1.2");
        other.run("systemctl start ssh").ok();
        server.run("exec 3<>/dev/tcp/10.77.1.2/22; head -c 4 <&3").ok().says("SSH-");
    }
}
