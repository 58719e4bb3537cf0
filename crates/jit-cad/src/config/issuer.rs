//! How issuers are reached: `[[issuer]]`. Whom they vouch for, and what follows from it, is policy: `issuers/*.toml`.

use std::path::{Path, PathBuf};

use jit_ca_core::IssuerName;
use toml::Spanned;
use toml::de::DeValue;

use super::anchor::SYSTEM_ROOTS;
use super::secret::SecretSource;
use super::section::{SEE_COMMENTS, Section};

/// How one issuer is reached, where that is not as usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerAccess {
    /// The issuer, by the name of its file.
    pub name: IssuerName,
    /// The roots that its certificate has to lead to.
    pub ca_file: PathBuf,
    /// What this CA shows it to be who it is; without one, the client is a public one (RFC 6749 2.1).
    pub client_secret: Option<SecretSource>,
}

impl IssuerAccess {
    /// As usual: over the system's roots, by a public client.
    pub fn usual(name: IssuerName) -> Self {
        Self { name, ca_file: SYSTEM_ROOTS.into(), client_secret: None }
    }

    pub(super) fn relative_to(self, base: &Path) -> Self {
        let client_secret = self.client_secret.map(|secret| secret.relative_to(base));
        Self { ca_file: base.join(self.ca_file), client_secret, ..self }
    }
}

/// Reads all `[[issuer]]` tables; there may be none.
pub(super) fn read(file: &mut Section<'_, '_>) -> Option<Vec<IssuerAccess>> {
    if !file.has("issuer") {
        return Some(Vec::new());
    }
    let value = file.take("issuer")?;
    let span = value.span();
    let DeValue::Array(values) = value.into_inner() else {
        file.report.add(Some(span), "`issuer` is not a list of tables", SEE_COMMENTS);
        return None;
    };
    let (mut issuers, mut all): (Vec<IssuerAccess>, bool) = (Vec::new(), true);
    for value in values {
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            file.report.add(Some(span), "an issuer is not a table", SEE_COMMENTS);
            all = false;
            continue;
        };
        let table = Spanned::new(span.clone(), table);
        let mut section = Section::of(file.report, "[[issuer]]", table);
        let issuer = issuer(&mut section);
        section.end();
        match issuer {
            Some(issuer) if issuers.iter().any(|other| other.name == issuer.name) => {
                let message = format!("the issuer {} stands here twice", issuer.name);
                file.report.add(Some(span), &message, "give it one table");
                all = false;
            }
            Some(issuer) => issuers.push(issuer),
            None => all = false,
        }
    }
    all.then_some(issuers)
}

fn issuer(section: &mut Section<'_, '_>) -> Option<IssuerAccess> {
    let name = section.text("name").and_then(|text| section.report.value(&text));
    let ca_file = match section.has("ca_file") {
        true => section.text("ca_file").map(Spanned::into_inner),
        false => Some(SYSTEM_ROOTS.to_owned()),
    };
    let client_secret = match section.has("client_secret") {
        true => section.secret("client_secret").map(Some),
        false => Some(None),
    };
    Some(IssuerAccess { name: name?, ca_file: ca_file?.into(), client_secret: client_secret? })
}
