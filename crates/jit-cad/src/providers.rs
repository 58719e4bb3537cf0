//! The issuers of the policy in force, as they are asked: each is made once, and keeps what it learnt of its issuer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jit_ca_core::IssuerName;
use jit_ca_policy::{Issuer, Vouches};
use tokio::sync::Semaphore;

use crate::config::{IssuerAccess, SecretSource};
use crate::failure::Failure;
use crate::provider::{Client, KeysFrom, Provider, ProviderFault, Settings};

/// Issuers by name.
#[derive(Debug)]
pub struct Providers {
    access: BTreeMap<IssuerName, IssuerAccess>,
    made: Mutex<BTreeMap<IssuerName, (Issuer, Arc<Reached>)>>,
}

/// An issuer that is asked, by so many at once: each of them holds a thread until it answers.
#[derive(Debug)]
pub struct Reached {
    provider: Provider,
    places: Semaphore,
}

/// How many ask one issuer at once.
const PLACES: usize = 16;

impl Reached {
    /// Asks it, if not too many do. It blocks.
    ///
    /// # Errors
    /// If too many do, or as `ask` says.
    pub fn ask<T, E: From<ProviderFault>>(
        &self,
        ask: impl FnOnce(&Provider) -> Result<T, E>,
    ) -> Result<T, E> {
        let too_many = || ProviderFault::Unreachable("too many wait for it already".to_owned());
        let _place = self.places.try_acquire().map_err(|_| too_many())?;
        ask(&self.provider)
    }
}

impl Providers {
    /// Issuers that are reached so, and all others as usual.
    pub fn new(access: &[IssuerAccess]) -> Self {
        let access = access.iter().map(|access| (access.name.clone(), access.clone()));
        Self { access: access.collect(), made: Mutex::default() }
    }

    /// The issuer as the policy has it now.
    ///
    /// # Errors
    /// If its address, its client secret or its roots can't be used.
    pub fn of(&self, issuer: &Issuer) -> Result<Arc<Reached>, Failure> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, reached)) = made.get(&issuer.name).filter(|(like, _)| like == issuer) {
            return Ok(Arc::clone(reached));
        }
        let provider = Provider::new(self.settings(issuer)?)?;
        let reached = Arc::new(Reached { provider, places: Semaphore::new(PLACES) });
        made.insert(issuer.name.clone(), (issuer.clone(), Arc::clone(&reached)));
        Ok(reached)
    }

    fn settings(&self, issuer: &Issuer) -> Result<Settings, Failure> {
        let usual = || IssuerAccess::usual(issuer.name.clone());
        let access = self.access.get(&issuer.name).cloned().unwrap_or_else(usual);
        let (client, keys) = match &issuer.vouches {
            Vouches::People(people) => {
                let secret = access.client_secret.as_ref().map(SecretSource::read).transpose();
                let secret = secret.map_err(|error| {
                    let hint = "say in jit-cad.toml where the issuer's client_secret is";
                    Failure::usage(format!("the issuer {}: {error}", issuer.name), hint)
                })?;
                (Some(Client { id: people.client.clone(), secret }), KeysFrom::Discovery)
            }
            Vouches::Workloads(workloads) => {
                let keys = workloads.keys.clone();
                (None, keys.map_or(KeysFrom::Discovery, KeysFrom::Url))
            }
        };
        Ok(Settings { issuer: issuer.url.clone(), client, keys, ca_file: access.ca_file })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// RFC 8037, appendix A.2.
    const KEYS: &str = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    /// Asks, and while it waits for the answer so many others ask.
    fn ask(reached: &Reached, others: usize) -> Result<(), ProviderFault> {
        reached.ask(|_| if others == 0 { Ok(()) } else { ask(reached, others - 1) })
    }

    #[test]
    fn so_many_ask_at_once_and_no_more() {
        let settings = Settings {
            issuer: "https://login.example".to_owned(),
            client: None,
            keys: KeysFrom::Inline(KEYS.to_owned()),
            ca_file: PathBuf::new(),
        };
        let provider = Provider::new(settings).unwrap();
        let reached = Reached { provider, places: Semaphore::new(PLACES) };
        for _ in 0..2 {
            ask(&reached, PLACES - 1).unwrap();
            // Whoever is told no has kept nobody's place.
            let told = ask(&reached, PLACES).unwrap_err().to_string();
            assert!(told.contains("too many wait for it already"), "{told}");
        }
    }
}
