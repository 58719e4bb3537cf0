//! A real OpenID provider, and a browser in which people log in there.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::{Lab, Output, Served, run};

/// oidc-provider, as `tests/oidc/op.mjs` sets it up: alice, bob and carol have accounts, and these are its clients:
/// `jit-ca` and `another` without a secret, `with secret` with `kept: by tests+alone`.
#[derive(Debug)]
pub struct OpenIdProvider {
    served: Served,
    browsers: AtomicU32,
}

impl OpenIdProvider {
    /// Starts one.
    pub fn start(lab: &Lab) -> Self {
        Self { served: Served::start(lab, "op.mjs"), browsers: AtomicU32::new(0) }
    }

    /// Changes what it says of somebody: these claims are added to theirs, or replace them. A `sub` that it does not know
    /// is a new account.
    pub fn says_of(&self, sub: &str, claims: &Value) {
        self.control("people", &json!({ sub: claims }));
    }

    /// Deletes somebody's account.
    pub fn forgets(&self, sub: &str) {
        self.control("people", &json!({ sub: null }));
    }

    /// Makes all refresh tokens of somebody worthless.
    pub fn revokes(&self, sub: &str) {
        self.control("revoke", &json!(sub));
    }

    /// From here on it has logins by device code, or says that it has none.
    pub fn has_device_codes(&self, whether: bool) {
        self.control("device_codes", &json!(whether));
    }

    /// From here on its device codes are good for so many seconds.
    pub fn device_codes_last(&self, secs: u64) {
        self.control("device_codes_last", &json!(secs));
    }

    /// From here on its keys are not to be had, or are again. All else is answered.
    pub fn hides_keys(&self, whether: bool) {
        self.control("hides_keys", &json!(whether));
    }

    /// A browser that knows nothing of this provider yet.
    pub fn browser(&self) -> Visitor {
        let number = self.browsers.fetch_add(1, Ordering::Relaxed);
        let cookies = self.folder().join(format!("cookies-{number}"));
        Visitor { issuer: self.issuer(), ca_file: self.ca_file(), cookies }
    }
}

impl Deref for OpenIdProvider {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

impl DerefMut for OpenIdProvider {
    fn deref_mut(&mut self) -> &mut Served {
        &mut self.served
    }
}

/// How somebody says who they are. The default is a password, a moment ago.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// The class that the provider puts it in.
    pub acr: &'a str,
    /// The means, with spaces between.
    pub amr: &'a str,
    /// When it was, in seconds since 1970, where it was not now.
    pub auth_time: Option<u64>,
}

impl Default for Means<'_> {
    fn default() -> Self {
        Self { acr: "urn:example:pwd", amr: "pwd", auth_time: None }
    }
}

impl Means<'_> {
    /// With a second factor.
    pub const MFA: Self = Self { acr: "urn:example:mfa", amr: "pwd otp mfa", auth_time: None };
}

/// A browser without a screen. It keeps cookies, so whoever is logged in at the provider still is the next time.
#[derive(Debug)]
pub struct Visitor {
    issuer: String,
    ca_file: PathBuf,
    cookies: PathBuf,
}

impl Visitor {
    /// Goes to an address of the provider, and says yes to what it asks there. Gives the address elsewhere at which the
    /// provider has it end, without going there.
    ///
    /// Where the provider asks nobody to log in, `sub` and `means` are not used.
    pub fn logs_in(&self, address: &str, sub: &str, means: Means<'_>) -> String {
        let time = means.auth_time.map(|time| time.to_string()).unwrap_or_default();
        let form = [("sub", sub), ("acr", means.acr), ("amr", means.amr), ("auth_time", &time)];
        self.goes(address, |_| form.to_vec())
    }

    /// Goes there and says no.
    pub fn refuses(&self, address: &str) -> String {
        self.goes(address, |_| vec![("refuse", "1")])
    }

    /// Logs in, and says no when asked whether the client may know of it.
    pub fn withholds(&self, address: &str, sub: &str) -> String {
        self.goes(address, |page| match page.contains("<title>login</title>") {
            true => vec![("sub", sub)],
            false => vec![("refuse", "1")],
        })
    }

    fn goes<'a>(&self, address: &str, fill: impl Fn(&str) -> Vec<(&'a str, &'a str)>) -> String {
        let (mut at, mut form) = (address.to_owned(), Vec::new());
        for _ in 0..20 {
            let page = self.curl(&at, &form);
            let (status, next) = page.stderr.rsplit_once(' ').expect("status and redirect");
            let is_form = at.contains("/interaction/") && status == "200" && form.is_empty();
            match next {
                "" if is_form => form = fill(&page.stdout),
                "" => panic!("{at} {page}"),
                next if next.starts_with(&self.issuer) => {
                    (at, form) = (next.to_owned(), Vec::new());
                }
                next => return next.to_owned(),
            }
        }
        panic!("{address} leads nowhere");
    }

    fn curl(&self, address: &str, form: &[(&str, &str)]) -> Output {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "20", "--cacert"]).arg(&self.ca_file);
        curl.arg("--cookie").arg(&self.cookies).arg("--cookie-jar").arg(&self.cookies);
        curl.args(["--write-out", "%{stderr}%{http_code} %{redirect_url}"]);
        for (name, value) in form {
            curl.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        run(curl.arg(address)).ok()
    }
}

/// A parameter of an address's query.
pub fn parameter(address: &str, name: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(known, _)| *known == name)?;
    let mut decoded = Vec::new();
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |digit: Option<u8>| char::from(digit.unwrap_or_default()).to_digit(16);
        decoded.push(match byte {
            b'%' => u8::try_from(hex(bytes.next())? * 16 + hex(bytes.next())?).ok()?,
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}
