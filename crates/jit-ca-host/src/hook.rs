//! How sshd tells hostd of a connection: as a PAM session is opened, or as a certificate is offered. Each hook is started
//! by the sshd process that stands for the connection, which is how hostd knows which one it is.

use std::io;

use crate::client::{Unanswered, ask};
use crate::config::Config;
use crate::feed;
use crate::protocol::{Frame, Kind, Login, Proof};
use crate::syslog;

/// Why nobody is let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// hostd says no, or nothing.
    #[error("jit-ca: {0}")]
    Unanswered(#[from] Unanswered),
    /// The hook can't be told.
    #[error("jit-ca: {0}")]
    Io(#[from] io::Error),
    /// The certificate is not known to be in the CA's log.
    #[error("jit-ca: {0}")]
    Unlogged(#[from] feed::Unlogged),
    /// The account is opened by no certificate.
    #[error("jit-ca: no certificate opens the account {0} on this host")]
    NoPrincipals(String),
}

/// pam_exec(8) calls: asks in the `account` phase whether hostd is there, so that the user is told if it isn't, and
/// registers the connection in `open_session`, in which sshd tells what let it in.
///
/// # Errors
/// If the connection is not to be.
pub(crate) fn pam(config: &Config, variable: impl Fn(&str) -> Option<String>) -> Result<(), Fault> {
    let account = variable("PAM_USER").unwrap_or_default();
    let question = match variable("PAM_TYPE").as_deref() {
        Some("account") => Frame::new(Kind::Alive, ""),
        Some("open_session") => {
            let methods = variable("SSH_AUTH_INFO_0").unwrap_or_default();
            let from = variable("PAM_RHOST").filter(|from| !from.is_empty());
            let proof = Proof::Methods(methods);
            Frame::json(Kind::Login, &Login { account: account.clone(), from, proof })?
        }
        // The end of a session is seen, not told.
        _ => return Ok(()),
    };
    match ask(&config.places.socket(), &question) {
        Ok(_) => Ok(()),
        // Somebody has to be able to mend it.
        Err(Unanswered::Down(_)) if config.is_break_glass(&account) => Ok(()),
        Err(fault) => Err(fault.into()),
    }
}

/// sshd's `AuthorizedPrincipalsCommand … principals %u %k` calls: registers the connection, and gives the principals that
/// open the account. sshd calls it before anybody has proven to have the certificate's key, and calls it again for each
/// certificate that is offered, so what is told last counts. On a strict host the certificate has to be in the CA's log,
/// unless a login is tried by one of `install`'s own.
///
/// # Errors
/// If the account is opened by no certificate, or hostd won't have the connection. sshd goes by that (sshd_config(5)).
pub(crate) fn principals(
    config: &Config,
    account: &str,
    certificate: &str,
    is_trial: bool,
) -> Result<Vec<String>, Fault> {
    let principals = config.principals(account);
    if principals.is_empty() {
        return Err(Fault::NoPrincipals(account.to_owned()));
    }
    if config.sshd.strict
        && !is_trial
        && let Err(unlogged) = feed::must_be_logged(config, certificate)
    {
        // sshd throws away what its commands say.
        syslog::warn(&config.places.syslog, &format!("{account}: {unlogged}"));
        return Err(unlogged.into());
    }
    let proof = Proof::Offered(certificate.to_owned());
    let login = Login { account: account.to_owned(), from: None, proof };
    match ask(&config.places.socket(), &Frame::json(Kind::Login, &login)?) {
        Ok(_) => {}
        Err(Unanswered::Down(_)) if config.is_break_glass(account) => {}
        Err(fault) => return Err(fault.into()),
    }
    Ok(principals.iter().map(ToString::to_string).collect())
}
