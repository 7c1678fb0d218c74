//! Micro-benchmarks of the pure parts of a produce: nanoseconds and instructions a record.
//!
//!     cargo xtask micro            # or: cargo bench -p xtask --bench micro
//!
//! Time is the best of some rounds, as anything else on the machine only adds to it. Instructions are those of user
//! space and hardly vary between runs: compare them first. Where the kernel does not count them, valgrind does, if it is
//! installed; a line says who does.

// A tool beside the stack: it asks the time itself.
#![allow(clippy::disallowed_methods)]

mod counter;

use std::{borrow::Cow, hint::black_box, time::Instant};

use batch::{
    Limits as GroupLimits,
    merge::{CodecChoice, MergeOptions, Merger, Part},
};
use counter::{Instructions, Once};
use wire::{
    ApiKey, Message, frame,
    message::{
        ProduceRequest,
        produce::{PartitionProduceData, TopicProduceData},
    },
    primitive::Records,
    record::{Builder, Codec, Compression, Limits, Scratch, header, validate},
};

/// Records of one repetition.
const RECORDS: usize = 1000;
/// Rounds, of which the best counts.
const ROUNDS: usize = 7;
/// Seconds of one round, about.
const ROUND_S: f64 = 0.1;

fn main() {
    let mut bench = Bench { instructions: Instructions::open(), mode: Mode::of_arguments() };
    if let (Err(why), Mode::Measure) = (&bench.instructions, &bench.mode) {
        println!("the kernel counts no instructions ({why}): {}", counter::in_place_of_it());
    }
    println!("{:<44}{:>12}{:>16}", "", "ns/record", "instr/record");
    let single: Vec<Vec<u8>> = (0..RECORDS).map(|at| batch(at, 1, Codec::None)).collect();
    commit_group(&mut bench, &single);
    merge(&mut bench, &single);
    check(&mut bench, &single);
    decode(&mut bench, &single);
}

/// What is to be done with the cases.
enum Mode {
    /// Measure all: `cargo bench`.
    Measure,
    /// Run one some times, for somebody else to count.
    Only(Once),
    /// Run each once, to see that it runs: `cargo test --all-targets`.
    Try,
}

impl Mode {
    fn of_arguments() -> Self {
        match Once::of_arguments() {
            Some(once) => Self::Only(once),
            None if std::env::args().any(|word| word == "--bench") => Self::Measure,
            None => Self::Try,
        }
    }
}

struct Bench {
    instructions: Result<Instructions, String>,
    mode: Mode,
}

impl Bench {
    /// Measures `work`, which handles [`RECORDS`] records each time.
    fn case(&mut self, name: &str, mut work: impl FnMut()) {
        match &self.mode {
            Mode::Measure => {}
            Mode::Only(once) => return (0..once.times_of(name)).for_each(|_| work()),
            Mode::Try => return work(),
        }
        let began = Instant::now();
        work();
        let once_s = began.elapsed().as_secs_f64().max(1e-9);
        let repetitions =
            (1..1_000_000).find(|count| f64::from(*count) * once_s >= ROUND_S).unwrap_or(1_000_000);
        let records = f64::from(repetitions) * 1000.0;
        let (mut ns, mut instructions) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..ROUNDS {
            let before = self.count();
            let began = Instant::now();
            (0..repetitions).for_each(|_| work());
            ns = ns.min(began.elapsed().as_secs_f64() * 1e9 / records);
            instructions = instructions.min((self.count() - before) as f64 / records);
        }
        if self.instructions.is_err() {
            instructions = counter::by_valgrind(name).map_or(f64::NAN, |count| count / 1000.0);
        }
        let counted = if instructions.is_nan() { "-".to_owned() } else { format!("{instructions:.0}") };
        println!("{name:<44}{ns:>12.1}{counted:>16}");
    }

    fn count(&mut self) -> u64 {
        self.instructions.as_mut().map_or(0, Instructions::read)
    }
}

