//! The processor's count of instructions, where the kernel lets us ask (`perf_event_paranoid` of 2 or less, a processor or
//! hypervisor that counts).
//!
//! `unsafe` for two system calls that libc has no safe form of: one reads a structure of the size that it says, which lives
//! during the call; the other gives a descriptor that is owned from then on.
#![allow(unsafe_code)]

use std::{
    fs::File,
    io::{self, Read},
    os::fd::FromRawFd,
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
