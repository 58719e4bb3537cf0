//! `[recordings]`: where what was recorded of sessions is kept, and for how long. None is kept where it does not stand.

use std::path::{Path, PathBuf};

use jit_ca_core::{Size, Span};

use super::section::Section;

/// Where recordings are kept, how many and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingsKept {
    /// The folder.
    pub dir: PathBuf,
    /// How long one is kept from when its session was opened.
    pub keep: Span,
    /// The most bytes of one session.
    pub session: u64,
}

impl RecordingsKept {
    pub(super) fn relative_to(self, base: &Path) -> Self {
        Self { dir: base.join(&self.dir), ..self }
    }
}

/// Reads the section; `Some(None)` if there is none.
pub(super) fn read(file: &mut Section<'_, '_>) -> Option<Option<RecordingsKept>> {
    if !file.has("recordings") {
        return Some(None);
    }
    let mut section = file.section("recordings");
    let dir = section.text("dir");
    let keep = section.text("keep").and_then(|text| {
        let keep: Span = section.report.value(&text)?;
        if keep.is_zero() {
            let hint = "write how long, such as 90d; or remove [recordings] so that none is kept";
            section.report.add(Some(text.span()), "no recording would be kept", hint);
            return None;
        }
        Some(keep)
    });
    let session = section.text("session").and_then(|text| section.report.value::<Size>(&text));
    section.end();
    let (dir, session) = (dir?.into_inner().into(), session?.bytes());
    Some(Some(RecordingsKept { dir, keep: keep?, session }))
}
