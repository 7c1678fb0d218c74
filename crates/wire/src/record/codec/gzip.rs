//! Gzip members (RFC 1952), one after the other, over a reused inflate context.
//!
//! CRC and length of each member are checked. Header fields are skipped, a header CRC is not checked
//! (nor does Java). Bytes that are no further member are refused.

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use super::stream::DecompressError;
use super::stream::DecompressError::Undecodable;

/// What an inflate context holds: a window of 32 KiB and its tables.
pub(super) const CONTEXT_BYTES: usize = 48 << 10;

const HEADER_BYTES: usize = 10;
const TRAILER_BYTES: usize = 8;
const FLAG_HEADER_CRC: u8 = 0x02;
const FLAG_EXTRA: u8 = 0x04;
const FLAG_NAME: u8 = 0x08;
const FLAG_COMMENT: u8 = 0x10;

/// Reads the members of a gzip file.
pub(super) struct Stream<'a> {
    data: &'a [u8],
    context: &'a mut Decompress,
    crc: Crc,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the first member's header, which must be there.
    Start,
    InMember,
    BetweenMembers,
}

impl<'a> Stream<'a> {
    pub(super) fn new(data: &'a [u8], context: &'a mut Option<Decompress>) -> Stream<'a> {
        let context = context.get_or_insert_with(|| Decompress::new(false));
        Stream { data, context, crc: Crc::new(), place: Place::Start }
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, DecompressError> {
        loop {
            match self.place {
                Place::BetweenMembers if self.data.is_empty() => return Ok(0),
                Place::Start | Place::BetweenMembers => {
                    self.data = skip_header(self.data).ok_or(Undecodable("no gzip header"))?;
                    self.context.reset(false);
                    self.crc.reset();
                    self.place = Place::InMember;
                }
                Place::InMember => {
                    let count = self.inflate(out)?;
                    if count > 0 {
                        return Ok(count);
                    }
                }
            }
        }
    }

    /// Inflates into `out`; 0 means that the member has ended.
    fn inflate(&mut self, out: &mut [u8]) -> Result<usize, DecompressError> {
        let (in_before, out_before) = (self.context.total_in(), self.context.total_out());
        let status = self
            .context
            .decompress(self.data, out, FlushDecompress::None)
            .map_err(|_| Undecodable("broken deflate data"))?;
        let consumed = usize::try_from(self.context.total_in() - in_before).unwrap_or(self.data.len());
        let count = usize::try_from(self.context.total_out() - out_before).unwrap_or(out.len());
        self.data = &self.data[consumed..];
        self.crc.update(&out[..count]);
        match status {
            Status::StreamEnd => self.end_member()?,
            Status::Ok | Status::BufError if consumed == 0 && count == 0 => {
                return Err(Undecodable("the gzip member is cut off"));
            }
            Status::Ok | Status::BufError => {}
        }
        Ok(count)
    }

    fn end_member(&mut self) -> Result<(), DecompressError> {
        let Some((trailer, rest)) = self.data.split_first_chunk::<TRAILER_BYTES>() else {
            return Err(Undecodable("the gzip trailer is cut off"));
        };
        let [c0, c1, c2, c3, l0, l1, l2, l3] = *trailer;
        if u32::from_le_bytes([c0, c1, c2, c3]) != self.crc.sum() {
            return Err(Undecodable("wrong gzip CRC"));
        }
        if u32::from_le_bytes([l0, l1, l2, l3]) != self.crc.amount() {
            return Err(Undecodable("wrong gzip length"));
        }
        self.data = rest;
        self.place = Place::BetweenMembers;
        Ok(())
    }
}

/// What follows the member header at the front of `data`.
fn skip_header(data: &[u8]) -> Option<&[u8]> {
    let (header, mut rest) = data.split_first_chunk::<HEADER_BYTES>()?;
    let &[0x1f, 0x8b, 8, flags, ..] = header else { return None };
    if flags & FLAG_EXTRA != 0 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for flag in [FLAG_NAME, FLAG_COMMENT] {
        if flags & flag != 0 {
            let zero = rest.iter().position(|&byte| byte == 0)?;
            rest = &rest[zero + 1..];
        }
    }
    if flags & FLAG_HEADER_CRC != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

/// Writes one member at a time, over a context that is kept while the level stays.
#[derive(Default)]
pub(super) struct Writer {
    context: Option<(i32, Compress)>,
}

impl Writer {
    /// Appends `data` as one member at `level` (−1 for the library's default).
    pub(super) fn write(
        &mut self,
        level: i32,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), flate2::CompressError> {
        let context = match &mut self.context {
            Some((kept, context)) if *kept == level => context,
            slot => {
                let wanted = u32::try_from(level).map_or(Compression::default(), Compression::new);
                &mut slot.insert((level, Compress::new(wanted, false))).1
            }
        };
        context.reset();
        // Modification time 0 and operating system 255 (unknown): the same data gives the same bytes.
        out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        let mut rest = data;
        loop {
            out.reserve(rest.len() / 2 + 256);
            let before = context.total_in();
            let status = context.compress_vec(rest, out, FlushCompress::Finish)?;
            rest = &rest[usize::try_from(context.total_in() - before).unwrap_or(rest.len())..];
            if status == Status::StreamEnd {
                break;
            }
        }
        let mut crc = Crc::new();
        crc.update(data);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&crc.amount().to_le_bytes());
        Ok(())
    }
}
