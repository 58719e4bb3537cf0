//! `policy check` and `policy test`: the daemon's own reading of a policy, before it is in force.

use std::path::Path;

use jit_ca_policy::{Bundle, SourceFile, run_tests};
use serde::Serialize;

use crate::cli::PolicyCommand;
use crate::command::Context;
use crate::error::{Error, Result};
use crate::files;

#[derive(Serialize)]
struct FaultView {
    path: String,
    line: Option<usize>,
    message: String,
    hint: String,
}

#[derive(Serialize)]
struct TestView {
    path: String,
    line: usize,
    case: String,
    passed: bool,
    expected: String,
    text: String,
}

pub(super) fn run(context: &Context, command: &PolicyCommand) -> Result<()> {
    match command {
        PolicyCommand::Check { dir } => {
            let bundle = read(context, dir)?;
            let (roles, people) = (bundle.roles().count(), bundle.people().count());
            let none: [FaultView; 0] = [];
            context.printer.data(&none, |_| format!("no faults: {roles} roles, {people} people"));
            Ok(())
        }
        PolicyCommand::Test { dir } => test(context, &read(context, dir)?),
    }
}

fn test(context: &Context, bundle: &Bundle) -> Result<()> {
    let results = run_tests(bundle);
    let failed = results.iter().filter(|result| !result.passed).count();
    let views: Vec<TestView> = results
        .iter()
        .map(|result| TestView {
            path: result.path.clone(),
            line: result.line,
            case: result.case.clone(),
            passed: result.passed,
            expected: result.expected.clone(),
            text: result.to_string(),
        })
        .collect();
    context.printer.data(&views, |views| {
        let lines: Vec<&str> = views.iter().map(|view| view.text.as_str()).collect();
        format!("{}\n{} tests, {failed} failed", lines.join("\n"), lines.len())
    });
    match failed {
        0 => Ok(()),
        _ => Err(Error::Policy {
            what: format!("{failed} of {} policy tests failed", results.len()),
            is_readable: true,
        }),
    }
}

/// The bundle in a folder; its faults, all of them, are data.
fn read(context: &Context, dir: &Path) -> Result<Bundle> {
    Bundle::parse(source_files(dir)?).map_err(|faults| {
        let views: Vec<FaultView> = faults
            .iter()
            .map(|fault| FaultView {
                path: fault.path.clone(),
                line: fault.line,
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
