//! A real nginx on loopback.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{Clock, Lab, Output, free_port, run, self_signed, wait_for};

/// A real nginx that asks for a client certificate.
#[derive(Debug)]
pub struct Nginx {
    port: u16,
    folder: PathBuf,
    daemon: Child,
}

impl Nginx {
    /// An nginx with these lines in its `http` block. In them `PORT` is its port, and `DIR` a folder that
    /// holds `server.pem` and `server.key`, its own certificate for localhost.
    pub fn start(lab: &Lab, clock: Clock, http: &str) -> Self {
        let port = free_port();
        let folder = lab.folder(&format!("nginx-{port}"));
        let name = "subjectAltName=DNS:localhost";
        self_signed(&folder, "server", &["-subj", "/CN=localhost", "-addext", name]);

        let path = folder.display().to_string();
        let http = http.replace("PORT", &port.to_string()).replace("DIR", &path);
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("  {kind}_temp_path {path}/{kind};\n"))
            .concat();
        let config = folder.join("nginx.conf");
        let text = format!(
            "pid {path}/pid;\nerror_log {path}/error.log info;\nworker_processes 1;\nevents {{}}\n\
             http {{\n  access_log {path}/access.log;\n{temporary}{http}}}\n"
        );
        fs::write(&config, text).expect("a file");
        let mut daemon = clock.command("/usr/sbin/nginx");
        daemon
            .args(["-p", &path, "-e", &format!("{path}/error.log"), "-g", "daemon off;", "-c"])
            .arg(&config);
        daemon.stdin(Stdio::null()).stdout(Stdio::null());
        daemon.stderr(File::create(folder.join("stderr")).expect("a file"));
        let nginx = Self { port, folder, daemon: daemon.spawn().expect("nginx") };
        wait_for("nginx", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        nginx
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate that it shows.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// What it has logged as errors.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.folder.join("error.log")).unwrap_or_default()
    }

    /// Asks it for a page with a client certificate; gives `<status> <body>`.
    pub fn ask(&self, path: &str, key: &Path, certificate: &Path) -> Output {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "20", "--write-out", "%{stderr}%{http_code}", "--cacert"]);
        curl.arg(self.certificate()).arg("--key").arg(key).arg("--cert").arg(certificate);
        run(curl.arg(format!("https://localhost:{}{path}", self.port)))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.folder.join("pid")).unwrap_or_default();
        run(crate::as_root("kill").arg(pid.trim()));
        let _ = self.daemon.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OpenSSL stands in for the CA: what is asked of nginx here is whether it is a judge.
    #[test]
    fn an_nginx_judges_by_the_clock_that_it_is_given() {
        let lab = Lab::new();
        let named = ["-subj", "/CN=alice/OU=orders-api"];
        let (key, certificate) = self_signed(lab.path(), "alice", &named);
        let mut openssl = Command::new("openssl");
        let end = run(openssl.args(["x509", "-noout", "-enddate", "-in"]).arg(&certificate)).ok();
        let end =
            run(Command::new("date").args(["+%s", "-d", end.line().split_once('=').unwrap().1]))
                .ok();
        let end: u64 = end.line().parse().unwrap();

        let ask = |clock| {
            let http = format!(
                "  server {{ listen 127.0.0.1:PORT ssl; ssl_certificate DIR/server.pem; ssl_certificate_key DIR/server.key;
                 ssl_verify_client on; ssl_client_certificate {}; location / {{ return 200 '$ssl_client_s_dn'; }} }}\n",
                certificate.display()
            );
            Nginx::start(&lab, clock, &http).ask("/", &key, &certificate)
        };
        assert_eq!(ask(Clock::True).says("200").stdout, "OU=orders-api,CN=alice");
        ask(Clock::Frozen(end - 1)).says("200");
        // RFC 5280 counts notAfter's second in; OpenSSL doesn't.
        ask(Clock::Frozen(end)).says("400").says("The SSL certificate error");
    }
}
