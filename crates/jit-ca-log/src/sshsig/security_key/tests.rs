//! Judged by what `ssh-keygen -Y sign` made with OpenSSH's own stand-in for a security key (regress/misc/sk-dummy), and
//! by keys of ours that sign what no security key would.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PublicKey, SshSig};

use crate::Error;
use crate::hash::sha256;
use crate::sshsig::{from_armour, key_named_in, says_user_verified, verify, verify_blob};

const NAMESPACE: &str = "login.v1@jit-ca";
const MESSAGE: &[u8] = b"jit-ca login v1\norigin: ca.example.org/jit-ca\n";

/// Key and signature; whether the user was present, and verified. Of each type, as made with the options
/// `verify-required`, none, and `no-touch-required`.
const BY_OPENSSH: [(&str, &str, bool, bool); 6] = [
    (
        "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIHtgX9cyChJ9CgaQOemkvnOS3TIxEKVJgH1MYsykTaKtAAAABHNzaDo=",
        "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAAEoAAAAac2stc3NoLWVkMjU1MTlAb3BlbnNzaC5jb20AAAAge2Bf1z\nIKEn0KBpA56aS+c5LdMjEQpUmAfUxizKRNoq0AAAAEc3NoOgAAAA9sb2dpbi52MUBqaXQt\nY2EAAAAAAAAABnNoYTUxMgAAAGcAAAAac2stc3NoLWVkMjU1MTlAb3BlbnNzaC5jb20AAA\nBAHNhsw98OkdT4PidlWhUH0NOCOA05DiZoJ2ZC5BjqEpPQ0D2Q2i8jybTxO4DeLWn8MOVI\nv17t+HqUWh15pGgrAQUSNFZ4\n-----END SSH SIGNATURE-----",
        true,
        true,
    ),
    (
        "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIEUXux+HvomXbkDmtq+0j049icStUtAcCqT8PwW797PmAAAABHNzaDo=",
        "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAAEoAAAAac2stc3NoLWVkMjU1MTlAb3BlbnNzaC5jb20AAAAgRRe7H4\ne+iZduQOa2r7SPTj2JxK1S0BwKpPw/Bbv3s+YAAAAEc3NoOgAAAA9sb2dpbi52MUBqaXQt\nY2EAAAAAAAAABnNoYTUxMgAAAGcAAAAac2stc3NoLWVkMjU1MTlAb3BlbnNzaC5jb20AAA\nBAkNnMMOCud4Bgq8vM7avm2I14XCJO1ZzkIpcqTRX0cZNIYsEUm8cThyXrdLkUawjVCK1F\n6PWDssyTkzNoGKLQAAESNFZ4\n-----END SSH SIGNATURE-----",
        true,
        false,
    ),
    (
        "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAILqkcWfmX3uo4pRWSRQUzF0Ip8mcVPOGdwPg1u0xnI1EAAAABHNzaDo=",
        "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAAEoAAAAac2stc3NoLWVkMjU1MTlAb3BlbnNzaC5jb20AAAAguqRxZ+\nZfe6jilFZJFBTMXQinyZxU84Z3A+DW7TGcjUQAAAAEc3NoOgAAAA9sb2dpbi52MUBqaXQt\nY2EAAAAAAAAABnNoYTUxMgAAAGcAAAAac2stc3NoLWVkMjU1MTlAb3BlbnNzaC5jb20AAA\nBAdjZfRQjPets7qs6blhgGcbNH+aIer8vf6LQ8cs5dHjtVDfrED4IRPryEg9HBsbrAsTZ5\nGnz3Qc4WcSbFSUdLAwASNFZ4\n-----END SSH SIGNATURE-----",
        false,
        false,
    ),
    (
        "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBO4blvVxKJfHq+GkdazSO97AJ/zA/x8VQEbHTKVpD4HiDVZ//kV/yXDJwZ0gjqLKHz3NXYKnChXPfALRvrcWHrYAAAAEc3NoOg==",
        "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAAH8AAAAic2stZWNkc2Etc2hhMi1uaXN0cDI1NkBvcGVuc3NoLmNvbQ\nAAAAhuaXN0cDI1NgAAAEEE7huW9XEol8er4aR1rNI73sAn/MD/HxVARsdMpWkPgeINVn/+\nRX/JcMnBnSCOosofPc1dgqcKFc98AtG+txYetgAAAARzc2g6AAAAD2xvZ2luLnYxQGppdC\n1jYQAAAAAAAAAGc2hhNTEyAAAAdwAAACJzay1lY2RzYS1zaGEyLW5pc3RwMjU2QG9wZW5z\nc2guY29tAAAASAAAACAkgw2XN8Z8S/YMzQbZ7P0vJN5XMy0UL3/+QqgHi55+ygAAACBfs2\nRACS7RMzrTUC9wsJpACMbDQca0LfO+O2+Nqw98tgUSNFZ4\n-----END SSH SIGNATURE-----",
        true,
        true,
    ),
    (
        "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBNUQv/+K8T8+PeUHDF+FchKhy7gXbB8qS8hQrVazXCMjShpZlfFMfj3eNyg+SnmHoO4cJQJyrFuJC/E8+XZD0NMAAAAEc3NoOg==",
        "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAAH8AAAAic2stZWNkc2Etc2hhMi1uaXN0cDI1NkBvcGVuc3NoLmNvbQ\nAAAAhuaXN0cDI1NgAAAEEE1RC//4rxPz495QcMX4VyEqHLuBdsHypLyFCtVrNcIyNKGlmV\n8Ux+Pd43KD5KeYeg7hwlAnKsW4kL8Tz5dkPQ0wAAAARzc2g6AAAAD2xvZ2luLnYxQGppdC\n1jYQAAAAAAAAAGc2hhNTEyAAAAdwAAACJzay1lY2RzYS1zaGEyLW5pc3RwMjU2QG9wZW5z\nc2guY29tAAAASAAAACBoTtMIHfDEVE8GSP38jsQevNd/Zb36efOirT3KjpnJEgAAACATqn\nhsB42aTopjF+2lmZl5rkop2SABHhwduhszd+xkZwESNFZ4\n-----END SSH SIGNATURE-----",
        true,
        false,
    ),
    (
        "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBKN/J2urHkoMznikp5yXh6CPJpzmYXcrUE9yryRg+aarEDkbjckV2OaCwNCPqYQXT4H5siezyM80FR8WB5SE1CIAAAAEc3NoOg==",
        "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAAH8AAAAic2stZWNkc2Etc2hhMi1uaXN0cDI1NkBvcGVuc3NoLmNvbQ\nAAAAhuaXN0cDI1NgAAAEEEo38na6seSgzOeKSnnJeHoI8mnOZhdytQT3KvJGD5pqsQORuN\nyRXY5oLA0I+phBdPgfmyJ7PIzzQVHxYHlITUIgAAAARzc2g6AAAAD2xvZ2luLnYxQGppdC\n1jYQAAAAAAAAAGc2hhNTEyAAAAeAAAACJzay1lY2RzYS1zaGEyLW5pc3RwMjU2QG9wZW5z\nc2guY29tAAAASQAAACA9JA/N9Cvhevml6TriRTmW0PKyQD9FUfBUrui8l8O0bgAAACEAur\nEK7kjGDxPLonMYDc9y17j7OdCL0tKAod6jUhZZlLIAEjRWeA==\n-----END SSH SIGNATURE-----",
        false,
        false,
    ),
];

