//! The load itself: connections that each send their next request when the last is answered (closed loop), or at its
//! appointed time (open loop).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use jit_ca_tests::now;
use rustls::ClientConfig;
use tokio::time::{Instant, sleep_until};

use crate::Result;
use crate::client::Connection;
use crate::pool::{self, Kind};
use crate::target::Target;

/// Of so many certificates one has its signature, and its proof, verified.
const DEEP_EVERY: usize = 64;

/// A server, and how it is called.
pub(crate) struct Server {
    pub(crate) target: Box<dyn Target>,
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
}

/// A request that waits to be sent, and the key that its certificate has to carry.
struct Ready {
    request: Vec<u8>,
    point: Vec<u8>,
}

/// Each caller's requests. Its connections take them one by one.
pub(crate) struct Pools(Vec<(Vec<Ready>, AtomicUsize)>);

impl Pools {
    /// Makes at least `count` requests for so many connections.
    pub(crate) fn fill(server: &Server, connections: usize, count: usize) -> Self {
        let callers = server.target.callers().len();
        let host = server.address.to_string();
        let pool = |caller: usize| {
            // Connection n is caller n % callers'.
            let own = (connections + callers - 1 - caller) / callers;
            let count = (count * own).div_ceil(connections);
            let ready = pool::make(server.kind, count, caller * count, |subject| Ready {
                request: server.target.call(caller, subject).request(&host),
                point: subject.point.clone(),
            });
            (ready, AtomicUsize::new(0))
        };
        Self((0..callers).map(pool).collect())
    }
}

/// When to send what, from the start on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    /// Not measured, in seconds.
    pub(crate) warm_up: f64,
    /// Measured, in seconds.
    pub(crate) measured: f64,
    /// Requests a second on all connections; closed loop if there is none.
    pub(crate) rate: Option<f64>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Microseconds of each certificate within the measured time, in ascending order.
    pub(crate) latencies: Vec<u32>,
    /// All certificates, warm-up and stragglers included.
    pub(crate) issued: usize,
    /// Those of them that were verified against the CA's key, and the log's.
    pub(crate) verified: usize,
    pub(crate) errors: usize,
    pub(crate) first_error: Option<String>,
    /// The requests ran out before the time did.
    pub(crate) exhausted: bool,
}

impl Outcome {
    /// The latency that this share of the certificates did not exceed, in milliseconds.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let Some(last) = self.latencies.len().checked_sub(1) else { return f64::NAN };
        f64::from(self.latencies[crate::load::whole(share * crate::load::float(last))]) / 1000.0
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.issued += other.issued;
        self.verified += other.verified;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.exhausted |= other.exhausted;
    }
}

/// Opens the connections and drives them. `at_start` and `at_end` are called at the edges of the measured time, which
/// is given in seconds.
///
/// # Errors
/// If a connection can't be opened.
pub(crate) async fn drive(
    server: &Arc<Server>,
    pools: Pools,
    plan: Plan,
    at_start: impl FnOnce(),
    at_end: impl FnOnce(),
) -> Result<(Outcome, f64)> {
    let pools = Arc::new(pools);
    let callers = server.target.callers();
    let mut connections = Vec::new();
    for number in 0..plan.connections {
        let tls = &callers[number % callers.len()];
        connections.push((number, Connection::open(server.address, Arc::clone(tls)).await?));
    }
    let start = Instant::now();
    let from = start + Duration::from_secs_f64(plan.warm_up);
    let until = from + Duration::from_secs_f64(plan.measured);
    let times = Times { start, from, until };
    let tasks: Vec<_> = connections
        .into_iter()
        .map(|(number, connection)| {
            let line = Line {
                number,
                caller: number % callers.len(),
                tls: Arc::clone(&callers[number % callers.len()]),
                server: Arc::clone(server),
                pools: Arc::clone(&pools),
            };
            tokio::spawn(line.run(connection, plan, times))
        })
        .collect();
    sleep_until(from).await;
    let begun = Instant::now();
    at_start();
    // Where all have stopped before (requests ran out, or the server is gone) there is nothing to measure any more.
    while Instant::now() < until && !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        sleep_until(until.min(Instant::now() + Duration::from_millis(20))).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    at_end();
    let mut outcome = Outcome::default();
    for task in tasks {
        outcome.add(task.await?);
    }
    outcome.latencies.sort_unstable();
    Ok((outcome, seconds))
}

#[derive(Clone, Copy)]
struct Times {
    start: Instant,
    from: Instant,
    until: Instant,
}

/// A connection's way through the load.
struct Line {
    number: usize,
    caller: usize,
    tls: Arc<ClientConfig>,
    server: Arc<Server>,
    pools: Arc<Pools>,
}

impl Line {
    async fn run(self, mut connection: Connection, plan: Plan, times: Times) -> Outcome {
        let mut outcome = Outcome::default();
        let (pool, next) = &self.pools.0[self.caller];
        for turn in 0.. {
            let mut sent = Instant::now();
            if let Some(rate) = plan.rate {
                let place = crate::load::float(turn * plan.connections + self.number);
                // Counted from when it should be sent: who is late is late for all that wait behind.
                sent = times.start + Duration::from_secs_f64(place / rate);
                if sent < times.until {
                    sleep_until(sent).await;
                }
            }
            if sent >= times.until || Instant::now() >= times.until {
                break;
            }
            let Some(ready) = pool.get(next.fetch_add(1, Relaxed)) else {
                outcome.exhausted = true;
                break;
            };
            let deep = (turn + self.number).is_multiple_of(DEEP_EVERY);
            match self.issue(&mut connection, ready, deep).await {
                Ok(done) => {
                    outcome.issued += 1;
                    outcome.verified += usize::from(deep);
                    if (times.from..times.until).contains(&done) {
                        let micros = (done - sent).as_micros();
                        outcome.latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
                    }
                }
                Err(error) => {
                    outcome.errors += 1;
                    outcome.first_error.get_or_insert_with(|| error.to_string());
                    let again = Connection::open(self.server.address, Arc::clone(&self.tls)).await;
                    let Ok(again) = again else { break };
                    connection = again;
                }
            }
        }
        outcome
    }

    /// Gives when the answer had come. It is read and checked after that: it is the client's own time.
    async fn issue(
        &self,
        connection: &mut Connection,
        ready: &Ready,
        deep: bool,
    ) -> Result<Instant> {
        let (status, body) = connection.call(&ready.request).await?;
        let done = Instant::now();
        if !(200..300).contains(&status) {
            let body = String::from_utf8_lossy(&body[..body.len().min(300)]);
            return Err(format!("HTTP {status}: {body}").into());
        }
        let target = &self.server.target;
        target.trusted().check(target.given(body)?, &ready.point, now(), deep)?;
        Ok(done)
    }
}
