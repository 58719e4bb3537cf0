//! The command line.

mod access;
mod host;
mod log;
mod policy;
mod report;
mod session;
mod shared;
mod ssh;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use jit_ca_core::{Origin, PersonName, RoleName, RowName, Text};

pub(crate) use access::{
    ApproveCommand, BreakGlassCommand, ExtendCommand, GrantCommand, LockCommand, RequestCommand,
    RequestsCommand, ReviewCommand, RevokeCommand, Status,
};
pub(crate) use host::HostCommand;
pub(crate) use log::{
    ExportFormat, LogCommand, LogExportCommand, LogFilterArgs, LogFollowCommand, LogListCommand,
    LogReplayCommand, LogToCheckArgs, LogVerifyCommand,
};
pub(crate) use policy::{ExplainCommand, PolicyCommand};
pub(crate) use report::ReportCommand;
pub(crate) use session::{SessionCommand, SessionsCommand};
pub(crate) use shared::{ContactArgs, GrantArgs, LoginArgs, WishArgs};

pub(crate) use ssh::{Place, SshConfigCommand, SshReadyCommand};

use crate::exit;
use crate::target::Target;

/// Access that ends: ask for a role, get certificates for as long as it is granted.
#[derive(Debug, Parser)]
#[command(name = "jit-ca", version, after_help = exit::HELP, propagate_version = true)]
pub(crate) struct Cli {
    /// Print data as one JSON document; with --watch and --renew, as one a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The same command once more, with the login as it is by now: it is not to be made another time.
    pub(crate) fn with_the_login_made() -> Self {
        let mut cli = Self::parse();
        if let Command::Login(command) = &mut cli.command {
            (command.again, command.login.code_file) = (false, None);
        }
        cli
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in, and get the SSH certificates of all grants that have begun
    Login(LoginCommand),
    /// End the login, and remove its keys and certificates
    ///
    /// Certificates and their keys are removed whatever the CA says. The login's own key is kept until the CA has ended
    /// the login, so that the command can be run again.
    Logout(LogoutCommand),
    /// List your logins that are open: since when, from where, until when
    Logins {
        /// Another person's, as an administrator
        #[arg(long, value_name = "NAME")]
        subject: Option<PersonName>,
    },
    /// Show who is logged in
    Whoami,
    /// Second factors
    #[command(subcommand)]
    Mfa(MfaCommand),
    /// Passkeys, with which you log in to the CA's page and approve there
    #[command(subcommand)]
    Passkey(PasskeyCommand),

    /// List the roles that you may ask for
    Roles,
    /// Ask for a role, and wait until it is granted
    Request(RequestCommand),
    /// List your requests, and those that you may approve, also when they are over; or show all of one
    Requests(RequestsCommand),
    /// Approve a request, for what it asks or for less
    Approve(ApproveCommand),
    /// Deny a request
    Deny {
        /// The request, or the last four or more characters of its id
        id: String,
        /// Why
        #[arg(long)]
        reason: Option<Text>,
    },
    /// Take a request of yours back
    Cancel {
        /// The request, or the last four or more characters of its id
        id: String,
    },

    /// Ask for more time after a grant of yours
    Extend(ExtendCommand),
    /// Give a grant of yours back before its end
    End {
        /// The grant or its request, or the last four or more characters of the id
        grant: String,
    },
    /// Take a grant away from its holder
    Revoke(RevokeCommand),
    /// Look at grants
    #[command(subcommand)]
    Grant(GrantCommand),
    /// Take a role at once in an emergency, without asking anybody; it is reviewed afterwards
    BreakGlass(BreakGlassCommand),
    /// List the emergencies that somebody still has to review
    Reviews,
    /// Say what you found of an emergency, which closes its review
    Review(ReviewCommand),
    /// Stop logins, approvals and certificates of a person, for a role, or of everybody
    Lock(LockCommand),
    /// Lift a lock
    Unlock(LockCommand),
    /// List what is locked
    Locks,

    /// List sessions on hosts: yours, and those that you may watch
    Sessions(SessionsCommand),
    /// Look at a session, and at what was recorded of it
    #[command(subcommand)]
    Session(SessionCommand),

    /// Hosts that enrol, and what is done on a server
    #[command(subcommand)]
    Host(HostCommand),

    /// Get a certificate under a grant
    #[command(subcommand)]
    Cert(CertCommand),
    /// Run ssh with a certificate, asking for what is needed
    Ssh(SshCommand),
    /// Print what has ssh, scp, rsync, git and all that use ssh ask for what they need by themselves
    ///
    /// It is for ~/.ssh/config, for the accounts that your roles give. Run it anew when they change.
    SshConfig(SshConfigCommand),
    /// Get a certificate for ssh, which runs this before it connects
    #[command(hide = true)]
    SshReady(SshReadyCommand),
    /// Show what you hold, and for how long
    Status,

    /// Read the log
    #[command(subcommand)]
    Log(LogCommand),
    /// Make a report for an auditor: who could, who asked, who agreed, what was issued
    Report(ReportCommand),
    /// Check, test, explain and compare policies, and bring one into force
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print the CA's public keys, to set up hosts and services
    Trust(TrustCommand),
    /// Print what a shell completes this program's commands with
    ///
    /// bash: source <(jit-ca completions bash), or into a file below ~/.local/share/bash-completion/completions/.
    /// zsh: into a file _jit-ca in a folder of $fpath. fish: into ~/.config/fish/completions/jit-ca.fish.
    Completions {
        /// The shell
        shell: CompletedShell,
    },
}

/// The shells whose completions are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CompletedShell {
    /// GNU bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

#[derive(Debug, Args)]
pub(crate) struct LoginCommand {
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    /// Log in even if you are: a role may want a fresh code
    #[arg(long)]
    pub(crate) again: bool,
    /// Ask for this role at once
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
    #[command(flatten)]
    pub(crate) wish: WishArgs,
    /// Keep keys in files, not in ssh-agent
    #[arg(long)]
    pub(crate) no_agent: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogoutCommand {
    /// End this login of yours instead: the last four or more characters of what `jit-ca logins` shows
    #[arg(conflicts_with_all = ["all", "forget"])]
    pub(crate) login: Option<String>,
    /// End all logins of yours, wherever they were made
    #[arg(long)]
    pub(crate) all: bool,
    /// Forget the CA as well, and remove the login's key even if the CA can't be reached
    #[arg(long)]
    pub(crate) forget: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MfaCommand {
    /// Enrol an authenticator (TOTP); the secret is shown once
    Enroll(Box<EnrollCommand>),
    /// Reset a person's second factors, as an administrator: one asks, another confirms
    ///
    /// What the person has is gone then, authenticator and passkeys, and all logins end. Whoever confirms is shown a
    /// one-use code, once, and hands it to the person. Security keys (sk-…) stand in users.toml, and are changed there.
    Reset(ResetCommand),
    /// List the resets that wait: for another administrator, or for the person to use the code
    Resets,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PasskeyCommand {
    /// Add one: shows a link to the CA's page, which works once
    Add {
        /// What it is to be called, such as the device that it is on
        #[arg(long)]
        name: Text,
        /// Do not open the link in a browser here
        #[arg(long)]
        no_browser: bool,
    },
    /// List yours
    List,
    /// Give one up; logins to the page that were made with it end
    Remove {
        /// Its name, or the last four or more characters of its id
        passkey: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ResetCommand {
    /// Whose second factors
    pub(crate) name: PersonName,
    /// Ask for it, and say why
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["confirm", "withdraw"])]
    #[arg(conflicts_with_all = ["confirm", "withdraw"])]
    pub(crate) reason: Option<Text>,
    /// Confirm what another administrator asked for: shows the code
    #[arg(long, conflicts_with = "withdraw")]
    pub(crate) confirm: bool,
    /// Take back that it was asked for
    #[arg(long)]
    pub(crate) withdraw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EnrollCommand {
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    /// The one-use code that an administrator gave you; without it the current login is used
    #[arg(long)]
    pub(crate) code: Option<String>,
    /// A file with the new authenticator's code, or - for stdin; read after the secret is shown
    #[arg(long, value_name = "FILE")]
    pub(crate) totp_code_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// An SSH certificate, into ssh-agent or a file
    Ssh {
        #[command(flatten)]
        grant: GrantArgs,
        /// Certify this key instead of a fresh ed25519 one
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Write key and certificate into this folder
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Keep the key in a file, not in ssh-agent
        #[arg(long)]
        no_agent: bool,
        /// Stay, and renew the certificate until the grant ends
        #[arg(long)]
        renew: bool,
    },
    /// An X.509 client certificate, with a fresh key
    X509 {
        #[command(flatten)]
        grant: GrantArgs,
        /// Certify the key of this PKCS#10 request in PEM instead of a fresh P-256 one
        #[arg(long, value_name = "FILE")]
        csr: Option<PathBuf>,
        /// Write cert.pem, ca.pem and, if it is fresh, key.pem into this folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Stay, and renew the certificate until the grant ends
        #[arg(long)]
        renew: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SshCommand {
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    /// The role to ask for, where several give this login on this host
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
    /// The row, where several of the role do
    #[arg(long, value_name = "NAME")]
    pub(crate) row: Option<RowName>,
    #[command(flatten)]
    pub(crate) wish: WishArgs,
    /// Keep the key in a file, not in ssh-agent
    #[arg(long)]
    pub(crate) no_agent: bool,
    /// An option of ssh's; may be given again
    #[arg(short = 'o', value_name = "OPTION")]
    pub(crate) options: Vec<String>,
    /// ssh's port
    #[arg(short = 'p', value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// ssh's configuration file
    #[arg(short = 'F', value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to: user@host
    pub(crate) target: Target,
    /// What to run there: all that follows its first word is its own
    #[arg(trailing_var_arg = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("key").multiple(false)))]
pub(crate) struct TrustCommand {
    #[command(flatten)]
    pub(crate) contact: ContactArgs,
    /// The key that signs SSH user certificates: for sshd's TrustedUserCAKeys
    #[arg(long, group = "key")]
    pub(crate) ssh_user_ca: bool,
    /// The authority of X.509 client certificates, as PEM: for a service's list of client CAs
    #[arg(long, group = "key")]
    pub(crate) x509_clients: bool,
    /// The X.509 root, as PEM
    #[arg(long, group = "key")]
    pub(crate) x509_root: bool,
    /// What a known hosts file has to say: for which hosts the CA's host certificates are believed, and keys to refuse
    #[arg(long, group = "key")]
    pub(crate) known_hosts: bool,
    /// Take the CA's log of this name in place of the one known, which it goes on from
    #[arg(long, group = "key", value_name = "ORIGIN")]
    pub(crate) accept_log: Option<Origin>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let help = Cli::command().render_long_help().to_string();
        for line in ["75  still pending", "4   verification failed", "(--watch, --renew)"] {
            assert!(help.contains(line), "{help}");
        }
    }

    #[test]
    fn what_follows_the_host_is_the_remote_command() {
        let line = "jit-ca ssh --role web-shell -p 2222 -o A=b deploy@web1 ls -la --json";
        let Command::Ssh(ssh) = Cli::parse_from(line.split(' ')).command else { panic!("not ssh") };
        assert_eq!(ssh.command, ["ls", "-la", "--json"]);
        assert_eq!((ssh.port, ssh.options), (Some(2222), vec!["A=b".to_owned()]));
        assert!(Cli::try_parse_from(["jit-ca", "ssh", "web1"]).is_err());

        let ours = "jit-ca ssh deploy@web1 --for 1h --reason INC-42 ls --for 2h";
        let Command::Ssh(ssh) = Cli::parse_from(ours.split(' ')).command else { panic!("not ssh") };
        assert_eq!(ssh.command, ["ls", "--for", "2h"]);
    }
}
