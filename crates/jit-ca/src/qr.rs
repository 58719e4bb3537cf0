//! A QR code (ISO/IEC 18004) at the terminal, for the camera of whoever sits there.

use qrcode::{Color, QrCode};

/// As many light modules around it as section 6.3.8 asks for.
const QUIET: usize = 4;

/// The text as a QR code, where it has room in so many columns. Each character is two modules, one above the other; light
/// ones are drawn, in white on black whatever the terminal's colours are, since many cameras read no code of light on
/// dark.
pub(crate) fn at_terminal(text: &str, columns: usize) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    let (width, colors) = (code.width(), code.to_colors());
    let side = width.checked_add(2 * QUIET)?;
    if side > columns {
        return None;
    }
    let is_light = |x: usize, y: usize| {
        let (Some(x), Some(y)) = (x.checked_sub(QUIET), y.checked_sub(QUIET)) else { return true };
        if x >= width || y >= width {
            return true;
        }
        colors.get(y * width + x) != Some(&Color::Dark)
    };
    let mut drawn = String::new();
    for y in (0..side).step_by(2) {
        drawn.push_str(WHITE_ON_BLACK);
        drawn.extend((0..side).map(|x| {
            match (is_light(x, y), y + 1 < side && is_light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            }
        }));
        drawn.push_str(AS_BEFORE);
        drawn.push('\n');
    }
    Some(drawn)
}

/// Select graphic rendition (ECMA-48, 8.3.117): bright white on black, of the 256 colours, which no theme changes.
const WHITE_ON_BLACK: &str = "\u{1b}[38;5;231;48;5;16m";
const AS_BEFORE: &str = "\u{1b}[0m";

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::Command;

    const URI: &str = "otpauth://totp/ca.example.org%2Fjit-ca:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ca.example.org%2Fjit-ca";

    /// What stands at the terminal, as a picture (PGM), each module 4 pixels wide.
    fn picture(drawn: &str) -> Vec<u8> {
        let mut rows: Vec<Vec<bool>> = Vec::new();
        for line in drawn.lines() {
            let line = line.strip_prefix(WHITE_ON_BLACK).unwrap().strip_suffix(AS_BEFORE).unwrap();
            rows.push(line.chars().map(|c| "█▀".contains(c)).collect());
            rows.push(line.chars().map(|c| "█▄".contains(c)).collect());
        }
        let (width, height) = (rows[0].len() * 4, rows.len() * 4);
        let mut picture = format!("P5 {width} {height} 255\n").into_bytes();
        for row in rows {
            let line: Vec<u8> =
                row.iter().flat_map(|light| [if *light { 255 } else { 0 }; 4]).collect();
            (0..4).for_each(|_| picture.extend(&line));
        }
        picture
    }

    #[test]
    fn a_camera_reads_what_stands_at_the_terminal() {
        let drawn = at_terminal(URI, 80).unwrap();
        let mut file = tempfile::Builder::new().suffix(".pgm").tempfile().unwrap();
        file.write_all(&picture(&drawn)).unwrap();
        let mut zbarimg = Command::new("zbarimg");
        let read = zbarimg.args(["--quiet", "--raw"]).arg(file.path()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&read.stdout).trim_end(), URI, "{drawn}");
    }

    #[test]
    fn where_it_has_no_room_there_is_none() {
        let drawn = at_terminal(URI, 80).unwrap();
        let side = drawn.lines().next().unwrap().chars().filter(|c| "█▀▄ ".contains(*c)).count();
        assert!(at_terminal(URI, side).is_some());
        assert!(at_terminal(URI, side - 1).is_none());
        assert!(at_terminal(&"x".repeat(10_000), 10_000).is_none());
    }
}
