//! The CA that is remembered: where it is, which keys it has, who we are to it.

use std::path::PathBuf;

use jit_ca_api::Trust;
use jit_ca_api::client::{self, Client, RootCertificate};
use jit_ca_core::{Digest, PersonName};
use serde::{Deserialize, Serialize};

use crate::cli::ContactArgs;
use crate::error::{Error, Result};
use crate::files;
use crate::places::Places;

/// What is kept of a CA after the first login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// The CA.
    pub(crate) ca: KnownCa,
    /// What the CA calls us.
    pub(crate) name: PersonName,
    /// The SSH key that the CA knows us by; none where it is the one that ssh-agent holds.
    pub(crate) key: Option<PathBuf>,
}

/// A CA whose keys were fetched over TLS that its pin verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownCa {
    /// Where it is.
    pub(crate) url: String,
    /// Its keys.
    pub(crate) trust: Trust,
}

impl Profile {
    /// The profile, if there is one.
    pub(crate) fn load(places: &Places) -> Result<Option<Self>> {
        files::read_json(&places.profile())
    }

    pub(crate) fn save(&self, places: &Places) -> Result<()> {
        files::private_folder(&places.config)?;
        files::write_json(&places.profile(), self)
    }
}

impl KnownCa {
    /// The CA remembered, or the one that is met here for the first time.
    pub(crate) fn find(places: &Places, contact: &ContactArgs) -> Result<Self> {
        let kept = Profile::load(places)?.map(|profile| profile.ca);
        match (kept, &contact.ca, contact.ca_pin) {
            (Some(kept), _, Some(given)) if kept.trust.pin != given => {
                Err(Error::OtherPin { kept: kept.trust.pin, given })
            }
            (Some(kept), url, _) => {
                Ok(Self { url: url.clone().unwrap_or(kept.url), trust: kept.trust })
            }
            (None, Some(url), Some(pin)) => {
                let (root, trust) = client::discover(url, &pin)?;
                let known = Self { url: url.clone(), trust };
                // What is kept for later calls is the root that this one was verified by.
                match known.root()? == root {
                    true => Ok(known),
                    false => Err(Error::unverified("the CA shows two root certificates")),
                }
            }
            (None, _, _) => Err(Error::NoProfile),
        }
    }

    /// The CA's pin.
    pub(crate) fn pin(&self) -> &Digest {
        &self.trust.pin
    }

    /// The certificate of the X.509 authority for a purpose, as PEM.
    pub(crate) fn authority(&self, purpose: &str) -> Result<&str> {
        let mut authorities = self.trust.x509.iter();
        authorities
            .find(|authority| authority.purpose == purpose)
            .map(|authority| authority.certificate.as_str())
            .ok_or_else(|| {
                Error::unverified(format!("the CA has no X.509 authority for {purpose}"))
            })
    }

    /// A client without a login.
    pub(crate) fn client(&self) -> Result<Client> {
        Ok(Client::new(&self.url, &self.root()?, None)?)
    }

    pub(crate) fn root(&self) -> Result<RootCertificate> {
        Ok(RootCertificate::from_pem(self.authority("root")?)?)
    }

    /// The same CA with the keys that it has now.
    ///
    /// The log's name is in every statement and never changes; another one is another CA.
    pub(crate) fn refreshed(self) -> Result<Self> {
        let trust = self.client()?.trust()?;
        if trust.pin == self.trust.pin && trust.origin == self.trust.origin {
            Ok(Self { trust, ..self })
        } else {
            Err(Error::unverified(format!(
                "the CA calls itself {} with the pin {}, and was {} with the pin {}",
                trust.origin, trust.pin, self.trust.origin, self.trust.pin
            )))
        }
    }
}
