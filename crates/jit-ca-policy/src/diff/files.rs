//! The policies' own tests, and their files to the letter.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::Bundle;

/// A file that was added, removed or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Its path inside the configuration's folder.
    pub path: String,
    /// Whether it was there.
    pub was_there: bool,
    /// Whether it is there.
    pub is_there: bool,
}

/// A policy test that is new or gone, or of the same name and otherwise written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseChange {
    /// The file that it stands in, or stood in.
    pub path: String,
    /// Its name.
    pub case: String,
    /// Whether it was there.
    pub was_there: bool,
    /// Whether it is there.
    pub is_there: bool,
}

pub(super) fn changes(old: &Bundle, new: &Bundle) -> Vec<FileChange> {
    let files = |bundle| -> BTreeMap<String, String> {
        let files: &Bundle = bundle;
        files.files().iter().map(|file| (file.path.clone(), file.text.clone())).collect()
    };
    let (old, new) = (files(old), files(new));
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = paths.into_iter().filter(|path| old.get(*path) != new.get(*path));
    let changes = changed.map(|path| FileChange {
        path: path.clone(),
        was_there: old.contains_key(path),
        is_there: new.contains_key(path),
    });
    changes.collect()
}

pub(super) fn cases(old: &Bundle, new: &Bundle) -> Vec<CaseChange> {
    let cases = |bundle| {
        let bundle: &Bundle = bundle;
        // Several may be called the same.
        let mut cases: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for case in bundle.cases() {
            cases.entry(case.place()).or_default().push(case.says());
        }
        cases
    };
    let (old, new) = (cases(old), cases(new));
    let places: BTreeSet<&(String, String)> = old.keys().chain(new.keys()).collect();
    let changed = places.into_iter().filter(|place| old.get(*place) != new.get(*place));
    let changes = changed.map(|place| CaseChange {
        path: place.0.clone(),
        case: place.1.clone(),
        was_there: old.contains_key(place),
        is_there: new.contains_key(place),
    });
    changes.collect()
}