#[test]
fn what_openssh_signs_with_a_security_key_is_accepted_where_somebody_was_there() {
    for (key, signature, is_present, is_verified) in BY_OPENSSH {
        let key = PublicKey::from_openssh(key).unwrap().key_data().clone();
        let blob = from_armour(signature).unwrap();
        assert_eq!(key_named_in(signature).unwrap(), key);
        assert_eq!(says_user_verified(&blob), is_verified);
        let verified = verify(&key, NAMESPACE, MESSAGE, signature);
        if !is_present {
            let fault = verified.unwrap_err();
            assert!(matches!(fault, Error::SecurityKey(_)), "{fault:?}");
            continue;
        }
        assert_eq!(verified.unwrap(), blob);
        let refused = |namespace, message: &[u8], blob: &[u8]| {
            verify_blob(&key, namespace, message, blob).unwrap_err()
        };
        let other = refused("approval.v1@jit-ca", MESSAGE, &blob);
        assert!(matches!(other, Error::Namespace { .. }), "{other:?}");
        assert!(matches!(refused(NAMESPACE, b"another statement", &blob), Error::Signature));
        // Flags and counter among them.
        for place in 0..blob.len() {
            for bit in 0..8 {
                let mut changed = blob.clone();
                changed[place] ^= 1 << bit;
                assert!(verify_blob(&key, NAMESPACE, MESSAGE, &changed).is_err(), "{place}");
            }
        }
        for wrong in [[blob.as_slice(), &[0]].concat(), blob[..blob.len() - 1].to_vec()] {
            assert!(verify_blob(&key, NAMESPACE, MESSAGE, &wrong).is_err());
        }
    }
}

