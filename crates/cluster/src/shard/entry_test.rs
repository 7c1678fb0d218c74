//! Facts about the bytes of entries.

use super::*;

fn partition(topic: u8, partition: i32) -> PartitionId {
    PartitionId { topic_id: TopicId([topic; 16]), partition }
}

fn two_batches() -> Bytes {
    let mut entry = header(EntryKind::Batches);
    for (id, delta, batch) in [(partition(1, 0), 0, &b"first"[..]), (partition(2, 7), 3, &b"second"[..])] {
        write_item_header(&mut entry, id, delta, batch.len());
        entry.extend_from_slice(batch);
    }
    stamp(&mut entry, 1234);
    entry.into()
}

#[test]
fn an_entry_gives_back_its_items_without_copying_them() {
    let entry = two_batches();
    assert_eq!(read_header(&entry), Ok((EntryKind::Batches, 1234)));
    let items: Vec<Item> = items(&entry).collect::<Result<_, _>>().unwrap();
    let found: Vec<_> =
        items.iter().map(|i| (i.partition, i.offset_delta_of_max_timestamp, &i.batch[..])).collect();
    assert_eq!(found, [(partition(1, 0), 0, &b"first"[..]), (partition(2, 7), 3, &b"second"[..])]);
    assert!(entry.as_ptr_range().contains(&items[1].batch.as_ptr()));
}

#[test]
fn a_cut_entry_is_an_error_wherever_it_is_cut() {
    // The WAL's checksum stands before this; still, nothing here may run past the end.
    let entry = two_batches();
    let boundaries = [ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + ITEM_HEADER_BYTES + 5, entry.len()];
    for end in 0..=entry.len() {
        let cut = entry.slice(..end);
        let whole = read_header(&cut).is_ok() && items(&cut).all(|item| item.is_ok());
        assert_eq!(whole, boundaries.contains(&end), "cut at {end}");
    }
}

#[test]
fn lifecycle_entries_name_their_partitions() {
    let there = [(partition(1, 0), 0), (partition(1, 1), 5)];
    let entry = partitions_created(there);
    assert_eq!(created(&entry).collect::<Result<Vec<_>, _>>().unwrap(), there);
    let starts = [(partition(1, 0), 7), (partition(2, 3), i64::MAX)];
    let entry = log_starts_advanced(starts);
    assert_eq!(read_header(&entry), Ok((EntryKind::LogStartsAdvanced, 0)));
    assert_eq!(advanced(&entry).collect::<Result<Vec<_>, _>>().unwrap(), starts);
    assert!(advanced(&entry[..entry.len() - 1]).last().unwrap().is_err());
    let gone = [partition(3, 2)];
    assert_eq!(deleted(&partitions_deleted(gone)).collect::<Result<Vec<_>, _>>().unwrap(), gone);
}

#[test]
fn an_entry_of_a_newer_build_is_refused() {
    let mut entry = header(EntryKind::Batches);
    entry[1] = 1;
    assert_eq!(read_header(&entry), Err(EntryError::Unknown { kind: 3, version: 1 }));
    entry[0] = 99;
    assert_eq!(read_header(&entry), Err(EntryError::Unknown { kind: 99, version: 1 }));
}
