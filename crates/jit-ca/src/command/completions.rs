//! `completions`: the command line, as shells read it.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::cli::{Cli, CompletedShell};
use crate::command::Context;

pub(super) fn completions(context: &Context, shell: CompletedShell) {
    let shell = match shell {
        CompletedShell::Bash => Shell::Bash,
        CompletedShell::Zsh => Shell::Zsh,
        CompletedShell::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "jit-ca", &mut script);
    let script = String::from_utf8_lossy(&script);
    // Of a name with a hyphen clap_complete 4.6 makes two words in bash's script, and completes no subcommand's options
    // then (clap-rs/clap#6421).
    let script = script.replace("jit__subcmd__ca", "jit__ca");
    context.printer.data(&script, Clone::clone);
}
