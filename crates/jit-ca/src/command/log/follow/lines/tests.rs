use super::*;

/// Lines of these entries; one of them is longer than what is read at once.
fn lines(indices: std::ops::Range<u64>) -> Vec<u8> {
    let line = |index| {
        let filler = "x".repeat(if index == 2 { 200_000 } else { 10 });
        format!("{{\"index\":{index},\"leaf\":\"{filler}\"}}\n")
    };
    indices.map(line).collect::<String>().into_bytes()
}

fn length(indices: std::ops::Range<u64>) -> u64 {
    lines(indices).len().try_into().unwrap()
}

struct Scene {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.jsonl");
        Self { folder, file }
    }

    fn holds(&self, indices: std::ops::Range<u64>) -> bool {
        fs::read(&self.file).unwrap() == lines(indices)
    }
}

#[test]
fn whatever_a_kill_left_behind_the_cursor_is_cut_off() {
    let scene = Scene::new();
    // After the lines of entry 3 the cursor was kept; then came all, or a part, or none of these.
    let (kept, more) = (lines(0..3), lines(3..6));
    for left in [0, 1, 17, more.len() - 1, more.len()] {
        fs::write(&scene.file, [&kept[..], &more[..left]].concat()).unwrap();
        let mut file = Lines::resume(&scene.file, 3, length(0..3)).unwrap();
        assert!(scene.holds(0..3), "{left}");
        file.append(&lines(3..5), 3).unwrap();
        assert!(scene.holds(0..5), "{left}");
        assert_eq!(file.length(), length(0..5));
    }
    // Before the first entry was kept.
    fs::write(&scene.file, &more[..20]).unwrap();
    Lines::resume(&scene.file, 3, 0).unwrap();
    assert!(scene.holds(0..0));
}

#[test]
fn a_file_that_was_moved_away_is_begun_anew() {
    let scene = Scene::new();
    let mut file = Lines::new(&scene.file).unwrap();
    file.append(&lines(0..3), 0).unwrap();
    fs::rename(&scene.file, scene.folder.path().join("log.jsonl.1")).unwrap();
    file.append(&lines(3..4), 3).unwrap();
    assert!(scene.holds(3..4));
    assert_eq!(file.length(), length(3..4));
    // Emptied in its place, as `copytruncate` of logrotate does.
    File::options().write(true).open(&scene.file).unwrap().set_len(0).unwrap();
    file.append(&lines(4..6), 4).unwrap();
    assert!(scene.holds(4..6));
    drop(file);

    // The same between two runs; and killed before the cursor tells of the new file.
    fs::rename(&scene.file, scene.folder.path().join("log.jsonl.2")).unwrap();
    fs::write(&scene.file, lines(6..9)).unwrap();
    let mut file = Lines::resume(&scene.file, 7, length(0..7)).unwrap();
    file.append(&lines(7..8), 7).unwrap();
    assert!(scene.holds(6..8));
    drop(file);

    // A new file that is longer than the old one was, which the cursor still tells of.
    fs::write(&scene.file, lines(7..12)).unwrap();
    Lines::resume(&scene.file, 9, length(0..1)).unwrap();
    assert!(scene.holds(7..9));
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let scene = Scene::new();
    fs::write(&scene.file, "somebody's\n").unwrap();
    Lines::new(&scene.file).unwrap_err();
    Lines::resume(&scene.file, 3, 500).unwrap_err();
    assert_eq!(fs::read_to_string(&scene.file).unwrap(), "somebody's\n");
    // Entries that were not the last, or not all, that were written.
    fs::write(&scene.file, lines(3..6)).unwrap();
    Lines::resume(&scene.file, 7, 500).unwrap_err();
    fs::write(&scene.file, [lines(3..5), lines(6..7)].concat()).unwrap();
    Lines::resume(&scene.file, 7, 500).unwrap_err();

    fs::write(&scene.file, "").unwrap();
    let _first = Lines::new(&scene.file).unwrap();
    let second = Lines::new(&scene.file).unwrap_err();
    let source = std::error::Error::source(&second).unwrap().to_string();
    assert!(source.contains("another process"), "{source}");
}
