//! Bit rot: one bit of the store's file is turned over, and it is found, or it matters to nobody.

use std::env;
use std::fs;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread::{available_parallelism, scope};

use jit_ca_tests::stored::{self, Signer};
use jit_ca_tests::{Ca, Lab, mix};
use serde_json::json;

/// How many bits are turned over.
const FLIPS: (u64, u64) = (2_000, 100_000);

#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let lab = Lab::new();
    let ca = busy(&lab);
    let honest = fs::read(ca.data()).unwrap();
    // The log's own key signs whatever the file holds: the worst case, a daemon that goes on with a damaged file.
    let signer = Signer::of(&ca);
    let file = lab.path().join("flipped.redb");
    fs::write(&file, &honest).unwrap();
    let expected = stored::export(&file, &signer).unwrap();
    assert_eq!(stored::verdict(&expected, &signer), None);

    let flips = if env::var_os("JIT_CA_LONG").is_some() { FLIPS.1 } else { FLIPS.0 };
    // The file is mostly empty pages: every other flip is among bytes that hold something.
    let used: Vec<usize> =
        honest.iter().enumerate().filter(|(_, byte)| **byte != 0).map(|(at, _)| at).collect();
    let flipped = |flip: u64, file: &Path| {
        let random = mix(flip);
        let place = usize::try_from(random >> 3).unwrap();
        let at =
            if flip.is_multiple_of(2) { place % honest.len() } else { used[place % used.len()] };
        let mut bytes = honest.clone();
        bytes[at] ^= 1 << (random & 7);
        fs::write(file, &bytes).unwrap();
        let outcome = outcome(file, &signer, &expected);
        assert_ne!(outcome, Outcome::Missed, "bit {} of byte {at}", random & 7);
        outcome
    };
    let workers = available_parallelism().map_or(1, NonZero::get);
    let outcomes: Vec<Outcome> = scope(|scope| {
        let work = |worker: usize| {
            let (file, flipped) = (lab.path().join(format!("flipped-{worker}.redb")), &flipped);
            let own = (0..flips).skip(worker).step_by(workers);
            scope.spawn(move || own.map(|flip| flipped(flip, &file)).collect::<Vec<_>>())
        };
        let workers: Vec<_> = (0..workers).map(work).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    let [harmless, refused, found] =
        [Outcome::Harmless, Outcome::Refused, Outcome::Found].map(count);
    assert_eq!(harmless + refused + found, usize::try_from(flips).unwrap());
    assert!(refused > 0 && found > 0, "{harmless} harmless, {refused} refused, {found} found");
}

/// What became of a flipped bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The export is the same to the byte.
    Harmless,
    /// The daemon gives no export of it.
    Refused,
    /// The verifier says that the export does not hold.
    Found,
    /// The export is another one, and the verifier says that it holds.
    Missed,
}

fn outcome(file: &Path, signer: &Signer, expected: &[u8]) -> Outcome {
    // A panic ends the daemon.
    let export = catch_unwind(AssertUnwindSafe(|| stored::export(file, signer)));
    match export {
        Ok(Ok(export)) if export == expected => Outcome::Harmless,
        Ok(Ok(export)) if stored::verdict(&export, signer).is_some() => Outcome::Found,
        Ok(Ok(_)) => Outcome::Missed,
        Ok(Err(_)) | Err(_) => Outcome::Refused,
    }
}

/// A stopped CA whose log holds certificates, approvals and refusals.
fn busy(lab: &Lab) -> Ca {
    let mut ca = Ca::start(lab);
    let [alice, bob] = ["alice", "bob"].map(|name| ca.caller(name));
    for _ in 0..8 {
        let request = alice.granted("web-shell", json!({}), &[&bob]);
        alice.take_ssh(&request["grant"], &alice.person.key());
        let request = alice.granted("orders-api", json!({}), &[&bob]);
        alice.take_x509(&request["grant"], &["-subj", "/CN=mine"]);
        for _ in 0..12 {
            let id = alice.request("web-shell", json!({})).ok().json()["id"].clone();
            alice.wire.post(&format!("/v1/requests/{}/cancel", id.as_str().unwrap()), &json!({}));
        }
    }
    ca.stop();
    ca
}
