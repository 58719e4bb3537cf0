//! Honest calls, measured: on connections that are open, and on new ones, handshake and all.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::client::TlsStream;

use crate::connect::{Connecting, LoginArgs};

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct HonestArgs {
    /// Whom to call
    address: SocketAddr,
    /// How many clients keep a connection, and how many make a new one for each call
    #[arg(long, default_value_t = 16)]
    clients: u16,
    /// How many calls each of them makes
    #[arg(long, default_value_t = 100)]
    calls: u32,
    /// How long each pauses between two calls, in milliseconds
    #[arg(long, default_value_t = 100)]
    pause: u64,
    /// What is called
    #[arg(long, default_value = "/v1/me")]
    path: String,
    #[command(flatten)]
    login: LoginArgs,
}

/// Calls, and says how long that took.
pub(crate) async fn measure(args: HonestArgs) {
    let connecting = Connecting::new(args.address, Some(&args.login));
    let call = format!("GET {} HTTP/1.1\r\nhost: ca\r\n\r\n", args.path);
    let mut clients = JoinSet::new();
    for client in 0..args.clients {
        for is_new in [false, true] {
            let (to, call) = (connecting.clone(), call.clone());
            let (calls, pause) = (args.calls, Duration::from_millis(args.pause));
            clients.spawn(async move {
                (is_new, take_turns(&to, client, &call, calls, pause, is_new).await)
            });
        }
    }
    let (mut open, mut new) = (Vec::new(), Vec::new());
    for (is_new, took) in clients.join_all().await {
        (if is_new { &mut new } else { &mut open }).extend(took);
    }
    println!("{}", json!({"open": told(open), "new": told(new)}));
}

/// Makes calls one after the other; gives how long each took, and nothing for one that failed.
async fn take_turns(
    to: &Connecting,
    client: u16,
    call: &str,
    calls: u32,
    pause: Duration,
    is_new: bool,
) -> Vec<Option<Duration>> {
    let mut connection = None;
    let mut took = Vec::new();
    for _ in 0..calls {
        let began = Instant::now();
        let answered = async {
            let mut stream = match connection.take() {
                Some(stream) => stream,
                None => to.tls(60_000 + client, false).await?,
            };
            answer(&mut stream, call).await?;
            io::Result::Ok(stream)
        };
        let stream = answered.await.ok();
        took.push(stream.is_some().then(|| began.elapsed()));
        connection = stream.filter(|_| !is_new);
        sleep(pause).await;
    }
    took
}

/// Sends a call and reads its answer, which has to be a good one.
async fn answer(stream: &mut TlsStream<TcpStream>, call: &str) -> io::Result<()> {
    stream.write_all(call.as_bytes()).await?;
    let mut text = String::new();
    loop {
        let mut bytes = [0; 4_096];
        let length = stream.read(&mut bytes).await?;
        text.push_str(&String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()));
        if length == 0 || !text.starts_with("HTTP/1.1 200 ".get(..text.len().min(13)).unwrap_or(""))
        {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.and_then(|length| length.parse().ok()) == Some(body.len()) {
            return Ok(());
        }
    }
}

fn told(took: Vec<Option<Duration>>) -> Value {
    let failed = took.iter().filter(|took| took.is_none()).count();
    let mut took: Vec<_> = took.into_iter().flatten().collect();
    took.sort_unstable();
    let at = |share: usize| {
        let place = (took.len() * share / 100).min(took.len().saturating_sub(1));
        took.get(place).map(|took| took.as_secs_f64() * 1_000.0)
    };
    json!({
        "calls": took.len() + failed,
        "failed": failed,
        "p50_ms": at(50),
        "p99_ms": at(99),
        "max_ms": at(100),
    })
}
