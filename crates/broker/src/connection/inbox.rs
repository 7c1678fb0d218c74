//! Bytes of a connection that are not whole frames yet, or whose turn has not come.

use wire::frame::LENGTH_SIZE;

/// A frame announced a length that is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} bytes, where 8 to {bytes_max} are taken")]
pub(crate) struct BadLength {
    length: i32,
    bytes_max: usize,
}

/// The shortest request: its header's key, version and correlation id.
const FRAME_BYTES_MIN: usize = 8;

/// The first frame of `bytes`, without its length, if all of it is there.
///
/// # Errors
/// When its length is not between the shortest header and `bytes_max`.
pub(super) fn first_frame(bytes: &[u8], bytes_max: usize) -> Result<Option<&[u8]>, BadLength> {
    Ok(frame_bytes(bytes, bytes_max)?.and_then(|length| bytes.get(LENGTH_SIZE..LENGTH_SIZE + length)))
}

/// The length of the first frame of `bytes`, without its length field, if that is there.
///
/// # Errors
/// As [`first_frame`].
pub(super) fn frame_bytes(bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, BadLength> {
    let Some(length) = bytes.first_chunk::<LENGTH_SIZE>() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    match usize::try_from(length) {
        Ok(length) if (FRAME_BYTES_MIN..=bytes_max).contains(&length) => Ok(Some(length)),
        _ => Err(BadLength { length, bytes_max }),
    }
}

/// What was read and not handled.
#[derive(Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// Handled bytes at the front.
    done: usize,
}

impl Inbox {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.done..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.done > 0 {
            self.bytes.drain(..self.done);
            self.done = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Marks the first `count` bytes as handled.
    pub(super) fn consume(&mut self, count: usize) {
        self.done += count;
        if self.done == self.bytes.len() {
            self.done = 0;
            // An idle connection keeps no buffer.
            self.bytes = Vec::new();
        }
    }

    /// Takes the first frame of `length` bytes out, without its length field.
    pub(super) fn take_frame(&mut self, length: usize) -> Vec<u8> {
        let frame = self.as_slice()[LENGTH_SIZE..LENGTH_SIZE + length].to_vec();
        self.consume(LENGTH_SIZE + length);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_refused_before_its_frame_is_waited_for() {
        for length in [0, -1, 7, i32::MAX, i32::MIN, 101] {
            let error = first_frame(&length.to_be_bytes(), 100).unwrap_err();
            assert_eq!(error, BadLength { length, bytes_max: 100 });
        }
        assert_eq!(first_frame(&[0, 0, 0], 100), Ok(None));
        assert_eq!(first_frame(&[0, 0, 0, 8, 1], 100), Ok(None));
        assert_eq!(
            first_frame(&[0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9], 100),
            Ok(Some(&[1, 2, 3, 4, 5, 6, 7, 8][..]))
        );
    }

    #[test]
    fn frames_come_out_whole_however_their_bytes_came_in() {
        let stream: Vec<u8> =
            (8..20u8).flat_map(|n| [vec![0, 0, 0, n], vec![n; usize::from(n)]].concat()).collect();
        for step in 1..stream.len() {
            let (mut inbox, mut frames) = (Inbox::default(), Vec::new());
            for piece in stream.chunks(step) {
                inbox.push(piece);
                while let Some(length) = first_frame(inbox.as_slice(), 100).unwrap().map(<[u8]>::len) {
                    frames.push(inbox.take_frame(length));
                }
            }
            assert_eq!(frames, (8..20u8).map(|n| vec![n; usize::from(n)]).collect::<Vec<_>>());
        }
    }
}
