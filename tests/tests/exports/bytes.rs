//! Changes of an export's bytes with everything else left as it is: what a bad disk does, or somebody in a hurry.

use jit_ca_log::{Part, part};

use super::Said;

/// A file of the archive: its name, and what it holds.
type Member = (String, Vec<u8>);

/// An archive taken apart.
#[derive(Clone)]
struct Blocks {
    members: Vec<Member>,
}

/// Names, files, and what has to be said of each; nothing where only both verifiers have to say the same.
pub(super) fn all(whole: &[u8], places: usize) -> Vec<(String, Vec<u8>, Option<Said>)> {
    let mut made = Vec::new();
    for place in 0..places {
        for (name, bytes, said) in
            [cuts(whole, place), members(whole, place), contents(whole, place)].concat()
        {
            made.push((format!("bytes-{name}-{place}"), bytes, said));
        }
    }
    made
}

type Made = Vec<(&'static str, Vec<u8>, Option<Said>)>;

/// A place in a range: the first, the last, or one between.
fn nth(place: usize, count: usize) -> usize {
    match place {
        0 => 0,
        1 => count - 1,
        _ => place * 7919 % count,
    }
}

fn archive() -> Option<Said> {
    Some(Said::fault("archive", None))
}

fn cuts(whole: &[u8], place: usize) -> Made {
    let blocks = whole.len() / 512;
    let cut = 512 * (1 + nth(place, blocks - 1));
    let mut flipped = whole.to_vec();
    let headers = Blocks::read(whole).header_places();
    // The size's last digit, the checksum, an unused field, the name.
    let field = [135, 148, 300, 3, 257, 99][place % 6];
    flipped[headers[nth(place, headers.len())] + field] ^= 1;
    let mut twice = whole.to_vec();
    twice.splice(cut..cut, whole[cut - 512..cut].to_vec());
    vec![
        ("truncated", whole[..cut].to_vec(), archive()),
        ("cut-short", whole[..whole.len() - 1 - place].to_vec(), archive()),
        ("lengthened", [whole, &vec![0; 1 + 511 * place]].concat(), archive()),
        ("flipped-header", flipped, archive()),
        ("doubled-block", twice, None),
    ]
}

fn members(whole: &[u8], place: usize) -> Made {
    let read = Blocks::read(whole);
    let parts = read.members.iter().filter(|(name, _)| name.parse::<Part>().is_ok()).count();
    let change = |change: &dyn Fn(&mut Vec<Member>)| {
        let mut blocks = read.clone();
        change(&mut blocks.members);
        blocks.bytes()
    };
    let copies = 2 + parts..read.members.len();
    let part = 2 + nth(place, parts);
    let copy = copies.start + nth(place, copies.len());
    let fault = |code| Some(Said::fault(code, None));
    vec![
        ("no-part", change(&|members| drop(members.remove(part))), archive()),
        ("parts-swapped", change(&|members| members.swap(part, 2 + (part - 1) % parts)), archive()),
        ("part-doubled", change(&|members| members.insert(part, members[part].clone())), archive()),
        (
            "part-behind",
            change(&|members| {
                let moved = members.remove(part);
                members.push(moved);
            }),
            archive(),
        ),
        ("renamed", change(&|members| members[part].0.push('0')), archive()),
        (
            "added",
            change(&|members| members.push((format!("notes-{place}"), Vec::new()))),
            archive(),
        ),
        ("no-checkpoint", change(&|members| drop(members.remove(place % 2))), archive()),
        ("no-copy", change(&|members| drop(members.remove(copy))), fault("copy")),
        ("copy-renamed", change(&|members| members[copy].0.push('~')), fault("copy")),
        (
            "copy-added",
            change(&|members| {
                members.push((format!("bundles/{place}/more"), Vec::new()));
            }),
            fault("copy"),
        ),
        (
            "copies-swapped",
            change(&|members| members.swap(copy, copy - 1 + 2 * usize::from(place == 0))),
            fault("copy"),
        ),
        ("copy-changed", change(&|members| flip(&mut members[copy].1, place)), fault("copy")),
    ]
}

fn contents(whole: &[u8], place: usize) -> Made {
    let read = Blocks::read(whole);
    let of = |start: &str, place: usize| {
        let found: Vec<usize> =
            (0..read.members.len()).filter(|&at| read.members[at].0.starts_with(start)).collect();
        found[nth(place, found.len())]
    };
    let change = |member: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut blocks = read.clone();
        change(&mut blocks.members[member].1);
        blocks.bytes()
    };
    let first =
        |member: usize| -> u64 { read.members[member].0.parse::<Part>().unwrap().range().0 };
    let (tile, leaves) = (of("tile/0/", place), of("tile/entries/", place));
    let payloads = of("payloads/", place);
    let hash = nth(place + 2, read.members[tile].1.len() / 32);
    let at = |member: usize, nth: usize| Some(first(member) + u64::try_from(nth).unwrap());
    let (found, _) = part::read_entries(&read.members[leaves].1);
    let leaf = nth(place + 3, found.len());
    let (found, _) = part::read_payloads(&read.members[payloads].1);
    let there: Vec<usize> = (0..found.len()).filter(|&at| !found[at].is_empty()).collect();
    let payload = there[nth(place + 4, there.len())];
    let last = found.len() - 1;
    let fault = |code, index| Some(Said::fault(code, index));
    let rewritten = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let (found, _) = part::read_payloads(&read.members[payloads].1);
        let mut found: Vec<Vec<u8>> = found.into_iter().map(<[u8]>::to_vec).collect();
        change(&mut found);
        let records = found.iter().map(|record| (!record.is_empty()).then_some(record.as_slice()));
        let bytes = part::write_payloads(records).unwrap();
        let mut blocks = read.clone();
        blocks.members[payloads].1 = bytes;
        blocks.bytes()
    };
    vec![
        (
            "hash-changed",
            change(tile, &|bytes| bytes[32 * hash + place] ^= 1),
            fault("hash", at(tile, hash)),
        ),
        (
            "leaf-changed",
            change(leaves, &|bytes| {
                let (found, _) = part::read_entries(bytes);
                let before: usize = found[..leaf].iter().map(|found| 2 + found.len()).sum();
                let length = found[leaf].len();
                bytes[before + 2 + place * 13 % length] ^= 1;
            }),
            fault("hash", at(leaves, leaf)),
        ),
        (
            "salt-changed",
            rewritten(&|found| found[payload][place] ^= 1),
            fault("payload", at(payloads, payload)),
        ),
        (
            "payload-changed",
            rewritten(&|found| {
                let last = found[payload].len() - 1;
                found[payload][last] ^= 1;
            }),
            fault("payload", at(payloads, payload)),
        ),
        (
            "payload-cut",
            rewritten(&|found| shorten(&mut found[payload])),
            fault("payload", at(payloads, payload)),
        ),
        ("payload-taken", rewritten(&|found| found[payload].clear()), None),
        (
            "payloads-swapped",
            rewritten(&|found| found.swap(payload, there[(payload + 1) % there.len()])),
            None,
        ),
        ("part-short", change(payloads, &shorten), fault("missing", at(payloads, last))),
        (
            "part-long",
            change(payloads, &|bytes| bytes.extend([0, 0, 0, 0])),
            fault("surplus", None),
        ),
        ("leaves-long", change(leaves, &|bytes| bytes.push(0)), fault("surplus", None)),
        ("tile-long", change(tile, &|bytes| bytes.push(0)), fault("surplus", None)),
        (
            "upper-tile",
            change(of("tile/1/", place), &|bytes| flip(bytes, place)),
            fault("tile", None),
        ),
        (
            "note-changed",
            change(0, &|bytes| {
                let size = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
                // The origin, the root, the signature.
                let at = [3, size + 6, bytes.len() - 8][place % 3];
                bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
            }),
            fault("checkpoint", None),
        ),
        (
            "size-changed",
            change(0, &|bytes| {
                let size = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
                bytes[size + place % 3] = b'0' + (bytes[size + place % 3] - b'0') % 9 + 1;
            }),
            archive(),
        ),
        ("key-changed", change(1, &|bytes| flip(bytes, 3 + place)), fault("checkpoint", None)),
    ]
}

