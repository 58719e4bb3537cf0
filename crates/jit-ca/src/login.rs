//! Logins: made with an SSH key and a code, kept until they end.

use std::path::Path;

use jit_ca_api::client::{Client, IdempotencyKey, LoginIdentity};
use jit_ca_api::{Factor, LoginCall, LoginReply, Me, StepUpCall};
use jit_ca_core::statement::{self, Kind};
use jit_ca_core::{Digest, PersonName, UnixTime};
use jit_ca_log::sshsig;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::browser;
use crate::cli::LoginArgs;
use crate::error::{Error, Result};
use crate::files;
use crate::passkey::{self, Asked};
use crate::places::Places;
use crate::printer::Printer;
use crate::profile::{KnownCa, Profile};
use crate::request_key::RequestKey;
use crate::sign_on::Means;
use crate::signing::SigningKey;
use crate::terminal;
use crate::witness::Witness;

/// A login that is kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptLogin {
    /// The CA that it is for.
    pin: Digest,
    /// The login certificate and its issuer's, as PEM.
    certificate: String,
    /// The login key, as PEM. It never leaves this machine.
    key: SecretPem,
    /// Who is logged in.
    pub(crate) me: Me,
    /// Whether it was made by a one-use code, to enrol a second factor; such a login is short.
    pub(crate) is_for_enrolment: bool,
}

/// A private key as PEM, wiped when it is no longer used.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
struct SecretPem(String);

/// A CA that we are logged in to.
#[derive(Clone, Debug)]
pub(crate) struct Ca {
    pub(crate) profile: Profile,
    pub(crate) client: Client,
    pub(crate) login: KeptLogin,
    pub(crate) witness: Witness,
}

impl KeptLogin {
    /// The login, if one is kept that has not ended by itself.
    pub(crate) fn load(places: &Places, now: UnixTime) -> Result<Option<Self>> {
        let kept: Option<Self> = files::read_json(&places.login())?;
        Ok(kept.filter(|login| now < login.me.login.expires))
    }

    fn new(
        known: &KnownCa,
        login_key: &RequestKey,
        reply: LoginReply,
        is_for_enrolment: bool,
    ) -> Self {
        Self {
            pin: *known.pin(),
            certificate: reply.certificate,
            key: SecretPem(login_key.private_key().to_string()),
            me: reply.me,
            is_for_enrolment,
        }
    }

    pub(crate) fn save(&self, places: &Places) -> Result<()> {
        files::private_folder(&places.runtime)?;
        files::write_json(&places.login(), self)
    }
}

impl std::fmt::Debug for KeptLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptLogin").field("me", &self.me).finish_non_exhaustive()
    }
}

impl Ca {
    /// The CA, as the login that is kept, once its log has shown that it goes on from what was seen of it.
    pub(crate) fn open(places: &Places, now: UnixTime) -> Result<Self> {
        let profile = Profile::load(places)?.ok_or(Error::NoProfile)?;
        let login = KeptLogin::load(places, now)?.ok_or(Error::NotLoggedIn)?;
        let ca = Self::with(places, profile, login)?;
        ca.witness.meet(&ca.client)?;
        Ok(ca)
    }

    /// The CA, as the login that is kept and still serves; else as a new one.
    pub(crate) fn open_or_login(
        places: &Places,
        printer: &Printer,
        arguments: &LoginArgs,
        now: UnixTime,
    ) -> Result<Self> {
        let known = KnownCa::find(places, &arguments.contact)?;
        match Self::open_at(places, &known, now).and_then(Self::still_serves) {
            Ok(ca) => Ok(ca),
            Err(error) if error.is_login_over() || matches!(error, Error::NoProfile) => {
                log_in(places, printer, known, arguments, None)
            }
            Err(error) => Err(error),
        }
    }

    /// The CA as the login that is kept, where the caller says that it is now; that is remembered.
    fn open_at(places: &Places, known: &KnownCa, now: UnixTime) -> Result<Self> {
        let mut profile = Profile::load(places)?.ok_or(Error::NoProfile)?;
        if profile.ca != *known {
            profile.ca = known.clone();
            profile.save(places)?;
        }
        Self::open(places, now)
    }

    fn still_serves(mut self) -> Result<Self> {
        self.login.me = self.client.me()?;
        match self.login.me.login.mfa_at {
            Some(_) => Ok(self),
            // Workloads have none; and of people the issuer is asked for one when it is needed.
            None if !self.login.me.subject.is_local() => Ok(self),
            None => Err(Error::NotLoggedIn),
        }
    }

