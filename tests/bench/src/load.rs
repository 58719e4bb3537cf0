//! One server, so many connections, one line of results.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use clap::Args;
use jit_ca_tests::now;
use serde_json::{Value, json};

use crate::drive::{Outcome, Plan, Pools, Server, drive};
use crate::sys::{self, Machine, Memory, Usage};
use crate::{Result, say, target};

#[derive(Args, Debug)]
pub(crate) struct LoadArgs {
    /// A server (jit-ca, openbao, step-ca) and what it certifies: jit-ca-ssh, step-ca-x509, …
    #[arg(long)]
    pub(crate) target: String,
    /// Where it listens, on this machine
    #[arg(long)]
    pub(crate) address: SocketAddr,
    /// Its process
    #[arg(long)]
    pub(crate) pid: u32,
    /// PEM: what its TLS certificate is trusted by (openbao, step-ca)
    #[arg(long)]
    pub(crate) root: Option<PathBuf>,
    /// Where requests are posted to (openbao)
    #[arg(long)]
    pub(crate) path: Option<String>,
    /// The JWK provisioner's key, PKCS#8 (step-ca)
    #[arg(long)]
    pub(crate) provisioner_key: Option<PathBuf>,
    /// PEM: the certificate of the CA that has to have signed X.509 leaves (openbao, step-ca)
    #[arg(long)]
    pub(crate) issuer: Option<PathBuf>,
    /// What `prepare` or `limit` wrote (jit-ca)
    #[arg(long)]
    pub(crate) prepared: Option<PathBuf>,
    /// Connections
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Measured seconds
    #[arg(long, default_value_t = 15.0)]
    pub(crate) seconds: f64,
    /// Seconds before that
    #[arg(long, default_value_t = 3.0)]
    pub(crate) warm_up: f64,
    /// Open loop: so many requests a second, on all connections together
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Open loop: this share of the highest rate that the series has in `out`
    #[arg(long, requires_all = ["out", "tag"], conflicts_with = "rate")]
    pub(crate) share: Option<f64>,
    /// Fields of the result line: NAME=TEXT
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// Append the result line to this file
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
}

pub(crate) fn main(args: &LoadArgs) -> Result<()> {
    let (kind, target) = target::build(args)?;
    let server = Arc::new(Server { target, kind, address: args.address });
    // One thread: that it is not the limit can be seen by `client_cores`.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let line = runtime.block_on(measure(&server, args))?;
    say(&summary(&line));
    append(args.out.as_deref(), &line)
}

