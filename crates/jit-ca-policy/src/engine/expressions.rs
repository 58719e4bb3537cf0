//! Facts, as the context of Cedar's holds them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::RestrictedExpression;
use jit_ca_core::{Span, SubjectId, UnixTime};

/// The expressions that were told last.
///
/// Cedar reads the function's name with its whole parser, each time that such an expression is made: 4 µs for each.
/// Under load it is the same second, the same addresses and the same durations again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Expressions(Arc<Mutex<HashMap<Literal, RestrictedExpression>>>);

/// An attribute of the context.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Told {
    Flag(bool),
    Number(i64),
    Text(String),
    Texts(Vec<String>),
    Person(SubjectId),
    Literal(Literal),
}

/// What Cedar makes by calling a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Literal {
    Time(UnixTime),
    Duration(Span),
    Address(IpAddr),
}

impl Expressions {
    pub(super) fn get(&self, literal: Literal) -> RestrictedExpression {
        let told = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(expression) = told().get(&literal) {
            return expression.clone();
        }
        let expression = match literal {
            Literal::Time(time) => RestrictedExpression::new_datetime(time.to_string()),
            Literal::Duration(span) => {
                RestrictedExpression::new_duration(format!("{}s", span.secs()))
            }
            Literal::Address(address) => RestrictedExpression::new_ip(address.to_string()),
        };
        let mut told = told();
        // The next second asks for others anyway.
        if told.len() == MOST {
            told.clear();
        }
        told.insert(literal, expression.clone());
        expression
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Half a megabyte.
pub(super) const MOST: usize = 1_024;
