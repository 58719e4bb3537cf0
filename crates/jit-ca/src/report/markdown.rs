//! The report as Markdown: CommonMark with GitHub's tables.

use super::page::{Block, Cell, Table, moment};
use super::text::{plain, plain_lines};

/// The document.
pub(super) fn render(title: &str, subtitle: &str, blocks: &[Block]) -> String {
    let mut text = format!("# {}\n\n{}\n", escaped(title), escaped(subtitle));
    for block in blocks {
        text.push('\n');
        text.push_str(&rendered(block));
    }
    text
}

fn rendered(block: &Block) -> String {
    match block {
        Block::Section(number, title) => format!("## {number}. {}\n", escaped(title)),
        Block::Part(title) => format!("### {}\n", escaped(title)),
        Block::Text(text) => format!("{}\n", escaped(text)),
        Block::Note(text) => format!("> {}\n", escaped(text)),
        Block::Figures(figures) => {
            let rows = figures.iter().map(|(figure, what)| {
                vec![Cell::Text((*what).to_owned()), Cell::Text(figure.clone())]
            });
            table(&["Figure", "In the period"], rows)
        }
        Block::Fields(fields) => {
            let rows = fields.iter();
            let rows =
                rows.map(|(name, value)| vec![Cell::Text((*name).to_owned()), value.clone()]);
            table(&["", ""], rows)
        }
        Block::Table(Table { heading, rows }) => table(heading, rows.iter().cloned()),
        Block::Lines(lines) => {
            let lines = plain_lines(lines);
            let fence = "`".repeat(longest_run(&lines).max(2) + 1);
            format!("{fence}text\n{lines}\n{fence}\n")
        }
    }
}

fn table(heading: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(heading.iter().map(|name| escaped(name)).collect());
    text.push_str(&line(heading.iter().map(|_| "---".to_owned()).collect()));
    for row in rows {
        text.push_str(&line(row.iter().map(cell).collect()));
    }
    text
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => escaped(text),
        Cell::Code(text) => code(text),
        Cell::Count(count) => count.to_string(),
        Cell::Time(time) => moment(*time),
        Cell::List(cells) => cells.iter().map(self::cell).collect::<Vec<_>>().join("<br>"),
    }
}

/// Words that no sign of Markdown or HTML is read in (CommonMark 2.4, 2.5), and no address made a link of (GFM 6.9).
///
/// What could begin a heading or a list does so at a line's start only, where no text of others stands.
fn escaped(text: &str) -> String {
    let text = plain(text);
    let mut escaped = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let (before, rest) = text.split_at_checked(at).unwrap_or_default();
        match c {
            ':' if rest.starts_with("://") => escaped.push_str("\\:"),
            '.' if ends_in_www(before) => escaped.push_str("\\."),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Whether a dot behind this makes it an address without a scheme.
fn ends_in_www(before: &str) -> bool {
    let end = before.len().checked_sub(3).and_then(|at| before.get(at..));
    end.is_some_and(|end| end.eq_ignore_ascii_case("www"))
}

/// A code span (CommonMark 6.1), in which a table still reads `|` (GFM 4.10).
fn code(text: &str) -> String {
    let text = plain(text).replace('|', "\\|");
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The most backticks that stand together.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_stays_text() {
        for (given, expected) in [
            ("a|b", "a\\|b"),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            (
                "`rm` *now* _or_ [x](https://e) ![y](z)",
                "\\`rm\\` \\*now\\* \\_or\\_ \\[x\\](https\\://e) !\\[y\\](z)",
            ),
            ("one\ntwo", "one two"),
            // No bare address is a link.
            ("at https://evil.example", "at https\\://evil.example"),
            ("FTP://e (www.evil.example)", "FTP\\://e (www\\.evil.example)"),
            ("ü www WWW.e ww.e a: b // c", "ü www WWW\\.e ww.e a: b // c"),
            ("\\| 🚀 &lt;", "\\\\\\| 🚀 &amp;lt;"),
        ] {
            assert_eq!(escaped(given), expected);
        }
        assert_eq!(code("a`b``c|d"), "```a`b``c\\|d```");
        assert_eq!(code("`x"), "`` `x ``");
    }

    #[test]
    fn a_row_stays_a_row_and_lines_stay_in_their_fence() {
        let rows = vec![vec![
            Cell::Text("a\n| b |".into()),
            Cell::List(vec![Cell::Count(1), Cell::Code("x".into())]),
        ]];
        let block = Block::Table(Table { heading: vec!["One", "Two"], rows });
        let expected = "| One | Two |\n| --- | --- |\n| a \\| b \\| | 1<br>`x` |\n";
        assert_eq!(rendered(&block), expected);
        assert_eq!(rendered(&Block::Lines("a\n```\nb".into())), "````text\na\n```\nb\n````\n");
    }
}
