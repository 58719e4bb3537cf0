//! Tickets: the pattern that one has to match, whole.

use std::fmt;

use jit_ca_core::Text;
use regex::Regex;

use crate::fault::Page;
use crate::section::Section;

/// What a ticket has to look like: a regular expression, which always matches from end to end.
#[derive(Clone, Debug)]
pub struct TicketPattern {
    text: String,
    whole: Regex,
}

/// A ticket is one line of at most 500 characters; a pattern that needs more memory than this is none.
const LARGEST: usize = 64 * 1024;

impl TicketPattern {
    /// The pattern, which has to be one by itself, so that nothing in it can undo its anchors.
    fn new(text: &str) -> Result<Self, regex::Error> {
        let compile = |text: &str| regex::RegexBuilder::new(text).size_limit(LARGEST).build();
        compile(text)?;
        let whole = compile(&format!(r"\A(?:{text})\z"))?;
        Ok(Self { text: text.to_owned(), whole })
    }

    pub(super) fn read(page: Page<'_>, top: &mut Section<'_>) -> Option<Self> {
        let text = top.string("ticket")?;
        let fault = |message: String, hint: &str| {
            page.fault(text.at, message, hint);
            None
        };
        match Self::new(&text.value) {
            Ok(pattern) if pattern.whole.is_match("") => fault(
                format!("the pattern {:?} matches no ticket at all", text.value),
                "write what has to be there, such as \"INC-[0-9]+\"",
            ),
            Ok(pattern) => Some(pattern),
            Err(error) => fault(
                format!("{:?} is not a pattern: {}", text.value, last_line(&error)),
                "write a regular expression, such as \"INC-[0-9]+\"; it has to match the whole ticket",
            ),
        }
    }

    /// Whether the whole ticket matches.
    pub fn matches(&self, ticket: &Text) -> bool {
        self.whole.is_match(ticket.as_str())
    }

    /// The pattern as its role writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The error itself; the lines before show where.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

impl PartialEq for TicketPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TicketPattern {}

impl fmt::Display for TicketPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_tickets_alone() {
        for pattern in [
            "INC-[0-9]+",
            "INC-1|INC-[0-9]+",
            "(?m)INC-[0-9]+$",
            "(?x) INC-[0-9]+ ",
            "^INC-[0-9]+$",
        ] {
            let pattern = TicketPattern::new(pattern).unwrap();
            let matches = |ticket: &str| pattern.matches(&ticket.parse().unwrap());
            assert!(matches("INC-12"), "{pattern}");
            for other in ["INC-", "INC-12 or so", "see INC-12", "xINC-12", "INC-12x", "inc-12"] {
                assert!(!matches(other), "{pattern}: {other}");
            }
        }
    }

    #[test]
    fn nothing_in_a_pattern_undoes_its_anchors() {
        for wrong in ["a)|(b", "(", "[", "*a", "(?x)a #", "a{1000}{1000}"] {
            assert!(TicketPattern::new(wrong).is_err(), "{wrong}");
        }
    }
}
