//! `jit-cad init`: a new CA in a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jit_ca_cert::purpose::{Issuing, KeyPurpose as _, Root};
use jit_ca_cert::x509::{
    CaCertificate, ISSUING_LIFETIME, IssuingCertificate, ROOT_LIFETIME, RootCertificate,
};
use jit_ca_cert::{BACKDATE, Intent, Key, Profile, Signed};
use jit_ca_core::event::{Asker, LogInit};
use jit_ca_core::{ActorRef, Digest, IssuanceId, Span, SubjectId, UnixTime};
use jit_ca_log::Bundle;

use crate::activation::{Activation, Pseudonyms};
use crate::authority::{Authorities, certificate_path};
use crate::clock;
use crate::config::{Config, EMBEDDED};
use crate::failure::Failure;
use crate::issuer::{Issuance, Issuer, intended, x509_serial};
use crate::keys::{self, Keys, make_private_folder};
use crate::sequencer::{Proposal, Sequencer};
use crate::store::Store;

/// Makes a CA below `dir`: configuration, keys, certificates, and a log that begins with them. Gives the pin.
///
/// # Errors
/// If there is a CA already, the configuration has faults, or something can't be written. What was made by then
/// is removed again, so that a second try finds an empty folder.
pub async fn init(dir: &Path, config_from: Option<&Path>) -> Result<Digest, Failure> {
    for part in PARTS {
        if dir.join(part).exists() {
            let hint = "choose another folder; a CA that is thrown away takes its log with it";
            return Err(Failure::usage(
                format!("there is a CA already: {} exists", dir.join(part).display()),
                hint,
            ));
        }
    }
    make_private_folder(dir)?;
    let made = make(dir, config_from).await;
    if made.is_err() {
        for part in PARTS {
            let _ = fs::remove_dir_all(dir.join(part));
        }
    }
    made
}

/// What a CA's folder holds. None of it may be there before, so that all of it may be removed again.
const PARTS: [&str; 4] = ["config", "keys", "data", "run"];

async fn make(dir: &Path, config_from: Option<&Path>) -> Result<Digest, Failure> {
    // 1. The configuration, and nothing else if it has faults.
    let file = dir.join("config/jit-cad.toml");
    put_config(&dir.join("config"), config_from)?;
    let (config, policy) = Config::read_with_policy(&file)?;
    let passphrase = config.passphrase.read()?;

    // 2. Keys, and a log whose first entry names them.
    make_parent(&config.store)?;
    make_parent(&config.admin_socket)?;
    let (keys, log) = Keys::create(&config.keys, &passphrase)?;
    let public = keys.public(&log);
    let log_key = log.log_key(config.origin.clone());
    let store = Arc::new(Store::create(&config.store)?);
    let sequencer = Sequencer::start(store, log, &config.origin)?;
    let keys_logged = keys::logged(&public);
    let begin = LogInit { origin: config.origin.clone(), keys: keys_logged, succeeds: None };
    let mut entries = vec![(ActorRef::DAEMON, begin.into())];
    let nobody = |_: &SubjectId| Ok::<_, Failure>(None);
    let asked = Asker::Account(rustix::process::geteuid().as_raw());
    let first = Activation::new(&Bundle::empty(), &policy.listed, nobody, Pseudonyms::new())?;
    entries.extend(first.into_iter().flat_map(|first| first.entries(asked, None)));
    sequencer.commit(Proposal::new(entries)).await?;

    // 3. The CA's own certificates, which the log holds before they are signed, as it does all others.
    let maker =
        Maker { config: &config, issuer: Issuer::new(sequencer.clone(), log_key), sequencer };
    let issued = clock::now();
    let name = config.ca_name.clone();
    let content = |issuance| RootCertificate { name, issuance, issued };
    let root =
        maker.issue(content, (&keys.root, keys.root.public()), (issued, ROOT_LIFETIME)).await?;
    maker.put(Root::PURPOSE, &root)?;
    let root = CaCertificate::root(root.as_bytes().to_vec())?;
    maker.issuing(&keys.root, &root, &keys.clients).await?;
    maker.issuing(&keys.root, &root, &keys.servers).await?;
    maker.issuing(&keys.root, &root, &keys.logins).await?;
    maker.sequencer.flush().await?;

    // 4. The files are synced; their names are once their folders are.
    for folder in [config.keys.as_path(), dir] {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(Authorities::read(&config.keys, &keys)?.pin())
}

struct Maker<'a> {
    config: &'a Config,
    issuer: Issuer,
    sequencer: Sequencer,
}

impl Maker<'_> {
    async fn issuing<P: Issuing>(
        &self,
        root_key: &Key<Root>,
        root: &CaCertificate<Root>,
        key: &Key<P>,
    ) -> Result<(), Failure>
    where
        IssuingCertificate<P>: Profile<Purpose = Root, Issuer = CaCertificate<Root>>,
    {
        let (name, issued) = (self.config.ca_name.clone(), clock::now());
        let content = |issuance| IssuingCertificate::new(name, key, issuance, issued);
        let signed = self.issue(content, (root_key, root), (issued, ISSUING_LIFETIME)).await?;
        self.put(P::PURPOSE, &signed)
    }

    async fn issue<C: Profile<Purpose = Root>>(
        &self,
        content: impl FnOnce(IssuanceId) -> C,
        by: (&Key<Root>, &C::Issuer),
        (issued, lifetime): (UnixTime, Span),
    ) -> Result<Signed<C>, Failure> {
        let now = clock::now_millis();
        let issuance = Issuance {
            id: IssuanceId::new(now.0, clock::random()?),
            grant: None,
            actor: ActorRef::DAEMON,
        };
        let intent = Intent::new(content(issuance.id), by.1)?;
        let validity = (issued.minus(BACKDATE), issued.plus(lifetime));
        let event = intended(issuance.id, &intent, x509_serial(issuance.id), validity, None);
        let proposal = Proposal::new(vec![(ActorRef::DAEMON, event)]);
        let (signed, _) = self.issuer.issue(issuance, intent, by.0, proposal).await?;
        Ok(signed)
    }

    fn put<C: Profile>(
        &self,
        purpose: jit_ca_cert::Purpose,
        signed: &Signed<C>,
    ) -> Result<(), Failure> {
        Ok(keys::write_private(
            &certificate_path(&self.config.keys, purpose),
            signed.text().as_bytes(),
        )?)
    }
}

/// Puts the configuration there: the embedded one, or a copy of another folder's.
fn put_config(to: &Path, from: Option<&Path>) -> Result<(), Failure> {
    match from {
        None => {
            for (path, text) in EMBEDDED {
                put(&to.join(path), text.as_bytes())?;
            }
            Ok(())
        }
        Some(from) => copy_folder(from, to),
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    let hint = "name a folder like the ca-config/ of the source, with a jit-cad.toml in it";
    let fault = |error| Failure::usage(format!("{} can't be read: {error}", from.display()), hint);
    for entry in fs::read_dir(from).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        match path.is_dir() {
            true => copy_folder(&path, &to.join(name))?,
            false => put(&to.join(name), &fs::read(&path).map_err(fault)?)?,
        }
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    make_parent(path)?;
    Ok(keys::write_private(path, bytes)?)
}

fn make_parent(path: &Path) -> Result<(), Failure> {
    Ok(make_private_folder(path.parent().unwrap_or(Path::new(".")))?)
}
