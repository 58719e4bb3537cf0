//! The calls about hosts and the sessions on them, and those that a host makes itself.

use std::time::Duration;

use jit_ca_core::{HostName, SessionId};

use super::{Client, Error, IdempotencyKey};
use crate::{
    EnrolCall, Feed, FeedQuery, Host, HostCertificate, HostLoginCall, HostLoginReply,
    HostRevokeCall, HostToken, HostTokenCall, LONGEST_WAIT, Session, SessionList, SessionsCall,
    SessionsFilter, Standing, StandingCall,
};

impl Client {
    /// The hosts that have enrolled.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn hosts(&self) -> Result<Vec<Host>, Error> {
        self.http.get("/v1/hosts", &())
    }

    /// Makes a one-use token by which a host enrols.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn host_token(
        &self,
        call: &HostTokenCall,
        key: &IdempotencyKey,
    ) -> Result<HostToken, Error> {
        self.http.post("/v1/hosts/tokens", call, key)
    }

    /// Revokes a host.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn revoke_host(
        &self,
        host: &HostName,
        call: &HostRevokeCall,
        key: &IdempotencyKey,
    ) -> Result<Vec<Host>, Error> {
        self.http.post(&format!("/v1/hosts/{host}/revoke"), call, key)
    }

    /// Enrols a host; without a login.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn enrol_host(
        &self,
        call: &EnrolCall,
        key: &IdempotencyKey,
    ) -> Result<HostCertificate, Error> {
        self.http.post("/v1/hosts/enrolment", call, key)
    }

    /// Logs a host in.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn host_login(
        &self,
        call: &HostLoginCall,
        key: &IdempotencyKey,
    ) -> Result<HostLoginReply, Error> {
        self.http.post("/v1/hosts/login", call, key)
    }

    /// A new certificate of the host that the login is of.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn host_certificate(&self, key: &IdempotencyKey) -> Result<HostCertificate, Error> {
        self.http.post("/v1/host/certificate", &(), key)
    }

    /// Which certificates are in the log, for the host that the login is of.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn feed(&self, query: &FeedQuery) -> Result<Feed, Error> {
        self.http.get("/v1/host/feed", query)
    }

    /// Tells what was opened and closed on the host that the login is of.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn tell_sessions(&self, call: &SessionsCall, key: &IdempotencyKey) -> Result<(), Error> {
        self.http.post_unanswered("/v1/host/sessions", call, key)
    }

    /// Sends a chunk of a recording.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn keep_chunk(
        &self,
        session: &SessionId,
        channel: u32,
        chunk: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let path = format!("/v1/host/sessions/{session}/channels/{channel}/chunks/{chunk}");
        self.http.post_bytes(&path, bytes)
    }

    /// Waits for up to so many seconds until one of these certificates is to be used no longer.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn standing(
        &self,
        call: &StandingCall,
        wait: u64,
        key: &IdempotencyKey,
    ) -> Result<Standing, Error> {
        let wait = wait.min(LONGEST_WAIT);
        let path = format!("/v1/host/standing?wait={wait}");
        self.http.post_waiting(&path, call, key, Duration::from_secs(wait))
    }

    /// The sessions that the caller may see, the newest first.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn sessions(&self, filter: &SessionsFilter) -> Result<SessionList, Error> {
        self.http.get("/v1/sessions", filter)
    }

    /// A session.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn session(&self, session: &SessionId) -> Result<Session, Error> {
        self.http.get(&format!("/v1/sessions/{session}"), &())
    }

    /// What was recorded of a channel: its chunks, each behind its length in 4 bytes. It is an entry in the log.
    ///
    /// # Errors
    /// As every call: see [`Error`].
    pub fn recording(&self, session: &SessionId, channel: u32) -> Result<Vec<u8>, Error> {
        self.http.get_bytes(&format!("/v1/sessions/{session}/channels/{channel}/recording"))
    }
}
