//! Two texts line by line: what is gone, what is new, and what stays between them.

/// The lines of both, each after `-`, `+` or a space.
pub(super) fn compared(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let longest = longest_common(&old, &new);
    let (mut old, mut new) = (old.as_slice(), new.as_slice());
    let common = |old: &[&str], new: &[&str]| {
        longest.get(old.len()).and_then(|row| row.get(new.len())).copied().unwrap_or(0)
    };
    let mut lines = Vec::new();
    loop {
        match (old.split_first(), new.split_first()) {
            (None, None) => return lines,
            (Some((line, rest)), Some((other, other_rest))) if line == other => {
                lines.push(format!("  {line}"));
                (old, new) = (rest, other_rest);
            }
            // What is gone comes before what has taken its place.
            (Some((line, rest)), others)
                if others.is_none_or(|(_, others)| common(rest, new) >= common(old, others)) =>
            {
                lines.push(format!("- {line}"));
                old = rest;
            }
            (_, Some((line, rest))) => {
                lines.push(format!("+ {line}"));
                new = rest;
            }
            (Some((line, rest)), None) => {
                lines.push(format!("- {line}"));
                old = rest;
            }
        }
    }
}

/// How many lines the last so many of each have in common, in their order.
fn longest_common(old: &[&str], new: &[&str]) -> Vec<Vec<usize>> {
    let mut rows = vec![vec![0; new.len() + 1]];
    for line in old.iter().rev() {
        let below = rows.last().cloned().unwrap_or_default();
        let mut row = vec![0];
        for (other, (diagonal, above)) in
            new.iter().rev().zip(below.iter().zip(below.iter().skip(1)))
        {
            let beside = row.last().copied().unwrap_or(0);
            row.push(if line == other { diagonal + 1 } else { beside.max(*above) });
        }
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_said_once() {
        for (old, new, expected) in [
            ("", "", ""),
            ("a\nb\nc", "a\nb\nc", "  a|  b|  c"),
            ("a\nb\nc", "a\nx\nc", "  a|- b|+ x|  c"),
            ("a\nb", "b\nc", "- a|  b|+ c"),
            ("", "a", "+ a"),
            ("a", "", "- a"),
            ("a\nb\nc\nd", "c\na\nb\nd", "+ c|  a|  b|- c|  d"),
        ] {
            assert_eq!(compared(old, new).join("|"), expected, "{old:?} {new:?}");
        }
    }
}
