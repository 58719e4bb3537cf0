//! Whether somebody is who they say, from a token of an issuer.
//!
//! ```text
//! code, device code ──redeem──> token ──verify──> claims ──vouch──> Said ──of(policy)──> Authenticated
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_core::{SubjectId, Text, UnixTime};
use jit_ca_log::hash::sha256;
use jit_ca_policy::{Bundle, Issuer, PeopleIssuer, Vouched, Vouches};
use zeroize::Zeroizing;

use super::{Authenticated, Proof};
use crate::provider::{
    Claims, Code, DeviceCode, Expected, Of, Provider, ProviderFault, Redeemed, Tokens,
};

/// By what an issuer is asked who logs in.
pub enum Brought {
    /// A person's authorization code, which the client brought.
    Code {
        /// What the sign-on answers.
        challenge: String,
        /// The code.
        code: String,
        /// What its challenge was made of.
        verifier: String,
        /// Where it came to.
        redirect_uri: String,
    },
    /// A person's device code, which the daemon has kept.
    Device {
        /// What the login answers.
        challenge: String,
        /// The code, with what it was worth.
        device_code: Arc<DeviceCode>,
        /// From where the person said yes on the CA's page.
        confirmed_from: IpAddr,
    },
    /// A workload's token.
    Token(String),
}

/// What an issuer said of a subject, in a token that was verified and is for us and now.
#[derive(Clone, Debug)]
pub struct Said {
    /// Who.
    pub subject: SubjectId,
    /// What follows from it.
    pub vouched: Vouched,
    /// By what the issuer can be asked again, if it gave anything.
    pub refresh: Option<Refresh>,
    proof: Proof,
}

/// By what an issuer is asked again about somebody (RFC 6749 6).
#[derive(Clone)]
pub struct Refresh(pub Zeroizing<String>);

impl std::fmt::Debug for Refresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Refresh(hidden)")
    }
}

/// What an issuer says when it is asked again.
#[derive(Debug)]
pub struct SaidAgain {
    /// What follows from it, where it said anything of the subject.
    pub vouched: Option<Vouched>,
    /// By what it is asked the next time, if not by the same.
    pub refresh: Option<Refresh>,
}

/// Why nothing was said that counts.
#[derive(Debug, thiserror::Error)]
pub enum NothingSaid {
    /// The issuer, or the token.
    #[error(transparent)]
    Provider(#[from] ProviderFault),
    /// The person has not signed on yet; with `slower`, the issuer is asked too often (RFC 8628 3.5).
    #[error("nobody has signed on yet")]
    NotYet {
        /// Whether to wait for longer from here on.
        slower: bool,
    },
    /// The issuer vouches for others: a code is a person's, and a token that is brought is a workload's.
    #[error("the issuer {0}")]
    OtherKind(&'static str),
    /// No `[[workload]]` of the issuer's file fits.
    #[error("the token fits no workload of the issuer's file")]
    NoWorkload,
    /// The token is older than the time at which the clock was put right: whether it was used is not known.
    #[error("the token was made before the CA's clock was put right")]
    BeforeClock,
    /// The subject's id is none.
    #[error("the issuer calls the subject something that is no id")]
    NoId,
}

impl Said {
    /// Asks the issuer, and checks what it says. It blocks.
    ///
    /// `statement` is what a person's login has the hash of as its nonce; no token counts that was made before
    /// `not_before`.
    ///
    /// # Errors
    /// If the issuer can't be asked, or says nothing that counts.
    pub fn ask(
        provider: &Provider,
        issuer: &Issuer,
        brought: &Brought,
        statement: &str,
        (not_before, now): (Option<UnixTime>, UnixTime),
    ) -> Result<Self, NothingSaid> {
        match (&issuer.vouches, brought) {
            (
                Vouches::People(people),
                Brought::Code { challenge, code, verifier, redirect_uri },
            ) => {
                let tokens = provider.redeem(&Code { code, verifier, redirect_uri })?;
                let of = Of::Login { nonce: &nonce(statement) };
                let signed_on = SignedOn { tokens, challenge, confirmed_from: None };
                Self::of_person(provider, (issuer, people), of, signed_on, now)
            }
            (
                Vouches::People(people),
                Brought::Device { challenge, device_code, confirmed_from },
            ) => {
                let tokens = match provider.redeem_device(device_code)? {
                    Redeemed::Tokens(tokens) => tokens,
                    Redeemed::NotYet { slower } => return Err(NothingSaid::NotYet { slower }),
                };
                let of = Of::Device { nonce: &nonce(statement) };
                let confirmed_from = Some(*confirmed_from);
                let signed_on = SignedOn { tokens, challenge, confirmed_from };
                Self::of_person(provider, (issuer, people), of, signed_on, now)
            }
            (Vouches::Workloads(workloads), Brought::Token(token)) => {
                let expected = Expected { audience: &workloads.audience, of: Of::Workload };
                let claims = provider.verify(token, &expected, now)?;
                let vouched = workloads.vouch(jit_ca_policy::Claims(&claims.all));
                let vouched = vouched.ok_or(NothingSaid::NoWorkload)?;
                let is_known_to_be_new =
                    not_before.is_none_or(|before| claims.iat.is_some_and(|made| made >= before));
                if !is_known_to_be_new {
                    return Err(NothingSaid::BeforeClock);
                }
                let subject = subject(issuer, &vouched)?;
                Ok(Self {
                    subject,
                    vouched,
                    refresh: None,
                    proof: proof(&claims, None, None, None),
                })
            }
            (Vouches::People(_), Brought::Token(_)) => {
                Err(NothingSaid::OtherKind("vouches for people, who sign on with a browser"))
            }
            (Vouches::Workloads(_), Brought::Code { .. } | Brought::Device { .. }) => {
                Err(NothingSaid::OtherKind("vouches for workloads, which bring a token"))
            }
        }
    }

    fn of_person(
        provider: &Provider,
        (issuer, people): (&Issuer, &PeopleIssuer),
        of: Of<'_>,
        signed_on: SignedOn<'_>,
        now: UnixTime,
    ) -> Result<Self, NothingSaid> {
        let expected = Expected { audience: &people.client, of };
        let claims = provider.verify(&signed_on.tokens.id_token, &expected, now)?;
        let said = jit_ca_policy::Claims(&claims.all);
        let vouched = people.vouch(said).ok_or(NothingSaid::NoId)?;
        // Of the future only as far as clocks are apart.
        let mfa_at = people.mfa_at(said).map(|at| at.min(now));
        let challenge = Some(signed_on.challenge.to_owned());
        let proof = proof(&claims, challenge, signed_on.confirmed_from, mfa_at);
        let subject = subject(issuer, &vouched)?;
        let refresh = signed_on.tokens.refresh_token.map(Refresh);
        Ok(Self { subject, vouched, refresh, proof })
    }

    /// The SHA-256 of the token.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// The subject as the policy has it, once the log says what the issuer said.
    pub fn of<'b>(&self, bundle: &'b Bundle) -> Option<Authenticated<'b>> {
        let person = bundle.person(&self.subject)?;
        Some(Authenticated::assertion(person, self.proof.clone()))
    }
}

