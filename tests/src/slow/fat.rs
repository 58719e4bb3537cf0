//! What takes as much of the CA's memory as it lets a client take, and is never finished.

use std::io;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// How much the CA takes, without a login and with one (`jit-cad/src/http/calls.rs`, `connection.rs`).
struct Most {
    /// The head of a call, in HTTP/1 and in HTTP/2, where each field counts for 32 bytes more.
    head: usize,
    list: usize,
    body: usize,
    streams: u32,
}

const STRANGERS: Most = Most { head: 8_192, list: 3_072, body: 8_192, streams: 1 };
const KNOWN: Most = Most { head: 8_192, list: 3_072, body: 65_536, streams: 32 };

fn most(is_known: bool) -> Most {
    if is_known { KNOWN } else { STRANGERS }
}

/// What the CA takes of a handshake (`jit-cad/src/http/paced.rs`).
const HANDSHAKE: usize = 34 * 1024;

/// A ClientHello in records as large as there are, but for its end (RFC 8446, section 5.1).
pub(crate) fn hello() -> Vec<u8> {
    let mut message = vec![1, 0, 0xff, 0xf0];
    message.resize(HANDSHAKE - 100, 0);
    let record = |piece: &[u8]| {
        let [high, low] = u16::try_from(piece.len()).expect("a record").to_be_bytes();
        [&[0x16, 3, 1, high, low], piece].concat()
    };
    message.chunks(16_384).flat_map(record).collect()
}

/// A head of HTTP/1: of a GET, or of a POST with so large a body.
pub(crate) fn head(is_known: bool, body: usize) -> String {
    let what = if body == 0 { "GET /v1/openapi.json" } else { "POST /v1/logins" };
    let mut head =
        format!("{what} HTTP/1.1\r\nhost: ca\r\ncontent-length: {body}\r\nidempotency-key: x\r\n");
    // Few and long: the number of fields is bounded, too.
    for number in 0.. {
        let room = (most(is_known).head - 8).saturating_sub(head.len());
        let Some(length) = room.min(128).checked_sub(16) else { break };
        head += &format!("x-fat-{number:03}: {}\r\n", "x".repeat(length));
    }
    head + "\r\n"
}

/// A call of HTTP/1, but for its last byte.
pub(crate) fn call_but_its_end(is_known: bool) -> Vec<u8> {
    let body = most(is_known).body;
    let mut call = head(is_known, body).into_bytes();
    call.resize(call.len() + body - 1, b' ');
    call
}

/// Calls of HTTP/2, but for their ends, and one more, but for the end of its head.
pub(crate) fn streams(is_known: bool, have_bodies: bool) -> Vec<u8> {
    let Most { list, body, streams, .. } = most(is_known);
    let fields = fields(list);
    // All of them share one window: 65,535 bytes that nobody has read yet. The CA reads them.
    let (numbers, mut bytes) = ((1..).step_by(2), Vec::new());
    for number in numbers.clone().take(streams.try_into().expect("few")) {
        // HEADERS with END_HEADERS.
        bytes.extend(frame(1, 4, number, &fields));
        let body = if have_bodies { body - 1 } else { 0 };
        for piece in vec![b' '; body].chunks(8_192) {
            bytes.extend(frame(0, 0, number, piece));
        }
    }
    bytes.extend(frame(1, 0, 2 * streams + 1, &fields));
    bytes
}

/// Many short fields, which take most in memory, all kept for the next head, too (RFC 7541, appendix A and section
/// 6.2.1).
fn fields(list: usize) -> Vec<u8> {
    let mut fields = vec![0x83, 0x87, 0x41, 2, b'c', b'a', 0x44, 10];
    fields.extend(b"/v1/logins");
    fields.extend(b"\x40\x0fidempotency-key\x04slow");
    // These are 43, 44, 44, 47 and 51 bytes of the list, each of the others 34.
    let mut left = list - 229;
    for (one, two) in (b'a'..=b'z').flat_map(|one| (b'a'..=b'z').map(move |two| (one, two))) {
        // "te" has a meaning.
        if left > 34 && (one, two) != (b't', b'e') {
            left -= 34;
            fields.extend([0x40, 2, one, two, 0]);
        }
    }
    fields
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The beginning of a TLS record as large as there is: nothing of it can be read before its end (RFC 8446, section
/// 5.2).
pub(crate) async fn unfinished_record(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    stream.flush().await?;
    let tcp = stream.get_mut().0;
    tcp.write_all(&[0x17, 3, 3, 0x40, 0x10]).await?;
    tcp.write_all(&[0; 16_000]).await
}
