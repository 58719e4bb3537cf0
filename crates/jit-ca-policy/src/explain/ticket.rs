//! A ticket that a role would take, for somebody who has none.

use jit_ca_core::Text;
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::TicketPattern;

/// The shortest that comes to mind; `None` for a pattern that looks at what is beside the text.
pub(super) fn fitting(pattern: &TicketPattern) -> Option<Text> {
    let parsed = regex_syntax::parse(pattern.as_str()).ok()?;
    let mut text = String::new();
    write(&parsed, &mut text)?;
    text.parse().ok().filter(|text| pattern.matches(text))
}

fn write(part: &Hir, text: &mut String) -> Option<()> {
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(Class::Unicode(class)) => text.push(class.ranges().first()?.start()),
        HirKind::Class(Class::Bytes(class)) => text.push(class.ranges().first()?.start().into()),
        HirKind::Repetition(repetition) => {
            (0..repetition.min).try_for_each(|_| write(&repetition.sub, text))?;
        }
        HirKind::Capture(capture) => write(&capture.sub, text)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, text))?,
        HirKind::Alternation(parts) => write(parts.first()?, text)?,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bundle, SourceFile};

    #[test]
    fn fits_the_pattern() {
        for (pattern, expected) in [
            ("INC-[0-9]+", Some("INC-0")),
            ("(OPS|INC)-[1-9][0-9]{2,}", Some("OPS-100")),
            ("[A-Z]{2}\\d?x*", Some("AA")),
            // A control character is none of a ticket's.
            (".+", None),
        ] {
            let file = |path: &str, text: String| SourceFile { path: path.into(), text };
            let role = format!(
                "description = \"A role\"\ndefault = \"1h\"\nlongest = \"4h\"\nticket = '{pattern}'\n\
                 [[approvals]]\ncount = 1\nfrom = [\"dev\"]\n[[x509]]\nservice = \"api\"\n"
            );
            let people =
                "[[person]]\nid = \"u-1\"\nname = \"alice\"\ngroups = [\"dev\"]\n".to_owned();
            let files = [file("users.toml", people), file("roles/api.toml", role)];
            let bundle = Bundle::parse(files).unwrap();
            let pattern = bundle.roles().next().unwrap().ticket.clone().unwrap();
            let found = fitting(&pattern);
            assert_eq!(found.as_ref().map(Text::as_str), expected, "{pattern}");
        }
    }
}
