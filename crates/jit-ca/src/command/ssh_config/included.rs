//! The line of the person's configuration that includes ours.

/// The text with the line, once, before all else: what comes after a `Host` or `Match` line is that one's alone.
pub(super) fn with(text: &str, line: &str) -> String {
    line.to_owned() + &without(text, line)
}

/// The text without the line.
pub(super) fn without(text: &str, line: &str) -> String {
    text.split_inclusive('\n').filter(|own| own.trim() != line.trim()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_first_and_once_and_leaves_nothing_behind() {
        let line = "Include \"/home/alice/.ssh/jit-ca.conf\"\n";
        for own in ["", "Host web1\n    Port 2222", "# mine\r\n\r\nInclude other\r\n"] {
            let once = with(own, line);
            assert!(once.starts_with(line), "{once}");
            assert_eq!(with(&once, line), once);
            assert_eq!(without(&once, line), own);
        }
        assert_eq!(
            with("Host a\n Include \"/home/alice/.ssh/jit-ca.conf\"\n", line),
            format!("{line}Host a\n")
        );
    }
}
