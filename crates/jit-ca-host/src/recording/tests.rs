use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jit_ca_core::SessionId;
use jit_ca_log::tree::{Frontier, leaf_hash};
use proptest::prelude::*;

use super::disk::crash;
use super::*;

const START: u64 = 1_790_000_000_000;
const WIDE: Bounds = Bounds { all: 1 << 30, session: 1 << 30 };

fn id() -> SessionId {
    SessionId::new(START, [7; 10])
}

fn opened() -> SessionOpened {
    SessionOpened {
        id: id(),
        host: "web1.example.org".parse().unwrap(),
        account: "deploy".to_owned(),
        from: Some("192.0.2.7".to_owned()),
        certificate: Some(Certified {
            ca: "SHA256:abc".to_owned(),
            serial: 7,
            key_id: "jit-ca:g-1:i-1:ada".to_owned(),
            valid_before: START / 1000 + 3600,
        }),
        opened_ms: START,
    }
}

fn header() -> Header {
    let terminal = Terminal { cols: 100, rows: 30, term: "xterm".to_owned() };
    Header { started_ms: START, terminal: Some(terminal), command: Some("top".to_owned()) }
}

fn closed() -> SessionClosed {
    SessionClosed { why: End::Expired, closed_ms: START + 60_000 }
}

fn spool(state: &Path) -> Spool {
    Spool::open(state, WIDE).unwrap()
}

/// What the chunks in a channel's folder hold together.
fn text(channel: &Path) -> String {
    let chunks = chunks::present(channel).unwrap().into_iter();
    chunks.map(|chunk| fs::read_to_string(chunks::file_of(channel, chunk)).unwrap()).collect()
}

#[test]
fn it_is_an_asciicast() {
    let state = tempfile::tempdir().unwrap();
    let spool = spool(state.path());
    spool.open_session(&opened()).unwrap();
    let mut recording = spool.channel(&id(), 1, &header()).unwrap();
    let name = |name: &str| FileName::from(name.as_bytes());
    for (at, frame) in [
        (248, Frame::Output(b"5 \xe2\x82")),
        (1249, Frame::Output(b"\xac\x1b[0m\r\n")),
        (1249, Frame::Input(b"q")),
        // The clock was set back: no time goes by until it is there again.
        (1000, Frame::Resize { cols: 90, rows: 30 }),
        (1251, Frame::File(FileUse::Read(name("/etc/motd"), 286))),
        (1252, Frame::Mark("one minute left")),
        (61_252, Frame::Exit(0)),
        (61_253, Frame::Output(b"\xff\xe2")),
    ] {
        recording.write(START + at, frame).unwrap();
    }
    assert_eq!(recording.frames(), 8);
    let sealed = recording.end(START + 61_300).unwrap();
    let folder = spool.folder(&id(), 1);
    let header = concat!(
        r#"{"version":3,"term":{"cols":100,"rows":30,"type":"xterm"},"timestamp":1790000000,"command":"top","#,
        r#""jit-ca":{"session":"s-01m3250v000w3ge1r70w3ge1r7","channel":1,"started_ms":1790000000000}}"#
    );
    let lines = [
        header,
        "# held o e282",
        r#"[0.248,"o","5 "]"#,
        "[1.001,\"o\",\"\u{20ac}\\u001b[0m\\r\\n\"]",
        r#"[0.000,"i","q"]"#,
        r#"[0.000,"r","90x30"]"#,
        r#"[0.002,"m","read /etc/motd 286"]"#,
        r#"[0.001,"m","one minute left"]"#,
        r#"[60.000,"x","0"]"#,
        "# held o e2",
        "[0.001,\"o\",\"\u{fffd}\"]",
        "[0.047,\"o\",\"\u{fffd}\"]",
    ];
    assert_eq!(text(&folder).lines().collect::<Vec<_>>(), lines);
    assert_eq!(sealed.bytes, text(&folder).len() as u64);
}