/// Values of 100 bytes that compress as JSON does.
fn batch(first: usize, records: usize, codec: Codec) -> Vec<u8> {
    let mut builder = Builder::new(Compression::from(codec));
    for at in first..first + records {
        let number = at * 7919 % 100_003;
        let mut value = format!(
            "{{\"user_id\":{number},\"event\":\"click\",\"path\":\"/api/v1/items/{}\",\"region\":\"eu-west-1\",\"latency_us\":{}}}",
            number % 911,
            number % 4099,
        );
        value.truncate(100);
        let value = format!("{value:<100}");
        builder.append(1_700_000_000_000, None, Some(value.as_bytes()), &[]).expect("it fits");
    }
    builder.finish().expect("a batch")
}

fn commit_group(bench: &mut Bench, single: &[Vec<u8>]) {
    let limits = GroupLimits { entry_bytes_max: 4 << 20, queued_bytes_max: 64 << 20 };
    let mut group = batch::CommitGroup::new(1, vec![0; 16], limits);
    bench.case("commit group: add and take, 1 record a batch", || {
        for (key, batch) in single.iter().enumerate() {
            group.add(0, key % 100, batch.len(), |out| out.extend_from_slice(batch), key);
        }
        while let Some(entry) = group.take_small(0) {
            group.settle(entry.bytes.len());
            black_box(entry);
        }
    });
}

fn merge(bench: &mut Bench, single: &[Vec<u8>]) {
    let parts: Vec<Part<'_>> = (0..)
        .zip(single)
        .map(|(offset, bytes)| Part { base_offset: offset, last_offset: offset, leader_epoch: 0, bytes })
        .collect();
    for codec in [Codec::None, Codec::Zstd] {
        let options = MergeOptions { codec: CodecChoice::Always(codec), ..MergeOptions::default() };
        let mut merger = Merger::default();
        bench.case(&format!("merge: 1000 batches of 1 record, {}", codec.name()), || {
            let mut rest = parts.as_slice();
            while !rest.is_empty() {
                let stored = black_box(merger.next(rest, &options));
                assert!(!stored.has_failed, "every part can be read");
                rest = &rest[stored.parts..];
            }
        });
    }
}

fn check(bench: &mut Bench, single: &[Vec<u8>]) {
    let (limits, mut scratch) = (Limits::default(), Scratch::default());
    bench.case("validate: 1 record a batch", || {
        for batch in single {
            black_box(validate(batch, &limits, &mut scratch)).expect("valid");
        }
    });
    for codec in [Codec::None, Codec::Zstd] {
        let large = batch(0, RECORDS, codec);
        bench.case(&format!("validate: 1000 records a batch, {}", codec.name()), || {
            black_box(validate(&large, &limits, &mut scratch)).expect("valid");
        });
    }
    let large = batch(0, RECORDS, Codec::None);
    bench.case("CRC: 1 record a batch", || {
        single.iter().for_each(|batch| black_box(header::check_crc(batch)).expect("valid"));
    });
    bench.case("CRC: 1000 records a batch", || black_box(header::check_crc(&large)).expect("valid"));
}

fn decode(bench: &mut Bench, single: &[Vec<u8>]) {
    let version = *ApiKey::Produce.versions().end();
    let frames: Vec<Vec<u8>> = single
        .iter()
        .map(|batch| {
            let data = PartitionProduceData { index: 0, records: Records::Slice(batch) };
            let topic = TopicProduceData {
                name: Cow::Borrowed("topic"),
                partition_data: vec![data].into(),
                ..Default::default()
            };
            let request = ProduceRequest { acks: -1, topic_data: vec![topic].into(), ..Default::default() };
            let mut bytes = Vec::new();
            frame::write_request(&mut bytes, version, 1, Some("micro"), &request).expect("it fits");
            bytes.split_off(frame::LENGTH_SIZE)
        })
        .collect();
    bench.case("decode: a produce request of 1 record", || {
        for bytes in &frames {
            let mut request = frame::read_request(bytes).expect("a request");
            let produce = ProduceRequest::decode(&mut request.body, version).expect("a produce");
            for topic in &produce.topic_data {
                for partition in &topic.partition_data {
                    black_box(partition.records.as_slice());
                }
            }
        }
    });
}
