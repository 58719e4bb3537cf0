//! Rows: the smallest things that a role gives, a request asks for and an approval keeps.
//!
//! A row's text is a line of the statements that people sign, so it says everything that the row
//! gives and reads back to the same row.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::network::Network;
use crate::value::{serde_by_text, text_value};
use crate::{HostName, Login, Principal, Tag, Text, ValueError};

text_value!(
    /// The name of a row in its role: an SSH row's tag, an X.509 row's service.
    RowName, "row", "use a tag or a service of the role",
    |text| text.parse::<Tag>().is_ok()
);

/// One thing that a role gives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// An account on hosts.
    Ssh(SshRow),
    /// A service that knows callers by their client certificate.
    X509(X509Row),
}

/// An account on hosts, and how it may be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SshRow {
    /// What the host maps to the account; also the row's name in its role.
    pub tag: Tag,
    /// The account.
    pub login: Login,
    /// The hosts that honour the tag; never empty.
    pub hosts: BTreeSet<HostName>,
    /// What a session may do beyond running a command without a terminal. Mostly nothing.
    pub extensions: BTreeSet<Extension>,
    /// From where the certificate may be used.
    pub source_address: Option<SourceAddress>,
    /// The one command that the certificate runs, whatever is asked for.
    pub force_command: Option<Text>,
}

/// A service that knows callers by their client certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct X509Row {
    /// The service; also the row's name in its role.
    pub service: Tag,
}

/// Extensions of an SSH user certificate (PROTOCOL.certkeys, "Extensions").
///
/// Forwarding of agents and X11, and `~/.ssh/rc`, are left out on purpose: each lets the host act
/// as the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extension {
    /// Ports may be forwarded.
    PermitPortForwarding,
    /// A terminal may be had.
    PermitPty,
}

/// From where an SSH certificate may be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceAddress {
    /// From the address that the CA sees when the certificate is issued.
    Caller,
    /// From these networks; never empty.
    Networks(BTreeSet<Network>),
}

/// Which of its rows' hosts a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// All that the rows give.
    All,
    /// These; never empty.
    Named(BTreeSet<HostName>),
}

impl Row {
    /// The row's name in its role.
    pub fn name(&self) -> RowName {
        match self {
            Self::Ssh(row) => RowName(row.tag.as_str().to_owned()),
            Self::X509(row) => RowName(row.service.as_str().to_owned()),
        }
    }

    /// Whether everything that this row gives, `other` gives as well.
    ///
    /// A grant's frozen row must still lie within today's role when a certificate is issued.
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ssh(own), Self::Ssh(other)) => own.is_within(other),
            (Self::X509(own), Self::X509(other)) => own == other,
            _ => false,
        }
    }

    /// As much of it as is on these hosts.
    #[must_use]
    pub fn on(&self, hosts: &Hosts) -> Self {
        match (self, hosts) {
            (Self::Ssh(row), Hosts::Named(named)) => {
                let hosts = row.hosts.intersection(named).cloned().collect();
                Self::Ssh(SshRow { hosts, ..row.clone() })
            }
            _ => self.clone(),
        }
    }

    /// Whether it gives anything on these hosts. What is no account on a host is given on all.
    pub fn gives_on(&self, hosts: &Hosts) -> bool {
        match self {
            Self::Ssh(row) => row.principals(hosts).is_some(),
            Self::X509(_) => true,
        }
    }
}

impl Hosts {
    /// Whether it names no other hosts than `asked` does of these rows.
    pub fn is_within(&self, asked: &Self, rows: &[Row]) -> bool {
        match (self, asked) {
            (Self::All, asked) => *asked == Self::All,
            (Self::Named(own), Self::Named(asked)) => own.is_subset(asked),
            (Self::Named(own), Self::All) => own.iter().all(|host| {
                rows.iter().any(|row| matches!(row, Row::Ssh(row) if row.hosts.contains(host)))
            }),
        }
    }

    /// The hosts of both; none if they have none in common.
    pub fn and(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::All, hosts) | (hosts, Self::All) => Some(hosts.clone()),
            (Self::Named(one), Self::Named(other)) => {
                let both: BTreeSet<HostName> = one.intersection(other).cloned().collect();
                (!both.is_empty()).then_some(Self::Named(both))
            }
        }
    }
}

