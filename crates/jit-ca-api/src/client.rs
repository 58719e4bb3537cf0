//! A thin blocking client: one method for each call.
//!
//! It trusts one root certificate, that of the CA, which is known by its pin: no platform roots, no
//! proxies, no redirects, no resumed TLS sessions (they would outlive certificates). Each answer's
//! size and time are bounded.

mod error;
mod hosts;
mod http;
mod tls;
mod transport;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jit_ca_core::{CallId, Digest, GrantId, IssuerName, RequestId};
use ring::rand::SecureRandom as _;

pub use error::Error;
pub use tls::{LoginIdentity, RootCertificate};

use crate::{
    ActivateCall, ApproveCall, BreakGlassCall, CertificateLoginCall, Challenge, Consistency,
    ConsistencyQuery, DenyCall, DeviceBegun, DeviceCall, Entry, ExtendCall, GrantFile,
    IssuerLoginCall, IssuerView, Lock, LockCall, LogQuery, LoginCall, LoginReply, LoginsFilter,
    LogoutCall, Me, MfaConfirm, MfaSecret, OpenLogin, Passkey, PasskeyCall, PasskeyLink,
    PolicyState, Request, RequestCall, RequestFilter, RequestList, Reset, ResetCall, ResetDone,
    ResetTurn, ReviewCall, RevokeCall, Role, SignOnView, SshCall, SshCertificate, StepUpCall,
    Trust, WaitQuery, X509Call, X509Certificate,
};
use http::Http;

/// A CA that can be called, with a login or without. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: Http,
}

/// What makes a POST repeatable: the CA does what bears the same key once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// A key that nobody has used: a [`CallId`], so that the CA finds what was called at the same time in one place.
    ///
    /// # Errors
    /// If the system gives no randomness.
    #[expect(clippy::disallowed_methods, reason = "nothing is decided by it: keys sort by it")]
    pub fn random() -> Result<Self, Error> {
        let mut random = [0; 10];
        ring::rand::SystemRandom::new().fill(&mut random).map_err(|_| Error::Randomness)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        Ok(Self(CallId::new(now, random).to_string()))
    }

    /// The key as the header and the possession statement have it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// First contact: the root certificate of the CA at `url`, found by its pin, and the CA's keys.
///
/// # Errors
/// If nobody answers, or if who answers is not of the CA that `pin` names.
pub fn discover(url: &str, pin: &Digest) -> Result<(RootCertificate, Trust), Error> {
    let (http, verifier) = Http::new(url, *pin, None, None)?;
    let trust: Trust = http.get("/v1/trust", &())?;
    match verifier.found() {
        Some(root) if trust.pin == *pin => Ok((root, trust)),
        _ => Err(Error::Pin { url: url.to_owned(), expected: *pin, presented: Some(trust.pin) }),
    }
}

impl Client {
    /// A client of the CA at `url` whose root certificate is `root`.
    ///
    /// # Errors
    /// If the URL is none of a CA, or if the login's certificate or key can't be read.
    pub fn new(
        url: &str,
        root: &RootCertificate,
        login: Option<&LoginIdentity>,
    ) -> Result<Self, Error> {
        let (http, _) = Http::new(url, root.pin()?, Some(root), login)?;
        Ok(Self { http })
    }

    // === the CA ===

