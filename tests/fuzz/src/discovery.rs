//! What an issuer says of itself.

use axum::http::Uri;
use jit_cad::provider::Discovered;
use serde_json::Value;

const ISSUER: &str = "https://login.example/tenant";

/// A description as it is fetched, of an issuer of people and of one of workloads.
pub(crate) fn description(bytes: &[u8]) {
    let of_workloads = Discovered::parse(bytes, ISSUER, false);
    let Ok(of_people) = Discovered::parse(bytes, ISSUER, true) else {
        return of_workloads.iter().for_each(|of| must_be_said(bytes, "jwks_uri", &of.jwks_uri));
    };
    // Who can have people log in has keys as well.
    assert_eq!(of_workloads.map(|of| of.jwks_uri).ok(), Some(of_people.jwks_uri.clone()));
    must_be_said(bytes, "jwks_uri", &of_people.jwks_uri);
    let metadata = of_people.metadata.expect("endpoints");
    must_be_said(bytes, "authorization_endpoint", &metadata.authorization_endpoint);
    must_be_said(bytes, "token_endpoint", &metadata.token_endpoint);
    let read: Value = serde_json::from_slice(bytes).expect("JSON");
    let knows = |name: &str, ours: &str| {
        let all = read.get(name).and_then(Value::as_array);
        read.get(name).is_none() || all.is_some_and(|all| all.iter().any(|it| it == ours))
    };
    assert!(knows("response_types_supported", "code"));
    assert!(knows("code_challenge_methods_supported", "S256"));
    let names_itself = metadata.authorization_response_iss_parameter_supported;
    assert_eq!(names_itself, read["authorization_response_iss_parameter_supported"] == true);
    // Of another issuer it is nothing.
    assert!(Discovered::parse(bytes, "https://login.example/other", true).is_err());
}

#[cfg(test)]
pub(crate) fn accepts_description(bytes: &[u8]) -> bool {
    Discovered::parse(bytes, ISSUER, true).is_ok()
}

/// As another reader has it: of this issuer, and an address that nobody on the way reads along.
fn must_be_said(bytes: &[u8], name: &str, uri: &Uri) {
    let read: Value = serde_json::from_slice(bytes).expect("JSON");
    assert_eq!(read["issuer"], ISSUER);
    let text = read[name].as_str().expect("text");
    assert_eq!(text.parse::<Uri>().as_ref().ok(), Some(uri));
    assert!(!text.contains('#') && !uri.authority().expect("a host").as_str().contains('@'));
    let host = uri.host().expect("a host");
    let is_here = host == "[::1]" || host.starts_with("127.") || host.starts_with("[");
    assert!(uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_here));
}
