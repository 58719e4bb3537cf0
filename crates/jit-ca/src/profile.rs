//! The CA that is remembered: where it is, which keys it has, who we are to it.

use std::path::PathBuf;

use jit_ca_api::Trust;
use jit_ca_api::client::{self, Client, RootCertificate};
use jit_ca_core::{Digest, IssuerName, PersonName};
use jit_ca_log::LogKey;
use serde::{Deserialize, Serialize};

use crate::cli::ContactArgs;
use crate::error::{Error, Result};
use crate::files;
use crate::known_hosts;
use crate::places::Places;
use crate::witness::{self, Witness};

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
    /// The issuer that we sign on at; none where the CA knows us itself, or a workload brings a token.
    #[serde(default)]
    pub(crate) issuer: Option<IssuerName>,
    /// Whether we do so in a browser on another machine.
    #[serde(default)]
    pub(crate) device: bool,
    /// Whether a passkey is given beside the SSH key, and not a code.
    #[serde(default)]
    pub(crate) passkey: bool,
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
        files::write_json(&places.profile(), self)?;
        known_hosts::write(places, &self.ca.trust)
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
            (None, _, _) => {
                let met = Self::discover(contact)?;
                // It may have been known before, and forgotten since.
                witness::must_be_expected(places, &met.trust, &met.log_key()?, &met.url)?;
                Ok(met)
            }
        }
    }

    /// The CA at this address, with the keys that it shows by this pin.
    pub(crate) fn discover(contact: &ContactArgs) -> Result<Self> {
        let (Some(url), Some(pin)) = (&contact.ca, contact.ca_pin) else {
            return Err(Error::NoProfile);
        };
        let (root, trust) = client::discover(url, &pin)?;
        let known = Self { url: url.clone(), trust };
        // What is kept for later calls is the root that this one was verified by.
        match known.root()? == root {
            true => Ok(known),
            false => Err(Error::unverified("the CA shows two root certificates")),
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

    /// The key of the CA's log.
    pub(crate) fn log_key(&self) -> Result<LogKey> {
        log_key(&self.trust)
    }

    /// A client without a login, once the CA's log has shown that it goes on from what was seen of it.
    pub(crate) fn client(&self, places: &Places) -> Result<Client> {
        let client = self.stranger()?;
        Witness::new(places, self.log_key()?).meet(&client)?;
        Ok(client)
    }

    /// A client without a login, and without a look at the log.
    pub(crate) fn stranger(&self) -> Result<Client> {
        Ok(Client::new(&self.url, &self.root()?, None)?)
    }

    pub(crate) fn root(&self) -> Result<RootCertificate> {
        Ok(RootCertificate::from_pem(self.authority("root")?)?)
    }

    /// The same CA with the keys that it has now.
    ///
    /// The log's name is in every statement, and its key is what its history is held by; another log is
    /// taken by name alone: `trust --accept-log`.
    pub(crate) fn refreshed(self, client: &Client) -> Result<Self> {
        let trust = client.trust()?;
        let is_same = trust.pin == self.trust.pin && log_key(&trust)? == self.log_key()?;
        if is_same && trust.origin == self.trust.origin {
            Ok(Self { trust, ..self })
        } else {
            Err(Error::unverified(format!(
                "the CA calls itself {} with the pin {} and the log key {}, and was {} with the pin {} and the log key {}",
                trust.origin,
                trust.pin,
                trust.log_key,
                self.trust.origin,
                self.trust.pin,
                self.trust.log_key
            )))
        }
    }
}

/// The log's key in what a CA says of itself.
pub(crate) fn log_key(trust: &Trust) -> Result<LogKey> {
    let key: Option<LogKey> = trust.log_key.parse().ok();
    // It is the key of the log that statements name.
    key.filter(|key| *key.origin() == trust.origin)
        .ok_or_else(|| Error::unverified("the CA's log key is no key of its log"))
}