fn shorten(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() - 1);
}

fn flip(bytes: &mut [u8], place: usize) {
    let at = place * 31 % bytes.len();
    bytes[at] ^= 1;
}

impl Blocks {
    fn read(whole: &[u8]) -> Self {
        let mut members = Vec::new();
        let mut rest = whole;
        while rest.len() > 1024 {
            let (header, behind) = rest.split_at(512);
            let text = |from: usize, width: usize| {
                let field = header[from..from + width].split(|&byte| byte == 0).next().unwrap();
                std::str::from_utf8(field).unwrap().to_owned()
            };
            let size = usize::from_str_radix(&text(124, 12), 8).unwrap();
            let (name, prefix) = (text(0, 100), text(345, 155));
            let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            members.push((name, behind[..size].to_vec()));
            rest = &behind[size.next_multiple_of(512)..];
        }
        Self { members }
    }

    /// Where the headers are.
    fn header_places(&self) -> Vec<usize> {
        let mut at = 0;
        let places = self.members.iter().map(|(_, bytes)| {
            let place = at;
            at += 512 + bytes.len().next_multiple_of(512);
            place
        });
        places.collect()
    }

    /// The archive again: with headers that fit, so that nothing but the change is wrong.
    fn bytes(&self) -> Vec<u8> {
        let mut to = jit_ca_log::ArchiveWriter::new(Vec::new());
        for (name, bytes) in &self.members {
            to.member(name, bytes).unwrap();
        }
        to.finish().unwrap()
    }
}
