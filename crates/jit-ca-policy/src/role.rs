//! Roles: `roles/<role>.toml`, what is given and what is required for it.

use std::collections::BTreeSet;

use jit_ca_core::{
    Extension, GroupName, HostName, Login, RoleName, Row, RowName, SourceAddress, Span, SshRow,
    Tag, Text, X509Row,
};

use crate::fault::Page;
use crate::section::{At, Section};

/// A named bundle of access: what it gives, and what it takes to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The role's name, which is its file's.
    pub name: RoleName,
    /// What it is for, in one line.
    pub description: Text,
    /// What it gives; never empty, no two rows of one name.
    pub rows: Vec<Row>,
    /// The longest duration that may be asked for; at most 24 hours.
    pub longest: Span,
    /// The duration where none is asked for; at most the longest.
    pub default: Span,
    /// How long a request waits for approval.
    pub pending_for: Span,
    /// How many people have to approve where no rule does; at least one.
    pub approvals: u8,
    /// The groups whose members may approve; at least as many people as have to.
    pub approvers: BTreeSet<GroupName>,
    /// How old the second factor may be; `None` if any of the login's will do.
    pub mfa_max_age: Option<Span>,
    /// Whether a request has to name a ticket.
    pub ticket_required: bool,
}

impl Role {
    /// The hosts that the role's rows name; none if it gives X.509 alone.
    pub fn hosts(&self) -> BTreeSet<&HostName> {
        let ssh_rows = self.rows.iter().filter_map(|row| match row {
            Row::Ssh(row) => Some(row),
            Row::X509(_) => None,
        });
        ssh_rows.flat_map(|row| &row.hosts).collect()
    }
}

/// How long a request waits for approval where its role does not say.
const PENDING_FOR: Span = Span::from_secs(60 * 60);
/// A request that nobody has looked at for a week is asked for again.
const LONGEST_PENDING: Span = Span::from_secs(7 * 24 * 60 * 60);

/// A role, and where its parts stand, for faults that only the whole bundle shows.
pub(crate) struct Draft<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) role: Role,
    /// One for each of the role's rows.
    pub(crate) rows_at: Vec<usize>,
    pub(crate) approvals_at: usize,
}

