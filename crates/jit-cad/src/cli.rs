//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use jit_ca_core::{Origin, PersonName, Text};

/// The just-in-time certificate authority's daemon.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, or no such person, lock or message, 74 the log could
/// not be written.
#[derive(Debug, Parser)]
#[command(name = "jit-cad", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new CA: configuration, keys, and a log that begins with them. Prints its pin.
    ///
    /// The passphrase that encrypts the keys comes from where the configuration says under `keys`: the environment
    /// variable JIT_CAD_PASSPHRASE, unless you change it.
    Init {
        /// The folder to make it in.
        #[arg(long)]
        dir: PathBuf,
        /// Copy the configuration from this folder, instead of the built-in one.
        #[arg(long)]
        config_from: Option<PathBuf>,
    },
    /// Serve the API. Everything is checked before the address is bound.
    Serve {
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
        /// Listen here, instead of where the configuration says; port 0 takes any that is free.
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
    /// Report everything that is wrong with the configuration, the policy and its tests.
    CheckConfig(ConfigFile),
    /// Have the running daemon read its policy again: users.toml, roles, policies and their tests.
    ///
    /// A policy with faults, or with a test that fails, changes nothing. What jit-cad.toml says takes a restart.
    Reload(ConfigFile),
    /// Lift a lock, where nobody can log in to do so. Asks the running daemon. Without a name: tell what is locked, and
    /// the name that lifts it.
    Unlock {
        /// What: all, a person's name or id, or a role; person:NAME and role:NAME where both are called so.
        #[arg(requires = "reason")]
        what: Option<String>,
        /// Why. The log keeps it for as long as names and reasons: `keep_payloads` in jit-cad.toml.
        #[arg(long, value_name = "TEXT", requires = "what")]
        reason: Option<Text>,
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// People and their second factors. Asks the running daemon.
    #[command(subcommand)]
    User(User),
    /// The machine's clock. Asks the running daemon.
    #[command(subcommand)]
    Clock(Clock),
    /// Messages to those who are notified. Asks the running daemon.
    #[command(subcommand)]
    Notify(Notify),
    /// The log on this machine.
    #[command(subcommand)]
    Log(Log),
}

/// The machine's clock, which issuance waits for where it has jumped.
#[derive(Debug, Subcommand)]
pub enum Clock {
    /// Say what time it is for the daemon, and whether it believes the machine's clock.
    Show(ConfigFile),
    /// Say that the machine's clock is right now, so that certificates are issued again.
    ///
    /// Issuance stops where the clock jumps by more than five seconds, or is behind the log. Look at the clock first,
    /// and set it right: from here on the daemon goes by it. docs/guides/trouble.md says more.
    Ack {
        /// What was found out. The log keeps it for as long as names and reasons: `keep_payloads` in jit-cad.toml.
        #[arg(long, value_name = "TEXT")]
        reason: Text,
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// What to erase, and who says so.
#[derive(Args, Debug)]
pub struct EraseArgs {
    /// Whom: the id, such as local/u-1001, or the name that the person had last.
    pub subject: String,
    /// Say what would be erased, and erase nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Who orders it: a name in users.toml.
    #[arg(long, value_name = "NAME", required_unless_present = "dry_run")]
    pub by: Option<PersonName>,
    /// That person's SSH key: the private key's file, or the public one where ssh-agent holds it.
    #[arg(long, value_name = "FILE", required_unless_present = "dry_run")]
    pub key: Option<PathBuf>,
    /// Why, without saying who.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub reason: Option<Text>,
    /// Read the code of that person's authenticator from this file, or - for standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub code_file: PathBuf,
}

/// The configuration.
#[derive(Args, Debug)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(long = "config", value_name = "FILE")]
    pub file: PathBuf,
}

/// People and their second factors.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Print a one-use code with which a person enrols a first second factor, within a day.
    ///
    /// Who has a second factor already is reset by two administrators: jit-ca mfa reset.
    Enroll {
        /// The person's name in users.toml.
        name: PersonName,
        /// Reset the person's second factors, where there are not two administrators who can log in: whatever the
        /// person has is gone, with all logins.
        #[arg(long, requires = "reason")]
        alone: bool,
        /// Why; it stands in the log with your account.
        #[arg(long, value_name = "TEXT", requires = "alone")]
        reason: Option<Text>,
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// Messages to those who are notified: the targets that jit-cad.toml names under `[[notify]]`.
#[derive(Debug, Subcommand)]
pub enum Notify {
    /// List, for each target, the messages that wait and those that were given up.
    List(ConfigFile),
    /// Send messages again at once that a target did not take, also those that were given up.
    Retry {
        /// A message's id, or the last four or more characters of it; or all.
        #[arg(value_name = "ID")]
        which: String,
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// The log on this machine.
#[derive(Debug, Subcommand)]
pub enum Log {
    /// Erase what the log says of somebody who has left. Asks the running daemon.
    ///
    /// Every proof stays valid, and an entry says that it was done, by whom and why. The policy decides who may
    /// (action "erase"); the order is signed with that person's SSH key and takes a code of their authenticator.
    Erase {
        /// What to erase.
        #[command(flatten)]
        erase: EraseArgs,
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Read every entry, check it against the tree, fold the state again from nothing and compare it. The daemon must
    /// not run, unless a backup is checked.
    Check {
        /// Check this backup, and not the store.
        #[arg(long, value_name = "FILE")]
        backup: Option<PathBuf>,
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Copy the log and all else that the store holds into a new file. The daemon may go on issuing meanwhile; it is
    /// the one that writes the file, if it runs.
    ///
    /// Prints the size and the root that the copy came to. Nothing that was erased is in it.
    Backup {
        /// The file, which must not be there.
        #[arg(value_name = "FILE")]
        to: PathBuf,
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Write the store's file anew, without the room in it that is not used. Asks the running daemon, which goes on
    /// issuing meanwhile. There has to be as much free room as the new file takes.
    Compact(ConfigFile),
    /// Begin a new log that goes on from this one, whose store was set back or is lost. The daemon must not run.
    ///
    /// For a CA that had to be restored from a backup: docs/guides/restore.md says when and how. Its keys stay, and
    /// people keep their second factors; requests, grants and logins end. Write the new origin into jit-cad.toml
    /// first. The store of the log before stays beside the new one.
    Succeed {
        /// The new log's origin, as jit-cad.toml has it now: it must never have been used.
        #[arg(long)]
        origin: Origin,
        /// Why the log before can't go on, for ever in the new one, where everybody reads it.
        #[arg(long, value_name = "TEXT")]
        reason: Text,
        /// There is no store any more: go on from the newest checkpoint that the anchors have, all of which have to
        /// answer. Everybody enrols anew.
        #[arg(long)]
        from_anchor: bool,
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
}
