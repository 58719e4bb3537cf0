//! The bytes of a file, of which many states share most.

use std::sync::{Arc, OnceLock};

use ring::digest::{Context, SHA256, digest};

const PAGE: usize = 4096;

/// A file's bytes. A copy shares its pages until they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    length: usize,
    pages: Vec<Arc<Page>>,
}

#[derive(Clone, Debug)]
struct Page {
    bytes: [u8; PAGE],
    hash: OnceLock<[u8; 32]>,
}

impl Pages {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Makes it longer, with zeros, or shorter.
    pub(super) fn resize(&mut self, length: usize) {
        if length < self.length && !length.is_multiple_of(PAGE) {
            let zeros = [0; PAGE];
            self.write(length, &zeros[length % PAGE..]);
        }
        self.length = length;
        let zeros = || Arc::new(Page { bytes: [0; PAGE], hash: OnceLock::new() });
        if length.div_ceil(PAGE) > self.pages.len() {
            let zeros = zeros();
            self.pages.resize_with(length.div_ceil(PAGE), || Arc::clone(&zeros));
        }
        self.pages.truncate(length.div_ceil(PAGE));
    }

    /// Writes what lies within its length.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        let mut from = 0;
        let room = self.length.saturating_sub(at).min(bytes.len());
        while from < room {
            let (page, start) = ((at + from) / PAGE, (at + from) % PAGE);
            let part = (PAGE - start).min(room - from);
            let page = Arc::make_mut(&mut self.pages[page]);
            page.hash.take();
            page.bytes[start..start + part].copy_from_slice(&bytes[from..from + part]);
            from += part;
        }
    }

    /// Reads, if all of it is there.
    pub(super) fn read(&self, at: usize, out: &mut [u8]) -> bool {
        if at + out.len() > self.length {
            return false;
        }
        let mut from = 0;
        while from < out.len() {
            let (page, start) = ((at + from) / PAGE, (at + from) % PAGE);
            let part = (PAGE - start).min(out.len() - from);
            out[from..from + part].copy_from_slice(&self.pages[page].bytes[start..start + part]);
            from += part;
        }
        true
    }

    /// Adds length and bytes, each page by its own hash, which is computed once.
    pub(super) fn hash_into(&self, hash: &mut Context) {
        hash.update(&(self.length as u64).to_be_bytes());
        for page in &self.pages {
            let of_page = || digest(&SHA256, &page.bytes).as_ref().try_into().unwrap();
            hash.update(page.hash.get_or_init(of_page));
        }
    }
}
