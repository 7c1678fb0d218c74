//! Facts about answers of pieces.

use super::*;

/// A batch of a tail, as large as `bytes`.
fn batch(base_offset: i64, fill: u8, bytes: usize) -> LogSlice {
    LogSlice::Memory {
        base_offset,
        leader_epoch: 5,
        entry_index: 1,
        entry_bytes: bytes as u64,
        bytes: vec![fill; bytes].into(),
    }
}

fn answer(own: &[&[u8]], batches: Vec<LogSlice>) -> (Answer, Vec<u8>) {
    let (mut answer, mut whole) = (Answer::default(), Vec::new());
    for (own, batch) in own.iter().zip(batches) {
        answer.add_own(own);
        whole.extend_from_slice(own);
        batch.copy_into(&mut whole).unwrap();
        answer.add(batch);
    }
    (answer, whole)
}

fn taken(answer: &Answer, bytes_max: usize) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 9];
    let (count, range) = answer.in_memory(0, &mut slices, bytes_max);
    assert!(range.is_none());
    slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
}

#[test]
fn whatever_a_socket_takes_at_a_time_the_bytes_come_in_order() {
    // A partial write may end within any piece, also within the bytes that were put in place.
    let batches = vec![batch(7, 1, 100), batch(8, 2, COPIED_BYTES_MAX + 1), batch(9, 3, COPIED_BYTES_MAX)];
    for step in [1, 2, 13, 16, 17, 4097, usize::MAX] {
        let (mut answer, whole) = answer(&[b"first", b"second", b"third"], batches.clone());
        let mut sent = Vec::new();
        while !answer.is_sent() {
            let bytes = taken(&answer, usize::MAX);
            let count = bytes.len().min(step);
            sent.extend_from_slice(&bytes[..count]);
            answer.advance(count);
        }
        assert_eq!(sent, whole, "steps of {step}");
    }
}

#[test]
fn an_answer_that_ends_with_a_batch_ends() {
    // Where records are a version's last field nothing comes behind them: a piece of no bytes would wait for ever.
    let (mut answer, whole) = answer(&[b"head"], vec![batch(0, 1, 2 * COPIED_BYTES_MAX)]);
    answer.add_own(b"");
    answer.advance(whole.len());
    assert!(answer.is_sent());
}

#[test]
fn large_batches_are_shared_and_small_ones_are_not() {
    let large = batch(0, 1, COPIED_BYTES_MAX + 1);
    let LogSlice::Memory { bytes, .. } = &large else { unreachable!() };
    let at = bytes[BATCH_START_BYTES..].as_ptr();
    let (answer, _) = answer(&[b"", b""], vec![batch(3, 2, COPIED_BYTES_MAX), large.clone()]);
    let mut slices = [IoSlice::new(&[]); 9];
    assert_eq!(answer.in_memory(0, &mut slices, usize::MAX).0, 2);
    assert_eq!(slices[0].len(), COPIED_BYTES_MAX + BATCH_START_BYTES);
    assert_eq!(slices[1].as_ptr(), at);
}

#[test]
fn one_write_takes_no_more_than_its_turn_allows() {
    // A reader of much must not keep the thread from the others, nor may one batch that is larger than a turn.
    let size = 10 * COPIED_BYTES_MAX;
    let (answer, whole) =
        answer(&[b"a", b"b", b"c"], vec![batch(0, 1, size), batch(1, 2, size), batch(2, 3, size)]);
    for bytes_max in [1, 17, 18, size, 2 * size] {
        assert_eq!(taken(&answer, bytes_max), whole[..bytes_max]);
    }
}
