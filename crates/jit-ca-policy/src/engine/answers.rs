//! The answers that were given last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jit_ca_core::{Action, RoleName, SubjectId};

use super::Answer;
use super::expressions::Told;

/// All that the rules of one bundle can tell two questions apart by.
///
/// A person's groups, a role's name and the zone are the bundle's, and so the same for both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) action: Action,
    pub(super) role: Option<RoleName>,
    pub(super) subject: SubjectId,
    pub(super) requester: SubjectId,
    /// The attributes of the context that a rule looks at, and only those are told.
    pub(super) told: Vec<(&'static str, Told)>,
}

/// The answers that were given last, by all that they rest on.
///
/// INVARIANT (a decision is a function of bundle and facts): so the same question has the same answer, errors
/// included. The answers are one bundle's, and end with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Arc<Mutex<HashMap<Asked, Arc<Answer>>>>);

impl Answers {
    pub(super) fn get(&self, asked: &Asked) -> Option<Arc<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(asked).cloned()
    }

    pub(super) fn keep(&self, asked: Asked, answer: &Arc<Answer>) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Where rules look at the time, those of past seconds are never asked for again.
        if answers.len() >= MOST {
            answers.clear();
        }
        answers.insert(asked, Arc::clone(answer));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// About a megabyte.
pub(super) const MOST: usize = 1_024;
