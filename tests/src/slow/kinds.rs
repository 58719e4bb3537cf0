//! The ways to be slow.

use std::io;
use std::time::Duration;

use clap::ValueEnum;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::sleep;

use crate::connect::Connecting;
use crate::fat;

/// A way to be slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Connects, and says nothing
    Silent,
    /// Sends a ClientHello a byte at a time
    Hello,
    /// Finishes the handshake, and asks for nothing
    Idle,
    /// Sends the head of a call a byte at a time
    Head,
    /// Sends the body of a call a byte at a time
    Body,
    /// Asks for much, many times, and reads nothing
    Reader,
    /// Opens calls of HTTP/2 that it does not finish
    Streams,
    /// Asks for much over HTTP/2, and gives no window to answer in
    Window,
    /// Sends a ClientHello as large as it may be, but for its end
    FatHello,
    /// Sends the head of a call, as large as it may be, but for its end
    FatHead,
    /// Sends a call as large as it may be, but for its end
    FatBody,
    /// Asks in as many words as it may, many times, and reads nothing
    FatReader,
    /// Opens as many calls of HTTP/2 as it may, as large as they may be, but for their ends
    FatStreams,
    /// Opens calls of HTTP/2 in as many fields as it may, and sends nothing more
    Fields,
    /// Opens calls of HTTP/2 and takes each back at once: a flood, and only where it is asked for
    Resets,
    /// Asks for a role and waits for the answer: honest work, but much (needs a login)
    Write,
    /// Waits for what does not come, as often as it may (needs a login)
    Poll,
}

/// How long between two bytes.
const BETWEEN_BYTES: Duration = Duration::from_secs(1);

impl Kind {
    /// Those that hold on.
    pub(crate) const SLOW: &[Self] = &[
        Self::Silent,
        Self::Hello,
        Self::Idle,
        Self::Head,
        Self::Body,
        Self::Reader,
        Self::Streams,
        Self::Window,
        Self::Fields,
        Self::FatHello,
        Self::FatHead,
        Self::FatBody,
        Self::FatReader,
        Self::FatStreams,
        Self::Poll,
    ];

