#!/usr/bin/python3
"""What the guard costs on a host: sessions at once, keystrokes, scp. Beside it the same sshd without the guard.

    cargo build --release -p jit-ca-host && tests/bench/hosts.py [sessions] [MiB for scp]

As root. It starts two sshd of its own on loopback, makes an account `deploy` if there is none, and leaves the machine's
sshd alone.
"""

import os
import pathlib
import pty
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import tty

SESSIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
MIB = int(sys.argv[2]) if len(sys.argv) > 2 else 1024
ROOT = pathlib.Path(__file__).resolve().parents[2]
LAB = pathlib.Path(tempfile.mkdtemp(prefix="jit-ca-bench-", dir="/var/lib"))
SSH = ["ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
       "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def sshd(port, guarded):
    """An sshd; with the guard, told of by PAM, or as it comes."""
    name = f"jit-ca-bench-{port}"
    call = f"{LAB}/jit-ca-host --config {LAB}/host.toml pam"
    hooks = [f"account required pam_exec.so quiet stdout {call}", f"session required pam_exec.so quiet {call}"]
    pam = ["auth required pam_deny.so", "account required pam_permit.so", "session required pam_permit.so"]
    pathlib.Path("/etc/pam.d", name).write_text("\n".join(pam + (hooks if guarded else [])) + "\n")
    # sshd calls its PAM service by its own name.
    os.symlink("/usr/sbin/sshd", LAB / name)
    guard = f"ForceCommand {LAB}/jit-ca-guard --config {LAB}/host.toml" if guarded else ""
    (LAB / f"{name}.conf").write_text(f"""Port {port}
ListenAddress 127.0.0.1
HostKey {LAB}/host_key
PidFile none
TrustedUserCAKeys {LAB}/ca.pub
AuthorizedPrincipalsFile {LAB}/principals
UsePAM yes
MaxStartups 1000
ExposeAuthInfo yes
Subsystem sftp /usr/lib/openssh/sftp-server
{guard}
""")
    return subprocess.Popen([str(LAB / name), "-D", "-f", str(LAB / f"{name}.conf"), "-E", str(LAB / f"{name}.log")])


def certify(seconds):
    """A certificate for both; the second in which it ends."""
    end = int(time.time()) + seconds
    run("ssh-keygen", "-q", "-s", LAB / "ca", "-I", "bench", "-n", "web", "-V", f"{end - 3600:#x}:{end:#x}", LAB / "id.pub")
    return end


def ssh(port, *words):
    return [*SSH, "-i", str(LAB / "id"), "-p", str(port), *words]


def keystrokes(port, rounds):
    """Seconds from a key to its echo, by a program on the other side that gives back each byte."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    client = subprocess.Popen(ssh(port, "-tt", "deploy@127.0.0.1", "stty raw -echo; echo ready; exec cat"),
                              stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    seen = b""
    while b"ready" not in seen or not seen.endswith(b"\n"):
        seen += os.read(master, 100)
    yield None
    for _ in range(rounds):
        began = time.perf_counter()
        os.write(master, b"x")
        assert os.read(master, 10) == b"x"
        yield time.perf_counter() - began
    client.kill()
    client.wait()


def latency(rounds=2000):
    """The two in turn, so that both have the machine's moods."""
    taken = {port: [] for port in PORTS}
    typists = {port: keystrokes(port, rounds) for port in PORTS}
    for typist in typists.values():
        next(typist)
    for _ in range(rounds):
        for port, typist in typists.items():
            taken[port].append(next(typist))
            time.sleep(0.001)
    for typist in typists.values():
        next(typist, None)
    plain, guarded = (statistics.median(taken[port]) * 1e6 for port in PORTS)
    print(f"keystroke to echo, median of {rounds}: {plain:.0f} us without, {guarded:.0f} us with: {guarded - plain:+.0f} us")


def throughput(rounds=9):
    sent, there = pathlib.Path("/dev/shm/jit-ca-bench"), "/dev/shm/jit-ca-bench-there"
    with sent.open("wb") as file:
        for _ in range(MIB):
            file.write(os.urandom(1 << 20))
    taken = {port: [] for port in PORTS}
    for number in range(rounds):
        for port in PORTS[:: 1 if number % 2 else -1]:
            began = time.perf_counter()
            run("scp", *SSH[1:], "-i", LAB / "id", "-P", port, sent, f"deploy@127.0.0.1:{there}")
            taken[port].append(time.perf_counter() - began)
            pathlib.Path(there).unlink()
    sent.unlink()
    plain, guarded = (min(taken[port]) for port in PORTS)
    print(f"scp of {MIB} MiB, best of {rounds}: {plain:.2f} s without, {guarded:.2f} s with: {guarded / plain - 1:+.1%}")


def memory(pids, what):
    """KiB, by a line of smaps_rollup (proc(5)): Pss shares what several have in common."""
    total = 0
    for pid in pids:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith(what))
    return total


