//! What a certificate costs in this crate, in the order of an issuance: `cargo bench -p jit-ca-cert`.
//!
//! `fastest` is the column to compare: what else a machine does can only add to it.

fn main() {
    divan::main();
}

#[cfg(test)]
#[path = "../tests/support.rs"]
#[expect(dead_code, reason = "the tests' CA, of which not all is measured")]
mod support;

/// What no issuance can do without, whoever writes it.
#[cfg(test)]
mod primitives {
    use divan::Bencher;
    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _, UnparsedPublicKey,
    };

    const MESSAGE: [u8; 400] = [7; 400];

    #[divan::bench]
    fn ed25519_sign(bencher: Bencher<'_, '_>) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        bencher.bench(|| pair.sign(&MESSAGE));
    }

    #[divan::bench]
    fn ed25519_verify(bencher: Bencher<'_, '_>) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let signature = pair.sign(&MESSAGE);
        let key = UnparsedPublicKey::new(&ED25519, pair.public_key());
        bencher.bench(|| key.verify(&MESSAGE, signature.as_ref()).unwrap());
    }

    #[divan::bench]
    fn p256_sign(bencher: Bencher<'_, '_>) {
        let (pair, random) = (p256(), SystemRandom::new());
        bencher.bench(|| pair.sign(&random, &MESSAGE).unwrap());
    }

    #[divan::bench]
    fn p256_verify(bencher: Bencher<'_, '_>) {
        let pair = p256();
        let signature = pair.sign(&SystemRandom::new(), &MESSAGE).unwrap();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pair.public_key());
        bencher.bench(|| key.verify(&MESSAGE, signature.as_ref()).unwrap());
    }

    fn p256() -> EcdsaKeyPair {
        let (kind, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap()
    }
}

#[cfg(test)]
mod ssh {
    use divan::Bencher;
    use jit_ca_cert::ssh::UserCertificate;
    use jit_ca_cert::{Intent, SubjectKey};

    use crate::support::{CA, bare_user_certificate, ed25519, p256};

    /// As most are: a terminal, and nothing else.
    fn content() -> UserCertificate {
        let extensions = ["permit-pty".parse().unwrap()].into();
        UserCertificate { extensions, ..bare_user_certificate() }
    }

    #[divan::bench]
    fn a_read_ed25519_key(bencher: Bencher<'_, '_>) {
        let line = ed25519(7).to_openssh("alice");
        bencher.bench(|| SubjectKey::from_openssh(&line).unwrap());
    }

    #[divan::bench]
    fn a_read_p256_key(bencher: Bencher<'_, '_>) {
        let line = p256().to_openssh("alice");
        bencher.bench(|| SubjectKey::from_openssh(&line).unwrap());
    }

    #[divan::bench]
    fn b_make_intent(bencher: Bencher<'_, '_>) {
        bencher
            .with_inputs(content)
            .bench_values(|content| Intent::new(content, CA.ssh_user.public()).unwrap());
    }

    #[divan::bench]
    fn c_sign(bencher: Bencher<'_, '_>) {
        let log = CA.log.verifier();
        bencher
            .with_inputs(|| CA.log.record(Intent::new(content(), CA.ssh_user.public()).unwrap()))
            .bench_values(|recorded| CA.ssh_user.sign(recorded, &log).unwrap());
    }

    #[divan::bench]
    fn d_write_text(bencher: Bencher<'_, '_>) {
        let signed = CA.ssh(&content());
        bencher.bench(|| signed.text());
    }
}

#[cfg(test)]
mod x509 {
    use divan::Bencher;
    use jit_ca_cert::x509::ClientCertificate;
    use jit_ca_cert::{Intent, SubjectKey, pkcs10};
    use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};

    use crate::support::{CA, client_certificate};

    fn content(key: &KeyPair) -> ClientCertificate {
        let key = SubjectKey::from_spki(&key.subject_public_key_info()).unwrap();
        ClientCertificate { key, ..client_certificate() }
    }

    #[divan::bench]
    fn a_read_p256_request(bencher: Bencher<'_, '_>) {
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap();
        bencher.bench(|| pkcs10::public_key(request.der()).unwrap());
    }

    #[divan::bench]
    fn b_make_intent(bencher: Bencher<'_, '_>) {
        let content = content(&KeyPair::generate().unwrap());
        bencher
            .with_inputs(|| content.clone())
            .bench_values(|content| Intent::new(content, &CA.clients).unwrap());
    }

    #[divan::bench]
    fn c_sign(bencher: Bencher<'_, '_>) {
        let (content, log) = (content(&KeyPair::generate().unwrap()), CA.log.verifier());
        bencher
            .with_inputs(|| CA.log.record(Intent::new(content.clone(), &CA.clients).unwrap()))
            .bench_values(|recorded| CA.clients_key.sign(recorded, &log).unwrap());
    }

    #[divan::bench]
    fn d_write_text(bencher: Bencher<'_, '_>) {
        let signed = CA.client(&content(&KeyPair::generate().unwrap()));
        bencher.bench(|| signed.text());
    }
}