impl<'a> Draft<'a> {
    /// The role; `None`, and faults, if something that it needs is missing or wrong.
    pub(crate) fn read(page: Page<'a>, name: RoleName) -> Option<Self> {
        let mut top = Section::parse(page)?;
        let description = top.require("description", r#"description = "What the role is for""#);
        let (default, longest) = durations(page, &mut top);
        let pending_for = pending_for(page, &mut top);
        let ticket_required = top.flag("ticket_required");
        let (approvals, approvals_at) = Approvals::read(&mut top);
        let mfa_max_age = mfa_max_age(page, &mut top);
        let (rows, rows_at) = rows(page, &mut top);
        top.finish();

        let Approvals { count, from } = approvals?;
        let role = Role {
            name,
            description: description?.value,
            rows,
            longest: longest?,
            default: default?,
            pending_for,
            approvals: count,
            approvers: from,
            mfa_max_age,
            ticket_required,
        };
        Some(Self { page, role, rows_at, approvals_at })
    }
}

fn durations(page: Page<'_>, top: &mut Section<'_>) -> (Option<Span>, Option<Span>) {
    let default = top.require::<Span>("default", r#"default = "30m""#);
    let longest = top.require::<Span>(
        "longest",
        r#"longest = "4h": no access is without an end, and none is longer than 24h"#,
    );
    if let Some(At { value, at }) = longest {
        if value > Span::LONGEST_GRANT {
            let message = format!("`longest` is {value}");
            page.fault(at, message, "write at most 24h: no grant is longer");
        }
        positive(page, "longest", value, at);
    }
    if let Some(At { value, at }) = default {
        positive(page, "default", value, at);
        if let Some(longest) = &longest
            && value > longest.value
        {
            let message = format!("`default` is {value}, longer than `longest`");
            let most = longest.value.min(Span::LONGEST_GRANT);
            page.fault(at, message, format!("write at most {most}"));
        }
    }
    (default.map(|d| d.value), longest.map(|l| l.value))
}

fn pending_for(page: Page<'_>, top: &mut Section<'_>) -> Span {
    let Some(At { value, at }) = top.value::<Span>("pending_for") else {
        return PENDING_FOR;
    };
    positive(page, "pending_for", value, at);
    if value > LONGEST_PENDING {
        let message = format!("`pending_for` is {value}");
        page.fault(at, message, format!("write at most {LONGEST_PENDING}"));
    }
    value
}

fn mfa_max_age(page: Page<'_>, top: &mut Section<'_>) -> Option<Span> {
    let mut mfa = top.section("mfa")?;
    let max_age = mfa.require::<Span>("max_age", r#"max_age = "8h", or remove the table"#);
    mfa.finish();
    let At { value, at } = max_age?;
    positive(page, "max_age", value, at);
    Some(value)
}

fn positive(page: Page<'_>, key: &str, span: Span, at: usize) {
    if span.is_zero() {
        page.fault(at, format!("`{key}` has no length"), "write at least 1s");
    }
}

/// `[approvals]` has to be there, also where rules approve: a rule that says no leaves it to people.
struct Approvals {
    count: u8,
    from: BTreeSet<GroupName>,
}

impl Approvals {
    fn read(top: &mut Section<'_>) -> (Option<Self>, usize) {
        const EXAMPLE: &str = r#"[approvals] with count = 1 and from = ["sre"]"#;
        if !top.has("approvals") {
            top.missing("approvals", EXAMPLE);
        }
        let Some(mut section) = top.section("approvals") else {
            return (None, top.at);
        };
        let count = if section.has("count") {
            section.count("count")
        } else {
            section
                .missing("count", "count = 1; where a rule may approve, say so with skip-approval");
            None
        };
        if !section.has("from") {
            section.missing("from", r#"from = ["sre"], the groups whose members may approve"#);
        }
        let from = section.set("from");
        let at = section.at;
        section.finish();
        let approvals =
            count.zip(from).map(|(count, from)| Self { count: count.value, from: from.value });
        (approvals, at)
    }
}

fn rows(page: Page<'_>, top: &mut Section<'_>) -> (Vec<Row>, Vec<usize>) {
    let hosts_are_given = top.has("hosts");
    let hosts = top.set::<HostName>("hosts").map(|hosts| hosts.value);
    let (ssh, x509) = (top.sections("ssh"), top.sections("x509"));
    if ssh.is_empty() && x509.is_empty() {
        let hint = "add [[ssh]] with tag and login, or [[x509]] with service";
        page.fault(top.at, "the role gives nothing", hint);
    }
    if hosts_are_given && ssh.iter().all(|row| row.has("hosts")) {
        let hint = "remove it, or remove the hosts of an [[ssh]] row that these are meant for";
        page.fault(top.at, "no row uses the role's `hosts`", hint);
    }
    let ssh = ssh.into_iter().filter_map(|mut section| {
        if !hosts_are_given && !section.has("hosts") {
            section.missing("hosts", r#"hosts = ["web1"] here or for the whole role"#);
        }
        let row = ssh_row(page, &mut section, hosts.as_ref());
        let at = section.at;
        section.finish();
        Some((Row::Ssh(row?), at))
    });
    let ssh: Vec<(Row, usize)> = ssh.collect();
    let x509 = x509.into_iter().filter_map(|mut section| {
        let service = section.require("service", r#"service = "orders-api""#);
        let at = section.at;
        section.finish();
        let service = service?.value;
        Some((Row::X509(X509Row { service }), at))
    });
    let x509: Vec<(Row, usize)> = x509.collect();
    // An X.509 certificate names its role and no row: with two, dropping one from an approval would drop nothing.
    if let Some((_, at)) = x509.get(1) {
        page.fault(*at, "a role gives one X.509 row", "make a role of its own for each service");
    }
    let (rows, rows_at): (Vec<Row>, Vec<usize>) = ssh.into_iter().chain(x509).unzip();

    let mut names: BTreeSet<RowName> = BTreeSet::new();
    for (row, at) in rows.iter().zip(&rows_at) {
        if !names.insert(row.name()) {
            let message = format!("two rows of the role are called {}", row.name());
            page.fault(*at, message, "give each row a tag or service of its own");
        }
    }
    (rows, rows_at)
}

fn ssh_row(
    page: Page<'_>,
    section: &mut Section<'_>,
    role_hosts: Option<&BTreeSet<HostName>>,
) -> Option<SshRow> {
    let tag = section.require::<Tag>("tag", r#"tag = "web-shell""#);
    let login = section.require::<Login>("login", r#"login = "deploy""#);
    let hosts = section.set::<HostName>("hosts").map(|hosts| hosts.value);
    let extensions = section.set::<Extension>("extensions");
    let source_address = source_address(page, section);
    let force_command = section.value::<Text>("force_command");
    Some(SshRow {
        tag: tag?.value,
        login: login?.value,
        hosts: hosts.or_else(|| role_hosts.cloned())?,
        extensions: extensions.map_or_else(BTreeSet::new, |extensions| extensions.value),
        source_address,
        force_command: force_command.map(|command| command.value),
    })
}

/// `"caller"`, or a list of networks.
fn source_address(page: Page<'_>, section: &mut Section<'_>) -> Option<SourceAddress> {
    if !section.holds_string("source_address") {
        let networks = section.set("source_address")?;
        return Some(SourceAddress::Networks(networks.value));
    }
    let word = section.string("source_address")?;
    if word.value != "caller" {
        let message = format!("`source_address` can't be {:?}", word.value);
        page.fault(word.at, message, r#"write "caller" or a list such as ["10.0.0.0/8"]"#);
    }
    Some(SourceAddress::Caller)
}