impl SshRow {
    fn is_within(&self, other: &Self) -> bool {
        let source_within = match (&self.source_address, &other.source_address) {
            (_, None) => true,
            (own, other) => own == other,
        };
        let command_within =
            other.force_command.is_none() || self.force_command == other.force_command;
        self.tag == other.tag
            && self.login == other.login
            && self.hosts.is_subset(&other.hosts)
            && self.extensions.is_subset(&other.extensions)
            && source_within
            && command_within
    }

    /// The principals that a certificate for this row bears: `<tag>.<host>` for each host named, so
    /// that a certificate for web1 does not open web2; the bare tag where all hosts are meant.
    ///
    /// INVARIANT (principals never empty): none is left only if no named host is one of the row's,
    /// and then there is no certificate (`None`).
    pub fn principals(&self, hosts: &Hosts) -> Option<Vec<Principal>> {
        let texts = match hosts {
            Hosts::All => vec![self.tag.to_string()],
            Hosts::Named(named) => {
                named.intersection(&self.hosts).map(|host| format!("{}.{host}", self.tag)).collect()
            }
        };
        let principals: Vec<Principal> =
            texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().ok()?;
        if principals.is_empty() { None } else { Some(principals) }
    }
}

// === text ===

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssh(row) => {
                write!(f, "ssh {} login={} hosts={}", row.tag, row.login, join(&row.hosts))?;
                if !row.extensions.is_empty() {
                    write!(f, " extensions={}", join(&row.extensions))?;
                }
                if let Some(source_address) = &row.source_address {
                    write!(f, " source-address={source_address}")?;
                }
                // Last, since it may hold anything, spaces included.
                row.force_command
                    .iter()
                    .try_for_each(|command| write!(f, " force-command={command}"))
            }
            Self::X509(row) => write!(f, "x509 {}", row.service),
        }
    }
}

impl FromStr for Row {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let row = parse(text)
            .ok_or_else(|| ValueError::new("row", text, "write it as `jit-ca roles` shows it"))?;
        // One row, one text: what is signed can't be written in two ways.
        if row.to_string() == text {
            Ok(row)
        } else {
            Err(ValueError::new("row", text, "keep the order of its parts"))
        }
    }
}

fn parse(text: &str) -> Option<Row> {
    let (head, force_command) = match text.split_once(" force-command=") {
        Some((head, command)) => (head, Some(command.parse().ok()?)),
        None => (text, None),
    };
    let mut words = head.split(' ');
    let (kind, name) = (words.next()?, words.next()?);
    let fields = words.map(|word| word.split_once('=')).collect::<Option<BTreeMap<_, _>>>()?;
    match kind {
        "x509" if fields.is_empty() && force_command.is_none() => {
            Some(Row::X509(X509Row { service: name.parse().ok()? }))
        }
        "ssh" => Some(Row::Ssh(SshRow {
            tag: name.parse().ok()?,
            login: fields.get("login")?.parse().ok()?,
            hosts: split(fields.get("hosts")?)?,
            extensions: fields
                .get("extensions")
                .map_or(Some(BTreeSet::new()), |list| split(list))?,
            source_address: fields
                .get("source-address")
                .map(|list| list.parse())
                .transpose()
                .ok()?,
            force_command,
        })),
        _ => None,
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PermitPortForwarding => "permit-port-forwarding",
            Self::PermitPty => "permit-pty",
        })
    }
}

impl FromStr for Extension {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "permit-port-forwarding" => Ok(Self::PermitPortForwarding),
            "permit-pty" => Ok(Self::PermitPty),
            _ => Err(ValueError::new(
                "extension",
                text,
                "use permit-pty or permit-port-forwarding; the others let a host act as the person",
            )),
        }
    }
}

impl fmt::Display for SourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller => f.write_str("caller"),
            Self::Networks(networks) => f.write_str(&join(networks)),
        }
    }
}

impl FromStr for SourceAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "caller" {
            return Ok(Self::Caller);
        }
        split(text).map(Self::Networks).ok_or_else(|| {
            ValueError::new(
                "source address",
                text,
                "write \"caller\" or networks such as 10.0.0.0/8",
            )
        })
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A host can't be called so: `*` is no host name.
            Self::All => f.write_str("*"),
            Self::Named(hosts) => f.write_str(&join(hosts)),
        }
    }
}

