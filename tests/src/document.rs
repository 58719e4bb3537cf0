//! The documents, and the commands that they show.

use std::fs;
use std::path::PathBuf;

use crate::repository;

/// A block of commands, ```` ```sh WHO ````.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Who types it.
    pub who: String,
    /// The commands.
    pub text: String,
}

/// The blocks of a document of the repository, all of which have to say whom they are for: one that is
/// for nobody is not run.
#[track_caller]
pub fn blocks(document: &str) -> Vec<Block> {
    let text = read(document);
    let blocks = text.split("\n```sh ").skip(1).map(|rest| {
        let (who, rest) = rest.split_once('\n').expect("a line");
        let (text, _) = rest.split_once("\n```").expect("the block's end");
        Block { who: who.to_owned(), text: text.to_owned() }
    });
    let blocks: Vec<_> = blocks.collect();
    let fences = text.lines().filter(|line| line.trim_start().starts_with("```")).count();
    assert_eq!(fences, 2 * blocks.len(), "a block of {document} says not whom it is for");
    blocks
}

/// The documents of the repository: all Markdown outside the crates, and the configuration's comments.
pub fn documents() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(repository().join(&folder)).expect("a folder") {
            let path = folder.join(entry.expect("an entry").file_name());
            let name = path.to_str().expect("UTF-8");
            let is_document = name.ends_with(".md") || name.starts_with("ca-config/");
            match repository().join(&path).is_dir() {
                true if matches!(name, "target" | "crates" | "tests") || name.starts_with('.') => {}
                true => folders.push(path),
                false if is_document => found.push(name.to_owned()),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// The commands of ours that a document shows, in its code and in its sentences, as words without quotes.
pub fn commands(document: &str) -> Vec<Vec<String>> {
    let text = read(document).replace("\\\n", " ");
    // Fences stand between what is a block and what is not.
    let (mut sentences, mut code) = (String::new(), Vec::new());
    for (number, part) in text.split("```").enumerate() {
        let is_block = number % 2 == 1;
        if !is_block {
            sentences.push_str(part);
        }
        let is_code = |line: &&str| is_block || line.starts_with("    ");
        code.extend(part.lines().filter(is_code).map(str::to_owned));
    }
    code.extend(sentences.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")));
    code.iter().flat_map(|line| line.split(BETWEEN_COMMANDS)).filter_map(command_in).collect()
}

/// What stands between one command and the next: the shell's signs, and a drawing's.
const BETWEEN_COMMANDS: [char; 10] = ['|', '│', '─', '(', ')', ';', '&', '<', '>', '#'];

/// What may come before the name of a program that it runs.
const RUNNERS: [&str; 4] = ["as", "env", "runuser", "sudo"];

fn command_in(simple: &str) -> Option<Vec<String>> {
    let unquoted = |word: &str| word.trim_matches(['"', '\'']).to_owned();
    let words: Vec<String> = simple.split_whitespace().map(unquoted).collect();
    let at = words.iter().rposition(|word| word == "jit-ca" || word == "jit-cad")?;
    let first = words.first()?;
    let is_run = at == 0 || first.contains('=') || RUNNERS.contains(&first.as_str());
    let command = words.get(at..)?;
    (is_run && command.len() > 1).then(|| command.to_vec())
}

fn read(document: &str) -> String {
    let text = fs::read_to_string(repository().join(document));
    text.unwrap_or_else(|error| panic!("{document}: {error}"))
}
