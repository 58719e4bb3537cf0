//! `jit-cad.toml`, from text to checked values.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jit_ca_cert::{CaName, ServerName, TrustDomain};
use jit_ca_core::{Origin, Size, Span};
use toml::de::DeTable;

use super::anchor::AnchorPlace;
use super::hosts::Hosts;
use super::issuer::IssuerAccess;
use super::notify::NotifyTarget;
use super::recordings::RecordingsKept;
use super::secret::SecretSource;
use super::section::{Report, SEE_COMMENTS, Section};
use super::web::Web;

/// What the file says, checked; paths as they stand there.
pub(super) struct Checked {
    pub(super) ca_name: CaName,
    pub(super) origin: Origin,
    pub(super) trust_domain: TrustDomain,
    pub(super) address: SocketAddr,
    pub(super) names: Vec<ServerName>,
    pub(super) keys: PathBuf,
    pub(super) passphrase: SecretSource,
    pub(super) store: PathBuf,
    pub(super) keep_free: Size,
    pub(super) admin_socket: PathBuf,
    pub(super) login_longest: Span,
    pub(super) login_idle: Span,
    pub(super) pseudonyms: bool,
    pub(super) open_requests: u32,
    pub(super) keep_payloads: Span,
    pub(super) anchors: Vec<AnchorPlace>,
    pub(super) second_administrator: bool,
    pub(super) notify: Vec<NotifyTarget>,
    pub(super) issuers: Vec<IssuerAccess>,
    pub(super) web: Option<Web>,
    pub(super) hosts: Option<Hosts>,
    pub(super) recordings: Option<RecordingsKept>,
}

/// Reads the file's text; all faults at once.
pub(super) fn parse(path: &Path, text: &str) -> Result<Checked, Vec<String>> {
    let mut report = Report { path, text, faults: Vec::new(), quiet: false };
    let checked = read(&mut report);
    match checked {
        Some(checked) if report.faults.is_empty() => Ok(checked),
        _ => Err(report.faults),
    }
}

