//! A real browser: a headless Chromium with a virtual authenticator, driven by playwright-core.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;

use crate::program::node;
use crate::{Lab, repository, run};

/// A browser with a profile and a home of its own, which trusts the CAs that it is given.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// One installs, the others wait.
static INSTALLING: Mutex<()> = Mutex::new(());

impl Browser {
    /// Starts it. `roots` are the certificates (PEM) that pages are trusted by, and each of `hosts` is this machine.
    ///
    /// WebAuthn refuses pages whose certificate the browser does not trust, so that no flag helps.
    pub fn start(lab: &Lab, name: &str, roots: &[&Path], hosts: &[&str]) -> Self {
        let home = lab.folder(name);
        // Chromium's on Linux: $HOME/.pki/nssdb.
        let database = lab.folder(&format!("{name}/.pki/nssdb"));
        let database = format!("sql:{}", database.display());
        let mut certutil = Command::new("certutil");
        run(certutil.args(["-d", &database, "-N", "--empty-password"])).ok();
        for (number, root) in roots.iter().enumerate() {
            let mut certutil = Command::new("certutil");
            certutil.args(["-d", &database, "-A", "-t", "C,,", "-n", &format!("root {number}")]);
            run(certutil.arg("-i").arg(root)).ok();
        }
        let rules: Vec<String> = hosts.iter().map(|host| format!("MAP {host} 127.0.0.1")).collect();
        let mut node = node();
        node.arg(installed().join("drive.mjs")).arg(home.join("profile")).arg(rules.join(", "));
        node.env("HOME", &home).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        node.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut driver = node.spawn().expect("node");
        let stdin = driver.stdin.take();
        let stdout = BufReader::new(driver.stdout.take().expect("a pipe"));
        let mut browser = Self { driver, stdin, stdout };
        assert_eq!(browser.line(), "ready");
        browser
    }

    /// Runs JavaScript in the driver, whose scope `drive.mjs` says, and gives what it returned.
    #[track_caller]
    pub fn run(&mut self, script: &str) -> Value {
        let line = Value::from(script).to_string();
        let stdin = self.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("the driver reads");
        let answer = self.line();
        assert!(answer["error"].is_null(), "{script}\n{}", answer["error"].as_str().unwrap_or("?"));
        answer["value"].clone()
    }

    /// The same, of something that is text.
    #[track_caller]
    pub fn text(&mut self, script: &str) -> String {
        let value = self.run(script);
        value.as_str().unwrap_or_else(|| panic!("{script}: {value}")).to_owned()
    }

    /// Goes to an address as to a page of its own: also where only what stands behind the # differs.
    #[track_caller]
    pub fn open(&mut self, url: &str) {
        self.run(&format!("await page.goto('about:blank'); await page.goto({url:?});"));
    }

    /// A picture of the page, at both widths, where somebody wants to look at it.
    pub fn picture(&mut self, name: &str) {
        let Ok(folder) = std::env::var("JIT_CA_SCREENSHOTS") else { return };
        for (width, scheme) in [(1280, "light"), (390, "light"), (1280, "dark"), (390, "dark")] {
            let path = Path::new(&folder).join(format!("{name}-{width}-{scheme}.png"));
            self.run(&format!(
                "await page.setViewportSize({{width: {width}, height: 800}});
                 await page.emulateMedia({{colorScheme: {scheme:?}}});
                 await page.screenshot({{path: {path:?}, fullPage: true}});
                 await page.setViewportSize({{width: 1280, height: 800}});"
            ));
        }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the driver writes");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the driver: {error}: {line:?}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It closes the browser and ends where nothing more is to be done.
        drop(self.stdin.take());
        let _ = self.driver.wait();
    }
}

/// The driver and what it needs, installed once beside the checkout's other tools.
fn installed() -> PathBuf {
    let _alone = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (from, folder) = (repository().join("tests/browser"), repository().join(".tools/browser"));
    let lock = "package-lock.json";
    fs::create_dir_all(&folder).expect("a folder");
    let is_installed = fs::read(folder.join("node_modules/.package-lock.json")).is_ok()
        && fs::read(folder.join(lock)).ok() == fs::read(from.join(lock)).ok();
    for file in ["package.json", lock, "drive.mjs"] {
        fs::copy(from.join(file), folder.join(file)).expect("a file");
    }
    if !is_installed {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]);
        run(npm.current_dir(&folder)).ok();
    }
    folder
}
