//! The world of the random days: who there is, what the roles are, and how that differs between the policies that
//! are exchanged. It is data; the files that the engine reads are made of it, and the model reads it as it is.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

pub(super) const PEOPLE: [&str; 7] = ["alice", "bob", "carol", "dave", "erin", "frank", "zed"];
/// Those of them who do something: the last one is in every group's place that would be empty.
pub(super) const ACTORS: usize = 6;
pub(super) const ROLES: [&str; 6] = ["one", "two", "both", "signed", "use", "quick"];
pub(super) const HOSTS: [&str; 2] = ["h1", "h2"];

pub(super) const DEV: u8 = 1;
pub(super) const SRE: u8 = 2;
pub(super) const SECURITY: u8 = 4;
pub(super) const AUDITORS: u8 = 8;
pub(super) const BARRED: u8 = 16;
const GROUPS: [&str; 5] = ["dev", "sre", "security", "auditors", "barred"];

/// How many requests of one person may be pending.
pub(super) const OPEN_REQUESTS: usize = 3;

/// So many people of these groups; whether they have to sign.
pub(super) type Quorum = (usize, u8, bool);

#[derive(Clone)]
pub(super) struct World {
    /// The groups of each person; none of somebody who is not there.
    pub(super) people: [Option<u8>; PEOPLE.len()],
    /// Who has no SSH key any more.
    pub(super) keyless: Option<usize>,
    /// None where there is no such role.
    pub(super) roles: [Option<Role>; ROLES.len()],
}

#[derive(Clone)]
pub(super) struct Role {
    pub(super) quorums: Vec<Quorum>,
    pub(super) longest: u64,
    pub(super) pending_for: u64,
    /// The hosts of each row.
    pub(super) rows: Vec<u8>,
    /// Where it starts with the first use: within what time.
    pub(super) first_use: Option<u64>,
    pub(super) ahead: u64,
    /// For how long, and who is told.
    pub(super) break_glass: Option<(u64, u8)>,
    pub(super) per_day: Option<usize>,
    pub(super) certificates: Option<u32>,
    pub(super) certificate_max: Option<u64>,
}

/// The policies, of which the first is in force when a day begins.
pub(super) fn worlds() -> Vec<World> {
    let role = |quorums: &[Quorum]| Role {
        quorums: quorums.to_vec(),
        longest: 600,
        pending_for: 300,
        rows: vec![3],
        first_use: None,
        ahead: 500,
        break_glass: None,
        per_day: None,
        certificates: None,
        certificate_max: None,
    };
    let one = Role { certificate_max: Some(60), ..role(&[(1, SRE, false)]) };
    let two = Role {
        break_glass: Some((200, SECURITY)),
        per_day: Some(3),
        certificates: Some(2),
        ..role(&[(2, SRE, false)])
    };
    let both = Role { rows: vec![3, 2], ..role(&[(1, SRE, false), (1, SECURITY, false)]) };
    let signed = role(&[(1, SRE | SECURITY, true)]);
    let on_use = Role { first_use: Some(100), ahead: 0, ..role(&[(1, SRE, false)]) };
    let quick = role(&[(1, SRE, false)]);
    let first = World {
        people: [
            Some(DEV),
            Some(SRE),
            Some(SRE | SECURITY),
            Some(SRE | SECURITY | DEV),
            Some(AUDITORS | SRE),
            Some(DEV | AUDITORS),
            Some(BARRED),
        ],
        keyless: None,
        roles: [one, two, both, signed, on_use, quick].map(Some),
    };

    // More people have to agree, and one of them may no longer; fewer grants and certificates.
    let mut tight = first.clone();
    tight.people[2] = Some(SECURITY);
    tight.with(0, |one| one.quorums = vec![(2, SRE, false)]);
    tight.with(1, |two| (two.per_day, two.certificates) = (Some(1), Some(1)));
    tight.with(3, |signed| signed.quorums = vec![(1, SECURITY, true)]);
    tight.with(5, |quick| quick.longest = 50);
    // Who asks may not any more, and who looks has lost a key; a role gives less, another nothing at all.
    let mut less = first.clone();
    less.keyless = Some(4);
    less.people[0] = Some(DEV | BARRED);
    less.with(0, |one| one.rows = vec![1]);
    less.with(2, |both| both.rows = vec![3]);
    less.roles[4] = None;
    // Somebody has left, somebody else has come to another group.
    let mut moved = first.clone();
    moved.people[3] = None;
    moved.people[1] = Some(DEV);
    moved.people[5] = Some(SRE);
    moved.with(1, |two| (two.longest, two.break_glass) = (100, None));
    moved.with(0, |one| one.quorums = vec![(1, SECURITY, false)]);
    vec![first, tight, less, moved]
}

