//! What the check costs: `cargo test --release -p wire --test record_speed -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::cast_possible_truncation)]

use std::hint::black_box;
use std::time::Instant;

use wire::record::header::check_crc;
use wire::record::{Builder, Codec, Compression, Limits, Scratch, validate};

fn batch(codec: Codec, records: usize) -> Vec<u8> {
    // Half of a value compresses, as JSON does.
    let value: Vec<u8> = (0..100u32).map(|i| if i % 2 == 0 { b'a' } else { (i * 37 % 251) as u8 }).collect();
    let mut builder = Builder::new(Compression::from(codec));
    for _ in 0..records {
        builder.append(1_700_000_000_000, Some(b"key-1"), Some(&value), &[]).unwrap();
    }
    builder.finish().unwrap()
}

/// The best of five rounds, in nanoseconds per call.
fn nanoseconds(mut call: impl FnMut()) -> f64 {
    let rounds = 20_000;
    let round = |call: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..rounds).for_each(|_| call());
        start.elapsed().as_nanos() as f64 / f64::from(rounds)
    };
    (0..5).map(|_| round(&mut call)).fold(f64::INFINITY, f64::min)
}

#[test]
#[ignore = "measures; needs --release and a quiet machine"]
fn speed_of_the_check() {
    let limits = Limits::default();
    for records in [1, 100] {
        for codec in Codec::ALL {
            let batch = batch(codec, records);
            let mut scratch = Scratch::default();
            let all = nanoseconds(|| {
                black_box(validate(black_box(&batch), &limits, &mut scratch)).unwrap();
            });
            let crc = nanoseconds(|| black_box(check_crc(black_box(&batch))).unwrap());
            let bytes = batch.len();
            println!("{codec:7} {records:4} records {bytes:6} bytes: {all:8.1} ns, of it CRC {crc:6.1} ns");
        }
    }
}
