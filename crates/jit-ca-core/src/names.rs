//! The names of people, roles, hosts and accounts. Each is ASCII, so that no two names look alike.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ValueError;
use crate::value::{serde_by_text, text_value};

fn matches(text: &str, longest: usize, first: fn(u8) -> bool, rest: fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    text.len() <= longest && bytes.next().is_some_and(first) && bytes.all(rest)
}

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'_'
}

fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

text_value!(
    /// A principal of an SSH certificate: `^[a-z_][a-z0-9_.-]{0,127}$`.
    ///
    /// INVARIANT (principals never empty): no comma, space or wildcard can be written, so that the
    /// list in a certificate is the list that was granted (CVE-2026-35414 split one at a comma).
    Principal, "principal", "use a-z, 0-9, '_', '.', '-', starting with a letter or '_', at most 128",
    |text| matches(text, 128, lower, |b| lower_or_digit(b) || matches!(b, b'_' | b'.' | b'-'))
);

text_value!(
    /// The part of a principal that a role gives: `<tag>` or `<tag>.<host>`. It has no dot, so that
    /// the two forms can't be mistaken for each other.
    Tag, "tag", "use a-z, 0-9, '_', '-', starting with a letter or '_', at most 63",
    |text| matches(text, 63, lower, |b| lower_or_digit(b) || matches!(b, b'_' | b'-'))
);

text_value!(
    /// A role: `web-shell`.
    RoleName, "role", "use a-z, 0-9, '-', starting with a letter, at most 63",
    |text| matches(text, 63, |b| b.is_ascii_lowercase(), |b| lower_or_digit(b) || b == b'-')
);

text_value!(
    /// A group of subjects: `sre`.
    GroupName, "group", "use a-z, 0-9, '-', starting with a letter, at most 63",
    |text| matches(text, 63, |b| b.is_ascii_lowercase(), |b| lower_or_digit(b) || b == b'-')
);

text_value!(
    /// What a subject is called in commands, certificates and lists: `alice`, or `alice@okta` where an issuer vouches
    /// for her. Shown, never compared.
    PersonName, "name", "use a-z, 0-9, '.', '_', '-', starting with a letter, at most 63; behind an '@' an issuer may stand",
    |text| {
        let (name, issuer) = text.split_once('@').map_or((text, None), |(name, issuer)| (name, Some(issuer)));
        text.len() <= 63
            && matches(name, 63, |b| b.is_ascii_lowercase(), |b| lower_or_digit(b) || matches!(b, b'.' | b'_' | b'-'))
            && issuer.is_none_or(is_issuer)
    }
);

impl PersonName {
    /// What a host is called among subjects: `web1@host`, so that it is never taken for a person.
    ///
    /// # Errors
    /// If the host's name begins with no letter, or is longer than 58 characters.
    pub fn of_host(name: &HostName) -> Result<Self, ValueError> {
        format!("{name}@{}", SubjectId::HOST).parse().map_err(|_| {
            let hint =
                "a host that enrols has a name of at most 58 characters that begins with a letter";
            ValueError::new("name for a host to enrol by", name.as_str(), hint)
        })
    }

    /// The issuer that vouches for whoever is called so; none for people of the user file.
    pub fn issuer(&self) -> Option<&str> {
        self.as_str().split_once('@').map(|(_, issuer)| issuer)
    }
}

text_value!(
    /// An issuer of identities, as this CA's configuration calls it: `okta`.
    IssuerName, "issuer's name", "use a-z, 0-9, '-', starting with a letter, at most 32, and another word than local and host",
    |text| is_issuer(text) && ![SubjectId::LOCAL, SubjectId::HOST].contains(&text)
);

fn is_issuer(text: &str) -> bool {
    matches(text, 32, |b| b.is_ascii_lowercase(), |b| lower_or_digit(b) || b == b'-')
}