    /// The CA's keys and names.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn trust(&self) -> Result<Trust, Error> {
        self.http.get("/v1/trust", &())
    }

    // === logins ===

    /// What a login answers.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn challenge(&self) -> Result<Challenge, Error> {
        self.http.post("/v1/challenges", &(), &IdempotencyKey::random()?)
    }

    /// Logs in.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn login(&self, call: &LoginCall, key: &IdempotencyKey) -> Result<LoginReply, Error> {
        self.http.post("/v1/logins", call, key)
    }

    /// The issuers that the policy names.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn issuers(&self) -> Result<Vec<IssuerView>, Error> {
        self.http.get("/v1/issuers", &())
    }

    /// How a person signs on at an issuer.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn sign_on(&self, issuer: &IssuerName) -> Result<SignOnView, Error> {
        self.http.get(&format!("/v1/issuers/{issuer}"), &())
    }

    /// Begins a login on a machine without a browser.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn begin_device(
        &self,
        issuer: &IssuerName,
        call: &DeviceCall,
    ) -> Result<DeviceBegun, Error> {
        let key = IdempotencyKey::random()?;
        self.http.post(&format!("/v1/issuers/{issuer}/device"), call, &key)
    }

    /// Logs in with what an issuer says.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn login_by_issuer(
        &self,
        call: &IssuerLoginCall,
        key: &IdempotencyKey,
    ) -> Result<LoginReply, Error> {
        self.http.post("/v1/logins/issuer", call, key)
    }

    /// Ends logins of whom this client is logged in as.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn logout(&self, call: &LogoutCall, key: &IdempotencyKey) -> Result<(), Error> {
        self.http.post_unanswered("/v1/logout", call, key)
    }

    /// A person's logins that are open.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn logins(&self, filter: &LoginsFilter) -> Result<Vec<OpenLogin>, Error> {
        self.http.get("/v1/logins", filter)
    }

    /// Who is calling.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn me(&self) -> Result<Me, Error> {
        self.http.get("/v1/me", &())
    }

    /// Begins to enrol a second factor.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn begin_mfa(&self, key: &IdempotencyKey) -> Result<MfaSecret, Error> {
        self.http.post("/v1/mfa", &(), key)
    }

    /// Proves the second factor that was begun.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn confirm_mfa(&self, call: &MfaConfirm, key: &IdempotencyKey) -> Result<Me, Error> {
        self.http.post("/v1/mfa/confirm", call, key)
    }

    /// The caller's passkeys.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn passkeys(&self) -> Result<Vec<Passkey>, Error> {
        self.http.get("/v1/passkeys", &())
    }

    /// Logs in with the X.509 certificate that this client shows.
    ///
    /// # Errors
    /// As the CA refuses, or can't be reached.
    pub fn login_by_certificate(
        &self,
        call: &CertificateLoginCall,
        key: &IdempotencyKey,
    ) -> Result<LoginReply, Error> {
        self.http.post("/v1/logins/certificate", call, key)
    }

    /// Gives the login a second factor of now, by a passkey.
    ///
    /// # Errors
    /// As the CA refuses, or can't be reached.
    pub fn step_up(&self, call: &StepUpCall, key: &IdempotencyKey) -> Result<Me, Error> {
        self.http.post("/v1/step-up", call, key)
    }

    /// A link to the page, on which the caller adds a passkey.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn passkey_link(
        &self,
        call: &PasskeyCall,
        key: &IdempotencyKey,
    ) -> Result<PasskeyLink, Error> {
        self.http.post("/v1/passkeys", call, key)
    }

    /// Gives a passkey of the caller's up; those that are left.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn remove_passkey(&self, id: &str, key: &IdempotencyKey) -> Result<Vec<Passkey>, Error> {
        self.http.post(&format!("/v1/passkeys/{id}/remove"), &(), key)
    }

    // === roles and requests ===

    /// The roles that the caller may ask for.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn roles(&self) -> Result<Vec<Role>, Error> {
        self.http.get("/v1/roles", &())
    }

    /// Asks for a role.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn request(&self, call: &RequestCall, key: &IdempotencyKey) -> Result<Request, Error> {
        self.http.post("/v1/requests", call, key)
    }

    /// The caller's requests, and those that the caller may approve.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn requests(&self, filter: &RequestFilter) -> Result<RequestList, Error> {
        self.http.get("/v1/requests", filter)
    }

    /// One request; waits for as long as `wait` says while it is pending.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn request_by_id(&self, id: &RequestId, wait: &WaitQuery) -> Result<Request, Error> {
        let path = format!("/v1/requests/{id}");
        self.http.get_waiting(&path, wait, Duration::from_secs(wait.wait))
    }

    /// Approves a request.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn approve(
        &self,
        id: &RequestId,
        call: &ApproveCall,
        key: &IdempotencyKey,
    ) -> Result<Request, Error> {
        self.http.post(&format!("/v1/requests/{id}/approve"), call, key)
    }

    /// Denies a request.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn deny(
        &self,
        id: &RequestId,
        call: &DenyCall,
        key: &IdempotencyKey,
    ) -> Result<Request, Error> {
        self.http.post(&format!("/v1/requests/{id}/deny"), call, key)
    }

    /// Takes a request of the caller's back.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn cancel(&self, id: &RequestId, key: &IdempotencyKey) -> Result<Request, Error> {
        self.http.post(&format!("/v1/requests/{id}/cancel"), &(), key)
    }

    /// Takes a role at once, without asking anybody.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn break_glass(
        &self,
        call: &BreakGlassCall,
        key: &IdempotencyKey,
    ) -> Result<Request, Error> {
        self.http.post("/v1/break-glass", call, key)
    }

    /// Says what came of looking at an emergency.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn review(
        &self,
        id: &RequestId,
        call: &ReviewCall,
        key: &IdempotencyKey,
    ) -> Result<Request, Error> {
        self.http.post(&format!("/v1/requests/{id}/review"), call, key)
    }

    // === grants ===

    /// A grant with all that belongs to it.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn grant(&self, grant: &GrantId) -> Result<GrantFile, Error> {
        self.http.get(&format!("/v1/grants/{grant}"), &())
    }

    /// Asks for more time after a grant.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn extend(
        &self,
        grant: &GrantId,
        call: &ExtendCall,
        key: &IdempotencyKey,
    ) -> Result<Request, Error> {
        self.http.post(&format!("/v1/grants/{grant}/extend"), call, key)
    }

    /// Gives a grant of the caller's back.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn end(&self, grant: &GrantId, key: &IdempotencyKey) -> Result<GrantFile, Error> {
        self.http.post(&format!("/v1/grants/{grant}/end"), &(), key)
    }

    /// Takes a grant away from its holder.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn revoke(
        &self,
        grant: &GrantId,
        call: &RevokeCall,
        key: &IdempotencyKey,
    ) -> Result<GrantFile, Error> {
        self.http.post(&format!("/v1/grants/{grant}/revoke"), call, key)
    }

    // === locks ===

    /// The locks that hold.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn locks(&self) -> Result<Vec<Lock>, Error> {
        self.http.get("/v1/locks", &())
    }

    /// Locks a subject, a role or everything.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn lock(&self, call: &LockCall, key: &IdempotencyKey) -> Result<Vec<Lock>, Error> {
        self.http.post("/v1/locks", call, key)
    }

    /// Lifts a lock.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn unlock(&self, call: &LockCall, key: &IdempotencyKey) -> Result<Vec<Lock>, Error> {
        self.http.post("/v1/locks/lift", call, key)
    }

    // === resets of second factors ===

    /// The resets that wait, for another administrator or for the person.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn resets(&self) -> Result<Vec<Reset>, Error> {
        self.http.get("/v1/mfa/resets", &())
    }

    /// Asks that a person's second factors are reset.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn ask_for_reset(
        &self,
        call: &ResetCall,
        key: &IdempotencyKey,
    ) -> Result<Vec<Reset>, Error> {
        self.http.post("/v1/mfa/resets", call, key)
    }

    /// Resets what another administrator asked for. The code is in the first answer alone.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn confirm_reset(
        &self,
        call: &ResetTurn,
        key: &IdempotencyKey,
    ) -> Result<ResetDone, Error> {
        self.http.post("/v1/mfa/resets/confirm", call, key)
    }

    /// Takes back that a reset was asked for.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn withdraw_reset(
        &self,
        call: &ResetTurn,
        key: &IdempotencyKey,
    ) -> Result<Vec<Reset>, Error> {
        self.http.post("/v1/mfa/resets/withdraw", call, key)
    }

    // === certificates ===

    /// An SSH certificate under a grant. `key` is the one in the possession statement.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn ssh_certificate(
        &self,
        grant: &GrantId,
        call: &SshCall,
        key: &IdempotencyKey,
    ) -> Result<SshCertificate, Error> {
        self.http.post(&format!("/v1/grants/{grant}/ssh"), call, key)
    }

    /// An X.509 certificate under a grant.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn x509_certificate(
        &self,
        grant: &GrantId,
        call: &X509Call,
        key: &IdempotencyKey,
    ) -> Result<X509Certificate, Error> {
        self.http.post(&format!("/v1/grants/{grant}/x509"), call, key)
    }

    // === the policy ===

    /// The policy in force, and the one that waits for a second administrator.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn policy(&self) -> Result<PolicyState, Error> {
        self.http.get("/v1/policy", &())
    }

    /// Brings the policy that waits into force.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn activate_policy(
        &self,
        call: &ActivateCall,
        key: &IdempotencyKey,
    ) -> Result<PolicyState, Error> {
        self.http.post("/v1/policy/activate", call, key)
    }

    // === the log ===

    /// The log's newest checkpoint: a signed note.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn checkpoint(&self) -> Result<String, Error> {
        self.http.get_text("/log/checkpoint")
    }

    /// The checkpoint of the log's first `size` entries: a signed note.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn checkpoint_at(&self, size: u64) -> Result<String, Error> {
        self.http.get_text(&format!("/v1/log/checkpoints/{size}"))
    }

    /// The proof that one tree is the beginning of another.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn consistency(&self, query: &ConsistencyQuery) -> Result<Consistency, Error> {
        self.http.get("/v1/log/consistency", query)
    }

    /// A part of the log, by its path below `/log/`: `tile/0/000`, `tile/entries/000`, `payloads/000`.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn log_part(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.http.get_bytes(&format!("/log/{path}"))
    }

    /// The log's entries; waits for as long as the query says where there is none yet.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn entries(&self, query: &LogQuery) -> Result<Vec<Entry>, Error> {
        self.http.get_waiting("/v1/log/entries", query, Duration::from_secs(query.wait))
    }

    /// One entry of the log.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn entry(&self, index: u64) -> Result<Entry, Error> {
        self.http.get(&format!("/v1/log/entries/{index}"), &())
    }
}

#[cfg(test)]
mod tests;