    /// Gives the login a second factor of now: a passkey.
    fn step_up(&mut self, places: &Places, printer: &Printer) -> Result<()> {
        // The page may be served since the login was made.
        let known = self.profile.ca.clone().refreshed(&self.client)?;
        let challenge = challenge(&self.client)?;
        let statement = statement::StepUp {
            origin: &known.trust.origin,
            subject: &self.login.me.subject,
            login: &self.login.me.login.serial,
            challenge: &challenge,
        };
        let assertion = passkey::sign(printer, &known, &Asked::StepUp(&statement))?;
        let call = StepUpCall { challenge, assertion };
        self.login.me = self.client.step_up(&call, &IdempotencyKey::random()?)?;
        self.login.save(places)
    }

    fn with(places: &Places, profile: Profile, login: KeptLogin) -> Result<Self> {
        // A login is worth nothing at another CA, and would tell that one who we are.
        if login.pin != *profile.ca.pin() {
            return Err(Error::NotLoggedIn);
        }
        let identity = LoginIdentity::from_pem(&login.certificate, &login.key.0)?;
        let client = Client::new(&profile.ca.url, &profile.ca.root()?, Some(&identity))?;
        let witness = Witness::new(places, profile.ca.log_key()?);
        Ok(Self { profile, client, login, witness })
    }
}

/// What is given beside the SSH key.
pub(crate) enum SecondFactor<'f> {
    /// A code of the authenticator, from this file or else from the terminal; but where no file is named and the SSH key
    /// is a second factor of its own, nothing.
    Code(Option<&'f Path>),
    /// A passkey, in the browser.
    Passkey,
    /// The one-use code that enrols.
    EnrolmentCode(String),
}

impl<'f> SecondFactor<'f> {
    /// What the arguments say, or what was used last.
    fn of(arguments: &'f LoginArgs, remembered: Option<&Profile>) -> Self {
        let used_passkey = remembered.is_some_and(|profile| profile.passkey);
        match &arguments.code_file {
            Some(file) => Self::Code(Some(file)),
            None if arguments.passkey || used_passkey => Self::Passkey,
            None => Self::Code(None),
        }
    }

    /// The factor, where it does not depend on what the key signs.
    fn at_hand(&self, key: &SigningKey, has_page: bool) -> Result<Option<Factor>> {
        match self {
            Self::EnrolmentCode(code) => Ok(Some(Factor::EnrolmentCode(code.clone()))),
            Self::Passkey => Ok(None),
            Self::Code(None) if key.is_of_security_key() => Ok(None),
            Self::Code(file) => totp(*file, has_page).map(Some),
        }
    }
}

/// Logs in: signs the CA's challenge with the person's SSH key and gives a second factor, which is the one of the arguments
/// or of the last login unless it is given.
pub(crate) fn log_in(
    places: &Places,
    printer: &Printer,
    known: KnownCa,
    arguments: &LoginArgs,
    second: Option<SecondFactor<'_>>,
) -> Result<Ca> {
    let remembered = Profile::load(places)?;
    let client = known.client(places)?;
    let known = known.refreshed(&client)?;
    if let Some(means) = Means::of(arguments, remembered.as_ref())? {
        return by_issuer(places, printer, known, &means, false);
    }
    let name = name(places, arguments, remembered.as_ref())?;
    let second = second.unwrap_or_else(|| SecondFactor::of(arguments, remembered.as_ref()));
    let has_page = known.trust.page.is_some();
    let key_file = match &arguments.key {
        Some(file) => Some(places.absolute(file)),
        None => remembered.and_then(|profile| profile.key),
    };
    let signing_key = SigningKey::choose(places, key_file.as_deref())?;
    // Before the challenge, which waits for two minutes only.
    let at_hand = second.at_hand(&signing_key, has_page)?;

    let challenge = challenge(&client)?;
    let login_key = RequestKey::generate()?;
    let statement = statement::Login {
        origin: &known.trust.origin,
        pin: known.pin(),
        subject: &name,
        challenge: &challenge,
        login_key: &login_key.digest(),
    };
    let signature = signing_key.sign(places, Kind::Login, &statement.text())?;
    let factor = match at_hand {
        Some(factor) => factor,
        None if matches!(second, SecondFactor::Passkey) => {
            Factor::Passkey(passkey::sign(printer, &known, &Asked::Login(&statement))?)
        }
        None if is_user_verified(&signature) => Factor::SecurityKey,
        None => totp(None, has_page)?,
    };
    let is_for_enrolment = matches!(factor, Factor::EnrolmentCode(_));
    let call =
        LoginCall { name: name.clone(), signature, csr: login_key.request()?, challenge, factor };
    let reply = client.login(&call, &IdempotencyKey::random()?)?;

    let login = KeptLogin::new(&known, &login_key, reply, is_for_enrolment);
    // The file that served: what ssh-agent holds may be another key by the time of an approval.
    let key = match signing_key {
        SigningKey::File(file) => Some(file),
        SigningKey::Agent(_) => None,
    };
    let passkey = matches!(second, SecondFactor::Passkey);
    let profile = Profile { ca: known, name, key, issuer: None, device: false, passkey };
    keep(places, printer, profile, login)
}

