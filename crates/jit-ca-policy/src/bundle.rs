//! The bundle: the policy in force, whole or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jit_ca_core::event::SubjectVouched;
use jit_ca_core::{Action, IssuerName, PersonName, RoleName, SubjectId, ValueError};

use crate::case::Case;
use crate::check::check;
use crate::engine::{Engine, Unasked, Vocabulary};
use crate::fault::{Page, Report};
use crate::issuer::Issuers;
use crate::person::People;
use crate::role::Draft;
use crate::rule::Names;
use crate::{Faults, Issuer, Person, Role, Rule, SourceFile, case, rule};

/// Roles, rules, people, issuers and tests: a checked configuration, from which decisions are made.
#[derive(Clone, Debug)]
pub struct Bundle {
    files: Arc<[SourceFile]>,
    read: Arc<Read>,
    engine: Engine,
    /// Those for whom issuers vouch, whom no file names.
    vouched: BTreeMap<SubjectId, Person>,
}

/// What the files say.
#[derive(Debug)]
struct Read {
    people: People,
    issuers: BTreeMap<IssuerName, Issuer>,
    roles: BTreeMap<RoleName, Role>,
    rules: BTreeMap<String, Rule>,
    cases: Vec<Case>,
}

impl Bundle {
    /// Reads the files of a configuration folder: `users.toml`, `issuers/*.toml`, `roles/*.toml`, `policies/*.cedar`
    /// and `policy-tests/*.toml`, and no others.
    ///
    /// # Errors
    /// All faults of all files at once. That the bundle's own tests fail is not a fault; ask
    /// [`run_tests`](crate::run_tests).
    pub fn parse(files: impl IntoIterator<Item = SourceFile>) -> Result<Self, Faults> {
        let mut files: Vec<SourceFile> = files.into_iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let report = Report::default();
        let read = read(&files, &report);
        report.into_result()?;
        let (read, engine) = read.map_err(|error| Faults::of_engine(error.as_ref()))?;
        let (files, read) = (files.into(), Arc::new(read));
        Ok(Self { files, read, engine, vouched: BTreeMap::new() })
    }

    /// The same with those for whom issuers vouch, and no others: by what was said of each when it was said last.
    #[must_use]
    pub fn vouching<'a>(&self, said: impl IntoIterator<Item = &'a SubjectVouched>) -> Self {
        let regard = |said: &SubjectVouched| {
            let issuer = said.subject.issuer().parse().ok();
            issuer.and_then(|name: IssuerName| self.read.issuers.get(&name)?.regard(said))
        };
        let vouched = said.into_iter().filter_map(regard);
        let vouched = vouched.map(|person| (person.id.clone(), person)).collect();
        // Answers that were given rest on who is in which group.
        Self { vouched, engine: self.engine.anew(), ..self.clone() }
    }

    /// The files that it was read from, by path.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// All roles, by name.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.read.roles.values()
    }

    /// The role of that name.
    pub fn role(&self, name: &RoleName) -> Option<&Role> {
        self.read.roles.get(name)
    }

    /// All rules, by id.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.read.rules.values()
    }

    /// The rule of that id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.read.rules.get(id)
    }

    /// The people of `users.toml`, by id.
    pub fn listed(&self) -> impl Iterator<Item = &Person> {
        self.read.people.iter()
    }

    /// All people and workloads, by id: those of `users.toml`, and those for whom issuers vouch.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.listed().chain(self.vouched.values())
    }

    /// The person or workload of that id.
    pub fn person(&self, id: &SubjectId) -> Option<&Person> {
        self.read.people.by_id(id).or_else(|| self.vouched.get(id))
    }

    /// The person or workload that is called so now.
    pub fn person_named(&self, name: &PersonName) -> Option<&Person> {
        match name.issuer() {
            None => self.read.people.by_name(name),
            Some(_) => self.vouched.values().find(|person| person.name == *name),
        }
    }

    /// The person whose key it is: an OpenSSH public key line, with or without a comment.
    pub fn person_by_key(&self, line: &str) -> Option<&Person> {
        self.read.people.by_key(&line.trim().parse().ok()?)
    }

    /// All issuers, by name.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.read.issuers.values()
    }

    /// The issuer of that name.
    pub fn issuer(&self, name: &IssuerName) -> Option<&Issuer> {
        self.read.issuers.get(name)
    }

    /// How many rules a decision on the action and the role looks at, out of all there are.
    pub fn rules_looked_at(&self, action: Action, role: Option<&RoleName>) -> usize {
        let rules = self.engine.rules(action, role);
        rules.map_or(0, cedar_policy::PolicySet::num_of_policies)
    }

    /// The name of the zone in which rules read weekday and minute.
    pub fn zone_name(&self) -> &str {
        self.read.people.zone.iana_name().unwrap_or("UTC")
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.read.people.zone
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn cases(&self) -> &[Case] {
        &self.read.cases
    }
}

/// Reads on after a fault, so that all are told; what comes back counts only if there was none.
fn read(files: &[SourceFile], report: &Report) -> Result<(Read, Engine), Unasked> {
    let vocabulary = Vocabulary::new()?;
    let shelf = Shelf::new(files, report);
    let people = shelf.users.map_or_else(People::default, People::read);
    let issuers = Issuers::read(&shelf.issuers);
    let drafts = shelf.roles.iter();
    let drafts = drafts.filter_map(|(name, page)| Draft::read(*page, name.clone()));
    let drafts: Vec<Draft<'_>> = drafts.collect();
    check(&drafts, &people, &issuers);

    // A role whose file is faulty has a name all the same.
    let names = Names {
        is_role: &|name| shelf.roles.iter().any(|(role, _)| role.as_str() == name),
        people: &people,
        issuers: &issuers,
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
    let issuers = issuers.all;
    Ok((Read { people, issuers, roles, rules, cases }, engine))
}

/// The files by what they are.
#[derive(Default)]
struct Shelf<'a> {
    users: Option<Page<'a>>,
    issuers: Vec<(IssuerName, Page<'a>)>,
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
            ("issuers", Some(stem), _) => match stem.parse() {
                Ok(issuer) => self.issuers.push((issuer, page)),
                Err(ValueError { expected, .. }) => {
                    fault("the file's name is not an issuer's", expected);
                }
            },
            ("roles", Some(stem), _) => match stem.parse() {
                Ok(role) => self.roles.push((role, page)),
                Err(ValueError { expected, .. }) => {
                    fault("the file's name is not a role's", expected);
                }
            },
            ("policies", _, Some(_)) => self.policies.push(page),
            ("policy-tests", Some(_), _) => self.tests.push(page),
            _ => {
                let hint = "a bundle is users.toml, issuers/*.toml, roles/*.toml, policies/*.cedar and policy-tests/*.toml";
                fault("the file is not one of a bundle", hint);
            }
        }
    }
}

const USERS: &str = "users.toml";
