//! Where checkpoints are kept off the host: what `[log] anchors` names.

use std::fmt;
use std::path::{Path, PathBuf};

use axum::http::Uri;
use toml::de::{DeTable, DeValue};

/// The certificates that a webhook is trusted by, where the configuration names none: Debian's, of all public CAs.
pub(super) const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

pub(super) const ONE_OF: &str = "write { file = \"PATH\" } or { webhook = \"https://…\" }; a webhook may have a ca_file = \"PATH\" beside it";

/// One place for checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnchorPlace {
    /// A file, on a disk that is not this host's.
    File(PathBuf),
    /// A service.
    Webhook {
        /// Where it takes and gives checkpoints.
        url: Uri,
        /// The roots that its certificate has to lead to.
        ca_file: PathBuf,
    },
}

impl AnchorPlace {
    /// Reads `{ file = … }` or `{ webhook = …, ca_file = … }`; says what is wrong with anything else.
    pub(super) fn read(value: DeValue<'_>) -> Result<Self, String> {
        let DeValue::Table(mut table) = value else {
            return Err("an anchor is not a table".to_owned());
        };
        let mut text = |key: &str| take_text(&mut table, key);
        let (file, webhook, ca_file) = (text("file")?, text("webhook")?, text("ca_file")?);
        if let Some((key, _)) = table.iter().next() {
            return Err(format!("an anchor knows no `{}`", key.get_ref()));
        }
        match (file, webhook, ca_file) {
            (Some(path), None, None) if !path.is_empty() => Ok(Self::File(path.into())),
            (None, Some(url), ca_file) => {
                let parsed = url.parse().ok().filter(is_webhook);
                let url =
                    parsed.ok_or_else(|| format!("{url:?} is not the address of a webhook"))?;
                let ca_file = ca_file.unwrap_or_else(|| SYSTEM_ROOTS.to_owned()).into();
                Ok(Self::Webhook { url, ca_file })
            }
            _ => Err("an anchor does not say where it is".to_owned()),
        }
    }

    pub(super) fn relative_to(self, base: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(base.join(path)),
            Self::Webhook { url, ca_file } => Self::Webhook { url, ca_file: base.join(ca_file) },
        }
    }
}

impl fmt::Display for AnchorPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Webhook { url, .. } => write!(f, "{url}"),
        }
    }
}

/// Takes the text of this key out of the table, if it is there.
fn take_text(table: &mut DeTable<'_>, key: &str) -> Result<Option<String>, String> {
    match table.remove(key).map(toml::Spanned::into_inner) {
        None => Ok(None),
        Some(DeValue::String(text)) => Ok(Some(text.into_owned())),
        Some(_) => Err(format!("`{key}` is not a text")),
    }
}

/// No password stands in an address: this one is shown in warnings.
pub(super) fn is_webhook(url: &Uri) -> bool {
    let host = url.authority().filter(|authority| !authority.as_str().contains('@'));
    matches!(url.scheme_str(), Some("http" | "https")) && host.is_some()
}
