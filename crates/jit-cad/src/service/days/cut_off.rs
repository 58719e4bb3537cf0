//! What was recorded and not signed when the daemon died: the call is made again, and signed if a new one would be.

use std::collections::BTreeMap;

use jit_ca_api::LockCall;

use super::lab::{ADDRESS, Lab};
use super::lived;
use super::step::{Step, What};
use crate::clock;
use crate::service::{Fault, locking, login};

#[test]
fn a_certificate_is_signed_if_it_would_be_given_now() {
    let mut lab = Lab::new();
    let lock = |what| Step::Lock { by: 1, what };
    let cases = [
        (vec![], "done"),
        (vec![lock(What::Person(0))], "login-ended"),
        (vec![lock(What::Person(1))], "done"),
        (vec![lock(What::Role(5))], "locked"),
        (vec![lock(What::All)], "locked"),
        (vec![lock(What::All), Step::UnlockHere { what: What::All }], "done"),
        (vec![Step::Revoke { by: 1, of: 0 }], "grant-revoked"),
        (vec![Step::GiveBack { by: 0, of: 0 }], "grant-ended"),
        (vec![Step::Pass { seconds: 100 }], "grant-ended"),
        // Whoever asked is barred; the role gives less.
        (vec![Step::Reload { world: 2 }], "forbidden"),
        (vec![Step::Reload { world: 1 }], "too-long"),
        (vec![Step::SetClock { seconds: 400 }], "held"),
        (vec![Step::Pass { seconds: 40 }, Step::Login { by: 0 }], "no-possession"),
        // What is signed is answered with as it is.
        (vec![Step::Again, lock(What::Person(0))], "done"),
    ];
    for (between, expected) in cases {
        let ask = Step::Request { by: 0, role: 5, hosts: 0, duration: 100, ahead: None };
        let mut steps = vec![ask, Step::CutOff { by: 0, of: 0, row: 0 }];
        steps.extend(between);
        steps.push(Step::Again);
        let mut came = BTreeMap::new();
        let done = lived(&mut lab, &steps, true, &mut came);
        assert_eq!(done, Ok(()), "{steps:?}");
        assert!(came.contains_key(&format!("Again: {expected}")), "{steps:?}: {came:?}");
    }
}

#[test]
fn a_login_is_signed_if_the_person_could_log_in_now() {
    let mut lab = Lab::new();
    let (person, without_key) = (4, 2);
    let lock = |what: &str| LockCall { what: what.to_owned(), reason: "INC-42".parse().unwrap() };
    for number in 0..3 {
        lab.begin();
        clock::set::pass(60);
        let (call, key) = (lab.login_call(person, lab.code(person)), lab.key());
        let cut_off = lab.run_and_die(async |app| login::log_in(app, &call, ADDRESS, &key).await);
        let cut_off = cut_off.unwrap();
        let again =
            |lab: &mut Lab| lab.run(async |app| login::log_in(app, &call, ADDRESS, &key).await);
        match number {
            0 => {
                let (caller, once) = (lab.caller(1).unwrap(), lab.key());
                let (turn, who) = (locking::Turn::Lock, lock(&lab.people[person].id.to_string()));
                lab.run(async |app| locking::turn(app, &caller, turn, &who, &once).await).unwrap();
                assert!(matches!(again(&mut lab), Err(Fault::Unauthenticated { .. })));
                lab.run(async |app| locking::unlock_here(app, &who, 0).await).unwrap();
                // The lock has ended it, signed or not.
                assert!(matches!(again(&mut lab), Err(Fault::Unauthenticated { .. })));
                continue;
            }
            1 => {
                lab.reload(without_key);
                assert!(matches!(again(&mut lab), Err(Fault::Unauthenticated { .. })));
                lab.reload(0);
            }
            _ => {
                clock::set::put(400);
                assert!(clock::fault().is_some());
                assert!(matches!(again(&mut lab), Err(Fault::Commit(_))));
                continue;
            }
        }
        let signed = again(&mut lab).unwrap();
        assert_eq!(signed.serial, cut_off.serial);
        // From here on it is as it is.
        assert_eq!(again(&mut lab).unwrap().certificate, signed.certificate);
    }
}
