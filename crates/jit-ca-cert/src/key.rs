//! CA keys: how they are made, kept, and used.

use std::fmt;
use std::marker::PhantomData;

use jit_ca_core::Origin;
use jit_ca_log::{Checkpoint, LogKey, LogVerifier, Recorded, SignedCheckpoint};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use zeroize::Zeroizing;

use crate::intent::{Intent, Profile, Signed};
use crate::purpose::{KeyPurpose, Log};
use crate::{Algorithm, Error, INTENT_ENTRY, KeyEncryptionKey, PublicKey};

/// A CA key for the purpose `P`, in memory. It can be neither copied nor taken out.
///
/// At rest it is PKCS#8, sealed:
///
/// ```text
/// length of the next, 1 byte | SubjectPublicKeyInfo, DER | sealed PKCS#8
/// ```
///
/// under the label `key <purpose> <SHA-256 of the SubjectPublicKeyInfo>`, so that the bytes open as
/// that purpose's key with that public key or not at all.
pub struct Key<P> {
    pair: Pair,
    public: PublicKey,
    purpose: PhantomData<fn() -> P>,
}

impl<P: KeyPurpose> Key<P> {
    /// Makes a key, and gives it with its bytes at rest.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn create(kek: &KeyEncryptionKey) -> Result<(Self, Vec<u8>), Error> {
        let pkcs8 = generate(P::PURPOSE.algorithm())?;
        let public = Pair::from_pkcs8::<P>(&pkcs8)?.public::<P>()?;
        let spki = public.spki();
        let length = u8::try_from(spki.len()).map_err(|_| Error::Crypto)?;
        let sealed = kek.seal(&label::<P>(&public), &pkcs8)?;
        let at_rest = [&[length], spki.as_slice(), &sealed].concat();
        // What will be read at the next start is what is used from now on.
        Ok((Self::open(kek, &at_rest)?, at_rest))
    }

    /// Opens a key's bytes at rest.
    ///
    /// # Errors
    /// If they were sealed under another key-encryption key or for another purpose, or are malformed.
    pub fn open(kek: &KeyEncryptionKey, at_rest: &[u8]) -> Result<Self, Error> {
        let (&length, rest) = at_rest.split_first().ok_or(Error::SealedForm)?;
        let (spki, sealed) = rest.split_at_checked(length.into()).ok_or(Error::SealedForm)?;
        let public = PublicKey::from_spki(spki).map_err(|_| Error::SealedForm)?;
        let pkcs8 = kek.open(&label::<P>(&public), sealed)?;
        let pair = Pair::from_pkcs8::<P>(&pkcs8)?;
        if pair.public::<P>()? != public {
            return Err(Error::SealedKey { purpose: P::PURPOSE });
        }
        Ok(Self { pair, public, purpose: PhantomData })
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs exactly the bytes of an intent that the log proves to hold, and checks what came out.
    ///
    /// INVARIANT (log before sign): there is no other way to a certificate. The proof is verified
    /// here, whoever made the `Recorded`.
    ///
    /// INVARIANT (one key, one purpose): which contents a key may sign is checked by the compiler.
    ///
    /// ```compile_fail,E0271
    /// use jit_ca_cert::{Intent, Key, purpose::SshHost, ssh::UserCertificate};
    /// use jit_ca_log::{LogVerifier, Recorded};
    ///
    /// fn sign(host_ca: &Key<SshHost>, user: Recorded<Intent<UserCertificate>>, log: &LogVerifier) {
    ///     let _ = host_ca.sign(user, log);
    /// }
    /// ```
    ///
    /// # Errors
    /// If the log does not prove that these bytes are recorded as an intent, the intent is for another
    /// key, or the finished certificate is not the intent's.
    pub fn sign<C: Profile<Purpose = P>>(
        &self,
        recorded: Recorded<Intent<C>>,
        log: &LogVerifier,
    ) -> Result<Signed<C>, Error> {
        // 1. The log holds an intent for exactly these bytes.
        let leaf = recorded.verify(log).map_err(Error::Record)?;
        if leaf.entry_type.as_str() != INTENT_ENTRY {
            return Err(Error::EntryType { found: leaf.entry_type.as_str().to_owned() });
        }
        let intent = recorded.into_inner();
        if leaf.tbs != Some(intent.digest()) {
            return Err(Error::OtherIntent);
        }
        // 2. They were checked to name this key as their issuer's.
        if *intent.issuer() != self.public {
            return Err(Error::OtherKey { purpose: P::PURPOSE });
        }
        // 3. Sign them, and no others.
        let signature = self.pair.sign(intent.to_be_signed())?;
        let certificate = C::finish(intent.to_be_signed(), &signature);
        // 4. Check what came out.
        intent.check(certificate)
    }
}

