//! By which means somebody has logged in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Text;

/// By which means whoever acts has logged in: what an issuer said of it, or what the CA saw itself.
///
/// The names of methods are those of RFC 8176, section 2. Of what the CA saw it says no more than it knows: a key was
/// proven (`pop`), but not where it lies (`swk`, `hwk`), as nothing attests that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Means {
    /// As a class that the issuer defines: its `acr` (OpenID Connect Core 2). The CA has none of its own.
    pub acr: Option<Text>,
    /// As methods: the issuer's `amr`.
    pub amr: BTreeSet<Text>,
}

impl Means {
    /// A key alone.
    pub fn key() -> Self {
        Self::seen(&["pop"])
    }

    /// A key, and a code of RFC 6238.
    pub fn code() -> Self {
        Self::seen(&["mfa", "otp", "pop"])
    }

    /// A key whose authenticator has verified its user, who was there: a passkey, or a security key that says so.
    pub fn verified_user() -> Self {
        Self::seen(&["mfa", "pop", "user"])
    }

    /// The same, and these methods beside: what was given later for a login that is open.
    pub fn and(mut self, more: Self) -> Self {
        self.amr.extend(more.amr);
        self
    }

    fn seen(methods: &[&str]) -> Self {
        // Each of them is a line of text.
        let amr = methods.iter().filter_map(|method| method.parse().ok()).collect();
        Self { acr: None, amr }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_method_is_lost() {
        let counts = [Means::key(), Means::code(), Means::verified_user()].map(|it| it.amr.len());
        assert_eq!(counts, [1, 3, 3]);
    }
}
