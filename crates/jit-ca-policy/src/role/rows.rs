//! What a role gives: `[[ssh]]` and `[[x509]]`.

use std::collections::BTreeSet;

use jit_ca_core::{
    Extension, HostName, Login, Row, RowName, SourceAddress, SshRow, Tag, Text, X509Row,
};

use crate::fault::Page;
use crate::section::Section;

/// The rows, and where each stands.
pub(super) fn rows(page: Page<'_>, top: &mut Section<'_>) -> (Vec<Row>, Vec<usize>) {
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
