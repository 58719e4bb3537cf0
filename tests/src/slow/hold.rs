//! Holds slow connections open.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::{interval, sleep};

use crate::connect::{Connecting, LoginArgs};
use crate::kinds::Kind;

/// What is held.
#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    /// Whom to hold up
    address: SocketAddr,
    /// How many connections without a login
    #[arg(long, default_value_t = 10_000)]
    strangers: usize,
    /// How many connections with the login
    #[arg(long, default_value_t = 0, requires = "certificate")]
    known: usize,
    /// In these ways, in equal parts; else in all that are slow, with a login in that of waiting, too
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// From so many addresses below 127.1.0.0
    #[arg(long, default_value_t = 1_000)]
    addresses: u16,
    /// How long after its end each is opened anew, in milliseconds
    #[arg(long, default_value_t = 1_000)]
    pause: u64,
    #[command(flatten)]
    login: LoginArgs,
}

/// How many connections are being made at the same time: more would be a flood, and not slow.
const MOST_BEGINNING: usize = 64;

/// How it stands.
#[derive(Debug, Default)]
struct Count {
    held: AtomicU64,
    opened: AtomicU64,
    ended: AtomicU64,
}

/// Holds them until standard input ends.
pub(crate) async fn hold(args: HoldArgs) {
    let all = if args.kinds.is_empty() { Kind::SLOW } else { &args.kinds };
    let count = Arc::new(Count::default());
    let turns = Arc::new(Semaphore::new(MOST_BEGINNING));
    for (number, login) in [(args.strangers, None), (args.known, Some(&args.login))] {
        let to = Connecting::new(args.address, login);
        let kinds = all.iter().filter(|kind| login.is_some() || **kind != Kind::Poll);
        for (kind, place) in kinds.cycle().zip(0..number) {
            let from = u16::try_from(place % usize::from(args.addresses)).expect("an address");
            let one = One {
                kind: *kind,
                to: to.clone(),
                from,
                pause: Duration::from_millis(args.pause),
                turns: Arc::clone(&turns),
                count: Arc::clone(&count),
            };
            tokio::spawn(one.hold());
        }
    }
    let mut second = interval(Duration::from_secs(1));
    let mut end = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    loop {
        tokio::select! {
            _ = &mut end => return,
            _ = second.tick() => println!("{}", json!({
                "held": count.held.load(Ordering::Relaxed),
                "opened": count.opened.load(Ordering::Relaxed),
                "ended": count.ended.load(Ordering::Relaxed),
            })),
        }
    }
}

struct One {
    kind: Kind,
    to: Connecting,
    from: u16,
    pause: Duration,
    turns: Arc<Semaphore>,
    count: Arc<Count>,
}

impl One {
    async fn hold(self) {
        loop {
            let turn = Arc::clone(&self.turns).acquire_owned().await.expect("never closed");
            let mut is_held = false;
            let held = || {
                drop(turn);
                is_held = true;
                self.count.held.fetch_add(1, Ordering::Relaxed);
                self.count.opened.fetch_add(1, Ordering::Relaxed);
            };
            // However it ends, it begins anew.
            let _ = self.kind.run(&self.to, self.from, held).await;
            if is_held {
                self.count.held.fetch_sub(1, Ordering::Relaxed);
                self.count.ended.fetch_add(1, Ordering::Relaxed);
            }
            sleep(self.pause).await;
        }
    }
}
