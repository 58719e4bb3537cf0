//! `policy …`: the daemon's own reading of a policy, before it is in force.

mod access;
mod diff;
mod explain;
mod lines;
mod test;

use std::path::Path;

use jit_ca_core::SubjectId;
use jit_ca_policy::{Bundle, Faults, SourceFile};
use serde::Serialize;

use crate::cli::PolicyCommand;
use crate::command::{Context, activation};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::files;

#[derive(Serialize)]
struct FaultView {
    path: String,
    line: Option<usize>,
    rule: Option<String>,
    message: String,
    hint: String,
}

pub(super) fn run(context: &Context, command: PolicyCommand) -> Result<Exit> {
    match command {
        PolicyCommand::Check { dir } => {
            let bundle = read(context, &dir)?;
            let (roles, people) = (bundle.roles().count(), bundle.people().count());
            let none: [FaultView; 0] = [];
            context.printer.data(&none, |_| format!("no faults: {roles} roles, {people} people"));
        }
        PolicyCommand::Test { dir, require_coverage } => {
            test::run(context, &read(context, &dir)?, require_coverage)?;
        }
        PolicyCommand::Explain(arguments) => {
            explain::run(context, &read(context, &arguments.dir)?, *arguments)?;
        }
        PolicyCommand::Diff { old, new } => {
            return diff::run(context, &read(context, &old)?, &read(context, &new)?);
        }
        PolicyCommand::WhoCan { dir, role, access } => {
            access::who_can_do(context, &read(context, &dir)?, access.action, role)?;
        }
        PolicyCommand::WhatCan { dir, subject } => {
            access::what_somebody_can(context, &read(context, &dir)?, &subject)?;
        }
        PolicyCommand::Pending => activation::pending(context)?,
        PolicyCommand::Activate { hash, yes } => activation::activate(context, hash, yes)?,
    }
    Ok(Exit::Done)
}

/// The bundle in a folder; its faults, all of them, are data.
pub(super) fn read(context: &Context, dir: &Path) -> Result<Bundle> {
    Bundle::parse(source_files(dir)?).map_err(|faults| {
        let views: Vec<FaultView> = faults
            .iter()
            .map(|fault| FaultView {
                path: fault.path.clone(),
                line: fault.line,
                rule: fault.rule.clone(),
                message: fault.message.clone(),
                hint: fault.hint.clone(),
            })
            .collect();
        let count = views.len();
        context.printer.data(&views, |_| faults.to_string());
        Error::Policy {
            what: format!("the policy in {} has {count} faults", dir.display()),
            is_readable: false,
        }
    })
}

/// Why the rules could not be asked.
fn fault(faults: &Faults) -> Error {
    Error::Policy { what: faults.to_string(), is_readable: true }
}

/// Somebody of the bundle, by name or by id.
fn person(bundle: &Bundle, text: &str) -> Result<SubjectId> {
    let by_name = text.parse().ok().and_then(|name| bundle.person_named(&name));
    let by_id = || bundle.person(&text.parse().ok()?);
    let person = by_name.or_else(by_id).map(|person| person.id.clone());
    person.ok_or_else(|| {
        let hint = "write a name of its users.toml, or an id such as local/u-1001";
        Error::usage(format!("nobody is called {text:?} in this policy"), hint)
    })
}

/// The files that make a bundle, and no other.
fn source_files(dir: &Path) -> Result<Vec<SourceFile>> {
    let mut paths = vec!["users.toml".to_owned()];
    for (folder, ending) in [("roles", ".toml"), ("policies", ".cedar"), ("policy-tests", ".toml")]
    {
        let entries = match std::fs::read_dir(dir.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(files::fault(&dir.join(folder), "read", error)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let meant = names.filter(|name| name.ends_with(ending) && !name.starts_with('.'));
        paths.extend(meant.map(|name| format!("{folder}/{name}")));
    }
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        if let Some(text) = files::read(&dir.join(&path))? {
            sources.push(SourceFile { path, text: text.to_string() });
        }
    }
    match sources.is_empty() {
        false => Ok(sources),
        true => Err(Error::usage(
            format!("{} holds no policy", dir.display()),
            "name the folder with users.toml, roles/ and policies/",
        )),
    }
}
