//! Parts that go together.

use wire::record::{BatchHeader, Builder, Codec, Compression, TimestampType};

use super::{CodecChoice, MergeOptions, PASSED_BYTES, Part, is_mergeable};

/// What a record may grow by in another batch: three varints in front of it, of one byte at least and 5, 10 and 5 at most.
pub(super) const RECORD_GROWTH_BYTES_MAX: usize = 17;

/// What all parts of a merged batch have in common, and the batch has of them.
pub(super) struct Lot {
    first: BatchHeader,
    /// The codec of the parts.
    sent: Codec,
    /// The merged batch's.
    pub(super) compression: Compression,
}

impl Lot {
    /// That of a part which may be merged.
    pub(super) fn of(part: &Part<'_>, options: &MergeOptions) -> Option<Self> {
        let first = BatchHeader::parse(part.bytes).ok().filter(is_mergeable)?;
        let sent = first.codec().ok()?;
        let codec = match options.codec {
            CodecChoice::Producers { of_uncompressed } if sent == Codec::None => of_uncompressed,
            CodecChoice::Producers { .. } => sent,
            CodecChoice::Always(codec) => codec,
        };
        // What is sent without a codec and stays alone is stored as sent, unless the topic asks for one.
        let is_asked_for = matches!(options.codec, CodecChoice::Always(_));
        let is_small = part.bytes.len() < PASSED_BYTES;
        let is_wanted = is_small || (is_asked_for && codec != sent);
        is_wanted.then_some(Self { first, sent, compression: options.levels.of(codec) })
    }

    /// True when a batch of one part would be what was sent.
    pub(super) fn is_as_sent(&self, options: &MergeOptions) -> bool {
        match options.codec {
            CodecChoice::Producers { .. } => true,
            CodecChoice::Always(codec) => codec == self.sent,
        }
    }

    /// How many of `parts`, the first of which is this lot's, are of it and would fit by their number of records.
    pub(super) fn alike(&self, parts: &[Part<'_>], options: &MergeOptions) -> usize {
        if parts[0].bytes.len() >= PASSED_BYTES {
            return 1;
        }
        let first_offset = parts[0].base_offset;
        let is_next = |pair: &&[Part<'_>]| {
            pair[1].last_offset - first_offset < i64::from(options.records_max)
                && pair[1].base_offset == pair[0].last_offset + 1
                && self.takes(&parts[0], &pair[1], options)
        };
        1 + parts.windows(2).take_while(is_next).count()
    }

    fn takes(&self, first: &Part<'_>, part: &Part<'_>, options: &MergeOptions) -> bool {
        let Some(header) = BatchHeader::parse(part.bytes).ok().filter(is_mergeable) else { return false };
        // Of a batch with LogAppendTime all records have the one time in its header.
        let is_of_time = match self.first.timestamp_type() {
            TimestampType::CreateTime => header.timestamp_type() == TimestampType::CreateTime,
            TimestampType::LogAppendTime => {
                header.timestamp_type() == TimestampType::LogAppendTime
                    && header.max_timestamp == self.first.max_timestamp
            }
        };
        let is_of_codec = match options.codec {
            CodecChoice::Producers { .. } => header.codec() == Ok(self.sent),
            CodecChoice::Always(_) => true,
        };
        part.bytes.len() < PASSED_BYTES
            && part.leader_epoch == first.leader_epoch
            && is_of_time
            && is_of_codec
    }

    /// The merged batch without records.
    pub(super) fn builder(&self, first: &Part<'_>) -> Builder {
        let builder = Builder::new(self.compression)
            .base_offset(first.base_offset)
            .partition_leader_epoch(first.leader_epoch);
        match self.first.timestamp_type() {
            TimestampType::CreateTime => builder,
            TimestampType::LogAppendTime => builder.log_append_time(self.first.max_timestamp),
        }
    }
}

/// How many bytes of header and records may be given to `codec`, so that what comes out is no longer than `encoded_max`
/// whatever they are.
pub(super) fn raw_bytes_max(codec: Codec, encoded_max: usize) -> usize {
    match codec {
        Codec::None => encoded_max,
        // A literal costs a byte in 6 at worst; the others find out that there is nothing to gain.
        Codec::Snappy => (encoded_max / 7 * 6).saturating_sub(64),
        Codec::Gzip | Codec::Lz4 | Codec::Zstd => (encoded_max - encoded_max / 64).saturating_sub(256),
    }
}
