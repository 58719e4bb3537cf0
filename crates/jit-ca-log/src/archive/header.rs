//! The header of a member: 512 bytes of POSIX.1-1988 ustar that follow from its name and size.

/// Everything in an archive comes in blocks of this length.
pub(super) const BLOCK: u64 = 512;
/// The same, for arrays.
pub(super) const LENGTH: usize = 512;

const NAME: usize = 100;
const PREFIX: usize = 155;

/// The header; none if the name is too long for one or holds what none can, or the size is too large.
pub(super) fn write(name: &str, size: u64) -> Option<[u8; LENGTH]> {
    if name.is_empty() || name.contains('\0') || size >= 1 << 33 {
        return None;
    }
    let (prefix, name) = split(name)?;
    let mut fields = Fields::default();
    fields.put(name, NAME);
    fields.put("0000644", 8);
    fields.put("0000000", 8);
    fields.put("0000000", 8);
    fields.put(&format!("{size:011o}"), 12);
    fields.put("00000000000", 12);
    let checksum_at = fields.0.len();
    // Summed up as if it were spaces.
    fields.put("        ", 8);
    fields.put("0", 1);
    fields.put("", 100);
    fields.put("ustar", 6);
    fields.put("00", 2);
    fields.put("", 32 + 32 + 8 + 8);
    fields.put(prefix, PREFIX);
    fields.put("", 12);

    let sum: u32 = fields.0.iter().copied().map(u32::from).sum();
    let checksum = format!("{sum:06o}\0 ");
    fields.0.splice(checksum_at..checksum_at + 8, checksum.into_bytes());
    fields.0.try_into().ok()
}

/// The name and size that a header says, if it is the one header that says them.
pub(super) fn read(header: &[u8; LENGTH]) -> Option<(String, u64)> {
    let text = |from: usize, width: usize| {
        let field = header.get(from..from + width)?;
        let end = field.iter().position(|&byte| byte == 0).unwrap_or(width);
        std::str::from_utf8(field.get(..end)?).ok()
    };
    let (name, size, prefix) = (text(0, NAME)?, text(124, 12)?, text(345, PREFIX)?);
    let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
    let size = u64::from_str_radix(size, 8).ok()?;
    (write(&name, size)? == *header).then_some((name, size))
}

/// A name of more than 100 bytes falls into prefix and name at a `/`, the prefix as long as it can be.
fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= NAME {
        return Some(("", name));
    }
    let fits = |(prefix, name): &(&str, &str)| {
        (1..=PREFIX).contains(&prefix.len()) && (1..=NAME).contains(&name.len())
    };
    let cuts = name.rmatch_indices('/').filter_map(|(at, _)| {
        let (prefix, rest) = name.split_at_checked(at)?;
        Some((prefix, rest.strip_prefix('/')?))
    });
    cuts.into_iter().find(fits)
}

#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    /// A field, filled up with NULs.
    fn put(&mut self, text: &str, width: usize) {
        let end = self.0.len() + width;
        self.0.extend(text.bytes().take(width));
        self.0.resize(end, 0);
    }
}
