//! The report as one HTML file: no script, nothing that is fetched, and it prints well.

use super::page::{Block, Cell, Table, moment};
use super::text::{plain, plain_lines};

/// The document.
pub(super) fn render(title: &str, subtitle: &str, blocks: &[Block]) -> String {
    let contents: String = blocks
        .iter()
        .filter_map(|block| match block {
            Block::Section(number, title) => {
                Some(format!("<li><a href=\"#s{number}\">{}</a></li>\n", escaped(title)))
            }
            _ => None,
        })
        .collect();
    let sections: String =
        blocks.chunk_by(|_, next| !matches!(next, Block::Section(..))).map(section).collect();
    let (title, subtitle) = (escaped(title), escaped(subtitle));
    // A policy that lets nothing be run or fetched, whatever stands in the text.
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}: {subtitle}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>{title}</h1>\n<p>{subtitle}</p>\n</header>\n\
         <nav aria-label=\"Contents\">\n<ol>\n{contents}</ol>\n</nav>\n<main>\n{sections}</main>\n</body>\n</html>\n"
    )
}

/// How it looks, on a screen by day and by night and on paper.
const STYLE: &str = include_str!("style.css");

fn section(blocks: &[Block]) -> String {
    let number = match blocks.first() {
        Some(Block::Section(number, _)) => *number,
        _ => 0,
    };
    let inner: String = blocks.iter().map(rendered).collect();
    format!("<section id=\"s{number}\" aria-labelledby=\"h{number}\">\n{inner}</section>\n")
}

fn rendered(block: &Block) -> String {
    match block {
        Block::Section(number, title) => {
            format!("<h2 id=\"h{number}\"><span>{number}</span> {}</h2>\n", escaped(title))
        }
        Block::Part(title) => format!("<h3>{}</h3>\n", escaped(title)),
        Block::Text(text) => format!("<p>{}</p>\n", escaped(text)),
        Block::Note(text) => format!("<p class=\"note\">{}</p>\n", escaped(text)),
        Block::Figures(figures) => {
            let each = figures.iter().map(|(figure, what)| {
                format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(what), escaped(figure))
            });
            format!("<dl class=\"figures\">\n{}</dl>\n", each.collect::<String>())
        }
        Block::Fields(fields) => {
            let each = fields.iter().map(|(name, value)| {
                format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(name), cell(value))
            });
            format!("<dl class=\"fields\">\n{}</dl>\n", each.collect::<String>())
        }
        Block::Table(table) => self::table(table),
        Block::Lines(lines) => format!("<pre>{}</pre>\n", escape(&plain_lines(lines))),
    }
}

fn table(Table { heading, rows }: &Table) -> String {
    let is_count = |column: usize| {
        let first = rows.first().and_then(|row| row.get(column));
        matches!(first, Some(Cell::Count(_)))
    };
    let heading = heading.iter().enumerate().map(|(column, name)| {
        let class = if is_count(column) { " class=\"count\"" } else { "" };
        format!("<th scope=\"col\"{class}>{}</th>", escaped(name))
    });
    let heading: String = heading.collect();
    let row = |row: &Vec<Cell>| {
        let cells: String = row
            .iter()
            .map(|cell| match cell {
                Cell::Count(count) => format!("<td class=\"count\">{count}</td>"),
                cell => format!("<td>{}</td>", self::cell(cell)),
            })
            .collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = rows.iter().map(row).collect();
    // It scrolls by itself where a screen is narrow, with the keyboard too.
    format!(
        "<div class=\"scroll\" tabindex=\"0\">\n<table>\n<thead><tr>{heading}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => escaped(text),
        Cell::Code(text) => format!("<code>{}</code>", escaped(text)),
        Cell::Count(count) => count.to_string(),
        Cell::Time(time) => {
            // The day and the hour each stay in one piece.
            let shown = moment(*time).replace(' ', "</span> <span>");
            format!("<time datetime=\"{time}\"><span>{shown}</span></time>")
        }
        Cell::List(cells) => {
            let lines = cells.iter().map(|cell| format!("<div>{}</div>", self::cell(cell)));
            lines.collect()
        }
    }
}

fn escaped(text: &str) -> String {
    escape(&plain(text))
}

/// Text that is text wherever it stands, between tags and in an attribute's quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_stays_text() {
        let hostile = "</td><script>alert('x')</script> \"&lt; 🚀\u{202e}";
        let expected =
            "&lt;/td&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &quot;&amp;lt; 🚀\u{fffd}";
        assert_eq!(escaped(hostile), expected);
        let blocks = [
            Block::Section(1, "One"),
            Block::Part(hostile.into()),
            Block::Text(hostile.into()),
            Block::Note(hostile.into()),
            Block::Lines(hostile.into()),
            Block::Fields(vec![("Name", Cell::Code(hostile.into()))]),
            Block::Table(Table {
                heading: vec!["One"],
                rows: vec![vec![Cell::List(vec![Cell::Text(hostile.into())])]],
            }),
        ];
        let html = render(hostile, hostile, &blocks);
        assert!(!html.contains("<script") && !html.contains('\u{202e}'), "{html}");
        assert_eq!(html.matches("&lt;script&gt;").count(), 10, "{html}");
    }
}