def processor(pids):
    """Seconds."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def of(name):
    return [int(pid) for pid in subprocess.run(["pgrep", "-f", f"^{name}"], capture_output=True, text=True).stdout.split()]


def sessions():
    alone = memory([HOSTD.pid], "Pss:")
    end = certify(60 + SESSIONS // 2)
    clients = []
    for number in range(SESSIONS):
        clients.append(subprocess.Popen(ssh(PORTS[1], "-tt", "deploy@127.0.0.1", "sleep 987654"), stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        if number % 10 == 9:
            time.sleep(0.5)
    while len(of("sleep 987654")) < SESSIONS:
        time.sleep(1)
        assert time.time() < end - 12, f"only {len(of('sleep 987654'))} came up"
    guards = of(f"{LAB}/jit-ca-guard")
    pss, rss = (memory(guards, what) / SESSIONS for what in ("Pss:", "Rss:"))
    hostd = (memory([HOSTD.pid], "Pss:") - alone) / SESSIONS
    before, at = processor([HOSTD.pid]), time.time()
    guards_before = processor(guards)
    time.sleep(8)
    spent, guards_spent = processor([HOSTD.pid]) - before, processor(guards) - guards_before
    seconds = time.time() - at
    print(f"{SESSIONS} sessions, each: hostd {hostd:.0f} KiB more (from {alone} KiB), guard {pss:.0f} KiB (RSS {rss:.0f} KiB)")
    print(f"  processor while they idle: hostd {spent / seconds:.2%} of one for all, guards {guards_spent / seconds:.2%}")
    late = None
    while time.time() < end + 10:
        ours = subprocess.run(["pgrep", "-P", str(DAEMONS[1].pid)], capture_output=True).stdout
        if not of("sleep 987654") and not of(f"{LAB}/jit-ca-guard") and not ours:
            late = time.time() - end
            break
        time.sleep(0.05)
    print(f"  the last process of all was gone {late:.2f} s after the end" if late else "  NOT ENDED IN TIME")
    for client in clients:
        client.kill()
        client.wait()


PORTS = [28_722, 28_723]
subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", "deploy"], capture_output=True)
LAB.chmod(0o755)
for program in ["jit-ca-hostd", "jit-ca-guard", "jit-ca-host"]:
    shutil.copy(ROOT / "target/release" / program, LAB)
for key in ["ca", "id", "host_key"]:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", LAB / key)
(LAB / "principals").write_text("web\n")
(LAB / "host.toml").write_text(f"""[host]
name = "web1"
[accounts.deploy]
tags = ["web"]
[places]
run = "{LAB}/run"
state = "{LAB}/state"
programs = "{LAB}"
""")
os.makedirs("/run/sshd", exist_ok=True)
HOSTD = subprocess.Popen([str(LAB / "jit-ca-hostd"), "--config", str(LAB / "host.toml")], stderr=subprocess.DEVNULL)
DAEMONS = [sshd(PORTS[0], False), sshd(PORTS[1], True)]
try:
    time.sleep(1)
    certify(3600)
    latency()
    throughput()
    sessions()
finally:
    for daemon in DAEMONS + [HOSTD]:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()
    for port in PORTS:
        pathlib.Path(f"/etc/pam.d/jit-ca-bench-{port}").unlink(missing_ok=True)
    shutil.rmtree(LAB, ignore_errors=True)
