//! The address on this machine that an issuer sends the browser back to (RFC 8252 7.3).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use jit_ca_api::SignOnView;

use crate::error::{Error, Result};

/// Where it waits: on the loopback interface alone, at a port that nobody chose.
pub(super) struct Callback {
    listener: TcpListener,
    port: u16,
}

/// The longest request that is read, and how long it may take to arrive.
const LONGEST: usize = 8 * 1024;
const ARRIVES_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked whether somebody came.
const LOOK: Duration = Duration::from_millis(50);

impl Callback {
    pub(super) fn listen() -> Result<Self> {
        let failed = |source: std::io::Error| Error::Program {
            program: "jit-ca",
            what: format!("wait for the browser on 127.0.0.1: {source}"),
            hint: "the issuer sends the browser back to this machine".to_owned(),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port })
    }

    /// What the issuer is told: the redirect URI.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/callback", self.port)
    }

    /// Waits for the code. What bears another state is answered and forgotten: any page can send a browser here.
    pub(super) fn code(&self, page: &SignOnView, state: &str, until: Instant) -> Result<String> {
        while Instant::now() < until {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if let Some(answer) = answer(stream, page, state) {
                        return answer;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(LOOK),
                Err(_) => {}
            }
        }
        Err(Error::Denied {
            what: "nobody signed on in time".to_owned(),
            hint: Some(
                "log in again: jit-ca login; where this machine has no browser: jit-ca login --device"
                    .to_owned(),
            ),
        })
    }
}

/// What one request says; none if it is not the one that is waited for.
fn answer(mut stream: TcpStream, page: &SignOnView, state: &str) -> Option<Result<String>> {
    let request = request(&mut stream)?;
    let said = request.strip_prefix("GET /callback?").and_then(|rest| rest.split(' ').next());
    let said: Option<BTreeMap<Cow<'_, str>, Cow<'_, str>>> =
        said.map(|query| form_urlencoded::parse(query.as_bytes()).collect());
    let ours = said.filter(|said| said.get("state").is_some_and(|given| given == state));
    let Some(said) = ours else {
        reply(&mut stream, "404 Not Found", "This is not the sign-on that jit-ca waits for.");
        return None;
    };
    let code = code_of(&said, page);
    match &code {
        Ok(_) => reply(&mut stream, "200 OK", "You have signed on. Go back to your terminal."),
        Err(_) => {
            reply(&mut stream, "400 Bad Request", "The sign-on failed. Your terminal says why.");
        }
    }
    Some(code)
}

fn code_of(said: &BTreeMap<Cow<'_, str>, Cow<'_, str>>, page: &SignOnView) -> Result<String> {
    // RFC 9207 2.4: an answer of another issuer, which was mixed up with this one.
    match said.get("iss") {
        Some(issuer) if *issuer != page.issuer => {
            let what =
                format!("the answer is of the issuer {}, not of {}", shown(issuer), page.issuer);
            return Err(Error::unverified(what));
        }
        None if page.names_itself => {
            return Err(Error::unverified("the answer does not say which issuer it is of"));
        }
        _ => {}
    }
    if let Some(error) = said.get("error") {
        let more = said.get("error_description").map(|text| format!(": {}", shown(text)));
        return Err(Error::Denied {
            what: format!("the issuer refuses: {}{}", shown(error), more.unwrap_or_default()),
            hint: Some("log in again, or ask whoever runs the issuer".to_owned()),
        });
    }
    let code = said.get("code").filter(|code| !code.is_empty());
    code.map(|code| code.clone().into_owned())
        .ok_or_else(|| Error::unverified("the issuer's answer holds no code"))
}

/// Somebody else's words, on one line of a terminal.
fn shown(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(200).collect()
}

/// The first line of a request, once its head has arrived.
fn request(stream: &mut TcpStream) -> Option<String> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(ARRIVES_WITHIN)).ok()?;
    stream.set_write_timeout(Some(ARRIVES_WITHIN)).ok()?;
    let (mut head, end) = (Vec::new(), Instant::now() + ARRIVES_WITHIN);
    let mut piece = [0; 1024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = stream.read(&mut piece).ok()?;
        head.extend_from_slice(piece.get(..read)?);
        if read == 0 || head.len() > LONGEST || Instant::now() > end {
            return None;
        }
    }
    String::from_utf8(head).ok()?.lines().next().map(ToOwned::to_owned)
}

/// A page that says one thing and loads nothing.
fn reply(stream: &mut TcpStream, status: &str, text: &str) {
    let page = format!(
        "<!doctype html><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>jit-ca</title>\
         <style>body{{font:18px/1.5 system-ui,sans-serif;margin:20vh auto;max-width:30em;padding:0 1em;color-scheme:light dark}}</style>\
         <h1>jit-ca</h1><p>{text}"
    );
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\r\n",
        page.len()
    );
    // A browser that went away has nothing to show.
    let _sent = stream.write_all(format!("{head}{page}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(names_itself: bool) -> SignOnView {
        SignOnView {
            issuer: "https://op.example".to_owned(),
            names_itself,
            authorization_endpoint: "https://op.example/auth".to_owned(),
            client: "jit-ca".to_owned(),
            scopes: vec!["openid".to_owned()],
            acr_values: Vec::new(),
        }
    }

    /// What a browser that asks for these gets, and what comes of it.
    fn asked(requests: &[String], page: &SignOnView) -> (Vec<String>, Result<String>) {
        let callback = Callback::listen().unwrap();
        let port = callback.port;
        let requests = requests.to_vec();
        let browser = std::thread::spawn(move || {
            let ask = |request: &String| {
                let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
                stream.write_all(request.as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                answer.lines().next().unwrap_or_default().to_owned()
            };
            requests.iter().map(ask).collect()
        });
        let code = callback.code(page, "right", Instant::now() + Duration::from_secs(10));
        (browser.join().unwrap(), code)
    }

    fn get(query: &str) -> String {
        format!("GET /callback?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    }

    #[test]
    fn only_the_answer_with_its_state_counts() {
        let others = [
            "GET /favicon.ico HTTP/1.1\r\n\r\n".to_owned(),
            "POST /callback?state=right&code=c HTTP/1.1\r\n\r\n".to_owned(),
            get("state=wrong&code=c"),
            get("code=c"),
        ];
        let requests = [&others[..], &[get("state=right&code=a%2Bb")]].concat();
        let (answers, code) = asked(&requests, &page(false));
        assert_eq!(code.unwrap(), "a+b");
        assert!(answers.iter().take(4).all(|answer| answer.contains("404")), "{answers:?}");
        assert!(answers.last().unwrap().contains("200 OK"));
    }

    #[test]
    fn an_answer_of_another_issuer_is_none() {
        for (query, names_itself, expected) in [
            (
                "state=right&code=c&iss=https%3A%2F%2Fevil.example",
                false,
                "of the issuer https://evil.example",
            ),
            ("state=right&code=c", true, "does not say which issuer"),
            (
                "state=right&error=access_denied&error_description=no%0A%1b%5B2J",
                false,
                "access_denied: no[2J",
            ),
            ("state=right", false, "holds no code"),
        ] {
            let (answers, code) = asked(&[get(query)], &page(names_itself));
            let said = code.unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
            assert!(answers[0].contains("400"), "{answers:?}");
        }
    }
}
