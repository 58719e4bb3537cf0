//! Lines of results to the tables of `docs/PERFORMANCE.md`: medians over the rounds.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::runs::median;
use crate::{Result, say};

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// The result lines
    #[arg(long)]
    results: PathBuf,
    /// A document: what stands between its marks is replaced. Without one the tables are printed
    #[arg(long)]
    into: Option<PathBuf>,
}

const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->\n";

pub(crate) fn main(args: &ReportArgs) -> Result<()> {
    let lines = fs::read_to_string(&args.results)?;
    let lines: std::result::Result<Vec<Value>, _> =
        lines.lines().map(serde_json::from_str).collect();
    let results = Results(lines?);
    let tables = format!("{}\n{}\n{}", results.targets(), results.loads(), results.runs());
    let Some(file) = &args.into else {
        say(&tables);
        return Ok(());
    };
    let document = fs::read_to_string(file)?;
    let (before, rest) = document.split_once(BEGIN).ok_or("the document has no first mark")?;
    let (_, after) = rest.split_once(END).ok_or("the document has no second mark")?;
    fs::write(file, format!("{before}{BEGIN}\n{tables}\n{END}{after}"))?;
    Ok(())
}

/// All lines that were measured.
struct Results(Vec<Value>);

/// A cell: a server, what it certified, over how many connections, in closed or open loop.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cell<'a> {
    kind: &'a str,
    server: &'a str,
    connections: u64,
    open: bool,
}

impl<'a> Cell<'a> {
    fn of(line: &'a Value) -> Option<Self> {
        if line["kind"] != "load" {
            return None;
        }
        Some(Self {
            kind: line["target"].as_str()?.rsplit_once('-')?.1,
            server: line["server"].as_str()?,
            connections: line["connections"].as_u64()?,
            open: !line["rate"].is_null(),
        })
    }

    /// 64 connections in closed loop: what is compared.
    fn at_64(kind: &'a str, server: &'a str) -> Self {
        Self { kind, server, connections: 64, open: false }
    }
}

impl Results {
    fn values(&self, cell: Cell<'_>, field: &str) -> Vec<f64> {
        let lines = self.0.iter().filter(|line| Cell::of(line) == Some(cell));
        lines.filter_map(|line| line[field].as_f64()).collect()
    }

    fn get(&self, cell: Cell<'_>, field: &str) -> f64 {
        median(&self.values(cell, field))
    }

    /// The median of a field over all lines of a kind and a name.
    fn named(&self, kind: &str, name: &str, field: &str) -> f64 {
        let lines = self.0.iter().filter(|line| line["kind"] == kind && line["name"] == name);
        median(&lines.filter_map(|line| line[field].as_f64()).collect::<Vec<_>>())
    }

    fn bytes(&self, server: &str, kind: &str) -> f64 {
        let is_it = |line: &&Value| {
            line["kind"] == "disk"
                && line["name"] == server
                && line["target"].as_str().is_some_and(|target| target.ends_with(kind))
        };
        let lines = self.0.iter().filter(is_it);
        median(&lines.filter_map(|line| line["bytes"].as_f64()).collect::<Vec<_>>())
    }

