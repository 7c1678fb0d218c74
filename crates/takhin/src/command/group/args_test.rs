use clap::Parser;

use super::args::{TopicPartitions, topic_partitions};
use crate::cli::Cli;

#[test]
fn topics_come_with_their_partitions_or_alone() {
    let parsed = |topic: &str, partitions: Option<Vec<i32>>| {
        Ok(TopicPartitions { topic: topic.to_owned(), partitions })
    };
    assert_eq!(topic_partitions("t"), parsed("t", None));
    assert_eq!(topic_partitions("a.b:0,12"), parsed("a.b", Some(vec![0, 12])));
    for wrong in ["", ":1", "t:", "t:-1", "t:1,", "t:1:2", "t:x"] {
        assert!(topic_partitions(wrong).is_err(), "{wrong}");
    }
}

// A state that is misspelt is no group's: an empty list would look as if there were none.
#[test]
fn groups_are_looked_for_by_states_and_types_that_there_are() {
    let parses = |arguments: &str| {
        Cli::try_parse_from(["takhin", "group", "list"].into_iter().chain(arguments.split(' '))).is_ok()
    };
    assert!(parses("--state stable,Empty --type CLASSIC"));
    for wrong in ["--state Stabel", "--state Empty,Full", "--type old"] {
        assert!(!parses(wrong), "{wrong}");
    }
}

// Two targets at once, or none, would be a guess about other people's offsets.
#[test]
fn a_reset_has_one_scope_and_one_target() {
    let parses = |arguments: &str| {
        Cli::try_parse_from(["takhin", "group", "reset", "g"].into_iter().chain(arguments.split(' '))).is_ok()
    };
    for right in [
        "--topic t --to-earliest",
        "--topic t:0 --topic u --shift-by -5 --execute",
        "--all-topics --to-time 2026-05-17T08:30:00Z",
        "--all-topics --to-current",
        "--topic t --to-offset 0",
        "--from-file f.csv",
    ] {
        assert!(parses(right), "{right}");
    }
    for wrong in [
        "--topic t",
        "--to-earliest",
        "--topic t --to-earliest --to-latest",
        "--topic t --all-topics --to-latest",
        "--topic t --from-file f.csv",
        "--all-topics --from-file f.csv",
        "--topic t --to-offset -1",
        "--topic t --to-time yesterday",
    ] {
        assert!(!parses(wrong), "{wrong}");
    }
}