/// Everything is read before anything is given up, so that every fault is noted.
fn read(report: &mut Report<'_>) -> Option<Checked> {
    let text = report.text;
    let (file, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        report.add(error.span(), error.message(), SEE_COMMENTS);
    }
    let mut file = Section::of(report, "the file", file);
    let mut ca = file.section("ca");
    let ca_name = ca.text("name").and_then(|text| ca.report.value(&text));
    let origin = ca.text("origin").and_then(|text| ca.report.value(&text));
    let trust_domain = ca.text("trust_domain").and_then(|text| ca.report.value(&text));
    ca.end();

    let mut listen = file.section("listen");
    let address = listen.text("address").and_then(|text| listen.report.address(&text));
    let names = listen.texts("names").and_then(|texts| listen.report.names(&texts));
    listen.end();

    let mut keys = file.section("keys");
    let dir = keys.text("dir");
    let passphrase = keys.secret("passphrase");
    keys.end();

    let mut store = file.section("store");
    let store_path = store.text("path");
    let keep_free = store.text("keep_free").and_then(|text| store.report.value(&text));
    store.end();

    let mut admin = file.section("admin");
    let socket = admin.text("socket");
    admin.end();

    let mut login = file.section("login");
    let longest = login.text("longest").and_then(|text| login.report.login_span(&text));
    let idle = login.text("idle").and_then(|text| login.report.login_span(&text));
    login.end();

    let mut certificates = file.section("certificates");
    let pseudonyms = certificates.flag("pseudonyms");
    certificates.end();

    let mut requests = file.section("requests");
    let open_requests = requests.count("open");
    requests.end();

    let mut log = file.section("log");
    let keep = log.text("keep_payloads").and_then(|text| log.report.kept_span(&text));
    let anchors = log.anchors();
    log.end();

    let mut policy = file.section("policy");
    let second_administrator = policy.flag("second_administrator");
    policy.end();

    let notify = super::notify::read(&mut file);
    let issuers = super::issuer::read(&mut file);
    let web = super::web::read(&mut file);
    let hosts = super::hosts::read(&mut file);
    let recordings = super::recordings::read(&mut file);
    file.end();

    Some(Checked {
        ca_name: ca_name?,
        origin: origin?,
        trust_domain: trust_domain?,
        address: address?,
        names: names?,
        keys: dir?.into_inner().into(),
        passphrase: passphrase?,
        store: store_path?.into_inner().into(),
        keep_free: keep_free?,
        admin_socket: socket?.into_inner().into(),
        login_longest: longest?,
        login_idle: idle?,
        pseudonyms: pseudonyms?,
        open_requests: open_requests?,
        keep_payloads: keep?,
        anchors: anchors?,
        second_administrator: second_administrator?,
        notify: notify?,
        issuers: issuers?,
        web: web?,
        hosts: hosts?,
        recordings: recordings?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to name an anchor wrongly, a line each, and one that is right.
    const ANCHORS: &str = r#"anchors = [
    { webhook = "ftp://x" },
    { webhook = "https://a:b@x" },
    { file = "a", webhook = "https://x" },
    { path = "a" },
    "a",
    { file = 7 },
    { file = "a", ca_file = "b" },
    { file = "/a" },
    { file = "/a" },
]"#;

    fn faults(text: &str) -> String {
        parse(Path::new("jit-cad.toml"), text).err().unwrap_or_default().join("\n")
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let shipped = include_str!("../../../../ca-config/jit-cad.toml");
        assert_eq!(faults(shipped), "");
        let wrong = shipped
            .replace("[login]", "[login]\nlnogest = \"1h\"")
            .replace("idle = \"30m\"", "idle = \"13h\"")
            .replace("address = \"127.0.0.1:8440\"", "address = 8440")
            .replace("origin = \"ca.example.org/jit-ca\"", "")
            .replace("pseudonyms = false", "pseudonyms = 1")
            .replace("open = 20", "open = 0")
            .replace("[admin]", "[admni]")
            .replace("{ env = ", "{ evn = ")
            .replace("\"400d\"", "\"29d\"")
            .replace("anchors = []", ANCHORS)
            .replace("second_administrator = false", "second_administrator = \"no\"");
        let told: Vec<String> = faults(&wrong)
            .lines()
            .filter(|line| !line.contains("hint:"))
            .map(str::to_owned)
            .collect();
        assert_eq!(
            told,
            [
                "jit-cad.toml:4: [ca] has no `origin`",
                "jit-cad.toml:15: `address` is not a text",
                "jit-cad.toml:26: `passphrase` does not say where it comes from",
                "jit-cad.toml:1: the file has no `admin`",
                "jit-cad.toml:45: 13h is no length for a login",
                "jit-cad.toml:40: [login] knows no `lnogest`",
                "jit-cad.toml:50: `pseudonyms` is neither true nor false",
                "jit-cad.toml:54: `open` is not a number from 1 to 100000",
                "jit-cad.toml:59: 29d is too short",
                "jit-cad.toml:70: \"ftp://x\" is not the address of a webhook",
                "jit-cad.toml:71: \"https://a:b@x\" is not the address of a webhook",
                "jit-cad.toml:72: an anchor does not say where it is",
                "jit-cad.toml:73: an anchor knows no `path`",
                "jit-cad.toml:74: an anchor is not a table",
                "jit-cad.toml:75: `file` is not a text",
                "jit-cad.toml:76: an anchor does not say where it is",
                "jit-cad.toml:78: the anchor /a stands here twice",
                "jit-cad.toml:84: `second_administrator` is neither true nor false",
                "jit-cad.toml:35: the file knows no `admni`",
            ]
        );
        assert!(faults("[ca\nname = ").contains("jit-cad.toml:1"), "{}", faults("[ca\nname = "));
    }

    #[test]
    fn the_page_is_served_where_it_says_and_not_without() {
        let shipped = include_str!("../../../../ca-config/jit-cad.toml");
        let web = |section: &str| parse(Path::new("jit-cad.toml"), &format!("{shipped}{section}"));
        assert_eq!(web("").ok().unwrap().web, None);
        let right = "[web]\naddress = \"127.0.0.1:8441\"\nhost = \"ca.example.org\"\n";
        let read = web(right).ok().unwrap().web.unwrap();
        assert_eq!((read.host.as_str(), read.tls), ("ca.example.org", None));
        let own = format!("{right}certificate = \"a.pem\"\nkey = \"a.key\"\n");
        let tls = web(&own).ok().unwrap().web.unwrap().tls;
        assert_eq!(tls, Some(("a.pem".into(), "a.key".into())));
        for (wrong, fault) in [
            (right.replace("ca.example.org", "CA.example.org"), "is not a host"),
            (right.replace("ca.example.org", "https://ca"), "is not a host"),
            (right.replace("host", "hots"), "[web] has no `host`"),
            (right.replace(":8441", ""), "is not an address and a port"),
            (format!("{right}key = \"a.key\"\n"), "[web] has no `certificate`"),
            (format!("{right}origin = \"x\"\n"), "[web] knows no `origin`"),
        ] {
            let told = web(&wrong).err().unwrap().join("\n");
            assert!(told.contains(fault), "{told}");
        }
    }

    /// Every way to name a target wrongly, and one that is right.
    const TARGETS: &str = r#"[[notify]]
name = "right"
webhook = "https://chat.example.org/jit-ca"
secret = { credential = "chat" }
events = ["asked", "break_glass"]
roles = ["web-shell"]
ending_soon = "5m"
give_up = "2h"
allow_private = ["10.1.2.3", "fd00::1"]

[[notify]]
name = "right"
slack = { file = "slack" }

[[notify]]
name = "Not Right"
slack = "https://hooks.slack.com/services/T/B/x"

[[notify]]
name = "both"
webhook = "https://a"
secret = { file = "a" }
slack = { file = "b" }
events = ["asked", "appoved"]

[[notify]]
name = "clear"
webhook = "http://10.1.2.3/"
secret = { file = "a" }
allow_private = ["10.1.2.4"]

[[notify]]
name = "password"
webhook = "https://me:secret@x"
secret = { file = "a" }

[[notify]]
name = "odd"
webhook = "https://x"
secret = "whsec_AAAA"
events = []
roles = ["Not A Role"]
ending_soon = "0s"
give_up = 7
allow_private = ["10.0.0.0/8"]
retries = 7
"#;

    #[test]
    fn all_faults_of_targets_are_told_at_once() {
        let shipped = include_str!("../../../../ca-config/jit-cad.toml");
        let start = shipped.lines().count();
        let whole = format!("{shipped}{TARGETS}");
        let told = faults(&whole);
        assert!(
            !told.contains("secret@")
                && !told.contains("whsec_AAAA")
                && !told.contains("services/T"),
            "{told}"
        );
        let told: Vec<String> = told
            .lines()
            .filter(|line| !line.contains("hint:"))
            .map(|line| {
                let (line, what) = line.split_once(": ").unwrap();
                let line: usize = line.strip_prefix("jit-cad.toml:").unwrap().parse().unwrap();
                format!("{}: {what}", line - start)
            })
            .collect();
        assert_eq!(
            told,
            [
                "11: the target \"right\" stands here twice",
                "16: \"Not Right\" is no name of a target",
                "17: `slack` does not say where it comes from",
                "19: a target does not say where it is",
                "24: there is no event \"appoved\"",
                "26: the target clear can't be notified: it is not https://, nor an address that allow_private names",
                "32: the target password can't be notified: it is not the address of a webhook",
                "40: `secret` does not say where it comes from",
                "41: there is no event",
                "42: \"Not A Role\" is not a role",
                "43: `ending_soon` is no time",
                "44: `give_up` is not a text",
                "45: \"10.0.0.0/8\" is not an address",
                "46: [[notify]] knows no `retries`",
            ]
        );
        let right = TARGETS.split("\n\n").next().unwrap();
        assert_eq!(faults(&format!("{shipped}{right}")), "");
        let named = "[[notify]]\nname = \"a\"\nwebhook = \"http://[::1]:8/\"\nsecret = { file = \"a\" }\nallow_private = [\"::1\"]";
        assert_eq!(faults(&format!("{shipped}{named}")), "");
        let port = named.replace("[::1]:8", "localhost");
        assert!(faults(&format!("{shipped}{port}")).contains("the target a can't be notified"));
    }
}
