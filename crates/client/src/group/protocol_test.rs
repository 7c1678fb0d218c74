use super::protocol::{assignment, read_assignment, read_subscription, subscription};
use crate::Partitions;

#[test]
fn what_is_written_is_read() {
    let topics = vec!["orders".to_owned(), "ä".to_owned()];
    assert_eq!(read_subscription(&subscription(&topics)).unwrap(), topics);
    let partitions = Partitions::from([("orders".to_owned(), vec![0, 2]), ("ä".to_owned(), vec![1])]);
    assert_eq!(read_assignment(&assignment(&partitions)).unwrap(), partitions);
}

// Java's consumers write version 3: owned partitions, generation and rack stand behind what version 0 has.
#[test]
fn later_versions_are_read_as_far_as_version_0_goes() {
    let mut bytes = subscription(&["t".to_owned()]);
    bytes[1] = 3;
    bytes.extend(0_i32.to_be_bytes());
    bytes.extend(7_i32.to_be_bytes());
    bytes.extend((-1_i16).to_be_bytes());
    assert_eq!(read_subscription(&bytes).unwrap(), ["t"]);
    let mut bytes = assignment(&Partitions::from([("t".to_owned(), vec![4])]));
    bytes[1] = 3;
    assert_eq!(read_assignment(&bytes).unwrap()["t"], [4]);
}

#[test]
fn nothing_said_is_no_partitions_and_lies_are_errors() {
    assert!(read_assignment(&[]).unwrap().is_empty());
    let whole = assignment(&Partitions::from([("t".to_owned(), vec![4])]));
    // The user data behind the partitions isn't looked at.
    for length in 1..whole.len() - 4 {
        assert!(read_assignment(&whole[..length]).is_err(), "{length} bytes");
    }
    assert!(read_assignment(&[0, 0, 0x7f, 0xff, 0xff, 0xff]).is_err());
    assert!(read_subscription(&[0, 0, 0x7f, 0xff, 0xff, 0xff]).is_err());
}
