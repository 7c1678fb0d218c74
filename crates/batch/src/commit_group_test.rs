//! Facts about what forms while the disk is busy.

use super::*;
use proptest::prelude::*;

fn group(entry_bytes_max: usize, queued_bytes_max: usize) -> CommitGroup<u32> {
    CommitGroup::new(2, vec![7], Limits { entry_bytes_max, queued_bytes_max })
}

fn add(group: &mut CommitGroup<u32>, shard: usize, item: &[u8], waiter: u32) -> Result<(), Full> {
    group.check_room(item.len())?;
    group.add(shard, item.len(), |out| out.extend_from_slice(item), waiter);
    Ok(())
}

#[test]
fn items_of_many_connections_become_one_entry_behind_the_prefix() {
    let mut group = group(100, 1000);
    add(&mut group, 1, b"abc", 1).unwrap();
    add(&mut group, 1, b"de", 2).unwrap();
    let entry = group.take(1).unwrap();
    assert_eq!((entry.bytes.as_slice(), entry.waiters.as_slice()), (&b"\x07abcde"[..], &[1, 2][..]));
    assert!(group.take(0).is_none() && group.is_empty());
}

#[test]
fn an_entry_closes_at_its_limit_and_a_larger_item_is_an_entry_alone() {
    // A batch above the limit must neither be refused nor drag others into one giant entry.
    let mut group = group(8, 1000);
    for (item, waiter) in [(&b"aaaa"[..], 1), (&[b'x'; 50][..], 2), (&b"bb"[..], 3)] {
        add(&mut group, 0, item, waiter).unwrap();
    }
    let waiters: Vec<_> = std::iter::from_fn(|| group.take(0)).map(|entry| entry.waiters).collect();
    assert_eq!(waiters, [vec![1], vec![2], vec![3]]);
}

#[test]
fn a_full_queue_refuses_until_an_entry_settles() {
    // Bytes in flight must count: a commit that hangs must not let memory grow.
    let mut group = group(100, 10);
    add(&mut group, 0, b"12345678", 1).unwrap();
    let entry = group.take(0).unwrap();
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

// What is open may still grow: taken with the full ones it would be a small group under load.
#[test]
fn only_what_grows_no_more_is_taken_as_closed() {
    let mut group = group(4, usize::MAX);
    add(&mut group, 0, b"abc", 1).unwrap();
    assert!(!group.has_closed(0));
    assert!(group.take_closed(0).is_none());
    add(&mut group, 0, b"def", 2).unwrap();
    assert!(group.has_closed(0));
    assert_eq!(group.take_closed(0).unwrap().waiters, [1]);
    assert!(group.take_closed(0).is_none());
    assert_eq!(group.take(0).unwrap().waiters, [2]);
}

proptest! {
    #[test]
    fn prop_everything_added_leaves_once_in_order(
        items in proptest::collection::vec((0usize..2, 0usize..20, any::<bool>()), 0..200)
    ) {
        let mut group = group(32, usize::MAX);
        let (mut added, mut left) = (vec![vec![], vec![]], vec![vec![], vec![]]);
        let mut take = |group: &mut CommitGroup<u32>, shard: usize| {
            if let Some(entry) = group.take(shard) {
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
