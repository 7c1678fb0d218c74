use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{AddError, Backend, Batcher, Flush, Item, MemoryBackend, Record, Room};
use crate::settings::{PolicyName, Settings};

const MS: Duration = Duration::from_millis(1);

/// An item of so many records and bytes, with a number to know it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sized {
    number: usize,
    records: usize,
    bytes: usize,
}

impl Item for Sized {
    fn records(&self) -> usize {
        self.records
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

fn item(records: usize, bytes: usize) -> Sized {
    Sized { number: 0, records, bytes }
}

fn settings() -> Settings {
    Settings { max_size: 10, max_bytes: 1000, linger: 5 * MS, is_adaptive: false, ..Settings::default() }
}

type OfNumbers = Batcher<u8, Sized, usize>;

fn batcher(settings: Settings) -> OfNumbers {
    Batcher::new(settings).unwrap()
}

/// Items of each batch that is due.
fn due(batcher: &mut OfNumbers, now: Duration) -> Vec<(u8, usize)> {
    std::iter::from_fn(|| batcher.take_due(now)).map(|batch| (batch.partition, batch.items.len())).collect()
}

fn reasons(batcher: &OfNumbers) -> Vec<(Flush, u64)> {
    use Flush::{Age, Asked, Bytes, Closed, Size, Target};
    let all = [Size, Bytes, Target, Age, Asked, Closed].into_iter().zip(batcher.stats().flushes);
    all.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn a_batch_is_due_at_its_size_its_bytes_and_its_target() {
    let mut batcher = batcher(settings());
    assert!(!batcher.add(1, item(9, 10), 0, MS).unwrap().is_due());
    assert!(batcher.add(1, item(1, 10), 0, MS).unwrap().is_due());
    assert!(batcher.add(2, item(1, 1000), 0, MS).unwrap().is_due());
    assert_eq!(due(&mut batcher, MS), [(1, 2), (2, 1)]);
    assert_eq!(reasons(&batcher), [(Flush::Size, 1), (Flush::Bytes, 1)]);
    let adaptive = Settings { is_adaptive: true, adaptive_min_size: 3, adaptive_max_size: 4, ..settings() };
    let mut batcher = super::Batcher::new(adaptive).unwrap();
    assert!(!batcher.add(1, item(3, 1), 0, MS).unwrap().is_due());
    assert!(batcher.add(1, item(1, 1), 0, MS).unwrap().is_due());
    assert_eq!(due(&mut batcher, MS), [(1, 2)]);
    assert_eq!(reasons(&batcher), [(Flush::Target, 1)]);
}

#[test]
fn what_would_go_beyond_a_limit_begins_a_batch_and_what_is_larger_is_one_alone() {
    let mut batcher = batcher(settings());
    (0..2).for_each(|_| _ = batcher.add(1, item(4, 400), 0, MS).unwrap());
    assert!(batcher.add(1, item(3, 1), 0, MS).unwrap().is_due());
    assert!(batcher.add(1, item(1, 5000), 0, MS).unwrap().is_due());
    assert!(batcher.add(1, item(500, 1), 0, MS).unwrap().is_due());
    assert_eq!(due(&mut batcher, MS), [(1, 2), (1, 1), (1, 1), (1, 1)]);
}

#[test]
fn age_is_each_batchs_own_counted_from_its_first_item() {
    let mut batcher = batcher(settings());
    _ = batcher.add(1, item(1, 1), 0, Duration::ZERO).unwrap();
    _ = batcher.add(2, item(1, 1), 0, 3 * MS).unwrap();
    _ = batcher.add(1, item(1, 1), 0, 4 * MS).unwrap();
    assert_eq!(batcher.next_due_at(), Some(5 * MS));
    assert_eq!(due(&mut batcher, 4 * MS), []);
    assert_eq!(due(&mut batcher, 5 * MS), [(1, 2)]);
    assert_eq!(batcher.next_due_at(), Some(8 * MS));
    assert_eq!(due(&mut batcher, 8 * MS), [(2, 1)]);
    assert_eq!(batcher.next_due_at(), None);
    assert_eq!(batcher.stats().effective_wait, 5 * MS);
}

#[test]
fn a_batch_that_was_full_leaves_no_age_behind_for_the_next_one() {
    let mut batcher = batcher(settings());
    _ = batcher.add(1, item(10, 1), 0, Duration::ZERO).unwrap();
    _ = batcher.add(1, item(1, 1), 0, 4 * MS).unwrap();
    assert_eq!(due(&mut batcher, 5 * MS), [(1, 1)]);
    assert_eq!(batcher.next_due_at(), Some(9 * MS));
}

#[test]
fn without_linger_nothing_waits() {
    let mut batcher = batcher(Settings { linger: Duration::ZERO, ..settings() });
    assert!(batcher.add(1, item(1, 1), 0, MS).unwrap().is_due());
    assert_eq!(due(&mut batcher, MS), [(1, 1)]);
}

#[test]
fn flushing_a_partition_leaves_the_others() {
    let mut batcher = batcher(settings());
    for partition in [1, 2, 1] {
        _ = batcher.add(partition, item(6, 1), 0, MS).unwrap();
    }
    let flushed: Vec<usize> = batcher.flush_partition(&1, MS).iter().map(|batch| batch.records).collect();
    assert_eq!(flushed, [6, 6]);
    assert_eq!(batcher.stats().pending_records, 6);
    assert_eq!(batcher.flush_all(MS).len(), 1);
    assert_eq!(reasons(&batcher), [(Flush::Size, 1), (Flush::Asked, 2)]);
}

#[test]
fn a_closed_batcher_gives_all_and_takes_nothing() {
    let mut batcher = batcher(settings());
    _ = batcher.add(1, item(1, 1), 0, MS).unwrap();
    _ = batcher.add(2, item(10, 1), 0, MS).unwrap();
    assert_eq!(batcher.close(MS).len(), 2);
    assert_eq!(batcher.add(1, item(1, 1), 0, MS), Err(AddError::Closed));
    assert_eq!(batcher.stats().pending_batches, 0);
}

#[test]
fn what_waits_is_bounded_and_an_empty_batcher_takes_anything() {
    let room = Room { records: 5, bytes: 100 };
    let mut batcher: OfNumbers = Batcher::with_room(settings(), room).unwrap();
    _ = batcher.add(1, item(4, 10), 0, MS).unwrap();
    let full = AddError::Full { records: 4, bytes: 10, max: room };
    assert_eq!(batcher.add(2, item(2, 1), 0, MS), Err(full));
    assert_eq!(batcher.add(2, item(1, 91), 0, MS), Err(full));
    _ = batcher.add(2, item(1, 90), 0, MS).unwrap();
    assert_eq!(batcher.flush_all(MS).len(), 2);
    _ = batcher.add(1, item(50, 5000), 0, MS).unwrap();
}

#[test]
fn settings_out_of_range_are_refused() {
    let empty = Settings { max_size: 0, ..settings() };
    assert!(Batcher::<u8, Sized, usize>::new(empty).is_err());
}

#[test]
fn a_failed_batch_fails_every_ticket_and_teaches_nothing() {
    let mut batcher: Batcher<&str, Record, usize> = Batcher::new(settings()).unwrap();
    let mut backend = MemoryBackend::new(["there"]);
    for ticket in 0..3 {
        _ = batcher.add("nowhere", Record::default(), ticket, MS).unwrap();
    }
    let batch = batcher.flush_all(MS).pop().unwrap();
    let answers = batcher.process(batch, || MS, |partition, items| backend.append_batch(partition, items));
    let texts: Vec<_> =
        answers.into_iter().map(|(ticket, offset)| (ticket, offset.unwrap_err().to_string())).collect();
    let why = "there is no partition \"nowhere\"";
    assert_eq!(texts, [0, 1, 2].map(|ticket| (ticket, why.to_owned())));
    assert!(batcher.stats().avg_throughput.abs() < f64::EPSILON);
    assert_eq!((backend.entries(), batcher.stats().bytes_stored), (0, 0));
}

#[test]
fn append_is_the_batch_of_one() {
    let mut backend = MemoryBackend::new([0]);
    let record = |value: &[u8]| Record { value: Some(value.to_vec()), ..Record::default() };
    assert_eq!(backend.append(&0, &record(b"a")).unwrap().base_offset, 0);
    assert_eq!(backend.append_batch(&0, &[record(b"b"), record(b"c")]).unwrap().base_offset, 1);
    assert_eq!(backend.append(&0, &record(b"d")).unwrap().base_offset, 3);
    assert_eq!((backend.entries(), backend.log(&0).len()), (3, 4));
}

#[derive(Clone, Debug)]
enum Step {
    Add { partition: u8, records: usize, bytes: usize },
    TakeDue,
    FlushPartition(u8),
    FlushAll,
    Pass(u64),
    FailNext,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..3_u8, 1..14_usize, 0..1300_usize)
            .prop_map(|(partition, records, bytes)| Step::Add { partition, records, bytes }),
        4 => Just(Step::TakeDue),
        1 => (0..3_u8).prop_map(Step::FlushPartition),
        1 => Just(Step::FlushAll),
        3 => (0..4_u64).prop_map(Step::Pass),
        1 => Just(Step::FailNext),
    ]
}

/// What was accepted and has not left, and where each partition's log ends.
struct Oracle {
    batcher: OfNumbers,
    now: Duration,
    fails: bool,
    expected: BTreeMap<u8, Vec<Sized>>,
    ends: BTreeMap<u8, i64>,
}

impl Oracle {
    fn take(&mut self, batch: super::Batch<u8, Sized, usize>) -> Result<(), TestCaseError> {
        let waiting = self.expected.entry(batch.partition).or_default();
        prop_assert!(batch.items.len() <= waiting.len(), "left twice");
        let first: Vec<Sized> = waiting.drain(..batch.items.len()).collect();
        prop_assert_eq!(&first, &batch.items);
        let numbers: Vec<usize> = first.iter().map(|item| item.number).collect();
        prop_assert_eq!(&numbers, &batch.tickets);
        prop_assert_eq!(batch.records, first.iter().map(|item| item.records).sum::<usize>());
        let is_within = batch.records <= 10 && batch.bytes <= 1000;
        prop_assert!(is_within || first.len() == 1, "too large");
        let end = self.ends.entry(batch.partition).or_default();
        let (base, fails) = (*end, std::mem::take(&mut self.fails));
        let append = |_: &u8, items: &[Sized]| {
            let bytes_stored = items.iter().map(Item::bytes).sum();
            if fails { Err("no") } else { Ok(super::Appended { base_offset: base, bytes_stored }) }
        };
        let now = self.now;
        for (item, (ticket, offset)) in first.iter().zip(self.batcher.process(batch, || now, append)) {
            prop_assert_eq!(item.number, ticket);
            prop_assert_eq!(offset, if fails { Err("no") } else { Ok(*end) });
            if !fails {
                *end += i64::try_from(item.records).unwrap();
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn what_is_accepted_leaves_once_in_order_within_the_limits_and_gets_its_own_offset(
        steps in proptest::collection::vec(step(), 1..200),
        is_adaptive in any::<bool>(),
        target in 1..12_usize,
    ) {
        let policy = if target > 6 { PolicyName::Throughput } else { PolicyName::Company };
        let bounds = Settings { adaptive_min_size: 1, adaptive_max_size: target, policy, ..settings() };
        let batcher = super::Batcher::new(Settings { is_adaptive, ..bounds }).unwrap();
        let mut oracle = Oracle {
            batcher, now: Duration::ZERO, fails: false, expected: BTreeMap::new(), ends: BTreeMap::new(),
        };
        for (number, step) in steps.into_iter().enumerate() {
            let now = oracle.now;
            let left = match step {
                Step::Add { partition, records, bytes } => {
                    let item = Sized { number, records, bytes };
                    _ = oracle.batcher.add(partition, item, number, now).unwrap();
                    oracle.expected.entry(partition).or_default().push(item);
                    Vec::new()
                }
                Step::TakeDue => {
                    let left = std::iter::from_fn(|| oracle.batcher.take_due(now)).collect();
                    prop_assert!(oracle.batcher.next_due_at().is_none_or(|at| at > now));
                    left
                }
                Step::FlushPartition(partition) => oracle.batcher.flush_partition(&partition, now),
                Step::FlushAll => oracle.batcher.flush_all(now),
                Step::Pass(ms) => {
                    oracle.now += Duration::from_millis(ms);
                    Vec::new()
                }
                Step::FailNext => {
                    oracle.fails = true;
                    Vec::new()
                }
            };
            left.into_iter().try_for_each(|batch| oracle.take(batch))?;
            let waiting: usize = oracle.expected.values().flatten().map(|item| item.records).sum();
            prop_assert_eq!(oracle.batcher.stats().pending_records, waiting);
        }
        let now = oracle.now;
        oracle.batcher.close(now).into_iter().try_for_each(|batch| oracle.take(batch))?;
        prop_assert!(oracle.expected.values().all(Vec::is_empty), "never left");
        prop_assert_eq!(oracle.batcher.stats().pending_batches, 0);
    }
}