impl FromStr for Hosts {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self::All);
        }
        split(text).map(Self::Named).ok_or_else(|| {
            ValueError::new("list of hosts", text, "write \"*\" or hosts with commas between them")
        })
    }
}

serde_by_text!(Row);
serde_by_text!(Extension);
serde_by_text!(SourceAddress);
serde_by_text!(Hosts);

fn join<T: ToString>(items: &BTreeSet<T>) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The items between commas; none if one is no item, or if there is none.
fn split<T: FromStr + Ord>(text: &str) -> Option<BTreeSet<T>> {
    text.split(',').map(|item| item.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: &str =
        "ssh web-shell login=deploy hosts=web1,web2 extensions=permit-pty source-address=caller";
    const LOGS: &str =
        "ssh web-logs login=logs hosts=web1 force-command=journalctl -u web extensions=permit-pty";

    #[test]
    fn rows_survive_their_text() {
        for text in [
            SHELL,
            LOGS,
            "x509 orders-api",
            "ssh a login=b hosts=c source-address=10.0.0.0/8,2001:db8::/32",
        ] {
            assert_eq!(text.parse::<Row>().unwrap().to_string(), text);
        }
        let Row::Ssh(logs) = LOGS.parse().unwrap() else { panic!() };
        assert!(logs.extensions.is_empty(), "a command can't smuggle an extension in");
        for wrong in [
            "ssh a login=b hosts=",
            "ssh a hosts=c",
            "ssh a login=b hosts=c,c",
            "ssh a login=b hosts=d,c",
            "x509 a b=c",
            "ssh a login=b hosts=c x=y",
            "ssh a  login=b hosts=c",
        ] {
            assert!(wrong.parse::<Row>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn principals_name_hosts_or_the_bare_tag() {
        let Row::Ssh(row) = SHELL.parse().unwrap() else { panic!() };
        let shown = |hosts: &str| {
            let principals = row.principals(&hosts.parse().unwrap())?;
            Some(principals.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(shown("*").as_deref(), Some("web-shell"));
        assert_eq!(shown("web2,db1").as_deref(), Some("web-shell.web2"));
        assert_eq!(shown("db1"), None);
    }

    #[test]
    fn hosts_are_narrowed_and_never_widened() {
        let hosts = |text: &str| text.parse::<Hosts>().unwrap();
        let rows = [SHELL.parse().unwrap(), "x509 orders-api".parse().unwrap()];
        let within = |own, asked| hosts(own).is_within(&hosts(asked), &rows);
        assert!(within("*", "*") && within("web1", "*") && within("web1", "web1,web2"));
        assert!(!within("db1", "*"), "no row gives it");
        assert!(!within("*", "web1") && !within("web1,web2", "web1"));
        let both = |one, other| hosts(one).and(&hosts(other)).map(|hosts| hosts.to_string());
        assert_eq!(both("*", "web1").as_deref(), Some("web1"));
        assert_eq!(both("web1,web2", "web2,web3").as_deref(), Some("web2"));
        assert_eq!(both("web1", "web2"), None);
        assert!(rows[0].gives_on(&hosts("web2")) && !rows[0].gives_on(&hosts("db1")));
        assert!(rows[1].gives_on(&hosts("db1")));
        let on = |text| rows[0].on(&hosts(text));
        assert!(on("web1").is_within(&on("web1,db1")) && !on("web1").is_within(&on("web2")));
        assert_eq!((on("*"), rows[1].on(&hosts("web1"))), (rows[0].clone(), rows[1].clone()));
    }

    #[test]
    fn a_row_lies_within_one_that_gives_no_less() {
        let row: Row = SHELL.parse().unwrap();
        let within = |other: &str| row.is_within(&other.parse().unwrap());
        assert!(within(SHELL));
        assert!(within(
            "ssh web-shell login=deploy hosts=web1,web2,web3 extensions=permit-port-forwarding,permit-pty"
        ));
        assert!(!within(
            "ssh web-shell login=deploy hosts=web1 extensions=permit-pty source-address=caller"
        ));
        assert!(!within("ssh web-shell login=root hosts=web1,web2 extensions=permit-pty"));
        assert!(!within("ssh web-shell login=deploy hosts=web1,web2"));
        assert!(!within(
            "ssh web-shell login=deploy hosts=web1,web2 extensions=permit-pty force-command=ls"
        ));
        assert!(!within("x509 web-shell"));
    }
}