#[test]
fn chunks_are_sealed_by_length_and_age() {
    let state = tempfile::tempdir().unwrap();
    let spool = spool(state.path());
    spool.open_session(&opened()).unwrap();
    let mut recording = spool.channel(&id(), 1, &header()).unwrap();
    recording.seal_due(START + 4999).unwrap();
    assert_eq!(spool.waiting().unwrap(), []);
    recording.seal_due(START + 5000).unwrap();
    // Nothing was written since: there is nothing to seal.
    recording.seal_due(START + 20_000).unwrap();
    let first = spool.waiting().unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].hash, leaf_hash(&fs::read(&first[0].file).unwrap()));
    recording.write(START + 21_000, Frame::Output(&[b'a'; 32 * 1024])).unwrap();
    recording.seal_due(START + 25_999).unwrap();
    assert_eq!(spool.waiting().unwrap().len(), 1);
    recording.write(START + 25_999, Frame::Output(&[b'b'; 32 * 1024])).unwrap();
    let waiting = spool.waiting().unwrap();
    assert_eq!(waiting.len(), 2);
    assert!(waiting[1].bytes <= writer::LENGTH);
    recording.write(START + 26_000, Frame::Output(b"c")).unwrap();
    let long = Frame::Output(&[0; 2 * LONGEST_FRAME]);
    assert!(matches!(recording.write(START + 26_000, long), Err(Fault::State(..))));
    assert_eq!(recording.frames(), 3);
    let command = Some("a".repeat(65_536));
    let long = spool.channel(&id(), 2, &Header { command, ..header() });
    assert!(matches!(long, Err(Fault::State(..))));
    assert_eq!(spool.channels(&id()).unwrap(), [1]);
    recording.seal_due(START + 31_000).unwrap();
    let waiting = spool.waiting().unwrap();
    let mut tree = Frontier::default();
    waiting.iter().for_each(|chunk| tree.push(chunk.hash));
    let sealed = recording.end(START + 31_001).unwrap();
    assert_eq!((sealed.chunks, sealed.root), (3, tree.root()));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&waiting[0].file), 0o600);
    for folder in [spool.folder(&id(), 1), state.path().join("sessions")] {
        assert_eq!(mode(&folder), 0o700);
    }
    for file in ["chunks", "sealed.json", "../open.json"] {
        assert_eq!(mode(&spool.folder(&id(), 1).join(file)), 0o600, "{file}");
    }
}

/// What somebody does to a channel's folder.
type Damage = fn(&Path);

/// A session with a channel of five chunks, of which two were fetched.
fn recorded(state: &Path) -> Sealed {
    let spool = spool(state);
    spool.open_session(&opened()).unwrap();
    let mut recording = spool.channel(&id(), 1, &header()).unwrap();
    for second in 0..5 {
        let at = START + second * 6000;
        recording.write(at, Frame::Output(format!("{second}").as_bytes())).unwrap();
        recording.seal_due(at + 5999).unwrap();
    }
    let sealed = recording.end(START + 40_000).unwrap();
    spool.close_session(&id(), &closed()).unwrap();
    spool.fetched(&id(), 1, 0).unwrap();
    spool.fetched(&id(), 1, 1).unwrap();
    sealed
}

