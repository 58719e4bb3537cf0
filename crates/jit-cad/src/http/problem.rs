//! From faults to problem details (RFC 9457): the one place that knows status codes.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jit_ca_api::{NOT_YET, PROBLEM_JSON, Problem, problem_type};
use jit_ca_core::RefusalCode;

use crate::failure::with_causes;
use crate::hold::Hold;
use crate::provider::Doing;
use crate::sequencer::CommitError;
use crate::service::Fault;
use crate::store::Clash;

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let told = match self {
            Self::Refused(refusal) => {
                let (status, hint) = refused(refusal.code);
                Told {
                    status,
                    code: refusal.code.to_string(),
                    detail: refusal.text,
                    hint,
                    retry_after: None,
                }
            }
            Self::SlowDown { wait } => Told {
                status: StatusCode::TOO_MANY_REQUESTS,
                code: RefusalCode::TooManyAttempts.to_string(),
                detail: format!("too many attempts have failed; the next is possible in {wait}"),
                hint: "wait, then try again with care",
                retry_after: Some(wait.secs()),
            },
            Self::Unauthenticated { detail, hint } => {
                Told::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail, hint)
            }
            Self::Bad { detail, hint } => {
                Told::new(StatusCode::BAD_REQUEST, "bad-request", detail, hint)
            }
            Self::NotFound(what) => {
                let hint = "it may be somebody else's, or never have been; list what there is";
                Told::new(
                    StatusCode::NOT_FOUND,
                    "not-found",
                    format!("there is no such {what}"),
                    hint,
                )
            }
            Self::NoSuch { detail, hint } => {
                Told::new(StatusCode::NOT_FOUND, "not-found", detail, hint)
            }
            Self::Issuer(fault) => {
                let (detail, hint) = (fault.to_string(), fault.advice());
                match fault.doing() {
                    Doing::Provider => {
                        Told::new(StatusCode::BAD_GATEWAY, "issuer-failed", detail, hint)
                    }
                    Doing::Caller => not_vouched(detail, hint),
                }
            }
            Self::NotVouched { detail, hint } => not_vouched(detail, hint),
            Self::NotYet => {
                let hint = "call again with the same body, as often as the CA said when it began";
                Told::new(StatusCode::CONFLICT, NOT_YET, "nobody has signed on yet", hint)
            }
            Self::TooManyBegunHere => too_many_logins(
                "too many logins from your network wait to be confirmed",
                "finish or deny those that were begun; each is forgotten after ten minutes",
            ),
            Self::TooManyBegun => too_many_logins(
                "too many logins from everywhere wait to be confirmed",
                "sign on with a browser, or try again soon; each is forgotten after ten minutes",
            ),
            Self::Conflict { detail, hint } => {
                Told::new(StatusCode::CONFLICT, "conflict", detail, hint)
            }
            Self::KeyReused => {
                let hint = "use a new Idempotency-Key for each new call";
                Told::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "idempotency-key-reused",
                    "the idempotency key was used for another call before",
                    hint,
                )
            }
            Self::Commit(error) => not_written(&error),
            Self::Internal(error) => failed(error.as_ref()),
        };
        told.into_response()
    }
}

fn too_many_logins(detail: &'static str, hint: &'static str) -> Told {
    let told = Told::new(StatusCode::TOO_MANY_REQUESTS, "too-many-logins", detail, hint);
    Told { retry_after: Some(60), ..told }
}

/// Whoever brings a token is told what is wrong with it: they could find it out by themselves.
fn not_vouched(detail: String, hint: &'static str) -> Told {
    let code = RefusalCode::LoginRefused.to_string();
    Told { status: StatusCode::UNAUTHORIZED, code, detail, hint, retry_after: None }
}

/// A call to somewhere else.
pub(super) async fn no_such_call() -> Response {
    Told::new(
        StatusCode::NOT_FOUND,
        "no-such-call",
        "there is no such call",
        "the API stands under /v1",
    )
    .into_response()
}

/// A call by another method.
pub(super) async fn no_such_method() -> Response {
    Told::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "no-such-method",
        "the call does not go by this method",
        "reads are GET, all else is POST",
    )
    .into_response()
}

/// A body that ended before its end.
pub(super) fn broke_off() -> Response {
    Fault::bad("the body did not arrive whole", "send it again").into_response()
}

