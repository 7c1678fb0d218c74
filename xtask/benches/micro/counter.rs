//! The processor's count of instructions, where the kernel lets us ask (`perf_event_paranoid` of 2 or less, a processor or
//! hypervisor that counts); else valgrind's, from this program run under it.
//!
//! `unsafe` for two system calls that libc has no safe form of: one reads a structure of the size that it says, which lives
//! during the call; the other gives a descriptor that is owned from then on.
#![allow(unsafe_code)]

use std::{
    fs::File,
    io::{self, Read},
    os::fd::FromRawFd,
    process::Command,
};

/// `struct perf_event_attr` as its first version has it; a kernel takes what follows for zeros.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
}

/// `PERF_TYPE_HARDWARE`
const HARDWARE: u32 = 0;
/// `PERF_COUNT_HW_INSTRUCTIONS`
const INSTRUCTIONS: u64 = 1;
/// `exclude_kernel` and `exclude_hv`: what user space does, which is all that an unprivileged process may ask.
const USER_ONLY: u64 = 1 << 5 | 1 << 6;

/// Instructions of this thread in user space.
pub(crate) struct Instructions(File);

impl Instructions {
    /// Begins to count.
    ///
    /// # Errors
    /// Why the kernel does not.
    pub(crate) fn open() -> Result<Self, String> {
        let size = u32::try_from(size_of::<Attributes>()).map_err(|e| e.to_string())?;
        let attributes = Attributes {
            kind: HARDWARE,
            size,
            config: INSTRUCTIONS,
            flags: USER_ONLY,
            ..Attributes::default()
        };
        // SAFETY: this thread (0) on any processor (-1), in no group (-1), without flags (0); the structure outlives the call.
        let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const attributes, 0, -1, -1, 0) };
        match i32::try_from(fd) {
            // SAFETY: the kernel has just made it, and nobody else knows of it.
            Ok(fd) if fd >= 0 => Ok(Self(unsafe { File::from_raw_fd(fd) })),
            _ => Err(format!("perf_event_open: {}", io::Error::last_os_error())),
        }
    }

    /// The count so far.
    pub(crate) fn read(&mut self) -> u64 {
        let mut count = [0; 8];
        self.0.read_exact(&mut count).expect("a counter that was opened can be read");
        u64::from_ne_bytes(count)
    }
}

/// In place of a measurement: one case, so many times.
pub(crate) struct Once {
    case: String,
    times: u32,
}

/// How often a case runs under valgrind for the difference of two counts.
const TIMES: u32 = 10;

impl Once {
    /// As [`by_valgrind`] says it: `--only CASE TIMES`.
    pub(crate) fn of_arguments() -> Option<Self> {
        let mut words = std::env::args().skip_while(|word| word != "--only").skip(1);
        Some(Self { case: words.next()?, times: words.next()?.parse().ok()? })
    }

    /// How often the case is to run, which is not at all for another one.
    pub(crate) fn times_of(&self, case: &str) -> u32 {
        if self.case == case { self.times } else { 0 }
    }
}

/// What counts where the kernel does not, for the reader.
pub(crate) fn in_place_of_it() -> &'static str {
    let is_there = Command::new("valgrind").arg("--version").output().is_ok_and(|done| done.status.success());
    if is_there { "valgrind does" } else { "and valgrind is not installed" }
}

/// Instructions of one run of a case, by valgrind; `None` where that can't be had.
pub(crate) fn by_valgrind(case: &str) -> Option<f64> {
    // What happens around the case is the same in both.
    let (once, more) = (collected(case, 1)?, collected(case, 1 + TIMES)?);
    Some((more - once) / f64::from(TIMES))
}

fn collected(case: &str, times: u32) -> Option<f64> {
    let program = std::env::current_exe().ok()?;
    let done = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--only", case, &times.to_string()])
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let line = said.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok()
}
