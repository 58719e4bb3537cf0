//! Whether somebody is who they say, from a token of an issuer.
//!
//! ```text
//! code ──redeem──> token ──verify──> claims ──vouch──> Said ──of(policy)──> Authenticated
//! ```

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jit_ca_api::Credential;
use jit_ca_core::{SubjectId, Text, UnixTime};
use jit_ca_log::hash::sha256;
use jit_ca_policy::{Bundle, Issuer, Vouched, Vouches};
use zeroize::Zeroizing;

use super::{Authenticated, Proof};
use crate::provider::{Claims, Code, Expected, Of, Provider, ProviderFault};

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
        credential: &Credential,
        statement: &str,
        (not_before, now): (Option<UnixTime>, UnixTime),
    ) -> Result<Self, NothingSaid> {
        let mut refresh = None;
        let (claims, vouched, challenge, mfa_at) = match (&issuer.vouches, credential) {
            (
                Vouches::People(people),
                Credential::Code { challenge, code, verifier, redirect_uri },
            ) => {
                let tokens = provider.redeem(&Code { code, verifier, redirect_uri })?;
                refresh = tokens.refresh_token.map(Refresh);
                let nonce = nonce(statement);
                let of = Of::Login { nonce: &nonce };
                let expected = Expected { audience: &people.client, of };
                let claims = provider.verify(&tokens.id_token, &expected, now)?;
                let said = jit_ca_policy::Claims(&claims.all);
                let vouched = people.vouch(said).ok_or(NothingSaid::NoId)?;
                // Of the future only as far as clocks are apart.
                let mfa_at = people.mfa_at(said).map(|at| at.min(now));
                (claims, vouched, Some(challenge.clone()), mfa_at)
            }
            (Vouches::Workloads(workloads), Credential::Token(token)) => {
                let expected = Expected { audience: &workloads.audience, of: Of::Workload };
                let claims = provider.verify(token, &expected, now)?;
                let said = jit_ca_policy::Claims(&claims.all);
                let vouched = workloads.vouch(said).ok_or(NothingSaid::NoWorkload)?;
                (claims, vouched, None, None)
            }
            (Vouches::People(_), Credential::Token(_)) => {
                return Err(NothingSaid::OtherKind(
                    "vouches for people, who sign on with a browser",
                ));
            }
            (Vouches::Workloads(_), Credential::Code { .. }) => {
                return Err(NothingSaid::OtherKind("vouches for workloads, which bring a token"));
            }
        };
        let is_known_to_be_new =
            not_before.is_none_or(|before| claims.iat.is_some_and(|made| made >= before));
        if challenge.is_none() && !is_known_to_be_new {
            return Err(NothingSaid::BeforeClock);
        }
        let subject = SubjectId::of(&issuer.name, &vouched.sub).map_err(|_| NothingSaid::NoId)?;
        Ok(Self { subject, vouched, refresh, proof: proof(&claims, challenge, mfa_at) })
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
fn nonce(statement: &str) -> String {
    Base64UrlUnpadded::encode_string(sha256(statement.as_bytes()).as_bytes())
}

fn proof(claims: &Claims, challenge: Option<String>, mfa_at: Option<UnixTime>) -> Proof {
    // What can't be shown is not kept.
    let text = |text: &String| text.parse::<Text>().ok();
    Proof::Token {
        token: claims.digest,
        expires: claims.exp,
        challenge,
        mfa_at,
        acr: claims.acr.as_ref().and_then(text),
        amr: claims.amr.iter().filter_map(text).collect(),
    }
}
