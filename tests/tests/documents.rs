//! What the documents show is what the programs take.

use std::collections::HashMap;
use std::process::Command;

use jit_ca_tests::{blocks, commands, documents, program, run};

/// The documents whose blocks are run: by `readme.rs`, and by `guides.rs` and what lies beside it. Each
/// fails at a block of somebody it does not know.
const RUN: [&str; 20] = [
    "README.md",
    "docs/guides/access.md",
    "docs/guides/administrators.md",
    "docs/guides/audit.md",
    "docs/guides/erasure.md",
    "docs/guides/first-ca.md",
    "docs/guides/host-certificates.md",
    "docs/guides/hosts.md",
    "docs/guides/nginx.md",
    "docs/guides/notifications.md",
    "docs/guides/passkeys.md",
    "docs/guides/policy.md",
    "docs/guides/restore.md",
    "docs/guides/second-factors.md",
    "docs/guides/sessions.md",
    "docs/guides/single-sign-on.md",
    "docs/guides/ssh-config.md",
    "docs/guides/sshd.md",
    "docs/guides/trouble.md",
    "docs/guides/upkeep.md",
];

#[test]
fn no_block_is_left_that_nobody_runs() {
    let documents = documents();
    let with_blocks: Vec<_> = documents.iter().filter(|name| is_markdown(name)).collect();
    let with_blocks = with_blocks.into_iter().filter(|name| !blocks(name).is_empty());
    assert_eq!(with_blocks.collect::<Vec<_>>(), RUN);
}

#[test]
fn every_command_that_is_shown_exists() {
    let mut helps = Helps::default();
    let mut seen = 0;
    for document in documents() {
        for command in commands(&document) {
            helps.check(&command).unwrap_or_else(|fault| panic!("{document}: {fault}"));
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} commands are seen");

    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for right in ["jit-ca ssh --role r a@b -x", "jit-cad user …", "jit-ca --json log list --to T"]
    {
        helps.check(&words(right)).unwrap();
    }
    for wrong in ["jit-ca ssh --rule r a@b", "jit-cad restart", "jit-ca log lists", "jit-ca -x log"]
    {
        helps.check(&words(wrong)).unwrap_err();
    }
}

fn is_markdown(name: &str) -> bool {
    name.ends_with(".md")
}

/// What a program says of itself or of one of its subcommands.
#[derive(Clone, Default)]
struct Help {
    commands: Vec<String>,
    options: Vec<String>,
}

#[derive(Default)]
struct Helps(HashMap<Vec<String>, Help>);

impl Helps {
    fn of(&mut self, command: &[String]) -> Help {
        let help = self.0.entry(command.to_vec()).or_insert_with(|| {
            let mut ask = Command::new(program(&command[0]));
            let text = run(ask.args(&command[1..]).arg("--help")).ok().stdout;
            let first_word = |line: &str| line.split_whitespace().next().map(str::to_owned);
            let listed = text.split("\nCommands:\n").nth(1).unwrap_or_default();
            let options = text.lines().filter(|line| line.trim_start().starts_with('-'));
            let names = options.flat_map(|line| line.split([' ', ',']));
            Help {
                commands: listed.lines().map_while(first_word).collect(),
                options: names.filter(|name| name.starts_with('-')).map(str::to_owned).collect(),
            }
        });
        help.clone()
    }

    /// Whether subcommands and options exist. What they are given is not looked at.
    fn check(&mut self, words: &[String]) -> Result<(), String> {
        let mut command = vec![words[0].clone()];
        let mut help = self.of(&command);
        for word in &words[1..] {
            // What follows is somebody else's, or left to the reader.
            if word == "--" || word == "…" || word.contains('@') {
                break;
            }
            if word.starts_with('-') && word != "-" {
                if !help.options.contains(word) {
                    return Err(format!(
                        "{} has no {word}: {}",
                        command.join(" "),
                        words.join(" ")
                    ));
                }
            } else if !help.commands.is_empty() {
                if !help.commands.contains(word) {
                    return Err(format!("{} has no {word}", command.join(" ")));
                }
                command.push(word.clone());
                help = self.of(&command);
            }
        }
        Ok(())
    }
}