#[test]
fn what_is_altered_cut_or_reordered_is_found() {
    let whole = tempfile::tempdir().unwrap();
    let sealed = recorded(whole.path());
    let folder = spool(whole.path()).folder(&id(), 1);
    let verified = verify(&folder).unwrap();
    let expected = Verified { root: sealed.root, chunks: 5, fetched: 2, ended: true };
    assert_eq!(verified, expected);

    let damages: [(&str, Damage); 9] = [
        ("a byte", |folder| {
            let path = chunks::file_of(folder, 3);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replace("\"3\"", "\"4\"")).unwrap();
        }),
        ("its end", |folder| fs::write(chunks::file_of(folder, 4), "").unwrap()),
        ("a chunk in the middle", |folder| fs::remove_file(chunks::file_of(folder, 3)).unwrap()),
        ("the last chunk", |folder| fs::remove_file(chunks::file_of(folder, 4)).unwrap()),
        ("a chunk too many", |folder| fs::write(chunks::file_of(folder, 5), "").unwrap()),
        ("two swapped", |folder| {
            let (a, b) = (chunks::file_of(folder, 3), chunks::file_of(folder, 4));
            let (left, right) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
            fs::write(a, right).unwrap();
            fs::write(b, left).unwrap();
        }),
        ("two swapped with their lines", |folder| {
            let (a, b) = (chunks::file_of(folder, 3), chunks::file_of(folder, 4));
            let (left, right) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
            fs::write(a, right).unwrap();
            fs::write(b, left).unwrap();
            let list = fs::read_to_string(chunks::list_of(folder)).unwrap();
            let mut lines: Vec<&str> = list.lines().collect();
            lines.swap(3, 4);
            fs::write(chunks::list_of(folder), lines.join("\n") + "\n").unwrap();
        }),
        ("the last one with its line", |folder| {
            fs::remove_file(chunks::file_of(folder, 4)).unwrap();
            let list = fs::read_to_string(chunks::list_of(folder)).unwrap();
            let kept: Vec<&str> = list.lines().take(4).collect();
            fs::write(chunks::list_of(folder), kept.join("\n") + "\n").unwrap();
        }),
        ("the hash of one that was fetched", |folder| {
            let list = fs::read_to_string(chunks::list_of(folder)).unwrap();
            let mut lines: Vec<String> = list.lines().map(str::to_owned).collect();
            lines[0] = lines[1].clone();
            fs::write(chunks::list_of(folder), lines.join("\n") + "\n").unwrap();
        }),
    ];
    for (what, damage) in damages {
        let state = tempfile::tempdir().unwrap();
        recorded(state.path());
        let folder = spool(state.path()).folder(&id(), 1);
        assert_eq!(verify(&folder).unwrap(), expected);
        damage(&folder);
        assert!(matches!(verify(&folder), Err(Fault::Altered(..))), "{what}");
    }
}

#[test]
fn it_is_on_the_disk_before_it_is_said_to_be() {
    let state = tempfile::tempdir().unwrap();
    let spool = spool(state.path());
    spool.open_session(&opened()).unwrap();
    crash::done();
    let mut recording = spool.channel(&id(), 1, &header()).unwrap();
    let put = ["create", "write", "sync", "rename", "sync folder"];
    let chunk = ["create", "create", "write", "sync", "sync folder", "rename", "sync folder"];
    assert_eq!(crash::done(), [&["make folder"], &put[..], &chunk[..]].concat());
    recording.write(START, Frame::Output(b"a")).unwrap();
    assert_eq!(crash::done(), ["write"]);
    recording.seal_due(START + 5000).unwrap();
    // The chunk and its name, and then its line.
    assert_eq!(crash::done(), ["sync", "sync folder", "write", "sync"]);
    recording.end(START + 5000).unwrap();
    assert_eq!(crash::done(), put);
}

#[test]
fn bounds_hold_and_leave_last_words() {
    let state = tempfile::tempdir().unwrap();
    let bounds = Bounds { all: 60_000, session: 40_000 };
    let spool = Spool::open(state.path(), bounds).unwrap();
    spool.open_session(&opened()).unwrap();
    let mut recording = spool.channel(&id(), 1, &header()).unwrap();
    let mut at = START;
    let fault = loop {
        at += 1000;
        if let Err(fault) = recording.write(at, Frame::Output(&[b'a'; 1000])) {
            break fault;
        }
        recording.seal_due(at).unwrap();
        assert!(spool.bytes() <= bounds.session);
    };
    assert!(matches!(fault, Fault::Full(Bound::Session)), "{fault}");
    assert!(spool.bytes() > bounds.session - 6000);
    recording.write(at, Frame::Mark("its recording is as long as one may be")).unwrap();
    recording.write(at, Frame::Exit(1)).unwrap();
    while recording.write(at, Frame::Exit(1)).is_ok() {}
    let most = bounds.session + bounds::LAST_WORDS;
    assert!((most - 16..=most).contains(&spool.bytes()));
    let frames = recording.frames();
    recording.end(at).unwrap();
    let other = SessionOpened { id: SessionId::new(START + 1, [1; 10]), ..opened() };
    spool.open_session(&other).unwrap();
    drop(spool.channel(&other.id, 1, &header()).unwrap());
    let third = SessionOpened { id: SessionId::new(START + 2, [1; 10]), ..opened() };
    assert!(matches!(spool.open_session(&third), Err(Fault::Full(Bound::All))));
    assert_eq!(spool.sessions().unwrap(), [id(), other.id]);

    // The same is counted when it is opened again, and less when some was fetched.
    let counted = spool.bytes();
    drop(spool);
    let spool = Spool::open(state.path(), bounds).unwrap();
    assert_eq!(spool.bytes(), counted);
    spool.close_session(&id(), &closed()).unwrap();
    let first = spool.waiting().unwrap()[0].clone();
    assert!(matches!(spool.fetched(&id(), 1, 1), Err(Fault::State(..))), "not in order");
    spool.fetched(&id(), 1, 0).unwrap();
    assert_eq!(spool.bytes(), counted - first.bytes - bounds::BLOCK);
    spool.open_session(&third).unwrap();
    assert!(frames > 20);
}

