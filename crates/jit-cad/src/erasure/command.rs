//! `jit-cad log erase`: shows what would go, has the order signed, and asks the running daemon.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use jit_ca_core::statement::{Erasure, Kind};
use jit_ca_log::sshsig;

use super::Order;
use crate::admin::{self, ToErase};
use crate::cli::EraseArgs;
use crate::config::Config;
use crate::failure::Failure;

/// Runs the command, and gives what to print.
///
/// # Errors
/// If something is missing, the key does not sign, or the daemon does not do it.
pub async fn run(config: &Config, erase: &EraseArgs) -> Result<String, Failure> {
    let plan = admin::ask_what_to_erase(&config.admin_socket, &erase.subject).await?;
    let list = list(&plan);
    let (Some(by), Some(key), Some(reason), false) =
        (&erase.by, &erase.key, &erase.reason, erase.dry_run)
    else {
        return Ok(format!("{list}\nnothing was erased"));
    };
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{list}")?;
    let statement =
        Erasure { origin: &config.origin, actor: &plan.actor, reason, entries: &plan.entries };
    let signature = sign(key, &statement.text())?;
    let order = Order {
        subject: erase.subject.clone(),
        by: by.clone(),
        reason: reason.clone(),
        entries: plan.entries.clone(),
        code: match is_second_factor(&signature) {
            true => None,
            false => Some(code(&erase.code_file)?),
        },
        signature,
    };
    let (entry, payloads) = admin::ask_to_erase(&config.admin_socket, order).await?;
    Ok(format!("erased {payloads} payloads; entry {entry} says so"))
}

fn list(plan: &ToErase) -> String {
    let mut lines = vec!["payloads to erase:".to_owned()];
    lines.extend(plan.types.iter().map(|(entry_type, count)| format!("{count:>8} {entry_type}")));
    if !plan.of_others.is_empty() {
        let indices: Vec<String> = plan.of_others.iter().map(ToString::to_string).collect();
        lines.push(format!("among them entries of others, which name them: {}", indices.join(" ")));
    }
    lines.join("\n")
}

/// As a person would: `ssh-keygen -Y sign`. It asks for the key's passphrase itself.
fn sign(key: &Path, statement: &str) -> Result<String, Failure> {
    let failed = |what: &str| {
        Failure::failed(format!("{} does not sign: {what}", key.display()))
            .with_hint("check the key: ssh-keygen -y -f FILE")
    };
    let mut child = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", &Kind::Erasure.namespace(), "-f"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Where it can't be written, ssh-keygen has ended already and said why.
        let _ = stdin.write_all(statement.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(&error.to_string()))?;
    match String::from_utf8(output.stdout) {
        Ok(signature) if output.status.success() && !signature.is_empty() => Ok(signature),
        _ => Err(failed("ssh-keygen gave no signature")),
    }
}

/// Whether a security key made it that has verified its user.
fn is_second_factor(signature: &str) -> bool {
    sshsig::from_armour(signature).is_ok_and(|blob| sshsig::says_user_verified(&blob))
}

fn code(file: &Path) -> Result<String, Failure> {
    let mut line = String::new();
    if file == Path::new("-") {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            write!(std::io::stderr(), "code of the authenticator: ")?;
        }
        stdin.lock().read_line(&mut line)?;
    } else {
        let opened = std::fs::File::open(file).map_err(|error| {
            Failure::usage(format!("{}: {error}", file.display()), "name a file with the code")
        })?;
        BufReader::new(opened).read_line(&mut line)?;
    }
    Ok(line.trim().replace(' ', ""))
}
