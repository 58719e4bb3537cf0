//! The physical limit: a server that does only what no CA of this kind can leave out.
//!
//! It speaks jit-ca's calls over mutual TLS. Of each it verifies the proof of possession (one signature), builds the
//! certificate's bytes, puts an entry of jit-ca's size into a Merkle tree and a redb file, with one durable commit and
//! one signed checkpoint for all that wait at that moment, then signs the certificate and answers. There is no login
//! looked up, no policy, no state but the log, no lint, no check of what was signed; the proof in its answer is
//! filler of the right length. jit-ca's rate divided by its rate is the share of the limit that jit-ca reaches.

mod authority;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, thread};

use clap::Args;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jit_ca_core::Digest;
use jit_ca_log::tree::{Frontier, leaf_hash};
use redb::{Database, Durability, TableDefinition};
use ring::signature::Ed25519KeyPair;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use self::authority::Authority;
use crate::{Result, say};

const LEAVES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("leaves");
const PAYLOADS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("payloads");
const TILES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("tiles");
const HEAD: TableDefinition<'_, (), (u64, &[u8])> = TableDefinition::new("head");
/// The hashes of a tile.
const TILE: usize = 256;

#[derive(Args, Debug)]
pub(crate) struct LimitArgs {
    /// A folder for all of it
    #[arg(long)]
    dir: PathBuf,
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
    /// The bytes of a leaf
    #[arg(long, default_value_t = 398)]
    leaf: usize,
    /// The bytes of a payload
    #[arg(long, default_value_t = 942)]
    payload: usize,
    /// The bytes of a proof
    #[arg(long, default_value_t = 1470)]
    proof: usize,
}

/// An entry on its way into the log, and who waits for its index.
struct Entry {
    leaf: Vec<u8>,
    payload: Vec<u8>,
    done: oneshot::Sender<u64>,
}

/// What each call is served with.
struct Limit {
    authority: Authority,
    log: mpsc::Sender<Entry>,
    leaf: usize,
    payload: usize,
    proof: String,
}

pub(crate) fn main(args: &LimitArgs) -> Result<()> {
    fs::create_dir_all(&args.dir)?;
    let (authority, prepared, tls) = Authority::new(&args.dir, args.listen)?;
    let database = Database::create(args.dir.join("limit.redb"))?;
    let (log, waiting) = mpsc::channel(1024);
    thread::spawn(move || write(&database, waiting).expect("the log can be written"));
    let limit = Arc::new(Limit {
        authority,
        log,
        leaf: args.leaf,
        payload: args.payload,
        proof: "p".repeat(args.proof),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await?;
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        fs::write(args.dir.join("prepared.json"), serde_json::to_vec_pretty(&prepared)?)?;
        say("ready");
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (acceptor, limit) = (acceptor.clone(), Arc::clone(&limit));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let serve = service_fn(|request| serve(Arc::clone(&limit), request));
                // A client that goes away ends its connection.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
            });
        }
    })
}

async fn serve(
    limit: Arc<Limit>,
    request: Request<Incoming>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/readyz" {
        return Ok(Response::new(Full::default()));
    }
    Ok(issue(&limit, request).await.unwrap_or_else(|error| {
        let mut refused = Response::new(Full::from(error.to_string()));
        *refused.status_mut() = StatusCode::BAD_REQUEST;
        refused
    }))
}

async fn issue(limit: &Limit, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    // 1. One verification, and the bytes to be signed.
    let wanted = limit.authority.read(&head, &body)?;
    let to_be_signed = limit.authority.to_be_signed(&wanted)?;
    // 2. The entry is durable.
    let (done, index) = oneshot::channel();
    let mut leaf = jit_ca_log::hash::sha256(&to_be_signed).as_bytes().to_vec();
    leaf.resize(limit.leaf, 0);
    let mut payload = [&to_be_signed[..], &body].concat();
    payload.resize(limit.payload, 0);
    limit.log.send(Entry { leaf, payload, done }).await?;
    let index = index.await?;
    // 3. One signature.
    let certificate = limit.authority.sign(&wanted, to_be_signed)?;
    let answer = json!({"certificate": certificate, "entry": index, "proof": limit.proof});
    Ok(Response::new(Full::from(answer.to_string())))
}

/// Writes batches: whoever waits when the last one is done is in the next.
fn write(database: &Database, mut waiting: mpsc::Receiver<Entry>) -> Result<()> {
    let log_key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).map_err(|_| "no key")?;
    let mut tree = Frontier::default();
    let mut tile: Vec<u8> = Vec::new();
    let mut batch = Vec::new();
    while waiting.blocking_recv_many(&mut batch, 1024) > 0 {
        let first = tree.size();
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_quick_repair(true);
        {
            let mut leaves = transaction.open_table(LEAVES)?;
            let mut payloads = transaction.open_table(PAYLOADS)?;
            let mut tiles = transaction.open_table(TILES)?;
            for entry in &batch {
                let index = tree.size();
                leaves.insert(index, entry.leaf.as_slice())?;
                payloads.insert(index, entry.payload.as_slice())?;
                let hash: Digest = leaf_hash(&entry.leaf);
                tree.push(hash);
                tile.extend(hash.as_bytes());
                if tile.len() == TILE * 32 {
                    tiles.insert(index / 256, tile.as_slice())?;
                    tile.clear();
                }
            }
            if !tile.is_empty() {
                tiles.insert(tree.size() / 256, tile.as_slice())?;
            }
            let root = tree.root();
            let signature = log_key.sign(root.as_bytes());
            transaction.open_table(HEAD)?.insert((), (tree.size(), signature.as_ref()))?;
        }
        transaction.commit()?;
        for (entry, index) in batch.drain(..).zip(first..) {
            // Whoever waited may have gone.
            let _ = entry.done.send(index);
        }
    }
    Ok(())
}