#[test]
fn one_process_and_one_writer() {
    let state = tempfile::tempdir().unwrap();
    let spool = spool(state.path());
    assert!(matches!(Spool::open(state.path(), WIDE), Err(Fault::InUse(_))));
    spool.open_session(&opened()).unwrap();
    assert!(matches!(spool.open_session(&opened()), Err(Fault::State(..))));
    let recording = spool.channel(&id(), 1, &header()).unwrap();
    assert!(matches!(spool.resume(&id(), 1), Err(Fault::State(..))));
    assert!(matches!(spool.channel(&id(), 1, &header()), Err(Fault::State(..))));
    assert!(matches!(spool.close_session(&id(), &closed()), Err(Fault::State(..))));
    drop(recording);
    assert!(matches!(spool.channel(&id(), 1, &header()), Err(Fault::State(..))));
    // Nobody ends it any more: it ends with the session.
    spool.close_session(&id(), &closed()).unwrap();
    assert!(matches!(spool.resume(&id(), 1), Err(Fault::State(..))));
    assert!(matches!(spool.channel(&id(), 2, &header()), Err(Fault::State(..))));
    assert!(matches!(spool.remove_session(&id()), Err(Fault::State(..))), "its chunk waits");
    assert_eq!(spool.closed(&id()).unwrap().unwrap().channels[&1].chunks, 1);
    drop(spool);
    let half = state.path().join("sessions/s-01m3250v000w3ge1r70w3ge1r8.new");
    fs::create_dir(&half).unwrap();
    drop(Spool::open(state.path(), WIDE).unwrap());
    assert!(!half.exists());
}

/// What is shown, a frame a second; characters break off, and one frame fills a chunk.
fn frames() -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = "a\u{20ac}b\u{1f600}".bytes().map(|byte| vec![byte]).collect();
    frames.extend(vec![vec![b'\x1b'; LONGEST_FRAME]; 2]);
    frames.extend("\u{e4}!".bytes().map(|byte| vec![byte]));
    frames
}