/// Logs in with what an issuer says. With `afresh` it is to see a second factor now.
fn by_issuer(
    places: &Places,
    printer: &Printer,
    known: KnownCa,
    means: &Means,
    afresh: bool,
) -> Result<Ca> {
    let client = known.stranger()?;
    let login_key = RequestKey::generate()?;
    let (reply, issuer) = means.log_in(printer, &client, &known, &login_key, afresh)?;
    let name = reply.me.name.clone();
    let login = KeptLogin::new(&known, &login_key, reply, false);
    let device = matches!(means, Means::Device(_));
    let profile = Profile { ca: known, name, key: None, issuer, device, passkey: false };
    keep(places, printer, profile, login)
}

/// Has the person give a second factor, where the CA wants a newer one for what was to be done; and says whether it was
/// given, so that it can be done again. A passkey is nearer than the issuer.
pub(crate) fn step_up(
    places: &Places,
    printer: &Printer,
    error: &Error,
    now: UnixTime,
) -> Result<bool> {
    if !error.wants_second_factor() || !browser::can_open() {
        return Ok(false);
    }
    let mut ca = Ca::open(places, now)?;
    if ca.client.me()?.has_passkey && ca.client.trust()?.page.is_some() {
        printer.note(&format!("{error}: a passkey of yours is asked for"));
        match ca.step_up(places, printer) {
            Ok(()) => return Ok(true),
            // It may be on another device, and the issuer has a factor of its own.
            Err(other) if ca.profile.issuer.is_some() => printer.note(&other.to_string()),
            Err(other) => return Err(other),
        }
    }
    let Some(issuer) = ca.profile.issuer.clone() else { return Ok(false) };
    printer.note(&format!("{error}: {issuer} is asked for it"));
    let means = Means::at(issuer, ca.profile.device);
    by_issuer(places, printer, ca.profile.ca, &means, true)?;
    Ok(true)
}

/// Keeps a new login.
fn keep(places: &Places, printer: &Printer, profile: Profile, login: KeptLogin) -> Result<Ca> {
    // The login first: a profile without a login is asked for one, a login without a profile is lost.
    login.save(places)?;
    profile.save(places)?;
    printer.note(&format!(
        "logged in to {} as {} until {}",
        profile.ca.url, login.me.name, login.me.login.expires
    ));
    Ca::with(places, profile, login)
}

/// What the CA sends to be answered.
pub(crate) fn challenge(client: &Client) -> Result<String> {
    let challenge = client.challenge()?.challenge;
    // INVARIANT (statements are one line a value): what the CA sends must not forge another line.
    match challenge.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(challenge),
        false => Err(Error::unverified("the CA's challenge is not printable")),
    }
}

/// Whether a security key made this signature, and verified its user before.
fn is_user_verified(signature: &str) -> bool {
    sshsig::from_armour(signature).is_ok_and(|blob| sshsig::says_user_verified(&blob))
}

/// A code of the person's authenticator, from a file or from the terminal.
fn totp(file: Option<&Path>, has_page: bool) -> Result<Factor> {
    let question = match has_page {
        true => "code of your authenticator (or run it with --passkey): ",
        false => "code of your authenticator: ",
    };
    let code = read_code(file, question, "give it in a file, or on stdin: --code-file -")?;
    Ok(Factor::Totp(code))
}

/// A code from a file or from the terminal.
pub(crate) fn read_code(file: Option<&Path>, question: &str, hint: &'static str) -> Result<String> {
    let code = match file {
        Some(file) => terminal::first_line(file)?.to_string(),
        None => terminal::ask(question, "a code", hint)?,
    };
    Ok(code.replace(' ', ""))
}

fn name(
    places: &Places,
    arguments: &LoginArgs,
    remembered: Option<&Profile>,
) -> Result<PersonName> {
    if let Some(name) = &arguments.name {
        return Ok(name.clone());
    }
    if let Some(profile) = remembered {
        return Ok(profile.name.clone());
    }
    let account = places.user.as_deref().and_then(|user| user.parse().ok());
    account.ok_or_else(|| {
        Error::usage("it is not clear what the CA calls you", "say it once: --name alice")
    })
}
