//! Our lines in what PAM does for sshd: between two marks, so that they can be taken out again, and the file may change
//! around them.

use std::path::Path;

const BEGIN: &str = "# jit-ca-host: begin";
const END: &str = "# jit-ca-host: end";

/// The text with our lines at its end; once, however often it is done. `program` is jit-ca-host with its options.
///
/// They come last: a session is told of when all else has let it in, and pam_systemd has given it a scope. In `account`
/// hostd is only asked whether it is there, so that whoever is refused reads why (pam_exec(8), `stdout`).
pub(crate) fn with_hook(text: &str, program: &str) -> String {
    let text = without_hook(text);
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!(
        "{text}{gap}{BEGIN}\n\
         account required pam_exec.so quiet stdout {program} pam\n\
         session required pam_exec.so quiet {program} pam\n\
         {END}\n"
    )
}

/// The text without our lines.
pub(crate) fn without_hook(text: &str) -> String {
    let mut is_ours = false;
    let kept = text.split_inclusive('\n').filter(|line| {
        let line = line.trim_end();
        is_ours |= line == BEGIN;
        let keep = !is_ours;
        is_ours &= line != END;
        keep
    });
    kept.collect()
}

/// Whether the lines are there, and name a program that is.
pub(crate) fn has_hook(text: &str, program: &Path) -> bool {
    let program = program.display().to_string();
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("session") && words.any(|word| word == program)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_come_and_go() {
        for before in ["", "session required pam_unix.so\n", "a\nb"] {
            let once = with_hook(before, "/usr/lib/jit-ca/jit-ca-host");
            assert_eq!(with_hook(&once, "/usr/lib/jit-ca/jit-ca-host"), once);
            assert_eq!(without_hook(&once).trim_end(), before.trim_end());
            assert!(has_hook(&once, Path::new("/usr/lib/jit-ca/jit-ca-host")), "{once}");
            assert!(!has_hook(before, Path::new("/usr/lib/jit-ca/jit-ca-host")));
        }
        let around = format!("{}session optional pam_mail.so\n", with_hook("a\n", "x"));
        assert_eq!(without_hook(&around), "a\nsession optional pam_mail.so\n");
    }
}
