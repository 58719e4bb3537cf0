//! `jit-ca`: the command line for engineers, approvers and auditors.

mod agent;
mod browser;
mod certify;
mod chain;
mod check;
mod cli;
mod clock;
mod command;
mod ephemeral;
mod error;
mod exit;
mod export;
mod files;
mod grant;
mod held;
mod id_ending;
mod interrupt;
mod known_hosts;
mod login;
mod named;
mod output;
mod passkey;
mod payloads;
mod places;
mod printer;
mod profile;
mod progress;
mod qr;
mod replay;
mod report;
mod request_key;
mod sign_on;
mod signing;
mod source;
mod target;
mod terminal;
#[cfg(test)]
mod testing;
mod text_diff;
mod turn;
mod wait;
mod witness;

use clap::Parser as _;

use crate::cli::Cli;
use crate::command::Context;
use crate::exit::Exit;
use crate::places::Places;
use crate::printer::Printer;

fn main() -> Exit {
    let cli = Cli::parse();
    let printer = Printer::new(cli.json);
    let places = match Places::from_environment(|name| std::env::var_os(name)) {
        Ok(places) => places,
        Err(error) => {
            printer.error(&error);
            return error.exit();
        }
    };
    let mut context = Context { places, printer, now: clock::now() };
    let done = command::run(&context, cli).or_else(|error| {
        match login::step_up(&context.places, &context.printer, &error, context.now)? {
            true => {
                context.now = clock::now();
                command::run(&context, Cli::with_the_login_made())
            }
            false => Err(error),
        }
    });
    done.unwrap_or_else(|error| {
        context.printer.error(&error);
        error.exit()
    })
}
