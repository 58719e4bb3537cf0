//! The one way out: data to stdout, everything else to stderr.

use std::cell::Cell;
use std::error::Error as _;
use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use crate::error::Error;

/// Writes what the program has to say.
#[derive(Debug)]
pub(crate) struct Printer {
    json: bool,
    /// Whether the last thing on stderr is a line that will be written over.
    live: Cell<bool>,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, live: Cell::new(false) }
    }

    /// Prints the data asked for: one line of JSON, or text for a person.
    pub(crate) fn data<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) {
        self.end_live();
        let text = if self.json {
            // Our own types: each has a JSON form.
            serde_json::to_string(value).unwrap_or_default()
        } else {
            shown(&text(value))
        };
        let mut stdout = std::io::stdout().lock();
        // Nobody is left to be told that the reader has gone.
        let _ = writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush());
    }

    /// Draws at the terminal that the data goes to, if it does and nobody asked for JSON; `draw` is given its columns.
    pub(crate) fn drawing(&self, draw: impl FnOnce(usize) -> Option<String>) {
        let stdout = std::io::stdout();
        if self.json || !stdout.is_terminal() {
            return;
        }
        let size = rustix::termios::tcgetwinsize(&stdout);
        let columns = size.map_or(0, |size| usize::from(size.ws_col));
        if let Some(drawn) = draw(columns) {
            self.end_live();
            // Nobody is left to be shown it that the terminal has gone from.
            let _ = stdout.lock().write_all(drawn.as_bytes());
        }
    }

    /// Tells a person something beside the data.
    pub(crate) fn note(&self, text: &str) {
        self.end_live();
        let _ = writeln!(std::io::stderr(), "{}", shown(text));
    }

    /// Shows a line that the next one replaces, to whoever looks.
    pub(crate) fn live(&self, text: &str) {
        if !self.is_watched() {
            return;
        }
        // A line that the terminal breaks can't be replaced.
        let size = rustix::termios::tcgetwinsize(std::io::stderr());
        let width = match size {
            Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
            _ => 80,
        };
        let line: String = shown(text).chars().take(width.saturating_sub(1)).collect();
        // Erase in line (ECMA-48, 8.3.41): the last line may have been longer.
        let _ = write!(std::io::stderr(), "\r\u{1b}[K{line}");
        self.live.set(true);
    }

    /// Whether a person looks at stderr.
    pub(crate) fn is_watched(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Says what went wrong, what lies behind it, and what to do.
    pub(crate) fn error(&self, error: &Error) {
        let mut text = format!("error: {error}");
        let mut cause = error.source();
        while let Some(layer) = cause {
            let layer_text = layer.to_string();
            // Libraries repeat their cause in their own words.
            if !text.contains(&layer_text) {
                text.push_str(&format!(": {layer_text}"));
            }
            cause = layer.source();
        }
        if let Some(hint) = error.hint() {
            text.push_str(&format!("\nhint: {hint}"));
        }
        self.note(&text);
    }

    fn end_live(&self) {
        if self.live.replace(false) {
            let _ = writeln!(std::io::stderr());
        }
    }
}

/// Text that cannot take over the terminal: much of what is shown comes from the CA.
fn shown(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Rows under a heading, in columns.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let heading = heading.map(str::to_uppercase);
    let widths: Vec<usize> = (0..N)
        .map(|column| {
            let cells = std::iter::once(&heading).chain(rows);
            cells
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let lines: Vec<String> = std::iter::once(&heading).chain(rows).map(line).collect();
    lines.join("\n")
}

/// Names and what they stand for, in two columns, without those that have nothing.
pub(crate) fn fields(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> = rows
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:<width$}  {value}"))
        .collect();
    lines.join("\n")
}

/// The items with commas between them.
pub(crate) fn join<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_the_ca_cannot_move_the_cursor() {
        let rows = [["web-shell".to_owned(), "1h".to_owned()], ["x".to_owned(), String::new()]];
        assert_eq!(table(["role", "for"], &rows), "ROLE       FOR\nweb-shell  1h\nx");
        assert_eq!(fields(&[("role", "x".to_owned()), ("ticket", String::new())]), "role    x");
        assert_eq!(shown("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\nc");
    }
}
