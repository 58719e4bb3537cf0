//! Logging in on a machine without a browser (RFC 8628): begun there, confirmed on the CA's page, signed on at the issuer.
//!
//! The issuer's own code and address leave the daemon through the page alone, once somebody has said there that the login
//! is theirs. So a terminal alone sends nobody to the issuer past what the page shows. (Who opens the page themselves can:
//! docs/threats.md.)

use std::net::IpAddr;

use jit_ca_api::{DeviceBegun, DeviceCall};
use jit_ca_core::statement::SignOn;
use jit_ca_core::{Digest, IssuerName, Span, UnixTime};
use jit_ca_policy::{Issuer, PeopleIssuer, Vouches};

use super::by_issuer::{no_such_issuer, provider, refuse};
use super::{Login, again_by, login_key, must_not_wait};
use crate::app::App;
use crate::clock;
use crate::identity::{
    Brought, DEVICE_LIFE, Device, Network, NotAdded, NothingSaid, Said, Turn, nonce,
};
use crate::provider::{DeviceRequest, Doing, ProviderFault};
use crate::service::certificate::csr_der;
use crate::service::{CallKey, Fault, blocking};

/// How often whoever waits asks us, in seconds. The issuer is asked as often as it wants.
const ASKED_EVERY: u64 = 2;

/// Begins such a login for the key of a CSR.
///
/// # Errors
/// If the issuer has no such logins, is not reached or says no; if there is no page; or if too many wait already.
pub async fn begin_device(
    app: &App,
    issuer: &str,
    call: &DeviceCall,
    address: IpAddr,
) -> Result<DeviceBegun, Fault> {
    let (now, network) = (clock::now(), Network::of(address));
    must_not_wait(app.failed_addresses.wait(&network, now))?;
    let policy = app.policy();
    let known = issuer.parse().ok().and_then(|name: IssuerName| policy.bundle.issuer(&name));
    let issuer = known.ok_or_else(|| no_such_issuer(issuer))?;
    let people = must_have_devices(issuer)?;
    let page = app.page.get().ok_or_else(|| {
        let hint = "sign on with a browser, or have the administrator set [web] in jit-cad.toml";
        Fault::bad(
            "a login by device code is confirmed on the CA's page, and this CA serves none",
            hint,
        )
    })?;
    let login_key = login_key(&csr_der(&call.csr)?)?.spki_digest();
    app.devices.must_have_room(network, now)?;

    let (challenge, answerable) = app.challenges.make(now)?;
    let nonce = nonce(&sign_on(app, &issuer.name, &challenge, &login_key));
    let asked = provider(app, issuer).await?;
    let (scopes, acr_values, max_age) = (people.scopes.clone(), people.acr.clone(), call.max_age);
    let authorization = blocking(move || {
        let (scopes, acr_values) = (&*scopes, &*acr_values);
        let request = DeviceRequest { scopes, nonce: &nonce, acr_values, max_age };
        asked.ask(|asked| asked.begin_device(&request).map_err(Fault::Issuer))
    })
    .await?;
    let life = Span::from_secs(authorization.expires_in.min(DEVICE_LIFE.secs()));
    let device = Device {
        issuer: issuer.name.clone(),
        login_key,
        challenge: challenge.clone(),
        address,
        begun: now,
        expires: now.plus(life).min(answerable),
        authorization,
    };
    let expires = device.expires;
    let user_code = app.devices.add(device, now)?;
    // Behind the `#`: no server is sent it, and no log of one has it.
    let url = format!("{}/#device={user_code}", page.origin());
    Ok(DeviceBegun { challenge, user_code, url, interval: ASKED_EVERY, expires })
}

/// The login with a code that was typed on the page.
///
/// # Errors
/// If there is none that waits for an answer, or too many wrong codes came before.
pub fn find_device(app: &App, code: &str, address: IpAddr) -> Result<Device, Fault> {
    by_code(app, address, |now| app.devices.find(code, now))
}

/// Somebody says that the login is theirs. From here on the issuer is asked about it.
///
/// # Errors
/// As [`find_device`].
pub fn confirm_device(app: &App, code: &str, address: IpAddr) -> Result<Device, Fault> {
    by_code(app, address, |now| app.devices.confirm(code, address, now))
}

/// Somebody says that it is not.
///
/// # Errors
/// As [`find_device`].
pub fn deny_device(app: &App, code: &str, address: IpAddr) -> Result<Device, Fault> {
    let denied = by_code(app, address, |now| app.devices.deny(code, now))?;
    app.count_stranger(clock::now());
    Ok(denied)
}

