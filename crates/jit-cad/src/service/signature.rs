//! Signatures that people make with their SSH keys.

use jit_ca_core::RefusalCode;
use jit_ca_core::event::Signature;
use jit_ca_core::statement::Kind;
use jit_ca_core::workflow::Refusal;
use jit_ca_log::sshsig;
use jit_ca_policy::Person;

/// The signature, if one of the person's keys made it over this statement.
///
/// # Errors
/// If none of them did.
pub fn signed_by(
    person: &Person,
    kind: Kind,
    statement: &str,
    armoured: &str,
) -> Result<Signature, Refusal> {
    let refuse = || {
        Refusal::new(
            RefusalCode::WrongStatement,
            "the signature is not over this statement by one of your SSH keys",
        )
    };
    for key in &person.ssh_keys {
        let Ok(key) = ssh_key::PublicKey::from_openssh(key.as_str()) else {
            continue;
        };
        if let Ok(blob) =
            sshsig::verify(key.key_data(), &kind.namespace(), statement.as_bytes(), armoured)
        {
            let wire = key.to_bytes().map_err(|_| refuse())?;
            return Ok(Signature { key: wire.into(), sshsig: blob.into() });
        }
    }
    Err(refuse())
}
