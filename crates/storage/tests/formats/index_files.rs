//! Index files: what they save, and that nothing in one is believed that is not so.

use env::Instant;

use crate::directory::{Directory, partition};

const BATCH_BYTES: usize = 40 << 10;

/// Segments of two megabytes with 48 batches each, larger than an index interval.
fn directory(name: &str, batches: usize) -> Directory {
    let mut directory = Directory::new(name, 2 << 20);
    for at in 0..batches {
        directory.append(vec![at as u8; BATCH_BYTES + at], None);
        if at % 10 == 9 {
            directory.store(false);
        }
    }
    directory.store(true);
    directory
}

#[test]
fn after_a_restart_the_first_read_does_not_scan_the_segment() {
    let mut directory = directory("first-read", 110);
    assert_eq!((directory.files("log").len(), directory.files("idx").len()), (3, 2));
    for at in [20, 40, 70, 95] {
        directory.reopen();
        let expected = directory.expected[at].clone();
        let read = directory.bytes_read_by(|| {
            let reader = directory.reader();
            assert_eq!(reader.read(expected.base_offset, 1).unwrap().slices.len(), 1);
            assert!(reader.batch_for_timestamp(expected.timestamp).unwrap().is_some());
        });
        assert!(read < 120_000, "{read} bytes read for batch {at}");
    }
    for index in directory.files("idx") {
        std::fs::remove_file(index).unwrap();
    }
    directory.reopen();
    let read = directory.bytes_read_by(|| drop(directory.reader().read(40, 1)));
    assert!(read > 700_000, "without an index file the headers are scanned: {read} bytes");
    directory.check();
}

#[test]
fn a_small_segment_has_no_index_file() {
    let mut directory = directory("small", 15);
    assert!(directory.files("idx").is_empty());
    directory.append(vec![1; BATCH_BYTES], None);
    directory.store(true);
    assert!(directory.files("idx").is_empty(), "the first batch needs no entry");
    directory.append(vec![1; BATCH_BYTES], None);
    directory.store(true);
    assert_eq!(directory.files("idx").len(), 1);
}

#[test]
fn an_index_file_goes_with_its_segment() {
    let mut directory = directory("goes", 110);
    directory.index += 1;
    directory.logs.advance_log_start(directory.index, &partition(0), 105, Instant::now());
    directory.store(true);
    directory.store(true);
    assert_eq!((directory.files("log").len(), directory.files("idx").len()), (1, 0));
    directory.reopen();
    directory.check();
    directory.index += 1;
    assert!(directory.logs.delete(directory.index, &partition(0)));
    directory.store(true);
    assert!(directory.files("log").is_empty());
}

#[test]
fn an_index_goes_on_after_a_restart_where_it_was() {
    let mut directory = directory("goes-on", 30);
    for round in 0..3 {
        directory.reopen();
        let read = directory.bytes_read_by(|| {});
        assert_eq!(read, 0);
        for _ in 0..20 {
            directory.append(vec![round; BATCH_BYTES], None);
        }
        directory.store(true);
        directory.check();
    }
    directory.reopen();
    let read = directory.bytes_read_by(|| drop(directory.reader().read(45, 1).unwrap()));
    assert!(read < 120_000, "{read} bytes read in a segment sealed after a restart");
    directory.check();
}

// The file is never synced: after a power loss any of this may be in it.
#[test]
fn a_file_that_is_missing_short_torn_or_lying_never_gives_a_wrong_read() {
    let mut directory = directory("lies", 60);
    let (indexes, logs) = (directory.files("idx"), directory.files("log"));
    assert_eq!((indexes.len(), logs.len()), (1, 2));
    let index = &indexes[0];
    let good = std::fs::read(index).unwrap();
    let mut bads = Vec::new();
    for len in [0, 1, 23, 24, 47, 48, good.len() / 2, good.len() - 24, good.len() - 1] {
        bads.push(good[..len].to_vec());
        let mut torn = good.clone();
        torn[len..].fill(0);
        bads.push(torn);
    }
    for at in (0..good.len()).step_by(5) {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        bads.push(flipped);
    }
    // Entries that are whole, but moved by one, and a file of another kind.
    bads.push([&good[..24], &good[48..], &good[24..48]].concat());
    bads.push(std::fs::read(&logs[0]).unwrap()[..good.len()].to_vec());
    for (number, bad) in bads.iter().enumerate().filter(|(_, bad)| **bad != good) {
        std::fs::write(index, bad).unwrap();
        directory.reopen();
        let read = directory.bytes_read_by(|| drop(directory.reader().read(20, 1).unwrap()));
        assert!(read > 200_000, "bad file {number} was believed");
        if number % 8 == 0 {
            directory.check();
        }
    }
    std::fs::remove_file(index).unwrap();
    directory.reopen();
    directory.check();
    // What is behind the part that counts is nobody's business.
    std::fs::write(index, [&good[..], b"junk"].concat()).unwrap();
    directory.reopen();
    let read = directory.bytes_read_by(|| drop(directory.reader().read(20, 1).unwrap()));
    assert!(read < 120_000, "{read}");
    directory.check();
}

// Bytes behind the checkpoint are cut off and written anew, differently: entries about them must go with them.
#[test]
fn entries_about_what_a_start_cuts_off_are_not_believed() {
    let mut directory = directory("cut-off", 20);
    let index = directory.files("idx")[0].clone();
    let len = || std::fs::read(&index).unwrap().len();
    let checkpointed = len();
    for life in 0..4 {
        for at in 0..66 + life {
            directory.append(vec![at as u8; 17_000 + 10 * (at % 7) + 13 * life], None);
            directory.store(false);
        }
        assert!(len() > checkpointed, "there are entries about what no checkpoint has");
        directory.check();
        directory.reopen();
        assert_eq!(directory.expected.len(), 20, "nothing was checkpointed");
    }
    for at in 0..70 {
        directory.append(vec![at; 17_000], None);
    }
    directory.check();
    directory.store(true);
    directory.reopen();
    assert_eq!(directory.expected.len(), 90);
    let read = directory.bytes_read_by(|| drop(directory.reader().read(80, 1).unwrap()));
    assert!(read < 120_000, "{read}");
    directory.check();
}