#[test]
fn of_what_a_security_key_says_presence_and_application_count() {
    for is_ecdsa in [false, true] {
        let key = Key::new(is_ecdsa);
        let verified = |application: &str, flags, counter| {
            let blob = key.sign(application, application, flags, counter);
            verify_blob(&key.public(application), NAMESPACE, MESSAGE, &blob)
        };
        for application in ["ssh:", "ssh:jit-ca", "ssh:https://ca.example.org"] {
            for flags in [0x01, 0x05, 0x1d] {
                // The counter may stand still, or go back.
                for counter in [0, 1, u32::MAX] {
                    verified(application, flags, counter).unwrap();
                }
            }
        }
        for flags in [0x00, 0x04] {
            assert!(matches!(verified("ssh:", flags, 1), Err(Error::SecurityKey(_))));
        }
        for application in ["", "ssh", "SSH:", " ssh:", "https://example.org", "webauthn"] {
            let fault = verified(application, 0x05, 1).unwrap_err();
            assert!(matches!(fault, Error::SecurityKey(_)), "{application}: {fault:?}");
        }
        // Made for a web site, by a key that says to be for SSH.
        let blob = key.sign("ssh:", "https://example.org", 0x05, 1);
        let fault = verify_blob(&key.public("ssh:"), NAMESPACE, MESSAGE, &blob).unwrap_err();
        assert!(matches!(fault, Error::Signature), "{fault:?}");
    }
}

#[test]
fn no_other_key_says_that_its_user_was_verified() {
    // The signature of an ordinary key, with the words of a security key behind it or before it.
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let message = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, MESSAGE).unwrap();
    let raw = key.sign(&message);
    let public = strings(&[b"ssh-ed25519", key.public_key().as_ref()]);
    let known = PublicKey::from_bytes(&public).unwrap().key_data().clone();
    let plain = strings(&[b"ssh-ed25519", raw.as_ref()]);
    verify_blob(&known, NAMESPACE, MESSAGE, &blob(&public, &plain)).unwrap();
    let as_sk = strings(&[b"sk-ssh-ed25519@openssh.com", raw.as_ref()]);
    for signature in [plain, as_sk] {
        let signature = [signature.as_slice(), &[0x05, 0, 0, 0, 1]].concat();
        let blob = blob(&public, &signature);
        assert!(verify_blob(&known, NAMESPACE, MESSAGE, &blob).is_err());
    }
}

enum Key {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl Key {
    fn new(is_ecdsa: bool) -> Self {
        if !is_ecdsa {
            return Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap());
        }
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Ecdsa(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    fn algorithm(&self) -> &'static [u8] {
        match self {
            Self::Ed25519(_) => b"sk-ssh-ed25519@openssh.com",
            Self::Ecdsa(_) => b"sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    fn wire(&self, application: &str) -> Vec<u8> {
        let application = application.as_bytes();
        match self {
            Self::Ed25519(key) => {
                strings(&[self.algorithm(), key.public_key().as_ref(), application])
            }
            Self::Ecdsa(key) => {
                strings(&[self.algorithm(), b"nistp256", key.public_key().as_ref(), application])
            }
        }
    }

    fn public(&self, application: &str) -> KeyData {
        PublicKey::from_bytes(&self.wire(application)).unwrap().key_data().clone()
    }

    /// An SSHSIG by the key of the first application, signed as for the second one.
    fn sign(&self, application: &str, signed_for: &str, flags: u8, counter: u32) -> Vec<u8> {
        let message = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, MESSAGE).unwrap();
        let said = [&[flags][..], &counter.to_be_bytes()].concat();
        let signed = [
            sha256(signed_for.as_bytes()).as_bytes(),
            said.as_slice(),
            sha256(&message).as_bytes(),
        ]
        .concat();
        let raw = match self {
            Self::Ed25519(key) => key.sign(&signed).as_ref().to_vec(),
            Self::Ecdsa(key) => {
                let signature = key.sign(&SystemRandom::new(), &signed).unwrap();
                let (r, s) = signature.as_ref().split_at(32);
                strings(&[&number(r), &number(s)])
            }
        };
        let signature = [strings(&[self.algorithm(), &raw]), said].concat();
        blob(&self.wire(application), &signature)
    }
}

fn blob(key: &[u8], signature: &[u8]) -> Vec<u8> {
    let rest = strings(&[key, NAMESPACE.as_bytes(), b"", b"sha512", signature]);
    [b"SSHSIG".as_slice(), &[0, 0, 0, 1], &rest].concat()
}

fn strings(strings: &[&[u8]]) -> Vec<u8> {
    let framed =
        |string: &&[u8]| [&u32::try_from(string.len()).unwrap().to_be_bytes(), *string].concat();
    strings.iter().flat_map(framed).collect()
}

/// RFC 4251 section 5: `mpint`.
fn number(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap();
    let sign: &[u8] = if bytes[start] >= 0x80 { &[0] } else { &[] };
    [sign, &bytes[start..]].concat()
}
