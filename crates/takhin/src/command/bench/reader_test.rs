use wire::record::{Builder, Codec, Compression};

use super::*;

fn batch(base_offset: i64, values: &[&[u8]]) -> Vec<u8> {
    let mut builder = Builder::new(Compression::from(Codec::None)).base_offset(base_offset);
    values.iter().for_each(|value| builder.append(1, None, Some(value), &[]).expect("fits"));
    builder.finish().expect("a batch")
}

fn position(next: i64, end: i64) -> Position {
    Position { partition: 0, start: 0, next, end }
}

/// A fetch answers with whole batches: what lies before the position or behind the end is no work done.
#[test]
fn only_records_between_position_and_end_are_counted() {
    let answer = [batch(0, &[b"a", b"b", b"c"]), batch(3, &[b"dd", b"ee"])].concat();
    let mut position = position(1, 4);
    let got = visit(&answer, &mut position, &mut Scratch::default(), |_| true).expect("valid");
    assert_eq!((got.records, got.value_bytes, got.batches), (3, 4, 2));
    assert_eq!((got.wire_bytes, position.next), (answer.len() as u64, 5));
}

#[test]
fn a_batch_that_the_answer_cuts_is_left_for_the_next() {
    let answer = [batch(0, &[b"a"]), batch(1, &[b"b"])].concat();
    let mut position = position(0, 9);
    let cut = &answer[..answer.len() - 1];
    let got = visit(cut, &mut position, &mut Scratch::default(), |_| true).expect("valid");
    assert_eq!((got.records, position.next), (1, 1));
}

/// A generator that only counts would call a broker fast that sends garbage.
#[test]
fn a_wrong_crc_is_an_error() {
    let mut answer = batch(0, &[b"a"]);
    *answer.last_mut().expect("bytes") ^= 1;
    let read = visit(&answer, &mut position(0, 9), &mut Scratch::default(), |_| true);
    assert!(matches!(read, Err(BatchError::Crc { .. })), "{read:?}");
}
