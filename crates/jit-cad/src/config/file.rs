//! `jit-cad.toml`, from text to checked values.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{env, fs};

use jit_ca_cert::{CaName, ServerName, TrustDomain};
use jit_ca_core::{Origin, Span};
use serde::Deserialize;
use toml::Spanned;
use zeroize::Zeroizing;

/// No login lasts longer, whatever the configuration says.
const LONGEST_LOGIN: Span = Span::from_secs(12 * 60 * 60);

/// What the file says, checked; paths as they stand there.
pub(super) struct Checked {
    pub(super) ca_name: CaName,
    pub(super) origin: Origin,
    pub(super) trust_domain: TrustDomain,
    pub(super) address: SocketAddr,
    pub(super) names: Vec<ServerName>,
    pub(super) keys: PathBuf,
    pub(super) passphrase: Passphrase,
    pub(super) store: PathBuf,
    pub(super) admin_socket: PathBuf,
    pub(super) login_longest: Span,
    pub(super) login_idle: Span,
}

/// Where the passphrase of the CA's keys comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passphrase {
    /// An environment variable of this name.
    Env(String),
    /// The first line of this file.
    File(PathBuf),
    /// A systemd credential of this name (systemd.exec(5), `LoadCredential=`).
    Credential(String),
}

/// The passphrase can't be had.
#[derive(Debug, thiserror::Error)]
pub enum NoPassphrase {
    /// The variable, or the credentials' folder, is not set.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file can't be read.
    #[error("{} can't be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There is none in it.
    #[error("the passphrase is empty")]
    Empty,
}

impl Passphrase {
    pub(super) fn relative_to(self, base: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(base.join(path)),
            other => other,
        }
    }

    /// The passphrase itself.
    ///
    /// # Errors
    /// If it can't be had, or is empty.
    pub fn read(&self) -> Result<Zeroizing<String>, NoPassphrase> {
        let variable =
            |name: &String| env::var(name).map_err(|_| NoPassphrase::Unset(name.clone()));
        let first_line = |path: PathBuf| match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().next().unwrap_or_default().to_owned()),
            Err(source) => Err(NoPassphrase::Unreadable { path, source }),
        };
        let passphrase = match self {
            Self::Env(name) => variable(name)?,
            Self::File(path) => first_line(path.clone())?,
            Self::Credential(name) => {
                first_line(Path::new(&variable(&"CREDENTIALS_DIRECTORY".to_owned())?).join(name))?
            }
        };
        if passphrase.is_empty() {
            Err(NoPassphrase::Empty)
        } else {
            Ok(Zeroizing::new(passphrase))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    ca: Ca,
    listen: Listen,
    keys: Keys,
    store: Store,
    admin: Admin,
    login: Login,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ca {
    name: Spanned<String>,
    origin: Spanned<String>,
    trust_domain: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listen {
    address: Spanned<String>,
    names: Spanned<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    dir: PathBuf,
    passphrase: Passphrase,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Store {
    path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Admin {
    socket: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    longest: Spanned<String>,
    idle: Spanned<String>,
}

/// Reads the file's text; all faults at once, as far as it is TOML of the right shape at all.
pub(super) fn parse(path: &Path, text: &str) -> Result<Checked, Vec<String>> {
    let mut faults = Report { path, text, faults: Vec::new() };
    let file: File = match toml::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            let hint = "see the comments in the jit-cad.toml that `jit-cad init` writes";
            faults.add(error.span(), error.message(), hint);
            return Err(faults.faults);
        }
    };

    let checked = Checked {
        ca_name: faults.value(&file.ca.name, "invalid"),
        origin: faults.value(&file.ca.origin, "ca.invalid"),
        trust_domain: faults.value(&file.ca.trust_domain, "invalid"),
        address: faults.check(
            &file.listen.address,
            SocketAddr::from(([127, 0, 0, 1], 0)),
            |text| text.parse().ok(),
            "an address and a port, such as 127.0.0.1:8440",
        ),
        names: faults.names(&file.listen.names),
        keys: file.keys.dir,
        passphrase: file.keys.passphrase,
        store: file.store.path,
        admin_socket: file.admin.socket,
        login_longest: faults.login_span(&file.login.longest),
        login_idle: faults.login_span(&file.login.idle),
    };
    if faults.faults.is_empty() { Ok(checked) } else { Err(faults.faults) }
}

struct Report<'a> {
    path: &'a Path,
    text: &'a str,
    faults: Vec<String>,
}

impl Report<'_> {
    fn add(&mut self, span: Option<Range<usize>>, message: &str, hint: &str) {
        let before = span.and_then(|span| self.text.get(..span.start));
        let line =
            before.map_or(String::new(), |before| format!(":{}", before.matches('\n').count() + 1));
        let message = message.trim_end().replace('\n', " ");
        self.faults.push(format!("{}{line}: {message}\n  hint: {hint}", self.path.display()));
    }

    /// The value that `parse` finds in the text; `instead`, with a fault noted, if there is none.
    fn check<T>(
        &mut self,
        text: &Spanned<String>,
        instead: impl Into<T>,
        parse: impl FnOnce(&str) -> Option<T>,
        expected: &str,
    ) -> T {
        parse(text.get_ref()).unwrap_or_else(|| {
            self.add(
                Some(text.span()),
                &format!("{:?} is not {expected}", text.get_ref()),
                &format!("write {expected}"),
            );
            instead.into()
        })
    }

    /// A value of the domain, which says itself what is wrong with it.
    fn value<T: FromStr<Err = jit_ca_core::ValueError>>(
        &mut self,
        text: &Spanned<String>,
        instead: &str,
    ) -> T {
        match text.get_ref().parse() {
            Ok(value) => value,
            Err(error) => {
                let message = format!("{:?} is not a {}", error.given, error.kind);
                self.add(Some(text.span()), &message, error.expected);
                #[expect(
                    clippy::expect_used,
                    reason = "the stand-ins are constants of this module"
                )]
                instead.parse().expect("a stand-in is a value")
            }
        }
    }

    fn names(&mut self, names: &Spanned<Vec<String>>) -> Vec<ServerName> {
        if names.get_ref().is_empty() {
            self.add(
                Some(names.span()),
                "there is no name",
                "list the host names and addresses that clients use",
            );
        }
        let mut parsed = Vec::new();
        for name in names.get_ref() {
            match name.parse() {
                Ok(name) => parsed.push(name),
                Err(_) => {
                    let message = format!("{name:?} is neither a host name nor an address");
                    self.add(
                        Some(names.span()),
                        &message,
                        "write names such as ca.example.org, in lower case, or addresses",
                    );
                }
            }
        }
        parsed
    }

    fn login_span(&mut self, text: &Spanned<String>) -> Span {
        let allowed = |text: &str| {
            text.parse().ok().filter(|span: &Span| !span.is_zero() && *span <= LONGEST_LOGIN)
        };
        self.check(text, LONGEST_LOGIN, allowed, "a duration up to 12h, such as 8h or 30m")
    }
}
