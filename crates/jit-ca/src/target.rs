//! Where `jit-ca ssh` goes, and which role takes one there.

use std::fmt;
use std::str::FromStr;

use jit_ca_api::{GrantView, Request, RequestStatus, Role};
use jit_ca_core::{HostName, Hosts, Login, RoleName, Row, RowName, SshRow, SubjectId, ValueError};

use crate::error::{Error, Result};
use crate::printer::join;

/// An account on a host: `deploy@web1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) login: Login,
    pub(crate) host: HostName,
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fault =
            || Error::usage(format!("{text:?} is not user@host"), "write it as deploy@web1");
        let (login, host) = text.split_once('@').ok_or_else(fault)?;
        let value = |error: ValueError| Error::usage(error.to_string(), "write it as deploy@web1");
        Ok(Self { login: login.parse().map_err(value)?, host: host.parse().map_err(value)? })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.login, self.host)
    }
}

/// A target, and what was said about the way there.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) target: &'a Target,
    pub(crate) role: Option<&'a RoleName>,
    pub(crate) row: Option<&'a RowName>,
}

impl Wanted<'_> {
    /// Of the caller's usable grants that lead there, one that runs what is asked for rather than one
    /// command of its own, and of those the one that lasts longest.
    pub(crate) fn usable<'r>(
        &self,
        requests: &'r [Request],
        me: &SubjectId,
    ) -> Option<(&'r Request, &'r GrantView, &'r SshRow)> {
        let mine = requests.iter().filter(|request| request.subject == *me);
        mine.filter_map(|request| {
            let grant = request.grant.as_ref()?;
            let row = self.row_of(&request.role, &grant.rows, &grant.hosts)?;
            grant.is_usable().then_some((request, grant, row))
        })
        .max_by_key(|(_, grant, row)| (row.force_command.is_none(), grant.last_end()))
    }

    /// The caller's newest pending request that would lead there.
    pub(crate) fn pending<'r>(
        &self,
        requests: &'r [Request],
        me: &SubjectId,
    ) -> Option<&'r Request> {
        let mine = requests.iter().filter(|request| request.subject == *me);
        mine.filter(|request| request.status == RequestStatus::Pending)
            .filter(|request| self.row_of(&request.role, &request.rows, &request.hosts).is_some())
            .max_by_key(|request| request.id)
    }

    /// The one role that leads there.
    ///
    /// # Errors
    /// If none does, or several do.
    pub(crate) fn role_to_ask_for<'r>(&self, roles: &'r [Role]) -> Result<&'r Role> {
        let ways: Vec<(&Role, RowName)> = roles
            .iter()
            .flat_map(|role| role.rows.iter().map(move |row| (role, row)))
            .filter(|(role, row)| self.fits(&role.name, row, &Hosts::All).is_some())
            .map(|(role, row)| (role, row.name()))
            .collect();
        match ways.as_slice() {
            [(role, _)] => Ok(role),
            [] => Err(Error::usage(
                format!("no role that you may ask for gives {}", self.target),
                "see what there is: jit-ca roles",
            )),
            [(first, _), ..] if ways.iter().all(|(role, _)| role.name == first.name) => {
                Err(Error::usage(
                    format!("{} gives {} by several rows", first.name, self.target),
                    format!("choose one with --row: {}", join(ways.iter().map(|(_, row)| row))),
                ))
            }
            _ => Err(Error::usage(
                format!("several roles give {}", self.target),
                format!(
                    "choose one with --role: {}",
                    join(ways.iter().map(|(role, _)| &role.name))
                ),
            )),
        }
    }

    /// The row that leads there, of those that a request or a grant has.
    pub(crate) fn row_of<'r>(
        &self,
        role: &RoleName,
        rows: &'r [Row],
        hosts: &Hosts,
    ) -> Option<&'r SshRow> {
        rows.iter().find_map(|row| self.fits(role, row, hosts))
    }

    fn fits<'r>(&self, role: &RoleName, row: &'r Row, hosts: &Hosts) -> Option<&'r SshRow> {
        let Row::Ssh(ssh) = row else {
            return None;
        };
        let host_is_meant = match hosts {
            Hosts::All => true,
            Hosts::Named(named) => named.contains(&self.target.host),
        };
        let fits = self.role.is_none_or(|wanted| wanted == role)
            && self.row.is_none_or(|wanted| *wanted == row.name())
            && ssh.login == self.target.login
            && ssh.hosts.contains(&self.target.host)
            && host_is_meant;
        fits.then_some(ssh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jit_ca_core::{KeyType, Span};

    fn role(name: &str, rows: &[&str]) -> Role {
        Role {
            name: name.parse().unwrap(),
            description: String::new(),
            rows: rows.iter().map(|row| row.parse().unwrap()).collect(),
            default: Span::from_secs(60),
            longest: Span::from_secs(60),
            approvals: Vec::new(),
            approved_by_rule: false,
            mfa_max_age: None,
            ticket: None,
            start_within: None,
            schedule_ahead: Span::from_secs(60),
            certificate_max: None,
            keys: KeyType::USUAL.into(),
            break_glass: None,
        }
    }

    #[test]
    fn the_role_is_found_where_only_one_fits() {
        let roles = [
            role("web-shell", &["ssh web-shell login=deploy hosts=web1,web2", "x509 orders"]),
            role("web-logs", &["ssh web-logs login=logs hosts=web1,web2"]),
            role("web-deploy", &["ssh web-deploy login=deploy hosts=web2"]),
            role("two", &["ssh a login=two hosts=web1", "ssh b login=two hosts=web1"]),
        ];
        let find = |target: &str, role: Option<&str>, row: Option<&str>| {
            let target: Target = target.parse().unwrap();
            let (role, row) = (role.map(|r| r.parse().unwrap()), row.map(|r| r.parse().unwrap()));
            let (role, row) = (role.as_ref(), row.as_ref());
            let wanted = Wanted { target: &target, role, row };
            let found = wanted.role_to_ask_for(&roles);
            found.map(|role| role.name.to_string()).map_err(|error| error.hint().unwrap())
        };
        assert_eq!(find("deploy@web1", None, None).unwrap(), "web-shell");
        assert_eq!(find("logs@web2", None, None).unwrap(), "web-logs");
        let several = find("deploy@web2", None, None).unwrap_err();
        assert_eq!(several, "choose one with --role: web-shell, web-deploy");
        assert_eq!(find("deploy@web2", Some("web-deploy"), None).unwrap(), "web-deploy");
        assert!(find("deploy@web3", None, None).unwrap_err().contains("jit-ca roles"));
        assert!(find("root@web1", None, None).is_err());
        assert_eq!(find("two@web1", None, None).unwrap_err(), "choose one with --row: a, b");
        assert_eq!(find("two@web1", None, Some("b")).unwrap(), "two");
    }

    #[test]
    fn a_target_is_an_account_on_a_host() {
        assert_eq!("deploy@web1".parse::<Target>().unwrap().to_string(), "deploy@web1");
        for wrong in ["web1", "@web1", "deploy@", "-oProxyCommand=x@web1", "deploy@-web1", "a@b@c"]
        {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}