text_value!(
    /// A Unix account on a host: `deploy`.
    Login, "login", "use a-z, 0-9, '_', '-', starting with a letter or '_', at most 32",
    |text| matches(text, 32, lower, |b| lower_or_digit(b) || matches!(b, b'_' | b'-'))
);

text_value!(
    /// A host as the role files and `jit-ca ssh user@host` call it: `web1`, `db2.eu`.
    HostName, "host", "use a-z, 0-9, '-' and dots between labels, at most 63",
    |text| {
        text.len() <= 63
            && text.split('.').all(|label| {
                !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
                    && label.bytes().all(|b| lower_or_digit(b) || b == b'-')
            })
    }
);

text_value!(
    /// Which hosts a CA enrols: one name, or `*.` and what a name ends with, `*.prod.example.org`. As in a known hosts file
    /// (sshd(8)), the `*` stands for any labels, one or more.
    HostPattern, "pattern of hosts", "write a host's name, or *. and the end of names, such as *.prod.example.org",
    |text| text.strip_prefix("*.").unwrap_or(text).parse::<HostName>().is_ok()
);

impl HostPattern {
    /// Whether a host may be called so.
    pub fn matches(&self, host: &HostName) -> bool {
        match self.as_str().strip_prefix('*') {
            Some(end) => host.as_str().len() > end.len() && host.as_str().ends_with(end),
            None => host.as_str() == self.as_str(),
        }
    }
}

text_value!(
    /// One line that a person wrote: a reason, a ticket, a comment, a command.
    ///
    /// No control characters, so that it cannot forge a line of a statement or of a log; no
    /// bidirectional controls, so that what is shown is what is signed (Unicode TR 36).
    Text, "line of text", "write one line of 1 to 500 characters without control characters",
    |text| {
        // Unicode's format characters, among them all that turn the direction of text and all without width.
        let unseen = |c| matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}');
        let shown = |c: char| !c.is_control() && !unseen(c);
        !text.trim().is_empty() && text.trim() == text && text.chars().count() <= 500 && text.chars().all(shown)
    }
);

text_value!(
    /// The log's name for ever, in its checkpoints and in every statement: `ca.example.org/jit-ca`.
    ///
    /// C2SP signed-note keys are written `<name>+<hash>+<key>`, so that it has no `+` and no space.
    Origin, "log origin", "use a host name and a path in a-z, 0-9, '.', '-', '_', '/', at most 128",
    |text| matches(text, 128, lower_or_digit, |b| lower_or_digit(b) || matches!(b, b'.' | b'-' | b'_' | b'/'))
);

/// Who somebody is: an issuer of identities and that issuer's own, never reused id. `local/u-1001`.
///
/// Names and mail addresses change hands; this pair does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId {
    issuer: String,
    sub: String,
}

impl SubjectId {
    /// The issuer of those whom the user file names.
    pub const LOCAL: &'static str = "local";

    /// The issuer of hosts: this CA itself, which enrols them. No other issuer is called so.
    pub const HOST: &'static str = "host";

    /// The host of this name: `host/web1`.
    pub fn of_host(name: &HostName) -> Self {
        Self { issuer: Self::HOST.to_owned(), sub: name.to_string() }
    }

    /// Whether it is a host, which is neither a person nor a workload.
    pub fn is_host(&self) -> bool {
        self.issuer == Self::HOST
    }

    /// The subject that an issuer calls `sub`.
    ///
    /// # Errors
    /// If that is none that OpenID Connect Core 2 allows: at most 255 ASCII characters, or has a space.
    pub fn of(issuer: &IssuerName, sub: &str) -> Result<Self, ValueError> {
        format!("{issuer}/{sub}").parse()
    }

    /// Whether it is one of those whom the user file names.
    pub fn is_local(&self) -> bool {
        self.issuer == Self::LOCAL
    }

    /// The issuer's alias in this CA's configuration.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The issuer's id for the subject.
    pub fn sub(&self) -> &str {
        &self.sub
    }
}

