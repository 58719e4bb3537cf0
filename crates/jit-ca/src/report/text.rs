//! Text of others in a document of ours.
//!
//! Reasons, comments, tickets, errors and paths are what somebody wrote, perhaps to mislead whoever reads the report.
//! [`plain`] comes before either way of escaping, so that no sign can turn text round, hide it or end a line.

/// The text in one line, with every sign that is not shown made visible.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// The text, line by line, with every other sign that is not shown made visible.
pub(super) fn plain_lines(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { visible(c) }).collect()
}

fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => ' ',
        c if c.is_control() || is_format(c) => '\u{fffd}',
        c => c,
    }
}

/// Unicode's format characters that turn the direction of text or have no width, and its separators of lines.
fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_is_made_visible() {
        assert_eq!(
            plain("a\nb\tc\u{1b}[2J\u{202e}d\u{200b}e"),
            "a b c\u{fffd}[2J\u{fffd}d\u{fffd}e"
        );
        assert_eq!(plain_lines("a\nb\rc"), "a\nb\u{fffd}c");
        assert_eq!(plain("größer 🚀"), "größer 🚀");
    }
}
