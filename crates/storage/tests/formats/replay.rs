//! What a restart would replay becomes shorter when it must, without cutting what is young.

use env::Instant;
use storage::partition_log::Work;

use crate::directory::{Directory, partition};

#[test]
fn old_tails_are_cut_before_their_time_and_young_ones_stay() {
    let mut directory = Directory::new("through", 1 << 20);
    directory.store(true);
    directory.logs.create(2, partition(1), 0, Instant::now());
    directory.index = 2;
    directory.append(b"young".to_vec(), None);
    assert!(directory.logs.maintain(Instant::now(), 3, 3).works.is_empty());
    let works = directory.logs.maintain_through(2, 3, 3).works;
    assert!(matches!(works[..], [Work::Store(_), Work::Covered { index: 2, .. }]), "{}", works.len());
    let works = directory.logs.maintain_through(3, 3, 3).works;
    assert!(matches!(works[..], [Work::Store(_), Work::Covered { index: 3, .. }]), "{}", works.len());
}

// Else a shard of which no partition ever changes would keep the write-ahead log for ever.
#[test]
fn a_shard_without_effects_is_covered_when_it_is_asked() {
    let mut directory = Directory::new("silent", 1 << 20);
    directory.store(true);
    assert!(directory.logs.maintain(Instant::now(), 9, 9).works.is_empty());
    let works = directory.logs.maintain_through(9, 9, 9).works;
    assert!(matches!(works[..], [Work::Covered { index: 9, .. }]));
}