    /// The table of what is to be reached.
    fn targets(&self) -> String {
        let mut table = String::from(
            "| what | jit-ca | step-ca | OpenBao | to reach |\n| --- | --: | --: | --: | --- |\n",
        );
        let mut row = |cells: [&str; 5]| {
            table += &format!("| {} |\n", cells.join(" | "));
        };
        for (kind, name, goal) in
            [("ssh", "SSH", "≥ 4 × step-ca, ≥ 6 × OpenBao"), ("x509", "X.509", "≥ 6 × either")]
        {
            let rate = |server| self.get(Cell::at_64(kind, server), "per_second");
            let ours = rate("jit-ca");
            let times = |server| format!("{:.0} (× {:.1})", rate(server), ours / rate(server));
            let mut openbao = times("openbao");
            if kind == "x509" {
                openbao = format!("{openbao}; not storing {}", times("openbao-unstored"));
            }
            let what = format!("{name} issuances a second, 64 connections");
            row([&what, &format!("{ours:.0}"), &times("step-ca"), &openbao, goal]);
        }
        let both = |server: &str, field: &str, digits: usize| {
            let unstored = if server == "openbao" { "openbao-unstored" } else { server };
            let ssh = self.get(Cell::at_64("ssh", server), field);
            let x509 = self.get(Cell::at_64("x509", unstored), field);
            format!("{ssh:.digits$} / {x509:.digits$}")
        };
        let servers = ["jit-ca", "step-ca", "openbao"];
        let [ours, step_ca, openbao] = servers.map(|server| both(server, "cpu_ms", 2));
        let what = "server CPU for a certificate, SSH / X.509, ms";
        row([what, &ours, &step_ca, &openbao, "≤ 0.16"]);
        let [ours, step_ca, openbao] = servers.map(|server| both(server, "p99_ms", 0));
        let what = "p99 at 64 connections, closed loop, SSH / X.509, ms";
        row([what, &ours, &step_ca, &openbao, "≤ 1/3 of step-ca's"]);
        let [ours, step_ca, openbao] = servers.map(|server| {
            let unstored = if server == "openbao" { "openbao-unstored" } else { server };
            let p99 = |kind, server| {
                let cell = Cell { open: true, ..Cell::at_64(kind, server) };
                self.get(cell, "p99_ms")
            };
            format!("{:.1} / {:.1}", p99("ssh", server), p99("x509", unstored))
        });
        let what = "p99 at 70 % of the own highest rate, SSH / X.509, ms";
        row([what, &ours, &step_ca, &openbao, "≤ 10"]);
        let share = |kind| {
            let rate = |server| self.get(Cell::at_64(kind, server), "per_second");
            100.0 * rate("jit-ca") / rate("limit")
        };
        let shares = format!("{:.0} % / {:.0} %", share("ssh"), share("x509"));
        row(["share of the physical limit, SSH / X.509", &shares, "", "", "≥ 70 %"]);
        let [ours, step_ca, openbao] = servers.map(|server| {
            let memory = self.named("coldstart", server, "resident_mib");
            format!("{memory:.0} MiB, {:.0} ms", self.named("coldstart", server, "ready_ms"))
        });
        row(["idle memory, start to ready", &ours, &step_ca, &openbao, "≤ 20 MiB, ≤ 50 ms"]);
        let killed = "jit-ca-filled-and-killed";
        let memory = self.named("coldstart", killed, "resident_mib");
        let ours =
            format!("{memory:.0} MiB, {:.0} ms", self.named("coldstart", killed, "ready_ms"));
        row(["the same, filled and after kill -9", &ours, "", "", "the same"]);
        let [ours, step_ca, openbao] = servers.map(|server| {
            format!("{:.0} / {:.0}", self.bytes(server, "ssh"), self.bytes(server, "x509"))
        });
        let what = "bytes on disk for an issuance, SSH / X.509";
        row([what, &ours, &step_ca, &openbao, "≤ 2048"]);
        let wall = |name| format!("{:.0} ms", self.named("command", name, "wall_ms"));
        let ours = format!("{} / {}", wall("jit-ca cert ssh"), wall("jit-ca cert x509"));
        let openbao = wall("bao write ssh/sign");
        row(["a command that issues, SSH / X.509", &ours, "", &openbao, "≤ 30 ms"]);
        table
    }

    /// All that was measured under load.
    fn loads(&self) -> String {
        let mut text = String::new();
        for open in [false, true] {
            let title = if open { "At 70 % of the own highest rate" } else { "Closed loop" };
            let _ = writeln!(text, "### {title}\n\n{LOADS}");
            let cells: BTreeSet<Cell<'_>> = self.0.iter().filter_map(Cell::of).collect();
            for cell in cells.into_iter().filter(|cell| cell.open == open) {
                let get = |field| self.get(cell, field);
                let rates = self.values(cell, "per_second");
                let Cell { kind, server, connections, .. } = cell;
                let _ = writeln!(
                    text,
                    "| {kind} | {server} | {connections} | {:.0} | {:.0}–{:.0} | {:.2} | {:.2} | {:.2} | {:.3} | {:.2} \
                     | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} |",
                    get("per_second"),
                    rates.iter().copied().fold(f64::INFINITY, f64::min),
                    rates.iter().copied().fold(0.0, f64::max),
                    get("p50_ms"),
                    get("p99_ms"),
                    get("p999_ms"),
                    get("cpu_ms"),
                    get("server_cores"),
                    get("client_cores"),
                    get("peak_kib") / 1024.0,
                    get("written_bytes"),
                    get("other_percent") + get("stolen_percent"),
                    self.values(cell, "errors").iter().sum::<f64>(),
                );
            }
            text.push('\n');
        }
        text
    }

    /// Servers' starts and commands.
    fn runs(&self) -> String {
        let mut text = format!("### Starts and commands\n\n{RUNS}\n");
        for line in &self.0 {
            let number = |field: &str| line[field].as_f64().unwrap_or(f64::NAN);
            let name = line["name"].as_str().unwrap_or_default();
            let (wall, memory) = match line["kind"].as_str() {
                Some("coldstart") => ("ready", format!("{:.0}", number("resident_mib"))),
                Some("command") => ("wall", String::new()),
                _ => continue,
            };
            let [middle, least, most] =
                ["ms", "least_ms", "most_ms"].map(|field| number(&format!("{wall}_{field}")));
            let cpu = number("cpu_ms");
            let _ = writeln!(
                text,
                "| {name} | {} | {middle:.1} | {least:.1}–{most:.1} | {cpu:.1} | {memory} |",
                line["runs"]
            );
        }
        text
    }
}

const LOADS: &str = "| | server | connections | issued/s | least–most | p50 ms | p99 ms | p99.9 ms | server CPU ms/cert \
| server cores | client cores | peak MiB | written B/cert | others % | errors |
| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |";
const RUNS: &str = "| what | runs | wall ms | least–most | CPU ms | idle MiB |
| --- | --: | --: | --: | --: | --: |";
