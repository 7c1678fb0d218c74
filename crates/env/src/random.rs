//! Dice, for ids and jitter; never for anything that a replica must repeat.

use std::io;

/// Fills `bytes` from the kernel's generator.
///
/// # Errors
/// When the kernel has no generator to ask.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(())
}

/// A random id of version 4, as Kafka makes topic and cluster ids.
///
/// # Errors
/// As [`fill`].
pub fn uuid() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Ok(bytes)
}
