//! The token that a workload brings.

use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_api::IssuerView;
use jit_ca_core::{IssuerName, SubjectKind};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::files::fault;

/// The longest that a call without a login may bring, all in all, is 8 KiB.
const LONGEST: usize = 7 * 1024;

/// The token in a file, or on stdin where the file is `-`.
pub(super) fn read(file: &Path) -> Result<Zeroizing<String>> {
    use std::io::Read as _;
    let mut text = Zeroizing::new(String::new());
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX) + 2;
    let read = match file == Path::new("-") {
        true => std::io::stdin().lock().take(most).read_to_string(&mut text),
        false => std::fs::File::open(file).and_then(|it| it.take(most).read_to_string(&mut text)),
    };
    read.map_err(|source| fault(file, "read", source))?;
    let token = text.trim();
    let parts = token.split('.').count();
    let is_token = parts == 3
        && token.len() <= LONGEST
        && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !is_token {
        let what = format!("there is no token in {}", file.display());
        return Err(Error::usage(
            what,
            "a token is one line: three parts of base64url, with dots between",
        ));
    }
    Ok(Zeroizing::new(token.to_owned()))
}

/// The issuer that the token names. It is only looked for by it: whether the token is good, the CA finds out.
pub(super) fn issuer_of(token: &str, issuers: &[IssuerView]) -> Result<IssuerName> {
    let claims = token.split('.').nth(1).and_then(|part| Base64UrlUnpadded::decode_vec(part).ok());
    let claims: Option<serde_json::Value> =
        claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let url = claims.as_ref().and_then(|claims| claims.get("iss")?.as_str());
    let mut workloads = issuers.iter().filter(|issuer| issuer.kind == SubjectKind::Workload);
    let found = workloads.find(|issuer| Some(issuer.url.as_str()) == url);
    found.map(|issuer| issuer.name.clone()).ok_or_else(|| {
        let what = match url {
            Some(url) => format!("the CA knows no issuer of workloads that calls itself {url}"),
            None => "the token does not say who issued it".to_owned(),
        };
        Error::usage(what, "name the issuer: --issuer NAME")
    })
}
