//! The log as it came to be over all lives of the daemon, and what everybody was told held against it.

use std::collections::{HashMap, HashSet};

use base64ct::{Base64Unpadded, Encoding};
use jit_ca_core::Digest;
use jit_ca_log::tree::{Frontier, leaf_hash};
use jit_ca_log::{LogKey, Proof, SignedCheckpoint};
use jit_ca_tests::{Caller, Issued};
use serde_json::Value;

use super::clients::Received;

/// What a log says of certificates.
pub(super) struct History {
    key: LogKey,
    /// The tree's root by its size.
    roots: Vec<Digest>,
    /// By the index of the entry.
    intents: HashMap<u64, Intent>,
    /// How many intents were followed by another life of the daemon instead of an outcome.
    pub(super) orphans: usize,
    /// How many lives the daemon had.
    pub(super) lives: usize,
}

struct Intent {
    issuance: String,
    tbs: String,
    idempotency_key: Option<String>,
}

impl History {
    /// Reads all of it. No two intents may have one serial, or come of one call.
    pub(super) fn read(auditor: &Caller) -> Self {
        let key = auditor.wire.trust()["log_key"].as_str().unwrap().parse().unwrap();
        let (mut tree, mut roots) = (Frontier::default(), Vec::new());
        let (mut intents, mut open) = (HashMap::new(), HashSet::new());
        let (mut orphans, mut lives) = (0, 0);
        let (mut serials, mut calls) = (HashSet::new(), HashSet::new());
        roots.push(tree.root());
        loop {
            let path = format!("/v1/log/entries?start={}", tree.size());
            let page = auditor.wire.get(&path).ok().json();
            let page = page.as_array().unwrap();
            if page.is_empty() {
                return Self { key, roots, intents, orphans, lives };
            }
            for entry in page {
                let leaf = Base64Unpadded::decode_vec(entry["leaf"].as_str().unwrap()).unwrap();
                let text = |value: &Value| value.as_str().map(str::to_owned);
                let payload = &entry["payload"];
                match entry["type"].as_str().unwrap() {
                    "daemon.start" => {
                        orphans += open.len();
                        open.clear();
                        lives += 1;
                    }
                    "issue.intent" => {
                        let serial =
                            (payload["purpose"].to_string(), payload["serial"].to_string());
                        assert!(serials.insert(serial), "one serial twice: {payload:#}");
                        let idempotency_key = text(&payload["under"]["idempotency_key"]);
                        if let Some(key) = &idempotency_key {
                            assert!(calls.insert(key.clone()), "one call twice: {payload:#}");
                        }
                        let issuance = text(&entry["issuance"]).unwrap();
                        open.insert(issuance.clone());
                        let tbs = text(&entry["tbs"]).unwrap();
                        intents.insert(tree.size(), Intent { issuance, tbs, idempotency_key });
                    }
                    "issue.done" => {
                        open.remove(entry["issuance"].as_str().unwrap());
                    }
                    _ => {}
                }
                tree.push(leaf_hash(&leaf));
                roots.push(tree.root());
            }
        }
    }

    /// Each certificate is in the log, where its owner was told, as the outcome of that call; none has another's
    /// serial; its proof holds.
    pub(super) fn must_hold(&self, received: &[Received]) {
        let mut serials = HashSet::new();
        for Received { key, kind, reply } in received {
            let intent = &self.intents[&reply["entry"].as_u64().unwrap()];
            assert_eq!(intent.issuance, reply["issuance"].as_str().unwrap());
            assert_eq!(intent.idempotency_key.as_deref(), Some(key.as_str()));
            let certificate = reply["certificate"].as_str().unwrap();
            let issued = match *kind {
                "ssh" => Issued::ssh(certificate),
                _ => Issued::x509(certificate),
            };
            let tbs = format!("SHA256:{}", Base64Unpadded::encode_string(&issued.tbs));
            assert_eq!(intent.tbs, tbs, "{reply:#}");
            let serial = reply["serial"].as_str().unwrap();
            assert!(serials.insert((kind, serial)), "one serial twice: {reply:#}");
            self.must_prove(reply);
        }
    }

    /// The proof of an answer holds, under a checkpoint of this log.
    pub(super) fn must_prove(&self, reply: &Value) {
        let proof: Proof = reply["proof"].as_str().unwrap().parse().unwrap();
        let (leaf, _) = proof.verify(&self.key).unwrap();
        assert_eq!(Some(leaf.idx), reply["entry"].as_u64());
        self.must_extend(&proof.checkpoint);
    }

    /// The checkpoint is signed, and of a beginning of this log. So any two of which this holds are consistent.
    pub(super) fn must_extend(&self, checkpoint: &SignedCheckpoint) {
        let checkpoint = checkpoint.open(&self.key).unwrap();
        let root = self.roots.get(usize::try_from(checkpoint.size).unwrap());
        assert_eq!(root, Some(&checkpoint.root), "{checkpoint:#?}");
    }
}