async fn measure(server: &Arc<Server>, args: &LoadArgs) -> Result<Value> {
    let load_average = sys::load_average();
    let rate = match args.share {
        Some(share) => Some(share * highest_rate(args)?),
        None => args.rate,
    };
    let plan =
        Plan { connections: args.connections, warm_up: args.warm_up, measured: args.seconds, rate };
    // How many requests will be needed.
    let mut before = Outcome::default();
    let expected = match rate {
        Some(rate) => rate * 1.02,
        None => {
            let pools = Pools::fill(server, args.connections, 3000.max(args.connections * 16));
            let try_out = Plan { warm_up: 0.0, measured: 1.0, ..plan };
            let (outcome, seconds) = drive(server, pools, try_out, || (), || ()).await?;
            if let Some(error) = outcome.first_error {
                return Err(error.into());
            }
            let rate = float(outcome.issued) / seconds.max(0.05);
            before = outcome;
            rate * HEADROOM
        }
    };
    let needed = whole(expected * (args.warm_up + args.seconds)) + args.connections * 8 + 500;
    let pools = Pools::fill(server, args.connections, needed);

    sys::reset_peak(args.pid);
    let look = || (Usage::of(args.pid), Machine::now(), Usage::of(process::id()).cpu);
    let (mut first, mut last) = (look(), look());
    let (outcome, seconds) =
        drive(server, pools, plan, || first = look(), || last = look()).await?;
    let memory = Memory::of(args.pid);
    let ((usage_0, machine_0, own_0), (usage_1, machine_1, own_1)) = (first, last);
    let issued = float(outcome.latencies.len());
    let cpu = usage_1.cpu - usage_0.cpu;
    let own_cpu = own_1 - own_0;
    let all = (machine_1.all - machine_0.all).max(0.01);
    let each = |number: u64| float(usize::try_from(number).unwrap_or_default()) / issued;
    let percent = |seconds: f64| 100.0 * seconds.max(0.0) / all;
    let mut line = json!({
        "kind": "load", "target": args.target, "connections": args.connections, "rate": rate,
        "seconds": seconds, "issued": outcome.latencies.len(),
        "issued_in_all": before.issued + outcome.issued, "verified": outcome.verified,
        "errors": outcome.errors, "first_error": outcome.first_error, "exhausted": outcome.exhausted,
        "per_second": issued / seconds,
        "p50_ms": outcome.quantile_ms(0.5), "p99_ms": outcome.quantile_ms(0.99),
        "p999_ms": outcome.quantile_ms(0.999), "max_ms": outcome.quantile_ms(1.0),
        "cpu_ms": 1000.0 * cpu / issued, "server_cores": cpu / seconds,
        "client_cpu_ms": 1000.0 * own_cpu / issued, "client_cores": own_cpu / seconds,
        "peak_kib": memory.peak, "anonymous_kib": memory.anonymous,
        "written_bytes": each(usage_1.written - usage_0.written),
        "writes": each(usage_1.writes - usage_0.writes),
        "other_percent": percent(machine_1.busy - machine_0.busy - cpu - own_cpu),
        "stolen_percent": percent(machine_1.stolen - machine_0.stolen),
        "waiting_percent": percent(machine_1.waiting - machine_0.waiting),
        "load_average": load_average, "time": now(),
    });
    for tag in &args.tag {
        let (name, text) = tag.split_once('=').ok_or("--tag wants NAME=TEXT")?;
        line[name] = json!(text);
    }
    Ok(line)
}

/// The highest rate among the lines with the same tags.
fn highest_rate(args: &LoadArgs) -> Result<f64> {
    let mut highest: f64 = 0.0;
    for line in fs::read_to_string(args.out.as_deref().ok_or("--out is needed")?)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        let is_tagged =
            |tag: &String| tag.split_once('=').is_some_and(|(name, text)| line[name] == text);
        if args.tag.iter().all(is_tagged) {
            highest = highest.max(line["per_second"].as_f64().unwrap_or_default());
        }
    }
    if highest > 0.0 { Ok(highest) } else { Err("the series has no rate yet".into()) }
}

/// A server can be faster than it was in its first second.
const HEADROOM: f64 = 1.7;

/// Appends a line of results to a file, if there is one.
pub(crate) fn append(file: Option<&Path>, line: &Value) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    let mut file = File::options().create(true).append(true).open(file)?;
    Ok(writeln!(file, "{line}")?)
}

fn summary(line: &Value) -> String {
    let number = |name: &str| line[name].as_f64().unwrap_or(f64::NAN);
    let mut text = format!(
        "{:<16} {:<12} {:>3} conns {:>7.0}/s  p50 {:.2} p99 {:.2} p99.9 {:.2} ms | server {:.3} ms/cert, {:.2} cores \
         | client {:.3} ms/cert, {:.2} cores | peak {:.0} MiB | {:.0} B written/cert, {:.1} writes | others {:.0} %, \
         stolen {:.0} %, waiting {:.0} % | verified {} | errors {}",
        line["server"].as_str().unwrap_or_default(),
        line["target"].as_str().unwrap_or_default(),
        line["connections"],
        number("per_second"),
        number("p50_ms"),
        number("p99_ms"),
        number("p999_ms"),
        number("cpu_ms"),
        number("server_cores"),
        number("client_cpu_ms"),
        number("client_cores"),
        number("peak_kib") / 1024.0,
        number("written_bytes"),
        number("writes"),
        number("other_percent"),
        number("stolen_percent"),
        number("waiting_percent"),
        line["verified"],
        line["errors"],
    );
    if let Some(error) = line["first_error"].as_str() {
        text += &format!(" ({error})");
    }
    if line["exhausted"] == true {
        text += " REQUESTS RAN OUT";
    }
    text
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts of a few minutes")]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

/// A number as a count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "cut, and never below 0"
)]
pub(crate) fn whole(number: f64) -> usize {
    number as usize
}
