//! Zstandard frames (RFC 8878), one after the other, over reused contexts.
//!
//! Content checksums are verified by the library. Windows above the caller's bound are refused before
//! any memory is asked for. Skippable frames are skipped.

use ::zstd::zstd_safe::{
    self, CCtx, CParameter, DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, ResetDirective,
};

use super::stream::DecompressError;
use super::stream::DecompressError::Undecodable;

/// Reads the frames of a batch.
pub(super) struct Stream<'a> {
    data: &'a [u8],
    context: &'a mut DCtx<'static>,
    in_frame: bool,
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        data: &'a [u8],
        context: &'a mut Option<DCtx<'static>>,
        window_log_max: u32,
    ) -> Result<Stream<'a>, DecompressError> {
        if data.is_empty() {
            return Err(Undecodable("no zstd data"));
        }
        let context = context.get_or_insert_with(DCtx::create);
        context
            .reset(ResetDirective::SessionOnly)
            .and_then(|_| context.set_parameter(DParameter::WindowLogMax(window_log_max)))
            .map_err(undecodable)?;
        Ok(Stream { data, context, in_frame: false })
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, DecompressError> {
        loop {
            if self.data.is_empty() && !self.in_frame {
                return Ok(0);
            }
            let mut input = InBuffer::around(self.data);
            let mut output = OutBuffer::around(&mut *out);
            let wanted = self.context.decompress_stream(&mut output, &mut input).map_err(undecodable)?;
            let (consumed, count) = (input.pos(), output.pos());
            self.data = &self.data[consumed..];
            self.in_frame = wanted != 0;
            if count > 0 {
                return Ok(count);
            }
            if consumed == 0 && self.in_frame {
                return Err(Undecodable("the zstd frame is cut off"));
            }
        }
    }
}

fn undecodable(code: ErrorCode) -> DecompressError {
    Undecodable(zstd_safe::get_error_name(code))
}

/// Appends `data` as one frame.
pub(super) fn write(
    context: &mut CCtx<'static>,
    level: i32,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ErrorCode> {
    context.set_parameter(CParameter::CompressionLevel(level))?;
    let start = out.len();
    out.resize(start + zstd_safe::compress_bound(data.len()), 0);
    let length = context.compress2(&mut out[start..], data)?;
    out.truncate(start + length);
    Ok(())
}
