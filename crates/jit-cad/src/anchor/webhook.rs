//! An anchor that is a service: `POST` of a note keeps it, `GET` of the same address gives the newest one.

use std::path::Path;

use axum::http::{Uri, header};
use ureq::Agent;
use ureq::unversioned::resolver::DefaultResolver;

use super::{AnchorError, LARGEST_NOTE, PATIENCE};
use crate::failure::Failure;
use crate::outgoing;

/// A service that keeps checkpoints.
#[derive(Debug)]
pub(super) struct Webhook {
    agent: Agent,
    url: Uri,
}

impl Webhook {
    /// The service at `url`; for `https://` it is trusted by the roots in `ca_file`, and by no others.
    pub(super) fn open(url: &Uri, ca_file: &Path) -> Result<Self, Failure> {
        let agent = outgoing::client(url, ca_file, PATIENCE, DefaultResolver::default())?;
        Ok(Self { agent, url: url.clone() })
    }

    pub(super) fn newest(&self) -> Result<Option<String>, AnchorError> {
        let mut answer = self.agent.get(&self.url).call()?;
        match answer.status().as_u16() {
            200 => {
                let note = answer.body_mut().with_config().limit(LARGEST_NOTE).read_to_vec()?;
                // What is no text is no checkpoint either, and is found to be none.
                Ok(Some(String::from_utf8_lossy(&note).into_owned()))
            }
            204 | 404 => Ok(None),
            status => Err(AnchorError::Status(status)),
        }
    }

    pub(super) fn keep(&self, note: &str) -> Result<(), AnchorError> {
        let post = self.agent.post(&self.url);
        let post = post.header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
        let answer = post.send(note)?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(AnchorError::Status(answer.status().as_u16())),
        }
    }
}
