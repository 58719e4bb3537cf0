//! Issuance: the numbered steps from an intent to a certificate that may leave.

mod signatures;

use std::sync::{Arc, PoisonError};

use jit_ca_cert::{Intent, Key, Profile, Signed};
use jit_ca_core::event::{
    CertificateIntended, CertificateIssued, Event, IssuanceFailed, IssuedUnder, Validity,
};
use jit_ca_core::{ActorRef, GrantId, IssuanceId, UnixTime};
use jit_ca_log::{LogKey, LogVerifier, Proof, Recorded};

use self::signatures::Signatures;
use crate::sequencer::{CommitError, Proposal, Sequencer};
use crate::store::StoreError;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The intent was not recorded, so nothing was signed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The certificate could not be made, signed or checked.
    #[error("the certificate can't be made")]
    Certificate(#[from] jit_ca_cert::Error),
}

/// Which certificate is issued, for whom.
#[derive(Clone, Copy, Debug)]
pub struct Issuance {
    /// Its id.
    pub id: IssuanceId,
    /// The grant, if it is issued under one.
    pub grant: Option<GrantId>,
    /// Who asked for it.
    pub actor: ActorRef,
}

/// An intent that was recorded before.
#[derive(Debug)]
pub struct PastIntent {
    /// Which certificate it is of.
    pub issuance: Issuance,
    /// The index of its entry.
    pub index: u64,
    /// Its bytes.
    pub to_be_signed: Vec<u8>,
    /// The signature, if it was signed and the outcome is in the log.
    pub signature: Option<Vec<u8>>,
}

/// Makes certificates. It signs nothing that the log does not hold.
#[derive(Clone, Debug)]
pub struct Issuer {
    sequencer: Sequencer,
    log: Arc<LogVerifier>,
    signatures: Arc<Signatures>,
}

impl Issuer {
    /// An issuer that records its intents with this sequencer.
    pub fn new(sequencer: Sequencer, log_key: LogKey) -> Self {
        let log = Arc::new(LogVerifier::new(log_key));
        Self { sequencer, log, signatures: Arc::default() }
    }

    /// Records the intent as the last of the proposal's entries, signs it, and has the outcome recorded. Gives the
    /// proof of the record beside the certificate.
    ///
    /// # Errors
    /// If it was not recorded (then nothing was signed), or the signed certificate is not what was intended (then
    /// nothing leaves).
    pub async fn issue<C: Profile>(
        &self,
        issuance: Issuance,
        intent: Intent<C>,
        key: &Key<C::Purpose>,
        proposal: Proposal,
    ) -> Result<(Signed<C>, Arc<Proof>), IssueError> {
        // 1. The intent becomes durable, with all that it rests on checked at that moment.
        let nth = proposal.entries.len().saturating_sub(1);
        let committed = self.sequencer.commit(proposal).await?;
        // 2. The proof that it is in the log.
        let recorded = committed.recorded(nth, intent)?;
        // 3. The key checks the proof, signs those bytes, and checks what came out.
        let proof = recorded.proof();
        Ok((self.sign(issuance, recorded, key)?, proof))
    }

    /// The certificate of an intent that was recorded before. If it was signed, it is that one to the byte, and no key is
    /// touched; if a daemon died before the outcome was in the log, the same bytes are signed now, under the same serial.
    ///
    /// # Errors
    /// If the bytes, the record or the signature do not hold.
    pub async fn issue_again<C: Profile>(
        &self,
        past: PastIntent,
        (key, issuer): (&Key<C::Purpose>, &C::Issuer),
    ) -> Result<(Signed<C>, Arc<Proof>), IssueError> {
        let intent = Intent::restore(past.to_be_signed, issuer)?;
        let recorded = self.sequencer.recorded(past.index, intent).await?;
        let proof = recorded.proof();
        if let Some(signature) = past.signature {
            let intent = recorded.into_inner();
            let certificate = C::finish(intent.to_be_signed(), &signature);
            return Ok((intent.check(certificate)?, proof));
        }
        Ok((self.sign(past.issuance, recorded, key)?, proof))
    }

    fn sign<C: Profile>(
        &self,
        issuance: Issuance,
        recorded: Recorded<Intent<C>>,
        key: &Key<C::Purpose>,
    ) -> Result<Signed<C>, IssueError> {
        let Issuance { id, grant, actor } = issuance;
        // ECDSA gives another signature each time. A call that is repeated before the outcome is in the log gets this one.
        let signature = self.signatures.of(id);
        let mut signature = signature.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signature) = &*signature {
            let intent = recorded.into_inner();
            let certificate = C::finish(intent.to_be_signed(), signature);
            return Ok(intent.check(certificate)?);
        }
        let signed = key.sign(recorded, &self.log);
        *signature = signed.as_ref().ok().map(|signed| signed.signature().to_vec());
        let outcome: Event = match &signed {
            Ok(signed) => {
                let signature = signed.signature().into();
                CertificateIssued { issuance: id, grant, signature }.into()
            }
            Err(error) => IssuanceFailed { issuance: id, grant, error: error.to_string() }.into(),
        };
        // 4. The outcome joins the next batch; the answer need not wait, as an intent counts as issued.
        self.sequencer.commit_soon(Proposal::new(vec![(actor, outcome)]));
        Ok(signed?)
    }
}

/// The entry that records an intent.
pub fn intended<C: Profile>(
    id: IssuanceId,
    intent: &Intent<C>,
    serial: Vec<u8>,
    (from, until): (UnixTime, UnixTime),
    under: Option<IssuedUnder>,
) -> Event {
    use jit_ca_cert::purpose::KeyPurpose as _;
    let event = CertificateIntended {
        issuance: id,
        purpose: C::Purpose::PURPOSE.to_string(),
        serial: serial.into(),
        tbs: intent.to_be_signed().into(),
        validity: Validity { from, until },
        under,
    };
    event.into()
}

/// The serial of an X.509 certificate: `01 ‖ issuance id`, positive and 17 octets long (RFC 5280 4.1.2.2).
pub fn x509_serial(issuance: IssuanceId) -> Vec<u8> {
    [[1].as_slice(), issuance.as_bytes()].concat()
}
