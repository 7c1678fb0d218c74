//! A sample is what it is, and what merging would make of it.

use wire::record::{BatchHeader, Builder, Codec};

use super::{Run, Sample, Shape, alternatives, cuts, percent, ratio, shape};

/// A batch of one record at this offset and time.
fn batch(offset: i64, time: i64, producer_id: Option<i64>) -> (BatchHeader, Vec<u8>) {
    let mut builder = Builder::new(Codec::None.into()).base_offset(offset);
    if let Some(id) = producer_id {
        builder = builder.producer(id, 0, 0);
    }
    builder.append(time, None, Some(&[b'x'; 100]), &[]).unwrap();
    let bytes = builder.finish().unwrap();
    (BatchHeader::parse(&bytes).unwrap(), bytes)
}

fn sample(times: &[i64]) -> Sample {
    let batches =
        times.iter().zip(0..).map(|(time, offset)| batch(offset, *time, Some(offset % 2))).collect();
    Sample { runs: vec![Run { batches }], partitions: 1 }
}

#[test]
fn a_sample_is_described() {
    // Could break: batches counted for records, producers counted for batches.
    let sample = sample(&[0; 10]);
    let bytes = sample.runs[0].batches.iter().map(|(_, batch)| batch.len() as u64).sum();
    let expected = Shape {
        batches: 10,
        records: 10,
        bytes,
        single_record_batches: 10,
        producer_ids: 2,
        codecs: vec!["none"],
    };
    assert_eq!(shape(&sample), expected);
}

#[test]
fn what_comes_together_is_stored_together() {
    // Could break: a promise of large batches for a partition that gets a record a minute.
    let run = Run {
        batches: [0, 500, 1000, 1001, 5000].iter().zip(0..).map(|(t, o)| batch(o, *t, None)).collect(),
    };
    let counts: Vec<usize> = cuts(&run, 1000).iter().map(Vec::len).collect();
    assert_eq!(counts, [3, 1, 1]);
    // Nor does one batch from the future make one of all that follow.
    let run =
        Run { batches: [1 << 40, 0, 60_000].iter().zip(0..).map(|(t, o)| batch(o, *t, None)).collect() };
    assert_eq!(cuts(&run, 1000).len(), 3);
}

#[test]
fn alternatives_are_what_merging_gives() {
    // Could break: the batches of an alternative are counted twice, or those that are stored as they came not at all.
    let together = sample(&[0; 100]);
    let now = shape(&together);
    let tried = alternatives(&together, 1000);
    assert_eq!(tried[0].batches, 1);
    // A hundred headers of 61 bytes are gone but for one, and a record's own bytes may grow by its deltas.
    assert!(now.bytes - tried[0].bytes > 99 * 55, "{now:?} {tried:?}");
    let zstd = tried.iter().find(|tried| tried.settings.contains("zstd")).unwrap();
    assert!(zstd.bytes < tried[0].bytes / 10, "{tried:?}");
    let apart: Vec<i64> = (0..100).map(|number| number * 60_000).collect();
    let apart = alternatives(&sample(&apart), 1000);
    assert_eq!((apart[0].batches, apart[0].bytes), (100, now_bytes(100)));
}

/// Of batches a minute apart: a record's own time is in its batch's header, so that they are as long as the others.
fn now_bytes(count: u64) -> u64 {
    count * batch(0, 0, None).1.len() as u64
}

#[test]
fn nothing_of_nothing_is_nothing() {
    // Could break: a topic without records shows NaN.
    assert_eq!((ratio(5, 0), percent(5, 0)), (0.0, 0.0));
    let none = Sample { runs: Vec::new(), partitions: 3 };
    assert_eq!(shape(&none), Shape::default());
    assert!(alternatives(&none, 1000).iter().all(|tried| (tried.batches, tried.bytes) == (0, 0)));
}
