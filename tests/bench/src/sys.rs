//! What the kernel says that a process and the machine used (/proc).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) anonymous: u64,
    pub(crate) of_files: u64,
    /// The most that was resident since [`reset_peak`].
    pub(crate) peak: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = |name: &str| number_behind(&status, name);
        Self {
            resident: field("VmRSS:"),
            anonymous: field("RssAnon:"),
            of_files: field("RssFile:"),
            peak: field("VmHWM:"),
        }
    }
}

/// Has the kernel count the peak of a process's memory from now on.
pub(crate) fn reset_peak(pid: u32) {
    // Refused where the process is another user's: the peak is then the one since its start.
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// What a process has used since its start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system, in seconds.
    pub(crate) cpu: f64,
    /// Bytes that were to be written to a disk.
    pub(crate) written: u64,
    /// Calls that wrote.
    pub(crate) writes: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        Self {
            cpu: cpu_in(&stat, [11, 12]),
            written: number_behind(&io, "write_bytes:"),
            writes: number_behind(&io, "syscw:"),
        }
    }
}

/// The CPU time of all children that have ended, in seconds.
pub(crate) fn cpu_of_children() -> f64 {
    cpu_in(&fs::read_to_string("/proc/self/stat").unwrap_or_default(), [13, 14])
}

/// Fields of /proc/PID/stat, counted behind the program's name, as seconds.
fn cpu_in(stat: &str, fields: [usize; 2]) -> f64 {
    let behind_the_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let values: Vec<&str> = behind_the_name.split_whitespace().collect();
    let field = |at: usize| values.get(at).and_then(|value| value.parse::<f64>().ok());
    fields.into_iter().filter_map(field).sum::<f64>() / ticks()
}

/// The CPU seconds of the whole machine since it started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) busy: f64,
    /// What the hypervisor gave to others.
    pub(crate) stolen: f64,
    pub(crate) waiting: f64,
    pub(crate) all: f64,
}

impl Machine {
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
        let seconds: Vec<f64> =
            fields.filter_map(|field| Some(field.parse::<f64>().ok()? / ticks())).collect();
        let [user, nice, system, idle, waiting, irq, softirq, stolen, ..] = seconds[..] else {
            return Self::default();
        };
        let busy = user + nice + system + irq + softirq;
        Self { busy, stolen, waiting, all: busy + idle + waiting + stolen }
    }
}

/// The load average of the last minute.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

/// The bytes of a file or of all files under a folder, and how many are allocated for them.
pub(crate) fn bytes_under(path: &Path) -> (u64, u64) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return (0, 0) };
    if !metadata.is_dir() {
        return (metadata.len(), metadata.blocks() * 512);
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.fold((0, 0), |(bytes, allocated), entry| {
        let (more_bytes, more_allocated) = bytes_under(&entry.path());
        (bytes + more_bytes, allocated + more_allocated)
    })
}

fn number_behind(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "100, on every machine")]
fn ticks() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}