impl Key<Log> {
    /// The log's key in the form that others verify checkpoints with.
    pub fn log_key(&self, origin: Origin) -> LogKey {
        let mut public_key = [0; 32];
        // As many on both sides: a key that was opened for this purpose is ed25519.
        public_key.iter_mut().zip(self.public.point()).for_each(|(to, from)| *to = *from);
        LogKey::new(origin, public_key)
    }

    /// Signs a checkpoint, which is all that this key signs.
    ///
    /// That the checkpoint extends all that were signed before is the sequencer's to know.
    ///
    /// # Errors
    /// If the signature does not verify.
    pub fn sign_checkpoint(&self, checkpoint: &Checkpoint) -> Result<SignedCheckpoint, Error> {
        let signature = self.pair.sign(checkpoint.to_string().as_bytes())?;
        let signature = signature.as_slice().try_into().map_err(|_| Error::Crypto)?;
        let log_key = self.log_key(checkpoint.origin.clone());
        checkpoint.with_signature(&log_key, signature).map_err(Error::Checkpoint)
    }
}

impl<P: KeyPurpose> fmt::Debug for Key<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {})", P::PURPOSE, self.public.spki_digest())
    }
}

fn label<P: KeyPurpose>(public: &PublicKey) -> String {
    format!("key {} {}", P::PURPOSE, public.spki_digest())
}

fn generate(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, Error> {
    let random = SystemRandom::new();
    let document = match algorithm {
        Algorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8(&random)?,
        Algorithm::P256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)?,
        Algorithm::P384 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random)?,
    };
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

/// A private key as ring holds it. ring clears none of its memory; the PKCS#8 that we hold is cleared.
enum Pair {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl Pair {
    fn from_pkcs8<P: KeyPurpose>(pkcs8: &[u8]) -> Result<Self, Error> {
        let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| {
            EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &SystemRandom::new()).map(Self::Ecdsa)
        };
        match P::PURPOSE.algorithm() {
            Algorithm::Ed25519 => Ed25519KeyPair::from_pkcs8(pkcs8).map(Self::Ed25519),
            Algorithm::P256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            Algorithm::P384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
        }
        .map_err(|_| Error::SealedKey { purpose: P::PURPOSE })
    }

    fn public<P: KeyPurpose>(&self) -> Result<PublicKey, Error> {
        let point = match self {
            Self::Ed25519(pair) => pair.public_key().as_ref(),
            Self::Ecdsa(pair) => pair.public_key().as_ref(),
        };
        PublicKey::from_point(P::PURPOSE.algorithm(), point)
            .ok_or(Error::SealedKey { purpose: P::PURPOSE })
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(match self {
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Ecdsa(pair) => pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use jit_ca_core::{ActorRef, Digest};
    use jit_ca_log::{Ids, Leaf, Proof, tree};

    use super::*;
    use crate::purpose::Root;
    use crate::x509::RootCertificate;

    /// The log's record of `intent`, as its only entry.
    fn record<C: Profile>(log: &Key<Log>, intent: Intent<C>) -> Recorded<Intent<C>> {
        let leaf = Leaf {
            entry_type: INTENT_ENTRY.parse().unwrap(),
            idx: 0,
            ts_ms: 1,
            actor: ActorRef::DAEMON,
            ids: Ids::default(),
            bundle: None,
            tbs: Some(intent.digest()),
            commit: Digest::from_bytes([0; 32]),
        };
        let leaf = leaf.encode();
        let origin = "log.test".parse().unwrap();
        let checkpoint = Checkpoint { origin, size: 1, root: tree::leaf_hash(&leaf) };
        let checkpoint = log.sign_checkpoint(&checkpoint).unwrap();
        let proof = Proof { leaf, index: 0, hashes: vec![], checkpoint };
        Recorded::assertion(intent, proof)
    }

    #[test]
    fn a_signer_that_signs_wrongly_is_caught() {
        let kek = KeyEncryptionKey::new(Zeroizing::new([1; 32]));
        let create = || Key::<Root>::create(&kek).unwrap().0;
        let log = Key::<Log>::create(&kek).unwrap().0;
        let log_key = LogVerifier::new(log.log_key("log.test".parse().unwrap()));
        let (good, other) = (create(), create());
        let corrupt =
            Key::<Root> { pair: other.pair, public: good.public.clone(), purpose: PhantomData };
        let content = RootCertificate {
            name: "Example".parse().unwrap(),
            issuance: jit_ca_core::IssuanceId::new(1, [1; 10]),
            issued: jit_ca_core::UnixTime::from_secs(1_795_338_000),
        };
        for (key, sound) in [(&good, true), (&corrupt, false)] {
            let intent = Intent::new(content.clone(), good.public()).unwrap();
            let found = key.sign(record(&log, intent), &log_key);
            assert!(if sound { found.is_ok() } else { matches!(found, Err(Error::Signature)) });
        }
    }

    #[test]
    fn keys_and_what_they_sign_can_go_to_other_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Key<Root>>();
        shared::<Recorded<Intent<RootCertificate>>>();
        shared::<Signed<RootCertificate>>();
    }
}
