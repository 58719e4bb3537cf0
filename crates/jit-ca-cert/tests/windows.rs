//! No certificate is valid for one second outside its window, backdating aside, whatever the window.

use jit_ca_cert::ssh::UserCertificate;
use jit_ca_cert::x509::ClientCertificate;
use jit_ca_cert::{Error, Intent, Lint};
use jit_ca_core::{Span, UnixTime, Window};
use proptest::prelude::*;

use crate::support::{CA, START, bare_user_certificate, client_certificate};

/// Windows from 2026 on in the issuing CA's year.
fn windows() -> impl Strategy<Value = Window> {
    (0..364 * 86_400_u64, prop_oneof![1..=60_u64, 61..=86_400_u64, Just(86_400)]).prop_map(
        |(offset, length)| {
            Window::starting(START.plus(Span::from_secs(offset)), Span::from_secs(length)).unwrap()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Read with ssh-key's own parser, not the one that the crate checks with.
    #[test]
    fn ssh_certificates_lie_within_the_window(window in windows()) {
        let signed = CA.ssh(&UserCertificate { window, ..bare_user_certificate() });
        let read = ssh_key::Certificate::from_bytes(signed.as_bytes()).unwrap();
        prop_assert!(read.valid_before() <= window.end().secs());
        prop_assert!(read.valid_before() > read.valid_after());
        prop_assert_eq!(read.valid_before(), window.end().secs());
        prop_assert_eq!(read.valid_after(), window.start().secs() - 60);
    }

    /// Read with x509-parser; what OpenSSL and webpki make of the edges is in `x509.rs`.
    #[test]
    fn x509_certificates_lie_within_the_window(window in windows()) {
        let signed = CA.client(&ClientCertificate { window, ..client_certificate() });
        let (_, read) = x509_parser::parse_x509_certificate(signed.as_bytes()).unwrap();
        let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap();
        prop_assert!(seconds(read.validity().not_after) < window.end().secs());
        prop_assert_eq!(seconds(read.validity().not_after), window.end().secs() - 1);
        prop_assert_eq!(seconds(read.validity().not_before), window.start().secs() - 60);
    }
}

#[test]
fn a_window_that_can_not_be_backdated_has_no_certificate() {
    let at = |start| {
        let window = Window::starting(UnixTime::from_secs(start), Span::from_secs(60)).unwrap();
        let ssh = Intent::new(
            UserCertificate { window, ..bare_user_certificate() },
            CA.ssh_user.public(),
        );
        let x509 = Intent::new(ClientCertificate { window, ..client_certificate() }, &CA.clients);
        (ssh.map(drop), x509.map(drop))
    };
    assert!(matches!(at(61), (Ok(()), Ok(()))));
    for start in [0, 59, 60] {
        let found = at(start);
        assert!(
            matches!(found, (Err(Error::Lint(Lint::Validity)), Err(Error::Lint(Lint::Validity)))),
            "{found:?}"
        );
    }
}