/// A person who has signed on: what the issuer gave for it, and for which login.
struct SignedOn<'a> {
    tokens: Tokens,
    challenge: &'a str,
    confirmed_from: Option<IpAddr>,
}

fn subject(issuer: &Issuer, vouched: &Vouched) -> Result<SubjectId, NothingSaid> {
    SubjectId::of(&issuer.name, &vouched.sub).map_err(|_| NothingSaid::NoId)
}

/// Asks an issuer again about somebody who is logged in. It blocks.
///
/// # Errors
/// If the issuer can't be asked, says no, or says something of somebody else.
pub fn ask_again(
    provider: &Provider,
    issuer: &Issuer,
    (subject, refresh): (&SubjectId, &Refresh),
    now: UnixTime,
) -> Result<SaidAgain, NothingSaid> {
    let Vouches::People(people) = &issuer.vouches else {
        return Err(NothingSaid::OtherKind("vouches for workloads, which bring a token"));
    };
    let refreshed = provider.refresh(&refresh.0)?;
    let vouched = refreshed.id_token.map(|token| {
        let expected = Expected { audience: &people.client, of: Of::Refresh };
        let claims = provider.verify(&token, &expected, now)?;
        let vouched = people.vouch(jit_ca_policy::Claims(&claims.all));
        let vouched = vouched.filter(|vouched| vouched.sub == subject.sub());
        // OpenID Connect Core 12.2: it is of the same subject.
        vouched.ok_or(NothingSaid::NoId)
    });
    Ok(SaidAgain { vouched: vouched.transpose()?, refresh: refreshed.refresh_token.map(Refresh) })
}

/// What binds a person's token to the login key: the issuer puts it into the token unseen.
pub fn nonce(statement: &str) -> String {
    Base64UrlUnpadded::encode_string(sha256(statement.as_bytes()).as_bytes())
}

fn proof(
    claims: &Claims,
    challenge: Option<String>,
    confirmed_from: Option<IpAddr>,
    mfa_at: Option<UnixTime>,
) -> Proof {
    // What can't be shown is not kept.
    let text = |text: &String| text.parse::<Text>().ok();
    let is_persons = challenge.is_some();
    Proof::Token {
        token: claims.digest,
        expires: claims.exp,
        challenge,
        confirmed_from,
        mfa_at,
        // Of a workload they say nothing that rules could go by.
        acr: claims.acr.as_ref().filter(|_| is_persons).and_then(text),
        amr: claims.amr.iter().filter(|_| is_persons).filter_map(text).collect(),
    }
}
