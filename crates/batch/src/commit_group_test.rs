//! Facts about what forms while the disk is busy.

use super::*;
use proptest::prelude::*;

fn group(entry_bytes_max: usize, queued_bytes_max: usize) -> CommitGroup<u8, u32> {
    CommitGroup::new(2, vec![7], Limits { entry_bytes_max, queued_bytes_max })
}

fn add(group: &mut CommitGroup<u8, u32>, shard: usize, item: &[u8], waiter: u32) -> Result<(), Full> {
    group.check_room(item.len())?;
    group.add(shard, 0, item.len(), |out| out.extend_from_slice(item), waiter);
    Ok(())
}

#[test]
fn items_of_many_connections_become_one_entry_behind_the_prefix() {
    let mut group = group(100, 1000);
    add(&mut group, 1, b"abc", 1).unwrap();
    add(&mut group, 1, b"de", 2).unwrap();
    let entry = group.take_small(1).unwrap();
    assert_eq!((entry.bytes.as_slice(), entry.waiters.as_slice()), (&b"\x07abcde"[..], &[1, 2][..]));
    assert!(group.take_small(0).is_none() && group.is_empty());
}

#[test]
fn an_entry_closes_at_its_limit_and_a_larger_item_is_an_entry_alone() {
    // A batch above the limit must neither be refused nor drag others into one giant entry.
    let mut group = group(8, 1000);
    for (item, waiter) in [(&b"aaaa"[..], 1), (&[b'x'; 50][..], 2), (&b"bb"[..], 3)] {
        add(&mut group, 0, item, waiter).unwrap();
    }
    let waiters: Vec<_> = std::iter::from_fn(|| group.take_small(0)).map(|entry| entry.waiters).collect();
    assert_eq!(waiters, [vec![1], vec![2], vec![3]]);
}

#[test]
fn a_full_queue_refuses_until_an_entry_settles() {
    // Bytes in flight must count: a commit that hangs must not let memory grow.
    let mut group = group(100, 10);
    add(&mut group, 0, b"12345678", 1).unwrap();
    let entry = group.take_small(0).unwrap();
    assert_eq!(add(&mut group, 1, b"abc", 2), Err(Full { queued_bytes: 8, queued_bytes_max: 10 }));
    group.settle(entry.bytes.len());
    add(&mut group, 1, b"abc", 2).unwrap();
}

#[test]
fn one_item_above_the_whole_bound_still_passes_when_nothing_else_is_queued() {
    let mut group = group(4, 4);
    add(&mut group, 0, b"larger than all", 1).unwrap();
    assert!(add(&mut group, 0, b"a", 2).is_err());
}

fn add_of(group: &mut CommitGroup<u8, u32>, key: u8, bytes: usize, waiter: u32) -> Lane {
    group.add(0, key, bytes, |out| out.resize(out.len() + bytes, key), waiter)
}

// Who sends little must not wait until what others send by the megabyte is on disk.
#[test]
fn small_items_wait_beside_bulk_and_not_behind_it() {
    let mut group = group(1 << 20, usize::MAX);
    assert_eq!(add_of(&mut group, 1, BULK_ITEM_BYTES, 1), Lane::Bulk);
    assert_eq!(add_of(&mut group, 2, 100, 2), Lane::Small);
    assert_eq!(group.take_small(0).unwrap().waiters, [2]);
    assert_eq!(group.take_bulk(0).unwrap().waiters, [1]);
}

// A producer's next batch of the same partition would be out of sequence in front of the one before.
#[test]
fn a_small_item_does_not_overtake_bulk_of_its_own_key() {
    let mut group = group(1 << 20, usize::MAX);
    add_of(&mut group, 1, BULK_ITEM_BYTES, 1);
    assert_eq!(add_of(&mut group, 1, 100, 2), Lane::Bulk);
    assert_eq!(group.take_bulk(0).unwrap().waiters, [1, 2]);
    assert_eq!(add_of(&mut group, 1, 100, 3), Lane::Small);
}

#[test]
#[should_panic(expected = "what is small goes first")]
fn bulk_does_not_overtake_a_small_item() {
    let mut group = group(1 << 20, usize::MAX);
    add_of(&mut group, 1, 100, 1);
    add_of(&mut group, 1, BULK_ITEM_BYTES, 2);
    group.take_bulk(0);
}

// What is open may still grow: taken with the closed ones it would be a small group under load.
#[test]
fn a_bulk_entry_is_closed_when_another_one_is_open_behind_it() {
    let mut group = group(BULK_ITEM_BYTES + 1, usize::MAX);
    add_of(&mut group, 1, BULK_ITEM_BYTES, 1);
    assert!(group.has_bulk(0) && !group.has_closed_bulk(0));
    add_of(&mut group, 2, BULK_ITEM_BYTES, 2);
    assert!(group.has_closed_bulk(0));
    assert_eq!(group.take_bulk(0).unwrap().waiters, [1]);
    assert!(!group.has_closed_bulk(0));
}

proptest! {
    #[test]
    fn prop_everything_added_leaves_once_in_order(
        items in proptest::collection::vec((0usize..2, 0usize..20, any::<bool>()), 0..200)
    ) {
        let mut group = group(32, usize::MAX);
        let (mut added, mut left) = (vec![vec![], vec![]], vec![vec![], vec![]]);
        let mut take = |group: &mut CommitGroup<u8, u32>, shard: usize| {
            if let Some(entry) = group.take_small(shard) {
                prop_assert_eq!(entry.bytes[0], 7);
                prop_assert!(entry.bytes.len() <= 33 || entry.waiters.len() == 1);
                group.settle(entry.bytes.len());
                left[shard].extend(entry.waiters);
            }
            Ok(())
        };
        for (waiter, (shard, length, then_take)) in items.into_iter().enumerate() {
            let waiter = u32::try_from(waiter).unwrap();
            add(&mut group, shard, &vec![1; length], waiter).unwrap();
            added[shard].push(waiter);
            if then_take {
                take(&mut group, shard)?;
            }
        }
        while !group.is_empty() {
            take(&mut group, 0)?;
            take(&mut group, 1)?;
        }
        prop_assert_eq!(group.queued_bytes(), 0);
        prop_assert_eq!(left, added);
    }
}
