//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use jit_ca_core::PersonName;

/// The just-in-time certificate authority's daemon.
///
/// Exit codes: 0 done, 1 failed, 2 usage or configuration, 74 the log could not be written.
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
    /// People and their second factors. Asks the running daemon.
    #[command(subcommand)]
    User(User),
    /// The log on this machine. The daemon must not be running.
    #[command(subcommand)]
    Log(Log),
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
    Enroll {
        /// The person's name in users.toml.
        name: PersonName,
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// The log on this machine.
#[derive(Debug, Subcommand)]
pub enum Log {
    /// Read every entry, check it against the tree, fold the state again from nothing and compare it.
    Check(ConfigFile),
}
