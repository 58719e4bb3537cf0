//! Programs started again and again: servers until they are ready, commands until they end.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::client::{Connection, tls};
use crate::load::{append, float};
use crate::sys::{self, Memory, Usage};
use crate::{Result, say};

#[derive(Args, Debug)]
pub(crate) struct ColdstartArgs {
    /// What the result line calls it
    #[arg(long)]
    name: String,
    /// Where the server listens, on this machine
    #[arg(long)]
    address: SocketAddr,
    /// PEM: what its TLS certificate is trusted by
    #[arg(long)]
    root: PathBuf,
    /// Where a GET gives 200 once the server can sign
    #[arg(long)]
    path: String,
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Seconds after which its memory is read
    #[arg(long, default_value_t = 5.0)]
    idle: f64,
    /// End it as a power cut would
    #[arg(long)]
    kill: bool,
    /// What the server says
    #[arg(long, default_value = "/dev/null")]
    log: PathBuf,
    /// Append the result line to this file
    #[arg(long)]
    out: Option<PathBuf>,
    /// The server's command, behind --
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct CommandArgs {
    /// What the result line calls it
    #[arg(long)]
    name: String,
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// Append the result line to this file
    #[arg(long)]
    out: Option<PathBuf>,
    /// The command, behind --
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Longer than any server takes.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn coldstart(args: &ColdstartArgs) -> Result<()> {
    let (mut ready, mut cpu) = (Vec::new(), Vec::new());
    let (mut resident, mut anonymous, mut of_files) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.runs {
        let begun = Instant::now();
        let mut server = start(args)?;
        let pid = server.id();
        wait_until_ready(args, &mut server, begun)?;
        ready.push(begun.elapsed().as_secs_f64() * 1000.0);
        cpu.push(Usage::of(pid).cpu * 1000.0);
        sleep(Duration::from_secs_f64(args.idle));
        let memory = Memory::of(pid);
        resident.push(memory.resident);
        anonymous.push(memory.anonymous);
        of_files.push(memory.of_files);
        let signal = if args.kill { Signal::KILL } else { Signal::TERM };
        kill_process(Pid::from_child(&server), signal)?;
        server.wait()?;
    }
    let mebibytes =
        |kib: &[u64]| median(&kib.iter().map(|kib| kib_to_mib(*kib)).collect::<Vec<_>>());
    let line = json!({
        "kind": "coldstart", "name": args.name, "runs": args.runs,
        "ready_ms": median(&ready), "ready_least_ms": least(&ready), "ready_most_ms": most(&ready),
        "cpu_ms": median(&cpu), "resident_mib": mebibytes(&resident),
        "anonymous_mib": mebibytes(&anonymous), "of_files_mib": mebibytes(&of_files),
        "load_average": sys::load_average(),
    });
    say(&line.to_string());
    append(args.out.as_deref(), &line)
}

fn start(args: &ColdstartArgs) -> Result<Child> {
    let log = File::options().create(true).append(true).open(&args.log)?;
    let (program, arguments) = args.command.split_first().ok_or("there is no command")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command.spawn()?)
}

fn wait_until_ready(args: &ColdstartArgs, server: &mut Child, begun: Instant) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tls = tls(&args.root, None)?;
    let request = format!("GET {} HTTP/1.1\r\nhost: {}\r\n\r\n", args.path, args.address);
    loop {
        let status = runtime.block_on(async {
            let mut connection = Connection::open(args.address, tls.clone()).await.ok()?;
            let (status, _) = connection.call(request.as_bytes()).await.ok()?;
            Some(status)
        });
        if status == Some(200) {
            return Ok(());
        }
        if let Some(status) = server.try_wait()? {
            return Err(format!("{} ended: {status}", args.name).into());
        }
        if begun.elapsed() > PATIENCE {
            server.kill()?;
            return Err(format!("{} is not ready", args.name).into());
        }
        // There is no event to wait for that all servers give.
        sleep(Duration::from_millis(1));
    }
}

pub(crate) fn command(args: &CommandArgs) -> Result<()> {
    let (program, arguments) = args.command.split_first().ok_or("there is no command")?;
    let run = || -> Result<f64> {
        let begun = Instant::now();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.status()?;
        let wall = begun.elapsed().as_secs_f64() * 1000.0;
        if status.success() { Ok(wall) } else { Err(format!("{}: {status}", args.name).into()) }
    };
    // The first one finds nothing in the page cache.
    run()?;
    let cpu = sys::cpu_of_children();
    let wall = (0..args.runs).map(|_| run()).collect::<Result<Vec<f64>>>()?;
    let cpu = 1000.0 * (sys::cpu_of_children() - cpu) / float(args.runs);
    let line = json!({
        "kind": "command", "name": args.name, "runs": args.runs, "wall_ms": median(&wall),
        "wall_least_ms": least(&wall), "wall_most_ms": most(&wall), "cpu_ms": cpu,
        "load_average": sys::load_average(),
    });
    say(&line.to_string());
    append(args.out.as_deref(), &line)
}

/// The value in the middle; that of two if there is no one.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => f64::NAN,
        (middle, 0) => f64::midpoint(values[middle - 1], values[middle]),
        (middle, _) => values[middle],
    }
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn kib_to_mib(kib: u64) -> f64 {
    float(usize::try_from(kib).unwrap_or_default()) / 1024.0
}
