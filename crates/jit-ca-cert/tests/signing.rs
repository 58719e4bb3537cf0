//! A CA key signs what the log proves to hold, exactly that, and nothing else.

use jit_ca_cert::ssh::UserCertificate;
use jit_ca_cert::x509::{
    CaCertificate, ClientCertificate, IssuingCertificate, LoginCertificate, RootCertificate,
};
use jit_ca_cert::{Error, Intent, Key, Profile, purpose};
use jit_ca_core::{Digest, Span};
use jit_ca_log::tree::leaf_hash;
use jit_ca_log::{Proof, Recorded};

use crate::support::{
    CA, START, TestLog, client_certificate, issuance, kek, leaf, login_certificate,
    server_certificate, user_certificate,
};

fn intent() -> Intent<UserCertificate> {
    Intent::new(user_certificate(), CA.ssh_user.public()).unwrap()
}

fn fault(recorded: Recorded<Intent<UserCertificate>>) -> Error {
    CA.ssh_user.sign(recorded, &CA.log.verifier()).unwrap_err()
}

#[test]
fn what_is_signed_is_what_was_recorded() {
    let to_be_signed = intent().to_be_signed().to_vec();
    let signed = CA.ssh(&user_certificate());
    assert!(signed.as_bytes().starts_with(&to_be_signed));
    assert_eq!(signed.content(), &user_certificate());
}

#[test]
fn nothing_is_signed_that_the_log_does_not_prove() {
    let tbs = Some(intent().digest());
    let other = Some(Digest::from_bytes([1; 32]));
    // The entry is of another type, or about other bytes, or about none.
    let found = fault(CA.log.record_as("issue.outcome", tbs, intent()));
    assert!(matches!(&found, Error::EntryType { found } if found == "issue.outcome"), "{found:?}");
    assert!(matches!(fault(CA.log.record_as("issue.intent", other, intent())), Error::OtherIntent));
    assert!(matches!(fault(CA.log.record_as("issue.intent", None, intent())), Error::OtherIntent));

    // Another log's checkpoint; a leaf that is not in the tree; a proof that leads elsewhere.
    assert!(matches!(fault(TestLog::new().record(intent())), Error::Record(_)));
    let (first, second) = (leaf("daemon.start", None, 0), leaf("issue.intent", tbs, 1));
    let with = |hashes, checkpoint| {
        let leaf = second.clone();
        Recorded::assertion(intent(), Proof { leaf, index: 1, hashes, checkpoint })
    };
    let empty = CA.log.checkpoint([&first, &first]);
    assert!(matches!(fault(with(vec![leaf_hash(&first)], empty)), Error::Record(_)));
    let good = CA.log.checkpoint([&first, &second]);
    assert!(matches!(fault(with(vec![leaf_hash(&second)], good.clone())), Error::Record(_)));
    assert!(matches!(fault(with(vec![], good.clone())), Error::Record(_)));
    // All else was right.
    let recorded = with(vec![leaf_hash(&first)], good);
    assert!(CA.ssh_user.sign(recorded, &CA.log.verifier()).is_ok());
}

#[test]
fn an_intent_is_for_the_key_that_it_names() {
    let other = Key::<purpose::SshUser>::create(&kek()).unwrap().0;
    let found = other.sign(CA.log.record(intent()), &CA.log.verifier());
    assert!(matches!(found, Err(Error::OtherKey { purpose: jit_ca_cert::Purpose::SshUser })));
}

#[test]
fn stored_bytes_are_signed_once_more_unchanged() {
    fn again<C: Profile + Clone>(content: &C, key: &Key<C::Purpose>, issuer: &C::Issuer) {
        let first = Intent::new(content.clone(), issuer).unwrap();
        let restored = Intent::<C>::restore(first.to_be_signed().to_vec(), issuer).unwrap();
        assert_eq!(restored, first);
        let signed = key.sign(CA.log.record(restored), &CA.log.verifier()).unwrap();
        assert_eq!(signed.content(), content);
        let place = signed
            .as_bytes()
            .windows(first.to_be_signed().len())
            .position(|w| w == first.to_be_signed());
        assert!(place.is_some(), "the very bytes");
    }
    again(&user_certificate(), &CA.ssh_user, CA.ssh_user.public());
    again(&client_certificate(), &CA.clients_key, &CA.clients);
    again(&login_certificate(), &CA.logins_key, &CA.logins);
    again(&server_certificate(), &CA.servers_key, &CA.servers);
    let root = RootCertificate { name: "A".parse().unwrap(), issuance: issuance(1), issued: START };
    again(&root, &CA.root_key, CA.root_key.public());
    let issuing = IssuingCertificate::new("A".parse().unwrap(), &CA.logins_key, issuance(1), START);
    again(&issuing, &CA.root_key, &CA.root);
}