/// A body that was sent too slowly.
pub(super) fn body_took_too_long() -> Response {
    Fault::bad("the body took too long to arrive", "send it again").into_response()
}

/// A body that is too large.
pub(super) fn too_large() -> Response {
    Told::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "the body is larger than 64 KiB, or than 8 KiB in a call without a login",
        "nothing that can be asked for needs as much",
    )
    .into_response()
}

/// One call more than a login may have under way.
pub(super) fn too_many_calls() -> Response {
    Told {
        retry_after: Some(1),
        ..Told::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-calls",
            "too many calls of this login are under way",
            "wait for their answers, then try again",
        )
    }
    .into_response()
}

/// One large body more than there is memory for.
pub(super) fn too_many_large_calls() -> Response {
    Told {
        retry_after: Some(1),
        ..Told::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "too many calls of more than 8 KiB are arriving",
            "try again in a second",
        )
    }
    .into_response()
}

/// A call whose answer did not come in time. What it asked for may still be done.
pub(super) fn took_too_long() -> Response {
    Told {
        retry_after: Some(1),
        ..Told::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "took-too-long",
            "the call took too long",
            "try again with the same idempotency key",
        )
    }
    .into_response()
}

/// Our fault. Logged once, here; the caller learns nothing of the inside.
fn failed(error: &(dyn std::error::Error + 'static)) -> Told {
    tracing::error!(error = with_causes(error), "a call failed");
    Told::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the daemon failed",
        "its log says why; tell an administrator",
    )
}

fn refused(code: RefusalCode) -> (StatusCode, &'static str) {
    use RefusalCode as Code;
    match code {
        Code::NotPermitted | Code::Forbidden => (
            StatusCode::FORBIDDEN,
            "the policy's rules say who may; `jit-ca roles` lists what you may ask for",
        ),
        Code::RuleError => {
            (StatusCode::FORBIDDEN, "a rule of the policy failed; tell an administrator its name")
        }
        Code::MfaRequired => (
            StatusCode::FORBIDDEN,
            "enrol one with `jit-ca mfa enroll`, or log in again with a code: `jit-ca login --again`",
        ),
        Code::NotAPerson => (
            StatusCode::FORBIDDEN,
            "have a person do it; workloads ask, and use what they are given",
        ),
        Code::MfaTooOld => (StatusCode::FORBIDDEN, "give a new code: jit-ca login --again"),
        Code::TooLong => (StatusCode::FORBIDDEN, "ask for less: --for"),
        Code::UnknownRole | Code::UnknownHost => {
            (StatusCode::FORBIDDEN, "`jit-ca roles` lists roles and their hosts")
        }
        Code::TicketRequired | Code::TicketRefused => {
            (StatusCode::FORBIDDEN, "name one that the role takes: --ticket")
        }
        Code::StartOutOfBounds => (StatusCode::FORBIDDEN, "ask for another start: --at"),
        Code::NoBreakGlass => {
            (StatusCode::FORBIDDEN, "`jit-ca roles` says which roles know emergencies")
        }
        Code::TooManyRequests => (
            StatusCode::CONFLICT,
            "cancel some, or have them decided: jit-ca requests --mine --status pending",
        ),
        Code::TooManyGrants => (
            StatusCode::CONFLICT,
            "wait, or take back what waits or goes on: jit-ca requests --mine",
        ),
        Code::TooManyCertificates => (StatusCode::CONFLICT, "ask again: jit-ca request"),
        // Whoever is refused a login can give no command that needs one.
        Code::Locked => (
            StatusCode::LOCKED,
            "an administrator who is not locked can lift it; where nobody can, `jit-cad unlock` on the CA's machine does",
        ),
        Code::ReasonRequired => (StatusCode::FORBIDDEN, "say why: --comment"),
        Code::SignatureRequired => {
            (StatusCode::FORBIDDEN, "approve with your SSH key: without --unsigned")
        }
        Code::SelfApproval => {
            (StatusCode::FORBIDDEN, "ask a colleague: nobody approves or reviews what is their own")
        }
        Code::NotAnApprover => (StatusCode::FORBIDDEN, "the role says which groups approve"),
        Code::Widening => (
            StatusCode::FORBIDDEN,
            "an approval may shorten, and drop rows and hosts; for more, a new request is needed",
        ),
        Code::WrongStatement => (
            StatusCode::FORBIDDEN,
            "sign what `jit-ca approve` shows, with a key that is in the user file",
        ),
        Code::NotYours => (StatusCode::FORBIDDEN, "`jit-ca status` lists what is yours"),
        Code::NoLongerPermitted => (
            StatusCode::CONFLICT,
            "deny it, or leave it to lapse; `jit-ca policy explain` says what would have to be different",
        ),
        Code::NotPending | Code::AlreadyApproved | Code::TooFewApprovals => {
            (StatusCode::CONFLICT, "`jit-ca requests ID` shows how it stands")
        }
        Code::NotProposed => {
            (StatusCode::CONFLICT, "`jit-ca policy pending` shows what is proposed now")
        }
        Code::GrantEnded | Code::GrantRevoked => {
            (StatusCode::CONFLICT, "ask again: jit-ca request")
        }
        Code::AlreadyExtended => (
            StatusCode::CONFLICT,
            "have that one approved, extend it once it has begun, or take it back; `jit-ca status` lists it",
        ),
        Code::NotToReview => (
            StatusCode::CONFLICT,
            "`jit-ca reviews` lists what is to review; what goes on, its holder ends by `jit-ca end`, others by `jit-ca revoke`",
        ),
        Code::LockUnchanged => (StatusCode::CONFLICT, "`jit-ca locks` lists what is locked"),
        Code::HostRefused => (
            StatusCode::CONFLICT,
            "see which names are whose: jit-ca host list. Which names this CA enrols at all stands in [hosts] of jit-cad.toml",
        ),
        Code::HostUnchanged => {
            (StatusCode::CONFLICT, "see which hosts there are: jit-ca host list")
        }
        Code::ResetUnchanged => (
            StatusCode::CONFLICT,
            "`jit-ca mfa resets` lists what was asked for, and what was confirmed",
        ),
        Code::GrantWaiting => (StatusCode::CONFLICT, "wait for its start"),
        Code::UnknownRow => {
            (StatusCode::FORBIDDEN, "`jit-ca status` lists the rows of your grants")
        }
        Code::RoleChanged => (StatusCode::CONFLICT, "ask again: jit-ca request"),
        Code::KeyRefused => (
            StatusCode::FORBIDDEN,
            "use a fresh key of a type that `jit-ca roles` lists for the role",
        ),
        Code::NoPossession => {
            (StatusCode::FORBIDDEN, "the key to be certified has to sign; `jit-ca cert` does it")
        }
        Code::LoginRefused => (
            StatusCode::UNAUTHORIZED,
            "check the name, the SSH key, the CA's pin and the code; a code works once",
        ),
        Code::TooManyAttempts => (StatusCode::TOO_MANY_REQUESTS, "wait, then try again with care"),
    }
}

