//! What a passkey's answer costs to check, beside the signature in it that no reading can save:
//! `cargo bench -p jit-ca-log --bench passkey`.
//!
//! `fastest` is the column to compare: what else a machine does can only add to it.

fn main() {
    divan::main();
}

#[cfg(test)]
mod passkey {
    use divan::Bencher;
    use jit_ca_core::event::{Assertion, Registration};
    use jit_ca_core::{Bytes, Digest};
    use jit_ca_log::hash::sha256;
    use jit_ca_log::webauthn::{self, Party, Passkey};
    use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
    use serde_json::Value;

    /// As another implementation made them: `tests/passkeys.py`.
    const VECTORS: &str = include_str!("../src/webauthn/vectors.json");
    const KINDS: [&str; 3] = ["eddsa", "es256", "rs256"];

    struct Vector(Value);

    impl Vector {
        fn named(name: &str) -> Self {
            let all: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
            Self(all.into_iter().find(|vector| vector["name"] == name).unwrap())
        }

        fn party(&self) -> Party<'_> {
            Party { id: self.0["party"].as_str().unwrap(), origin: self.0["origin"].as_str() }
        }

        fn bytes(&self, part: &str, name: &str) -> Bytes {
            serde_json::from_value(self.0[part][name].clone()).unwrap()
        }

        fn challenge(&self, part: &str) -> Digest {
            Digest::from_bytes(self.bytes(part, "challenge").as_slice().try_into().unwrap())
        }

        fn registration(&self) -> Registration {
            let [client_data, authenticator_data] =
                ["client_data", "authenticator_data"].map(|name| self.bytes("registered", name));
            Registration { client_data, authenticator_data }
        }

        fn passkey(&self) -> Passkey {
            let challenge = self.challenge("registered");
            webauthn::registered(&self.party(), &challenge, &self.registration()).unwrap()
        }

        fn assertion(&self) -> Assertion {
            let [passkey, client_data, authenticator_data, signature] =
                ["passkey", "client_data", "authenticator_data", "signature"]
                    .map(|name| self.bytes("asserted", name));
            Assertion { passkey, client_data, authenticator_data, signature }
        }
    }

    #[divan::bench(args = KINDS)]
    fn registered(bencher: Bencher<'_, '_>, kind: &str) {
        let vector = Vector::named(kind);
        let (challenge, registration) = (vector.challenge("registered"), vector.registration());
        let party = vector.party();
        bencher.bench(|| webauthn::registered(&party, &challenge, &registration).unwrap());
    }

    #[divan::bench(args = KINDS)]
    fn asserted(bencher: Bencher<'_, '_>, kind: &str) {
        let vector = Vector::named(kind);
        let (passkey, assertion) = (vector.passkey(), vector.assertion());
        let (party, challenge) = (vector.party(), vector.challenge("asserted"));
        bencher.bench(|| passkey.verify_next(&party, &challenge, &assertion).unwrap());
    }

    /// What an Ed25519 signature alone costs, over as many bytes.
    #[divan::bench]
    fn of_which_the_signature(bencher: Bencher<'_, '_>) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let assertion = Vector::named("eddsa").assertion();
        let hash = sha256(assertion.client_data.as_slice());
        let signed = [assertion.authenticator_data.as_slice(), hash.as_bytes()].concat();
        let signature = pair.sign(&signed);
        let key = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref().to_vec());
        bencher.bench(|| key.verify(&signed, signature.as_ref()).unwrap());
    }
}