#[test]
fn a_certificate_with_one_wrong_bit_never_leaves() {
    fn flip<C: Profile + Clone>(signed: &[u8], content: &C, issuer: &C::Issuer) {
        for place in 0..signed.len() {
            let mut corrupt = signed.to_vec();
            corrupt[place] ^= 1;
            let intent = Intent::new(content.clone(), issuer).unwrap();
            assert!(intent.check(corrupt).is_err(), "byte {place}");
        }
        for wrong in [&signed[..signed.len() - 1], &[signed, &[0]].concat(), &[]] {
            let intent = Intent::new(content.clone(), issuer).unwrap();
            assert!(intent.check(wrong.to_vec()).is_err());
        }
        assert!(Intent::new(content.clone(), issuer).unwrap().check(signed.to_vec()).is_ok());
    }
    let ssh = user_certificate();
    flip(CA.ssh(&ssh).as_bytes(), &ssh, CA.ssh_user.public());
    let client = client_certificate();
    flip(CA.client(&client).as_bytes(), &client, &CA.clients);
}

#[test]
fn a_good_certificate_of_another_intent_is_not_this_ones() {
    let other = UserCertificate { nonce: [1; 32], ..user_certificate() };
    let found = intent().check(CA.ssh(&other).as_bytes().to_vec());
    assert!(matches!(found, Err(Error::OtherBytes)));
}

#[test]
fn no_certificate_outlives_its_issuers() {
    let late = |before_end: u64| {
        let start = CA.clients.end().minus(Span::from_secs(before_end));
        let window = jit_ca_core::Window::starting(start, Span::from_secs(3_600)).unwrap();
        Intent::new(ClientCertificate { window, ..client_certificate() }, &CA.clients)
    };
    assert!(late(3_600).is_ok());
    let outlives = |error| matches!(error, Err(Error::Lint(jit_ca_cert::Lint::OutlivesIssuer)));
    assert!(outlives(late(3_599).map(drop)));
    let decade_later =
        CA.root.end().minus(jit_ca_cert::x509::ISSUING_LIFETIME).plus(Span::from_secs(1));
    let issuing =
        IssuingCertificate::new("A".parse().unwrap(), &CA.logins_key, issuance(1), decade_later);
    assert!(outlives(Intent::new(issuing, &CA.root).map(drop)));
}

/// RFC 5280 4.1.2.5: from 2050 on, times have another form.
#[test]
fn a_root_may_last_beyond_2049() {
    let issued = "2045-06-01T00:00:00Z".parse().unwrap();
    let root = RootCertificate { name: "A".parse().unwrap(), issuance: issuance(1), issued };
    let intent = Intent::new(root, CA.root_key.public()).unwrap();
    assert_eq!(intent.content().issued, issued);
    assert!(intent.to_be_signed().windows(15).any(|bytes| bytes == b"20550531235959Z"));
}

#[test]
fn a_login_lasts_twelve_hours_at_most() {
    let lasting = |seconds| {
        let window = jit_ca_core::Window::starting(START, Span::from_secs(seconds)).unwrap();
        Intent::new(LoginCertificate { window, ..login_certificate() }, &CA.logins)
    };
    assert!(lasting(12 * 3_600).is_ok());
    let found = lasting(12 * 3_600 + 1);
    assert!(matches!(
        found,
        Err(Error::Lint(jit_ca_cert::Lint::TooLong { seconds: 43_201, cap: 43_200 }))
    ));
}

#[test]
fn ca_certificates_are_read_under_their_root_and_purpose_only() {
    let clients = CA.clients.der().to_vec();
    assert!(CaCertificate::<purpose::Logins>::issuing(clients.clone(), &CA.root).is_err());
    assert!(CaCertificate::<purpose::Servers>::issuing(clients.clone(), &CA.root).is_err());
    assert!(CaCertificate::root(clients.clone()).is_err());
    assert!(CaCertificate::<purpose::Clients>::issuing(CA.root.der().to_vec(), &CA.root).is_err());

    // Another root of the same name.
    let key = Key::<purpose::Root>::create(&kek()).unwrap().0;
    let content = RootCertificate {
        name: "Example Access".parse().unwrap(),
        issuance: issuance(1),
        issued: START,
    };
    let root = crate::support::sign(&key, &content, key.public(), &CA.log);
    let root = CaCertificate::root(root.as_bytes().to_vec()).unwrap();
    assert!(CaCertificate::<purpose::Clients>::issuing(clients, &root).is_err());

    // A root whose own signature was changed.
    let mut forged = root.der().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert!(matches!(CaCertificate::root(forged), Err(Error::Signature)));
}
