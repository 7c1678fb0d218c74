//! The codecs of a record batch: their ids, names and levels, decompression in steps, compression.
//!
//! What arrives is hostile: `Decompressor` hands out a bounded number of bytes in pieces of the
//! caller's size and never trusts a length inside the data. What one needs beyond its input is the
//! codec's own window: 32 KiB for gzip, a block of at most 4 MiB for lz4, a block of at most 22 times
//! its input for snappy, at most 128 MiB for zstd (which is what Kafka's own reader allows).
//! `Contexts` keeps what is worth keeping between batches and gives back what is not.
//!
//! Stricter than Kafka: bytes behind the end of the compressed stream are refused, as no producer
//! sends them and clients disagree about them; so is a wrong content checksum in an lz4 frame.

mod compress;
mod gzip;
mod lz4;
mod snappy;
mod stream;
mod zstd;

use std::fmt;
use std::ops::RangeInclusive;

pub use compress::{CompressError, Compressor};
pub(super) use stream::Bounds as DecompressBounds;
pub(super) use stream::{Contexts, DecompressError, Decompressor};

/// Compression codec of a record batch (attribute bits 0 to 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// As they are.
    #[default]
    None,
    /// RFC 1952, one or more members.
    Gzip,
    /// Snappy blocks in xerial framing; a bare block is read too.
    Snappy,
    /// The LZ4 frame format with independent blocks.
    Lz4,
    /// RFC 8878, one or more frames.
    Zstd,
}

impl Codec {
    /// All codecs, by id.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The codec with this id in the attributes.
    pub fn from_id(id: i16) -> Option<Codec> {
        usize::try_from(id).ok().and_then(|id| Codec::ALL.get(id).copied())
    }

    /// Its id in the attributes.
    pub fn id(self) -> i16 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        }
    }

    /// The codec with this name in a configuration (`compression.type`).
    pub fn from_name(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The levels that Kafka's configuration takes (KIP-390); `None` where there are none.
    ///
    /// Gzip takes −1 beside these, for its library's default.
    pub fn levels(self) -> Option<RangeInclusive<i32>> {
        match self {
            Codec::None | Codec::Snappy => None,
            Codec::Gzip => Some(1..=9),
            Codec::Lz4 => Some(1..=17),
            Codec::Zstd => Some(-131_072..=22),
        }
    }

    /// Kafka's default level; `None` where there are none.
    pub fn level_default(self) -> Option<i32> {
        match self {
            Codec::None | Codec::Snappy => None,
            Codec::Gzip => Some(-1),
            Codec::Lz4 => Some(9),
            Codec::Zstd => Some(3),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A codec and a level that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compression {
    codec: Codec,
    level: i32,
}

impl Compression {
    /// No compression.
    pub const NONE: Compression = Compression { codec: Codec::None, level: 0 };

    /// `codec` at `level`.
    ///
    /// All levels of lz4 compress alike here: its library has the fast method only.
    ///
    /// # Errors
    /// [`LevelError`] when the codec has no such level.
    pub fn new(codec: Codec, level: i32) -> Result<Compression, LevelError> {
        let known = codec.levels().is_some_and(|levels| levels.contains(&level));
        if known || codec.level_default() == Some(level) {
            Ok(Compression { codec, level })
        } else {
            Err(LevelError { codec, level })
        }
    }

    /// The codec.
    pub fn codec(self) -> Codec {
        self.codec
    }

    /// The level, 0 where there are none.
    pub fn level(self) -> i32 {
        self.level
    }
}

impl From<Codec> for Compression {
    /// The codec at its default level.
    fn from(codec: Codec) -> Compression {
        Compression { codec, level: codec.level_default().unwrap_or(0) }
    }
}

/// The codec has no such level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{codec} has no compression level {level}")]
pub struct LevelError {
    /// The codec.
    pub codec: Codec,
    /// The level it lacks.
    pub level: i32,
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation)] // the fixtures' own small numbers
mod codec_test;
