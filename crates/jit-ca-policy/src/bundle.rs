//! The bundle: the policy in force, whole or not at all.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jit_ca_core::{Action, PersonName, RoleName, SubjectId, ValueError};

use crate::case::Case;
use crate::check::check;
use crate::engine::{Engine, Unasked, Vocabulary};
use crate::fault::{Page, Report};
use crate::person::People;
use crate::role::Draft;
use crate::rule::Names;
use crate::{Faults, Person, Role, Rule, SourceFile, case, rule};

/// Roles, rules, people and tests: a checked configuration, from which decisions are made.
#[derive(Clone, Debug)]
pub struct Bundle {
    files: Vec<SourceFile>,
    people: People,
    roles: BTreeMap<RoleName, Role>,
    rules: BTreeMap<String, Rule>,
    engine: Engine,
    cases: Vec<Case>,
}

impl Bundle {
    /// Reads the files of a configuration folder: `users.toml`, `roles/*.toml`, `policies/*.cedar`
    /// and `policy-tests/*.toml`, and no others.
    ///
    /// # Errors
    /// All faults of all files at once. That the bundle's own tests fail is not a fault; ask
    /// [`run_tests`](crate::run_tests).
    pub fn parse(files: impl IntoIterator<Item = SourceFile>) -> Result<Self, Faults> {
        let mut files: Vec<SourceFile> = files.into_iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let report = Report::default();
        let bundle = read(&files, &report);
        report.into_result()?;
        let bundle = bundle.map_err(|error| Faults::of_engine(error.as_ref()))?;
        Ok(Self { files, ..bundle })
    }

    /// The files that it was read from, by path.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// All roles, by name.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.values()
    }

    /// The role of that name.
    pub fn role(&self, name: &RoleName) -> Option<&Role> {
        self.roles.get(name)
    }

    /// All rules, by id.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// The rule of that id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.get(id)
    }

    /// All people, by id.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.iter()
    }

    /// The person of that id.
    pub fn person(&self, id: &SubjectId) -> Option<&Person> {
        self.people.by_id(id)
    }

    /// The person who is called so now.
    pub fn person_named(&self, name: &PersonName) -> Option<&Person> {
        self.people.by_name(name)
    }

    /// The person whose key it is: an OpenSSH public key line, with or without a comment.
    pub fn person_by_key(&self, line: &str) -> Option<&Person> {
        self.people.by_key(&line.trim().parse().ok()?)
    }

    /// How many rules a decision on the action and the role looks at, out of all there are.
    pub fn rules_looked_at(&self, action: Action, role: Option<&RoleName>) -> usize {
        let rules = self.engine.rules(action, role);
        rules.map_or(0, cedar_policy::PolicySet::num_of_policies)
    }

    /// The name of the zone in which rules read weekday and minute.
    pub fn zone_name(&self) -> &str {
        self.people.zone.iana_name().unwrap_or("UTC")
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.people.zone
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn cases(&self) -> &[Case] {
        &self.cases
    }
}

/// Reads on after a fault, so that all are told; what comes back counts only if there was none.
fn read(files: &[SourceFile], report: &Report) -> Result<Bundle, Unasked> {
    let vocabulary = Vocabulary::new()?;
    let shelf = Shelf::new(files, report);
    let people = shelf.users.map_or_else(People::default, People::read);
    let drafts = shelf.roles.iter();
    let drafts = drafts.filter_map(|(name, page)| Draft::read(*page, name.clone()));
    let drafts: Vec<Draft<'_>> = drafts.collect();
    check(&drafts, &people);

    // A role whose file is faulty has a name all the same.
    let names = Names {
        is_role: &|name| shelf.roles.iter().any(|(role, _)| role.as_str() == name),
        people: &people,
    };
    let mut rules = BTreeMap::new();
    let mut all_rules_known = true;
    for page in shelf.policies {
        all_rules_known &= rule::read(page, &vocabulary, &names, &mut rules);
    }
    let is_rule = |id: &str| !all_rules_known || rules.contains_key(id);
    let mut cases = Vec::new();
    for page in shelf.tests {
        cases.extend(case::read(page, &names, &is_rule));
    }
    let roles = drafts.into_iter();
    let roles: BTreeMap<_, _> = roles.map(|draft| (draft.role.name.clone(), draft.role)).collect();
    let engine = Engine::new(vocabulary, &rules, roles.keys())?;
    Ok(Bundle { files: Vec::new(), people, roles, rules, engine, cases })
}

/// The files by what they are.
#[derive(Default)]
struct Shelf<'a> {
    users: Option<Page<'a>>,
    roles: Vec<(RoleName, Page<'a>)>,
    policies: Vec<Page<'a>>,
    tests: Vec<Page<'a>>,
}

impl<'a> Shelf<'a> {
    fn new(files: &'a [SourceFile], report: &'a Report) -> Self {
        let mut shelf = Self::default();
        let mut last = None;
        for file in files {
            if last.replace(file.path.as_str()) == Some(file.path.as_str()) {
                report.fault(&file.path, None, "the file is there twice", "give it once");
            } else {
                shelf.add(Page { file, report });
            }
        }
        if shelf.users.is_none() {
            let hint = "write users.toml with a [[person]] for everybody";
            report.fault(USERS, None, "the file is missing", hint);
        }
        shelf
    }

    fn add(&mut self, page: Page<'a>) {
        let path = page.file.path.as_str();
        let fault = |message: &str, hint: &str| page.report.fault(path, None, message, hint);
        let (folder, name) = path.split_once('/').unwrap_or(("", path));
        let stem = |ending| name.strip_suffix(ending).filter(|stem| !stem.contains('/'));
        match (folder, stem(".toml"), stem(".cedar")) {
            _ if path == USERS => self.users = Some(page),
            ("roles", Some(stem), _) => match stem.parse() {
                Ok(role) => self.roles.push((role, page)),
                Err(ValueError { expected, .. }) => {
                    fault("the file's name is not a role's", expected);
                }
            },
            ("policies", _, Some(_)) => self.policies.push(page),
            ("policy-tests", Some(_), _) => self.tests.push(page),
            _ => {
                let hint = "a bundle is users.toml, roles/*.toml, policies/*.cedar and policy-tests/*.toml";
                fault("the file is not one of a bundle", hint);
            }
        }
    }
}

const USERS: &str = "users.toml";
