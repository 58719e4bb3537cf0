//! `docs/guides/policy.md`, where a copy of `ca-config/` lies as `policy`.

use std::fs;
use std::process::Command;

use jit_ca_tests::{Lab, program, repository, run};

const GUIDE: &str = "docs/guides/policy.md";

#[test]
fn the_guide_to_policies_works_and_says_what_comes() {
    let lab = Lab::new();
    let policy = lab.path().join("policy");
    run(Command::new("cp").arg("-r").arg(repository().join("ca-config")).arg(policy)).ok();
    let bin = program("jit-ca").parent().unwrap().display().to_string();
    let text = fs::read_to_string(repository().join(GUIDE)).unwrap();
    let mut held = 0;
    for rest in text.split("\n```sh reviewer\n").skip(1) {
        let (block, after) = rest.split_once("\n```\n").unwrap();
        let mut bash = Command::new("bash");
        bash.current_dir(lab.path()).env_clear().args(["-euc", block]);
        bash.env("PATH", format!("{bin}:/usr/bin:/bin")).env("HOME", lab.path());
        // That two policies differ is what `diff` says with 1.
        let output = run(&mut bash);
        assert_eq!(output.code, i32::from(block.contains("policy diff")), "{output}");
        // The indented lines that follow at once are what it prints, though not all of it.
        let shown = after.trim_start_matches('\n').lines();
        for line in shown.map_while(|line| line.strip_prefix("    ")) {
            assert!(output.stdout.contains(line), "{GUIDE} has the line\n{line}\nof\n{output}");
            held += 1;
        }
    }
    assert!(held > 25, "only {held} lines are held against anything");
    let completions = lab.path().join(".local/share/bash-completion/completions/jit-ca");
    assert!(fs::read_to_string(completions).unwrap().contains("complete -F"));
}
