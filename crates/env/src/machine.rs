//! What this machine has.

/// Bytes of memory, whoever uses them.
#[must_use]
pub fn memory_bytes() -> u64 {
    let system = rustix::system::sysinfo();
    system.totalram.saturating_mul(u64::from(system.mem_unit))
}
