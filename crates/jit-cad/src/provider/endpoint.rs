//! Addresses of a provider: which may be asked.

use std::net::IpAddr;

use axum::http::Uri;

/// Why an address is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not an https:// address without user, query and fragment (http:// is for loopback addresses alone)"
)]
pub(super) struct NoEndpoint(&'static str);

/// An address that may be asked: over TLS, or on this machine's loopback.
///
/// A query is allowed where `has_query` says so (RFC 6749, sections 3.1 and 3.2, allow endpoints one; OpenID Connect
/// Discovery, section 2, allows issuers none).
pub(super) fn endpoint(text: &str, what: &'static str, has_query: bool) -> Result<Uri, NoEndpoint> {
    let fault = NoEndpoint(what);
    // The parser takes a fragment off and says nothing.
    if text.contains('#') || text.len() > 2_048 {
        return Err(fault);
    }
    let uri: Uri = text.parse().map_err(|_| fault)?;
    let is_plain = uri.authority().is_some_and(|it| !it.as_str().contains('@'))
        && (has_query || uri.query().is_none());
    let is_private = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => uri.host().is_some_and(is_loopback),
        _ => false,
    };
    if is_plain && is_private { Ok(uri) } else { Err(fault) }
}

/// By its address: a name such as `localhost` leads where a resolver says.
fn is_loopback(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_could_read_along_is_not_asked() {
        for fit in [
            "https://a.example",
            "https://a.example:8443/b/c",
            "http://127.0.0.1:9400/b",
            "http://[::1]:1/",
        ] {
            assert!(endpoint(fit, "issuer", false).is_ok(), "{fit}");
        }
        let unfit = [
            "",
            "a.example",
            "/b",
            "http://a.example",
            "http://localhost:9400",
            "http://127.0.0.1.a.example",
            "http://10.0.0.1",
            "ftp://a.example",
            "file:///etc/passwd",
            "https://",
            "https://u:p@a.example",
            "https://a.example/#b",
            "https://a.example/?b",
            "https://a.example/ b",
            "javascript:alert(1)",
        ];
        for unfit in unfit {
            assert!(endpoint(unfit, "issuer", false).is_err(), "{unfit}");
        }
        assert!(endpoint("https://a.example/token?tenant=b", "token_endpoint", true).is_ok());
    }
}