/// By what the issuer is asked about a login, if it is its turn.
pub(super) fn brought(
    app: &App,
    challenge: &str,
    (issuer, login_key): (&Issuer, &Digest),
    (address, now): (IpAddr, UnixTime),
) -> Result<Brought, Fault> {
    // The policy may have changed since it was begun.
    must_have_devices(issuer)?;
    let challenge = challenge.to_owned();
    match app.devices.turn(&challenge, (&issuer.name, login_key), now) {
        Turn::Ask { device_code, confirmed_from } => {
            Ok(Brought::Device { challenge, device_code, confirmed_from })
        }
        Turn::NotYet => Err(Fault::NotYet),
        Turn::Denied => Err(Fault::NotVouched {
            detail: "somebody said on the CA's page that this login is not theirs".to_owned(),
            hint: "if it was yours, log in again: jit-ca login --device",
        }),
        Turn::Unknown => {
            let what =
                "no such login waits: it took too long, was finished, or the CA was started anew";
            Err(refuse(app, address, now, what))
        }
    }
}

/// The login that the same call made before, for whoever has signed on by then; its answer may not have arrived.
pub(super) async fn again(
    app: &App,
    challenge: &str,
    of: (&IssuerName, &Digest),
    (address, now): (IpAddr, UnixTime),
    key: &CallKey,
) -> Result<Option<Login>, Fault> {
    let Some(subject) = app.devices.signed_on_as(challenge, of, now) else { return Ok(None) };
    let login = again_by(app, &subject, address, key).await?;
    if login.is_some() {
        app.devices.logged_in(challenge, &subject);
    }
    Ok(login)
}

/// What the issuer's answer means for the login that waits. Once the issuer has given its tokens, the login waits until it
/// is too late or they are refused: the same call can go on with them.
pub(super) fn settle(
    app: &App,
    challenge: &str,
    said: &Result<Said, NothingSaid>,
) -> Result<(), Fault> {
    match said {
        Err(NothingSaid::NotYet { slower: false }) => Err(Fault::NotYet),
        Err(NothingSaid::NotYet { slower: true }) => {
            app.devices.slow_down(challenge);
            Err(Fault::NotYet)
        }
        // Section 3.5: who is not answered asks again, and less often.
        Err(NothingSaid::Provider(fault @ ProviderFault::Unreachable(_))) => {
            tracing::warn!(%fault, "a login by device code waits for its issuer");
            app.devices.slow_down(challenge);
            Err(Fault::NotYet)
        }
        Ok(said) => {
            app.devices.signed_on(challenge, &said.subject);
            Ok(())
        }
        // Its keys can't be had: the tokens are as good as before.
        Err(NothingSaid::Provider(fault))
            if fault.doing() == Doing::Provider && app.devices.has_tokens(challenge) =>
        {
            Ok(())
        }
        Err(_) => {
            app.devices.forget(challenge);
            Ok(())
        }
    }
}

/// What the nonce is the hash of.
pub(super) fn sign_on(
    app: &App,
    issuer: &IssuerName,
    challenge: &str,
    login_key: &Digest,
) -> String {
    SignOn { origin: &app.config.origin, pin: &app.pin(), issuer, challenge, login_key }.text()
}

fn must_have_devices(issuer: &Issuer) -> Result<&PeopleIssuer, Fault> {
    let Vouches::People(people) = &issuer.vouches else {
        let hint =
            "log in with a token of it: jit-ca login --workload --issuer NAME --token-file FILE";
        let what = format!("nobody signs on at {}: it vouches for workloads", issuer.name);
        return Err(Fault::bad(what, hint));
    };
    if !people.device {
        let hint = "sign on with a browser; an administrator allows it by device = true in the issuer's file";
        let what = format!("the policy allows no logins by device code at {}", issuer.name);
        return Err(Fault::bad(what, hint));
    }
    Ok(people)
}

impl From<NotAdded> for Fault {
    fn from(error: NotAdded) -> Self {
        match error {
            NotAdded::NetworkFull => Self::TooManyBegunHere,
            NotAdded::Full => Self::TooManyBegun,
            NotAdded::Randomness(error) => error.into(),
        }
    }
}

/// A wrong code is a guess at somebody's.
fn by_code(
    app: &App,
    address: IpAddr,
    find: impl FnOnce(UnixTime) -> Option<Device>,
) -> Result<Device, Fault> {
    let (now, network) = (clock::now(), Network::of(address));
    must_not_wait(app.failed_addresses.wait(&network, now))?;
    find(now).ok_or_else(|| {
        app.failed_addresses.failed(&network, now);
        let hint = "compare it with the terminal; a code is answered once, and good for ten minutes at most";
        Fault::no_such("no login with this code waits for an answer", hint)
    })
}
