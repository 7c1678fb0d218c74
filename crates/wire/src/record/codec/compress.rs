//! Compression of a whole batch, over contexts that are used again.

use ::zstd::zstd_safe::{CCtx, get_error_name};
use lz4_flex::block::CompressTable;

use super::{Codec, Compression, gzip, lz4, snappy, zstd};

/// Codec contexts for compressing, created when a codec is first used.
///
/// The same data at the same level gives the same bytes, whatever was compressed before.
#[derive(Default)]
pub struct Compressor {
    gzip: gzip::Writer,
    snappy: Option<snap::raw::Encoder>,
    lz4: Option<CompressTable>,
    zstd: Option<CCtx<'static>>,
}

/// A codec failed on data that it should have taken; the data is best stored as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{codec} could not compress: {reason}")]
pub struct CompressError {
    /// The codec.
    pub codec: Codec,
    /// What its library says.
    pub reason: String,
}

impl Compressor {
    /// Appends `data` to `out`, compressed in the form that Kafka's clients read.
    ///
    /// # Errors
    /// [`CompressError`] when the library fails, which leaves part of its output in `out`.
    pub fn compress(
        &mut self,
        compression: Compression,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressError> {
        let (codec, level) = (compression.codec(), compression.level());
        let reason = match codec {
            Codec::None => {
                out.extend_from_slice(data);
                return Ok(());
            }
            Codec::Gzip => self.gzip.write(level, data, out).map_err(|error| error.to_string()),
            Codec::Snappy => {
                let encoder = self.snappy.get_or_insert_with(snap::raw::Encoder::new);
                snappy::write(encoder, data, out).map_err(|error| error.to_string())
            }
            Codec::Lz4 => {
                let table = self.lz4.get_or_insert_with(CompressTable::large);
                lz4::write(table, data, out).map_err(|error| error.to_string())
            }
            Codec::Zstd => {
                let context = self.zstd.get_or_insert_with(CCtx::create);
                zstd::write(context, level, data, out).map_err(|code| get_error_name(code).to_owned())
            }
        };
        reason.map_err(|reason| CompressError { codec, reason })
    }
}
