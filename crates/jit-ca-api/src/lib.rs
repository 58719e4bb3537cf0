//! The API on the wire: JSON over mutual TLS under `/v1`.
//!
//! ```text
//! GET  /healthz  /readyz                     anybody    the process lives; the log can be written
//! GET  /v1/trust                             anybody    Trust
//! POST /v1/challenges                        anybody    -> Challenge
//! GET  /v1/issuers                           anybody    [IssuerView]
//! GET  /v1/issuers/NAME                      anybody    SignOnView
//! POST /v1/issuers/NAME/device  DeviceCall   anybody    -> DeviceBegun
//! POST /v1/logins            LoginCall       anybody    -> LoginReply
//! POST /v1/logins/issuer     IssuerLoginCall anybody    -> LoginReply
//! POST /v1/logins/certificate CertificateLoginCall a certificate -> LoginReply
//! GET  /v1/logins?…          LoginsFilter    a login    [OpenLogin] own; others' with administer
//! POST /v1/logout            LogoutCall      a login
//! GET  /v1/me                                a login    Me
//! POST /v1/step-up           StepUpCall      a login    -> Me
//! POST /v1/mfa                               a login    -> MfaSecret
//! POST /v1/mfa/confirm       MfaConfirm      a login    -> Me
//! GET  /v1/mfa/resets                        administer [Reset]
//! POST /v1/mfa/resets        ResetCall       administer -> [Reset]
//! POST /v1/mfa/resets/confirm   ResetTurn    administer -> ResetDone
//! POST /v1/mfa/resets/withdraw  ResetTurn    administer -> [Reset]
//! GET  /v1/passkeys                          with MFA   [Passkey]
//! POST /v1/passkeys          PasskeyCall     with MFA   -> PasskeyLink
//! POST /v1/passkeys/ID/remove                with MFA   -> [Passkey]
//! GET  /v1/roles                             with MFA   [Role]
//! POST /v1/requests          RequestCall     with MFA   -> Request
//! GET  /v1/requests?…        RequestFilter   with MFA   RequestList own, and those to approve; all with read-log
//! GET  /v1/requests/ID?wait= WaitQuery       with MFA   Request     waits while it is pending
//! POST /v1/requests/ID/approve  ApproveCall  with MFA   -> Request
//! POST /v1/requests/ID/deny     DenyCall     with MFA   -> Request
//! POST /v1/requests/ID/cancel                with MFA   -> Request
//! POST /v1/requests/ID/review   ReviewCall   with MFA   -> Request
//! POST /v1/break-glass       BreakGlassCall  with MFA   -> Request
//! GET  /v1/grants/ID                         with MFA   GrantFile
//! POST /v1/grants/ID/extend  ExtendCall      with MFA   -> Request
//! POST /v1/grants/ID/end                     with MFA   -> GrantFile
//! POST /v1/grants/ID/revoke  RevokeCall      with MFA   -> GrantFile
//! GET  /v1/locks                             with MFA   [Lock]
//! POST /v1/locks             LockCall        with MFA   -> [Lock]
//! POST /v1/locks/lift        LockCall        with MFA   -> [Lock]
//! GET  /v1/hosts                             with MFA   [Host]
//! POST /v1/hosts/tokens      HostTokenCall   with MFA   -> HostToken
//! POST /v1/hosts/enrolment   EnrolCall       anybody    -> HostCertificate
//! POST /v1/hosts/login       HostLoginCall   anybody    -> HostLoginReply
//! POST /v1/hosts/NAME/revoke HostRevokeCall  with MFA   -> [Host]
//! POST /v1/host/certificate                  a host     -> HostCertificate
//! GET  /v1/host/feed?…       FeedQuery       a host     Feed        waits for an intent that is not there yet
//! POST /v1/host/sessions     SessionsCall    a host     what was opened and closed there
//! POST /v1/host/sessions/ID/channels/N/chunks/K   a host     a chunk's bytes; without an Idempotency-Key
//! POST /v1/host/standing?wait= StandingCall  a host     -> Standing   waits until one has ended
//! GET  /v1/sessions?…        SessionsFilter  with MFA   SessionList own, and those that one may watch
//! GET  /v1/sessions/ID                       with MFA   Session
//! GET  /v1/sessions/ID/channels/N/recording  watch      its chunks, each behind its length in 4 bytes
//! POST /v1/grants/ID/ssh     SshCall         with MFA   -> SshCertificate
//! POST /v1/grants/ID/x509    X509Call        with MFA   -> X509Certificate
//! GET  /v1/policy                            administer PolicyState
//! POST /v1/policy/activate   ActivateCall    administer -> PolicyState
//! GET  /v1/log/entries?…     LogQuery        read-log   [Entry]     waits for one that is not there yet
//! GET  /v1/log/entries/N                     read-log   Entry
//! GET  /v1/log/checkpoints/N                 read-log   the signed note of the first N entries, as text
//! GET  /v1/log/consistency?… ConsistencyQuery  anybody  Consistency
//! GET  /v1/openapi.json                      anybody    the OpenAPI document of these calls
//! GET  /log/checkpoint                       anybody    the newest signed note (C2SP tlog-tiles)
//! GET  /log/tile/L/N[.p/W]                   anybody    hashes
//! GET  /log/tile/entries/N[.p/W]             read-log   leaves
//! GET  /log/payloads/N[.p/W]                 read-log   payloads, with their salts
//! ```
//!
//! Every POST that writes bears an `Idempotency-Key` (1 to 128 visible ASCII characters): the same
//! key with the same body gives the same answer again, with another body it is refused. Refusals are
//! [`Problem`]s (RFC 9457). Times are RFC 3339 in UTC, durations as people write them (`1h30m`),
//! hosts a list: `["*"]` for all that the rows give.