/// Goes on with a session wherever it was left, up to its removal; what is fetched is put into `fetched`.
/// `kept` is how many frames were acknowledged.
fn go_on(state: &Path, kept: &mut u64, fetched: &mut BTreeMap<u64, Vec<u8>>) -> Result<(), Fault> {
    let spool = Spool::open(state, WIDE)?;
    if !spool.sessions()?.contains(&id()) {
        if !fetched.is_empty() {
            return Ok(());
        }
        spool.open_session(&opened())?;
    }
    assert_eq!(spool.opened(&id())?, opened());
    if spool.closed(&id())?.is_none() {
        let folder = spool.folder(&id(), 1);
        let recording = match spool.channels(&id())?.is_empty() {
            true => Some(spool.channel(&id(), 1, &header())?),
            false if chunks::read_end(&folder)?.is_some() => None,
            false => Some(spool.resume(&id(), 1)?),
        };
        if let Some(mut recording) = recording {
            // What was acknowledged is there, and at most the one more whose acknowledgement the kill took.
            assert!((*kept..=*kept + 1).contains(&recording.frames()));
            *kept = recording.frames();
            for (second, frame) in (1..).zip(frames()).skip(usize::try_from(*kept).unwrap()) {
                let at = START + second * 1000;
                recording.write(at, Frame::Output(&frame))?;
                *kept = recording.frames();
                recording.seal_due(at)?;
            }
            recording.end(START + 20_000)?;
        }
        verify(&folder)?;
        spool.close_session(&id(), &closed())?;
    }
    let root = spool.closed(&id())?.unwrap().channels[&1].root;
    assert_eq!(verify(&spool.folder(&id(), 1))?.root, root);
    for waiting in spool.waiting()? {
        assert!((1..=writer::LENGTH).contains(&waiting.bytes));
        fetched.insert(waiting.chunk, fs::read(&waiting.file).unwrap());
        spool.fetched(&id(), 1, waiting.chunk)?;
    }
    assert_eq!(verify(&spool.folder(&id(), 1))?.root, root);
    let mut tree = Frontier::default();
    fetched.values().for_each(|chunk| tree.push(leaf_hash(chunk)));
    assert_eq!(tree.root(), root);
    spool.remove_session(&id())
}

#[test]
fn killed_after_any_step_it_goes_on() {
    // Without a kill, first: what has to come out.
    let whole = tempfile::tempdir().unwrap();
    let mut expected = BTreeMap::new();
    go_on(whole.path(), &mut 0, &mut expected).unwrap();
    let text = |chunks: &BTreeMap<u64, Vec<u8>>| {
        let bytes: Vec<u8> = chunks.values().flatten().copied().collect();
        String::from_utf8(bytes).unwrap()
    };
    let expected = text(&expected);
    assert!(expected.matches(",\"o\",").count() == frames().len());

    let mut steps = 0;
    for steps_before in 0.. {
        let state = tempfile::tempdir().unwrap();
        let (mut kept, mut fetched) = (0, BTreeMap::new());
        crash::after(Some(steps_before));
        let killed = go_on(state.path(), &mut kept, &mut fetched);
        crash::after(None);
        if killed.is_ok() {
            break;
        }
        // It is killed once more, soon after it is up again, and then left alone.
        crash::after(Some(steps_before % 7));
        let again = go_on(state.path(), &mut kept, &mut fetched);
        crash::after(None);
        if again.is_err() {
            go_on(state.path(), &mut kept, &mut fetched).unwrap();
        }
        assert_eq!(text(&fetched), expected, "killed after {steps_before} steps");
        let left = fs::read_dir(state.path().join("sessions")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"], "killed after {steps_before} steps");
        steps = steps_before;
    }
    assert!(steps > 40, "only {steps} steps");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn cut_anywhere_it_is_what_it_was_behind_a_frame(
        frames in prop::collection::vec((0_u64..9000, prop::collection::vec(any::<u8>(), 0..9)), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let state = tempfile::tempdir().unwrap();
        let folder = {
            let spool = spool(state.path());
            spool.open_session(&opened()).unwrap();
            let mut recording = spool.channel(&id(), 1, &header()).unwrap();
            let mut at = START;
            for (passed, bytes) in &frames {
                at += passed;
                recording.write(at, Frame::Output(bytes)).unwrap();
            }
            spool.folder(&id(), 1)
        };
        let path = chunks::file_of(&folder, 0);
        let bytes = fs::read(&path).unwrap();
        let header_length = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        let cut = header_length + cut.index(bytes.len() - header_length + 1);
        fs::write(&path, bytes.split_at(cut).0).unwrap();

        let spool = spool(state.path());
        let mut recording = spool.resume(&id(), 1).unwrap();
        let kept = recording.frames();
        let mut at = START;
        for (number, (passed, bytes)) in (0..).zip(&frames) {
            at += passed;
            if number >= kept {
                recording.write(at, Frame::Output(bytes)).unwrap();
            }
        }
        let counted = spool.bytes();
        drop((recording, spool));
        prop_assert_eq!(fs::read(&path).unwrap(), bytes);
        prop_assert_eq!(Spool::open(state.path(), WIDE).unwrap().bytes(), counted);
    }
}