impl FromStr for SubjectId {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || {
            ValueError::new(
                "subject",
                text,
                "write <issuer>/<id> in printable ASCII without spaces, such as local/u-1001",
            )
        };
        let (issuer, sub) = text.split_once('/').ok_or_else(fault)?;
        // OpenID Connect Core 2: `sub` is at most 255 ASCII characters, compared byte by byte.
        if is_issuer(issuer)
            && matches(sub, 255, |b| b.is_ascii_graphic(), |b| b.is_ascii_graphic())
        {
            Ok(Self { issuer: issuer.to_owned(), sub: sub.to_owned() })
        } else {
            Err(fault())
        }
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.issuer, self.sub)
    }
}

serde_by_text!(SubjectId);

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SubjectKind {
    /// Somebody.
    Person,
    /// A machine, or what runs on one. It asks and uses; it never decides over others.
    Workload,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn principals_refuse_what_sshd_could_read_otherwise() {
        for wrong in [
            "",
            "root,deploy",
            "web shell",
            "web*",
            "Web",
            "1web",
            "wéb",
            "web\n",
            &"a".repeat(129),
        ] {
            assert!(wrong.parse::<Principal>().is_err(), "{wrong:?}");
        }
        assert!("web-shell.web1".parse::<Principal>().is_ok());
    }

    #[test]
    fn text_is_one_honest_line() {
        for wrong in [
            "",
            " ",
            " x",
            "a\nb",
            "a\u{7}b",
            "pay \u{202e}gnihtemos",
            "a\u{61c}b",
            "a\u{200b}b",
            "\u{feff}a",
            "a\u{e0041}",
            &"a".repeat(501),
        ] {
            assert!(wrong.parse::<Text>().is_err(), "{wrong:?}");
        }
        assert!("INC-42: größere Störung".parse::<Text>().is_ok());
    }

    #[test]
    fn patterns_of_hosts_stand_for_whole_labels() {
        let matches = |pattern: &str, host: &str| {
            pattern.parse::<HostPattern>().unwrap().matches(&host.parse().unwrap())
        };
        assert!(matches("web1", "web1") && !matches("web1", "web10") && !matches("web1", "a.web1"));
        assert!(matches("*.prod.example.org", "web1.prod.example.org"));
        assert!(matches("*.prod.example.org", "a.b.prod.example.org"));
        for other in ["prod.example.org", "xprod.example.org", "web1.prod.example.org.evil.org"] {
            assert!(!matches("*.prod.example.org", other), "{other}");
        }
        for wrong in
            ["", "*", "*.", "web*", "*web", "*.*.org", "a.*.org", "*,b", "*.example.org b", "!a"]
        {
            assert!(wrong.parse::<HostPattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_are_no_issuers_subjects() {
        assert!("host".parse::<IssuerName>().is_err());
        let host = |name: &str| name.parse::<HostName>().unwrap();
        let web1 = SubjectId::of_host(&host("web1.prod.example.org"));
        assert!(web1.is_host() && !web1.is_local());
        assert_eq!(web1.to_string().parse::<SubjectId>().unwrap(), web1);
        assert_eq!(PersonName::of_host(&host("web1")).unwrap().as_str(), "web1@host");
        let longest = format!("a.{}", "b".repeat(56));
        assert!(PersonName::of_host(&host(&longest)).is_ok());
        for wrong in [format!("{longest}b"), "1web".to_owned()] {
            let told = PersonName::of_host(&host(&wrong)).unwrap_err().to_string();
            assert!(told.contains("begins with a letter"), "{told}");
        }
    }

    proptest! {
        #[test]
        fn subjects_differ_where_their_texts_differ(a in "[ -~]{1,20}", b in "[ -~]{1,20}") {
            if let (Ok(x), Ok(y)) = (a.parse::<SubjectId>(), b.parse::<SubjectId>()) {
                prop_assert_eq!(x == y, a == b);
                prop_assert_eq!(x.to_string(), a);
            }
        }
    }
}
