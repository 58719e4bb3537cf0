//! What changes from one text to another, line by line, as `diff -u` writes it.

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;

/// No larger table of lines is made; what is longer is shown as gone and come.
const LARGEST: usize = 4_000_000;

/// A line of both texts, of the first, or of the second.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Gone(&'a str),
    Come(&'a str),
}

/// The changes, under the names of the two texts; none where there are none.
pub(crate) fn unified(names: (&str, &str), before: &str, after: &str) -> String {
    let lines = lines(before, after);
    let mut text = String::new();
    let mut at = 0;
    while let Some(first) = lines.iter().skip(at).position(|line| !matches!(line, Line::Same(_))) {
        let start = (at + first).saturating_sub(CONTEXT).max(at);
        let end = hunk_end(&lines, at + first);
        if text.is_empty() {
            text = format!("--- {}\n+++ {}\n", names.0, names.1);
        }
        text.push_str(&hunk(&lines, start, end));
        at = end;
    }
    text
}

/// Where the hunk with the change at `changed` ends: before more same lines than two hunks show between them.
fn hunk_end(lines: &[Line<'_>], changed: usize) -> usize {
    let (mut last, mut at) = (changed, changed);
    while let Some(line) = lines.get(at) {
        if !matches!(line, Line::Same(_)) {
            last = at;
        } else if at - last > 2 * CONTEXT {
            break;
        }
        at += 1;
    }
    (last + 1 + CONTEXT).min(lines.len())
}

fn hunk(lines: &[Line<'_>], start: usize, end: usize) -> String {
    let count = |part: &[Line<'_>], not: fn(&Line<'_>) -> bool| {
        part.iter().filter(|line| !not(line)).count()
    };
    let (head, part) = (lines.get(..start), lines.get(start..end));
    let (head, part) = (head.unwrap_or_default(), part.unwrap_or_default());
    let place = |not: fn(&Line<'_>) -> bool| {
        let (skipped, held) = (count(head, not), count(part, not));
        // Of none, the line before it is named.
        format!("{},{held}", if held == 0 { skipped } else { skipped + 1 })
    };
    let before = place(|line| matches!(line, Line::Come(_)));
    let after = place(|line| matches!(line, Line::Gone(_)));
    let mut text = format!("@@ -{before} +{after} @@\n");
    for line in part {
        let (sign, line) = match line {
            Line::Same(line) => (' ', line),
            Line::Gone(line) => ('-', line),
            Line::Come(line) => ('+', line),
        };
        text.extend([sign]);
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Both texts, with as many lines in common as there can be.
fn lines<'a>(before: &'a str, after: &'a str) -> Vec<Line<'a>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old, same) = (old.get(head..).unwrap_or_default(), old.get(..head).unwrap_or_default());
    let new = new.get(head..).unwrap_or_default();
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, end) = old.split_at(old.len() - tail);
    let (new, _) = new.split_at(new.len() - tail);

    let mut lines: Vec<Line<'a>> = same.iter().copied().map(Line::Same).collect();
    lines.extend(middle(old, new));
    lines.extend(end.iter().copied().map(Line::Same));
    lines
}

fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let width = new.len() + 1;
    // How many lines the rests have in common, by where they begin.
    let mut common = vec![0_u32; (old.len() + 1).saturating_mul(width).min(LARGEST)];
    let is_small = (old.len() + 1).saturating_mul(width) <= LARGEST;
    let at = |common: &[u32], row: usize, column: usize| {
        common.get(row * width + column).copied().unwrap_or_default()
    };
    if is_small {
        for (row, gone) in old.iter().enumerate().rev() {
            for (column, come) in new.iter().enumerate().rev() {
                let longest = match gone == come {
                    true => at(&common, row + 1, column + 1) + 1,
                    false => at(&common, row + 1, column).max(at(&common, row, column + 1)),
                };
                if let Some(cell) = common.get_mut(row * width + column) {
                    *cell = longest;
                }
            }
        }
    }
    let (mut lines, mut row, mut column) = (Vec::new(), 0, 0);
    loop {
        match (old.get(row), new.get(column)) {
            (Some(gone), Some(come)) if is_small && gone == come => {
                lines.push(Line::Same(gone));
                (row, column) = (row + 1, column + 1);
            }
            (Some(gone), Some(_))
                if at(&common, row + 1, column) >= at(&common, row, column + 1) =>
            {
                lines.push(Line::Gone(gone));
                row += 1;
            }
            (Some(gone), None) => {
                lines.push(Line::Gone(gone));
                row += 1;
            }
            (_, Some(come)) => {
                lines.push(Line::Come(come));
                column += 1;
            }
            (None, None) => return lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn it_is_what_diff_says() {
        let numbers = |skip: &[usize]| {
            let lines = (1..60).filter(|line| !skip.contains(line));
            lines.map(|line| format!("line {line}\n")).collect::<String>()
        };
        let cases = [
            (numbers(&[]), numbers(&[])),
            (numbers(&[]), numbers(&[20, 21, 50])),
            (numbers(&[3, 9, 16]), numbers(&[])),
            (String::new(), numbers(&[7])),
            (numbers(&[7]), String::new()),
            (numbers(&[1, 2]).replace("line 30\n", "other\nlines\n"), numbers(&[59])),
        ];
        for (before, after) in cases {
            let file = |text: &str| {
                let mut file = tempfile::NamedTempFile::new().unwrap();
                file.write_all(text.as_bytes()).unwrap();
                file
            };
            let (old, new) = (file(&before), file(&after));
            let told = Command::new("diff").arg("-u").args([old.path(), new.path()]).output();
            let told = String::from_utf8(told.unwrap().stdout).unwrap();
            // Names and times differ; and it leaves a count of one away.
            let told: Vec<&str> = told.lines().skip(2).collect();
            let ours = unified(("a", "b"), &before, &after);
            assert_eq!(ours.lines().skip(2).collect::<Vec<_>>(), told);
        }
    }
}
