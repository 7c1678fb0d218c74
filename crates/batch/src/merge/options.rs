//! What may be merged into what.

use wire::record::{Codec, Compression};

/// The bounds of a merged batch (`kafka.batch.*` and a topic's own configs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeOptions {
    /// Most records (`max.size`).
    pub records_max: i32,
    /// Most bytes of keys, values and headers, their lengths counted in (`max.bytes`).
    pub bytes_max: usize,
    /// Most bytes of the batch as it is stored, header included. A consumer of many partitions takes only one batch that is
    /// larger than it asked for (KIP-74), so that large ones would starve others.
    pub encoded_bytes_max: usize,
    /// Its codec.
    pub codec: CodecChoice,
    /// How hard codecs try.
    pub levels: Levels,
}

/// Which codec a merged batch gets (`compression.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecChoice {
    /// The producers', and parts of different ones stay apart; what is sent without one gets this (`producer`).
    Producers {
        /// `kafka.batch.compression.type`.
        of_uncompressed: Codec,
    },
    /// This one, whatever was sent, also where there is nothing to be merged.
    Always(Codec),
}

/// Levels of the codecs that have some (`compression.gzip.level` and so on).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Gzip.
    pub gzip: Compression,
    /// Lz4.
    pub lz4: Compression,
    /// Zstd.
    pub zstd: Compression,
}

impl Default for Levels {
    /// Kafka's.
    fn default() -> Self {
        Self { gzip: Codec::Gzip.into(), lz4: Codec::Lz4.into(), zstd: Codec::Zstd.into() }
    }
}

impl Levels {
    /// `codec` at its level.
    #[must_use]
    pub fn of(&self, codec: Codec) -> Compression {
        match codec {
            Codec::Gzip => self.gzip,
            Codec::Lz4 => self.lz4,
            Codec::Zstd => self.zstd,
            Codec::None | Codec::Snappy => codec.into(),
        }
    }
}

impl Default for MergeOptions {
    /// As profile `balanced` says, in a topic without configs of its own.
    fn default() -> Self {
        Self {
            records_max: 1000,
            bytes_max: 1 << 20,
            encoded_bytes_max: Self::ENCODED_BYTES_MAX,
            codec: CodecChoice::Producers { of_uncompressed: Codec::None },
            levels: Levels::default(),
        }
    }
}

impl MergeOptions {
    /// What an encoded batch stays under unless more is asked for: with what is around it, it fits into the 1 MiB that
    /// consumers ask for of each partition.
    pub const ENCODED_BYTES_MAX: usize = (1 << 20) - (1 << 10);
}
