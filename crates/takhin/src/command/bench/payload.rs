//! What is in the records: JSON-like text, random bytes, or zeros.

use clap::ValueEnum;

/// Field names of JSON-like values.
const NAMES: [&str; 8] = ["user_id", "session", "event", "path", "status", "latency_us", "region", "amount"];
/// Words in them.
const WORDS: [&str; 8] =
    ["click", "view", "purchase", "eu-west-1", "us-east-2", "/api/v1/items/", "ok", "retry"];

/// Content of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Payload {
    /// Text like JSON objects: compresses as such data does
    Json,
    /// Random bytes: does not compress
    Random,
    /// Zeros: compresses to nothing
    Zero,
}

impl Payload {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Random => "random",
            Self::Zero => "zero",
        }
    }

    /// A value of exactly `bytes`.
    pub(crate) fn value(self, dice: &mut Dice, bytes: usize) -> Vec<u8> {
        match self {
            Self::Json => json(dice, bytes),
            Self::Random => {
                let words = (0..bytes.div_ceil(8)).flat_map(|_| dice.roll().to_le_bytes());
                words.take(bytes).collect()
            }
            Self::Zero => vec![0; bytes],
        }
    }
}

fn json(dice: &mut Dice, bytes: usize) -> Vec<u8> {
    let mut text = String::with_capacity(bytes + 64);
    text.push('{');
    while text.len() < bytes {
        let name = dice.one_of(&NAMES);
        match dice.roll() % 3 {
            0 => text.push_str(&format!("\"{name}\":{},", dice.roll() % 1_000_000)),
            1 => text.push_str(&format!("\"{name}\":\"{}\",", dice.one_of(&WORDS))),
            _ => text.push_str(&format!("\"{name}\":\"{:012x}\",", dice.roll() & 0xffff_ffff_ffff)),
        }
    }
    text.truncate(bytes.saturating_sub(1));
    if bytes > 0 {
        text.push('}');
    }
    text.into_bytes()
}

/// xorshift64*: the same values from the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice that roll as `seed` says.
    pub(crate) fn new(seed: u64) -> Self {
        // Zero would roll zeros for ever.
        Self(seed | 1)
    }

    /// The next number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        // The low bits are the weak ones.
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).rotate_left(32)
    }

    fn one_of(&mut self, texts: &[&'static str; 8]) -> &'static str {
        texts[usize::try_from(self.roll() % 8).unwrap_or(0)]
    }
}

#[cfg(test)]
#[path = "payload_test.rs"]
mod payload_test;
