//! Dice, for ids and jitter; never for anything that a replica must repeat.

use std::convert::Infallible;
use std::io;

/// Fills `bytes` from the kernel's generator.
///
/// # Errors
/// When the kernel has no generator to ask.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    #[cfg(feature = "simulated")]
    if crate::simulated::fill_from_seed(bytes) {
        return Ok(());
    }
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

/// The same dice, as crates that roll their own want them: for time-outs that must not all end at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dice;

impl rand_core::TryRng for Dice {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        fill(bytes).expect("the kernel has had random bytes since the start, or nothing would have an id");
        Ok(())
    }
}
