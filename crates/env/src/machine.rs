//! What this machine has, and what this process takes of it.
#![allow(clippy::disallowed_methods)] // the one place that may

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::Resource;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::ClockId;

/// Bytes of memory, whoever uses them.
#[must_use]
pub fn memory_bytes() -> u64 {
    let system = rustix::system::sysinfo();
    system.totalram.saturating_mul(u64::from(system.mem_unit))
}

/// Processors that a thread may run on.
#[derive(Clone, Debug)]
pub struct Processors(CpuSet);

impl Processors {
    /// Those of this thread.
    ///
    /// # Errors
    /// The system does not say.
    pub fn of_this_thread() -> io::Result<Self> {
        Ok(Self(sched_getaffinity(None)?))
    }

    /// Two halves, the second one not the smaller; `None` of a single processor.
    #[must_use]
    pub fn halves(&self) -> Option<(Self, Self)> {
        let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|at| self.0.is_set(*at)).collect();
        let (first, second) = all.split_at(all.len() / 2);
        let of = |processors: &[usize]| {
            let mut set = CpuSet::new();
            processors.iter().for_each(|at| set.set(*at));
            Self(set)
        };
        (!first.is_empty()).then(|| (of(first), of(second)))
    }

    /// True when all of them are also of `others`.
    #[cfg(test)]
    pub(crate) fn is_within(&self, others: &Self) -> bool {
        (0..CpuSet::MAX_CPU).all(|at| !self.0.is_set(at) || others.0.is_set(at))
    }

    /// This thread, and the threads and processes that it starts from now on, run on these only.
    ///
    /// # Errors
    /// The system refuses.
    pub fn bind_this_thread(&self) -> io::Result<()> {
        Ok(sched_setaffinity(None, &self.0)?)
    }
}

/// The size of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystemBytes {
    /// All of it.
    pub total: u64,
    /// What this process may still write.
    pub usable: u64,
}

/// How large the file system is that `path` is on.
///
/// # Errors
/// When it can't be asked, as where nothing is at `path`.
pub fn file_system_bytes(path: &Path) -> io::Result<FileSystemBytes> {
    let system = rustix::fs::statvfs(path)?;
    Ok(FileSystemBytes {
        total: system.f_blocks.saturating_mul(system.f_frsize),
        usable: system.f_bavail.saturating_mul(system.f_frsize),
    })
}

/// What this process uses at a moment; `None` where the system does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUse {
    /// Processor time of all threads since the start.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub resident_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open file descriptors, sockets among them.
    pub open_files: Option<u64>,
    /// How many there may be.
    pub open_files_max: Option<u64>,
}

/// Asks the system what this process uses. Reads `/proc`: not for an I/O thread.
#[must_use]
pub fn process_use() -> ProcessUse {
    let cpu = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    let cpu = Duration::new(u64::try_from(cpu.tv_sec).unwrap_or(0), u32::try_from(cpu.tv_nsec).unwrap_or(0));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    ProcessUse {
        cpu,
        resident_bytes: number("VmRSS").map(|kib| kib * 1024),
        threads: number("Threads"),
        open_files: std::fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
        open_files_max: rustix::process::getrlimit(Resource::Nofile).current,
    }
}