#[cfg(feature = "client")]
pub mod client;
mod enrolment;
mod feed;
mod grants;
pub mod hosts;
mod issuers;
mod locks;
mod log;
mod login;
mod logins;
mod passkeys;
mod policy;
mod problem;
mod requests;
mod resets;
mod sessions;

pub use enrolment::{
    EnrolCall, Host, HostCertificate, HostLoginCall, HostLoginReply, HostRevokeCall, HostToken,
    HostTokenCall,
};
pub use feed::{Feed, FeedIntent, FeedQuery};
pub use grants::{
    CertificateView, DecisionView, ExtensionView, GrantFile, RevokeCall, SshCall, SshCertificate,
    X509Call, X509Certificate,
};
pub use issuers::{
    CertificateLoginCall, Credential, DeviceBegun, DeviceCall, IssuerLoginCall, IssuerView,
    NOT_YET, SignOnView,
};
pub use locks::{Lock, LockCall};
pub use log::{Consistency, ConsistencyQuery, Entry, LogQuery};
pub use login::{
    Challenge, Factor, LoginCall, LoginReply, LoginView, Me, MfaConfirm, MfaSecret, Predecessor,
    StepUpCall, Trust, X509Authority,
};
pub use logins::{LoginsFilter, LogoutCall, OpenLogin, Which};
pub use passkeys::{Passkey, PasskeyCall, PasskeyLink};
pub use policy::{ActivateCall, FileChange, PendingPolicy, PolicyState};
pub use problem::{PROBLEM_JSON, Problem, problem_type};
pub use requests::{
    ApprovalView, ApproveCall, BreakGlassCall, DenialView, DenyCall, ExtendCall, GrantView,
    Request, RequestCall, RequestFilter, RequestList, RequestStatus, ReviewCall, Role, WaitQuery,
};
pub use resets::{Reset, ResetCall, ResetDone, ResetStatus, ResetTurn};
pub use sessions::{
    Channel, ClosedChannel, ClosedSession, EndedCertificate, LARGEST_CHUNK, MOST_CHANNELS,
    MOST_SESSIONS_TOLD, MOST_STANDINGS, OpenedSession, RecordedChannel, Session,
    SessionCertificate, SessionList, SessionsCall, SessionsFilter, Standing, StandingCall,
    StandingEnd,
};

/// The header that makes a POST repeatable.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The longest that one call waits for a request to be decided, in seconds.
pub const LONGEST_WAIT: u64 = 30;

/// The OpenAPI 3.1 document of the calls above.
pub const OPENAPI: &str = include_str!("../openapi.json");
