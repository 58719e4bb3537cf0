//! The address on this machine that a browser is sent back to with an answer (RFC 8252 7.3).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// What the browser was sent back with: names and values.
pub(crate) type Said<'s> = BTreeMap<Cow<'s, str>, Cow<'s, str>>;

/// Where it waits: on the loopback interface alone, at a port that nobody chose.
pub(crate) struct Callback {
    listener: TcpListener,
    port: u16,
}

/// The longest request that is read, and how long it may take to arrive.
const LONGEST: usize = 8 * 1024;
const ARRIVES_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked whether somebody came.
const LOOK: Duration = Duration::from_millis(50);

impl Callback {
    pub(crate) fn listen() -> Result<Self> {
        let failed = |source: std::io::Error| Error::Program {
            program: "jit-ca",
            what: format!("wait for the browser on 127.0.0.1: {source}"),
            hint: "the browser is sent back to this machine".to_owned(),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port })
    }

    /// Where the browser is to be sent.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/callback", self.port)
    }

    /// The port of that.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the answer that bears this state. Others are forgotten: any page can send a browser here.
    pub(crate) fn wait<T>(
        &self,
        state: &str,
        until: Instant,
        read: impl Fn(&Said<'_>) -> Result<T>,
    ) -> Result<T> {
        while Instant::now() < until {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if let Some(answer) = answer(stream, state, &read) {
                        return answer;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(LOOK),
                Err(_) => {}
            }
        }
        Err(Error::Denied {
            what: "nobody answered in the browser in time".to_owned(),
            hint: Some("run the command again".to_owned()),
        })
    }
}

/// What one request says; none if it is not the one that is waited for.
fn answer<T>(
    mut stream: TcpStream,
    state: &str,
    read: impl Fn(&Said<'_>) -> Result<T>,
) -> Option<Result<T>> {
    let request = request(&mut stream)?;
    let said = request.strip_prefix("GET /callback?").and_then(|rest| rest.split(' ').next());
    let said: Option<Said<'_>> =
        said.map(|query| form_urlencoded::parse(query.as_bytes()).collect());
    let ours = said.filter(|said| said.get("state").is_some_and(|given| given == state));
    let Some(said) = ours else {
        reply(&mut stream, "404 Not Found", "This is not the answer that jit-ca waits for.");
        return None;
    };
    let answer = read(&said);
    match &answer {
        Ok(_) => reply(&mut stream, "200 OK", "That was it. Go back to your terminal."),
        Err(_) => reply(&mut stream, "400 Bad Request", "It failed. Your terminal says why."),
    }
    Some(answer)
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

    /// What a browser that asks for these gets, and what comes of it.
    fn asked(requests: &[String]) -> (Vec<String>, Result<String>) {
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
        let until = Instant::now() + Duration::from_secs(10);
        let answer = callback.wait("right", until, |said| {
            said.get("code").map(|code| code.clone().into_owned()).ok_or(Error::NotLoggedIn)
        });
        (browser.join().unwrap(), answer)
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
        let (answers, answer) = asked(&requests);
        assert_eq!(answer.unwrap(), "a+b");
        assert!(answers.iter().take(4).all(|answer| answer.contains("404")), "{answers:?}");
        assert!(answers.last().unwrap().contains("200 OK"));
    }

    #[test]
    fn what_can_t_be_used_is_said_to_the_browser_as_well() {
        let (answers, answer) = asked(&[get("state=right")]);
        assert!(answer.is_err());
        assert!(answers[0].contains("400"), "{answers:?}");
    }
}