    /// One such connection, until the other side ends it. `held` is called when it is as slow as it will be.
    pub(crate) async fn run(
        self,
        to: &Connecting,
        from: u16,
        held: impl FnOnce(),
    ) -> io::Result<()> {
        match self {
            Self::Silent => {
                let mut stream = to.tcp(from).await?;
                held();
                to_the_end(&mut stream).await
            }
            Self::Hello => {
                let mut stream = to.tcp(from).await?;
                let hello = to.hello()?;
                let (half, rest) = hello.split_at(hello.len() / 2);
                stream.write_all(half).await?;
                held();
                trickle(&mut stream, rest).await
            }
            Self::Idle => {
                let mut stream = to.tls(from, false).await?;
                held();
                to_the_end(&mut stream).await
            }
            Self::Head => {
                let mut stream = to.tls(from, false).await?;
                stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: ca\r\nx-slow: ").await?;
                held();
                trickle(&mut stream, &[b'x'; 10_000]).await
            }
            Self::Body => {
                let mut stream = to.tls(from, false).await?;
                let head = "POST /v1/logins HTTP/1.1\r\nhost: ca\r\ncontent-length: 10000\r\n\
                            content-type: application/json\r\nidempotency-key: slow\r\n\r\n";
                stream.write_all(head.as_bytes()).await?;
                held();
                trickle(&mut stream, &[b' '; 10_000]).await
            }
            Self::Reader => {
                let mut stream = to.tls(from, false).await?;
                let call = b"GET /v1/openapi.json HTTP/1.1\r\nhost: ca\r\n\r\n";
                stream.write_all(&call.repeat(50)).await?;
                held();
                // Not even the end is read: only a write finds out.
                loop {
                    sleep(BETWEEN_BYTES * 5).await;
                    stream.write_all(b"G").await?;
                }
            }
            Self::Poll => {
                let mut stream = to.tls(from, false).await?;
                let call =
                    "GET /v1/log/entries?start=1000000000&wait=30 HTTP/1.1\r\nhost: ca\r\n\r\n";
                stream.write_all(call.repeat(20).as_bytes()).await?;
                held();
                to_the_end(&mut stream).await
            }
            Self::Write => {
                let mut stream = to.tls(from, false).await?;
                let body = r#"{"role": "web-logs", "reason": "INC-42: orders time out"}"#;
                let key = stream.get_ref().0.local_addr()?;
                let head = format!(
                    "POST /v1/requests HTTP/1.1\r\nhost: ca\r\nconnection: close\r\ncontent-length: {}\r\n\
                     content-type: application/json\r\nidempotency-key: {key}\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + body).as_bytes()).await?;
                held();
                to_the_end(&mut stream).await
            }
            Self::FatHello => {
                let mut stream = to.tcp(from).await?;
                stream.write_all(&fat::hello()).await?;
                held();
                to_the_end(&mut stream).await
            }
            Self::FatHead => {
                let mut stream = to.tls(from, false).await?;
                stream.write_all(fat::head(to.is_known(), 0).trim_end().as_bytes()).await?;
                fat::unfinished_record(&mut stream).await?;
                held();
                to_the_end(&mut stream).await
            }
            Self::FatBody => {
                let mut stream = to.tls(from, false).await?;
                stream.write_all(&fat::call_but_its_end(to.is_known())).await?;
                fat::unfinished_record(&mut stream).await?;
                held();
                to_the_end(&mut stream).await
            }
            Self::FatReader => {
                let mut stream = to.tls(from, false).await?;
                let call = fat::head(to.is_known(), 0).repeat(50);
                // Until nothing more is taken from it.
                let all = stream.write_all(call.as_bytes());
                let _ = tokio::time::timeout(BETWEEN_BYTES * 2, all).await;
                held();
                loop {
                    sleep(BETWEEN_BYTES * 5).await;
                    stream.write_all(b"G").await?;
                }
            }
            Self::FatStreams => {
                let mut stream = to.tls(from, true).await?;
                stream.write_all(PREFACE).await?;
                stream.write_all(&fat::streams(to.is_known(), true)).await?;
                fat::unfinished_record(&mut stream).await?;
                held();
                to_the_end(&mut stream).await
            }
            Self::Fields => {
                let mut stream = to.tls(from, true).await?;
                stream.write_all(PREFACE).await?;
                stream.write_all(&fat::streams(to.is_known(), false)).await?;
                held();
                to_the_end(&mut stream).await
            }
            Self::Resets => {
                let mut stream = to.tls(from, true).await?;
                stream.write_all(PREFACE).await?;
                held();
                for number in (1_u32..).step_by(2).take(100) {
                    let mut bytes = call(number, true);
                    // RST_STREAM: CANCEL.
                    bytes.extend([0, 0, 4, 3, 0]);
                    bytes.extend(number.to_be_bytes());
                    bytes.extend([0, 0, 0, 8]);
                    stream.write_all(&bytes).await?;
                }
                let mut said = Vec::new();
                let _ = stream.read_to_end(&mut said).await;
                // GOAWAY of connection 0, whatever came last: ENHANCE_YOUR_CALM. Any other end is none.
                let is_told = |frame: &[u8]| {
                    frame.starts_with(&[7, 0, 0, 0, 0, 0]) && frame.ends_with(&[0, 0, 0, 11])
                };
                if !said.windows(14).any(is_told) {
                    std::future::pending::<()>().await;
                }
                Ok(())
            }
            Self::Streams | Self::Window => {
                let mut stream = to.tls(from, true).await?;
                let is_get = self == Self::Window;
                stream.write_all(PREFACE).await?;
                for number in [1, 3, 5, 7] {
                    stream.write_all(&call(number, is_get)).await?;
                }
                held();
                to_the_end(&mut stream).await
            }
        }
    }
}

/// HTTP/2's preface, and SETTINGS: INITIAL_WINDOW_SIZE is 0 (RFC 9113).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";

/// A call of HTTP/2: a GET, or a POST whose body never comes (header fields as in RFC 7541, appendix A).
fn call(stream: u32, is_get: bool) -> Vec<u8> {
    let path: &[u8] = if is_get { b"/v1/openapi.json" } else { b"/v1/logins" };
    // :method, :scheme https, :authority ca, :path
    let mut fields = vec![if is_get { 0x82 } else { 0x83 }, 0x87, 0x41, 2, b'c', b'a', 0x44];
    fields.push(u8::try_from(path.len()).expect("a short path"));
    fields.extend(path);
    if !is_get {
        fields.extend(b"\0\x0fidempotency-key\x04slow");
    }
    let length = u8::try_from(fields.len()).expect("a short head");
    // HEADERS with END_HEADERS; with END_STREAM, if there is no body.
    let mut bytes = vec![0, 0, length, 1, if is_get { 5 } else { 4 }];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(fields);
    bytes
}

async fn trickle(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    bytes: &[u8],
) -> io::Result<()> {
    for byte in bytes.chunks(1) {
        tokio::select! {
            ended = to_the_end(stream) => return ended,
            () = sleep(BETWEEN_BYTES) => {}
        }
        stream.write_all(byte).await?;
        stream.flush().await?;
    }
    to_the_end(stream).await
}

async fn to_the_end(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut bytes = [0; 512];
    while stream.read(&mut bytes).await? > 0 {}
    Ok(())
}