impl World {
    fn with(&mut self, role: usize, change: impl FnOnce(&mut Role)) {
        change(self.roles[role].as_mut().unwrap());
    }

    /// Writes the policy that says this into a folder.
    pub(super) fn write(&self, folder: &Path, keys: &[String]) {
        for name in ["roles", "policies"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let mut users = "zone = \"UTC\"\n".to_owned();
        for (number, name) in PEOPLE.iter().enumerate() {
            let Some(groups) = self.people[number] else { continue };
            let keys = keys.get(number).filter(|_| self.keyless != Some(number));
            let (groups, keys) = (names(groups), keys.map(|key| format!("\"{key}\"")));
            let keys = keys.unwrap_or_default();
            write!(users, "[[person]]\nid = \"u-{number}\"\nname = \"{name}\"\ngroups = {groups}\nssh_keys = [{keys}]\n").unwrap();
        }
        fs::write(folder.join("users.toml"), users).unwrap();
        fs::write(folder.join("policies/rules.cedar"), RULES).unwrap();
        for (name, role) in ROLES.iter().zip(&self.roles) {
            if let Some(role) = role {
                fs::write(folder.join(format!("roles/{name}.toml")), role.text(name)).unwrap();
            }
        }
    }
}

impl Role {
    fn text(&self, name: &str) -> String {
        let Self { longest, pending_for, ahead, .. } = self;
        let mut text = format!(
            "description = \"{name}\"\ndefault = \"{longest}s\"\nlongest = \"{longest}s\"\npending_for = \"{pending_for}s\"\nschedule_ahead = \"{ahead}s\"\n"
        );
        if let Some(within) = self.first_use {
            writeln!(text, "start = \"first-use\"\nstart_within = \"{within}s\"").unwrap();
        }
        if let Some(longest) = self.certificate_max {
            writeln!(text, "certificate_max = \"{longest}s\"").unwrap();
        }
        let per_day = self.per_day.map(|most| format!("grants_per_day = {most}"));
        let certificates = self.certificates.map(|most| format!("certificates = {most}"));
        let limits: Vec<String> = per_day.into_iter().chain(certificates).collect();
        if !limits.is_empty() {
            writeln!(text, "limits = {{ {} }}", limits.join(", ")).unwrap();
        }
        for &(count, from, signed) in &self.quorums {
            let from = names(from);
            write!(text, "[[approvals]]\ncount = {count}\nfrom = {from}\nsigned = {signed}\n")
                .unwrap();
        }
        if let Some((longest, tell)) = self.break_glass {
            write!(text, "[break_glass]\nlongest = \"{longest}s\"\ntell = {}\n", names(tell))
                .unwrap();
        }
        for (number, &hosts) in self.rows.iter().enumerate() {
            let hosts: Vec<&str> =
                (0..HOSTS.len()).filter(|host| hosts & 1 << host != 0).map(|h| HOSTS[h]).collect();
            let tag = row_name(name, number);
            write!(text, "[[ssh]]\ntag = \"{tag}\"\nlogin = \"deploy\"\nhosts = {hosts:?}\n")
                .unwrap();
        }
        text
    }
}

pub(super) fn row_name(role: &str, number: usize) -> String {
    format!("{role}-{number}")
}

fn names(groups: u8) -> String {
    let names = (0..GROUPS.len()).filter(|group| groups & 1 << group != 0);
    format!("{:?}", names.map(|group| GROUPS[group]).collect::<Vec<_>>())
}

const RULES: &str = r#"
@id("ask")
permit (principal, action == Action::"request", resource)
when { principal in [Group::"dev", Group::"sre"] };
@id("at-once")
permit (principal in Group::"dev", action == Action::"skip-approval", resource == Role::"quick")
when { context.duration <= duration("100s") };
@id("approve")
permit (principal, action == Action::"approve", resource)
when { principal in [Group::"sre", Group::"security"] };
@id("take")
permit (principal, action == Action::"issue", resource)
when { principal in [Group::"dev", Group::"sre"] };
@id("break-glass")
permit (principal in Group::"sre", action == Action::"break-glass", resource);
@id("review")
permit (principal in Group::"auditors", action == Action::"review", resource);
@id("revoke")
permit (principal in Group::"sre", action == Action::"revoke", resource);
@id("lock")
permit (principal in Group::"sre", action == Action::"lock", resource);
@id("read")
permit (principal in Group::"auditors", action == Action::"read-log", resource);
@id("barred")
forbid (principal in Group::"barred", action, resource);
"#;