fn not_written(error: &CommitError) -> Told {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    match error {
        CommitError::Clash(Clash::Late) => Told {
            retry_after: Some(1),
            ..Told::new(status, "busy", "the log takes too long", "try again in a second")
        },
        CommitError::Clash(_) => Told::new(
            StatusCode::CONFLICT,
            "changed",
            error.to_string(),
            "look again, then try again",
        ),
        CommitError::Busy => Told {
            retry_after: Some(1),
            ..Told::new(status, "busy", error.to_string(), "try again in a second")
        },
        CommitError::Held(hold) => {
            // The daemon's log says it once, where it begins.
            let (code, hint, wait) = match hold {
                Hold::Clock(_) => (
                    "clock-held",
                    "an administrator of the CA has to look at it: `jit-cad clock show`",
                    60,
                ),
                Hold::Disk(_) => (
                    "disk-low",
                    "an administrator of the CA has to make room; then it goes on by itself",
                    30,
                ),
            };
            Told { retry_after: Some(wait), ..Told::new(status, code, error.to_string(), hint) }
        }
        CommitError::Entry(error) => failed(error),
    }
}

struct Told {
    status: StatusCode,
    code: String,
    detail: String,
    hint: &'static str,
    retry_after: Option<u64>,
}

impl Told {
    fn new(status: StatusCode, code: &str, detail: impl Into<String>, hint: &'static str) -> Self {
        Self { status, code: code.to_owned(), detail: detail.into(), hint, retry_after: None }
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let problem = Problem {
            problem_type: problem_type(&self.code),
            title: self.code.replace('-', " "),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code,
            hint: Some(self.hint.to_owned()),
        };
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        // What is not there now may be there soon.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
