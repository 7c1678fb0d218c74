//! Facts about pages of topics; each was tried against a running Kafka 4.3.1.

use wire::message::describe_topic_partitions::{RequestCursor, TopicRequest};

use super::*;

fn question<'a>(names: &[&'a str], cursor: Option<(&'a str, i32)>) -> Result<Question<'a>, BadCursor> {
    let cursor =
        cursor.map(|(name, partition_index)| RequestCursor { topic_name: name.into(), partition_index });
    Question::of(&DescribeTopicPartitionsRequest {
        topics: names.iter().map(|name| TopicRequest { name: (*name).into() }).collect(),
        cursor,
        ..DescribeTopicPartitionsRequest::default()
    })
}

#[test]
fn topics_are_asked_for_once_each_and_from_the_cursor_on() {
    // A client that pages sends the same names with each cursor.
    let names = |names, cursor| {
        let named = question(names, cursor).unwrap().named.unwrap();
        named.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(names(&["c", "a", "b", "a"], None), ["a", "b", "c"]);
    assert_eq!(names(&["c", "a", "b"], Some(("b", 3))), ["b", "c"]);
    assert!(question(&[], Some(("b", 3))).unwrap().named.is_none());
}

#[test]
fn a_cursor_counts_for_its_own_topic_only() {
    let question = question(&["b", "c"], Some(("b", 3))).unwrap();
    assert_eq!((question.begin(), question.first_of("b"), question.first_of("c")), ("b", 3, 0));
}

#[test]
fn a_cursor_names_a_partition_of_a_topic_that_is_asked_for() {
    assert_eq!(question(&["b"], Some(("b", -1))).err(), Some(BadCursor));
    assert_eq!(question(&[], Some(("b", -1))).err(), Some(BadCursor));
    assert_eq!(question(&["b"], Some(("a", 0))).err(), Some(BadCursor));
    assert!(question(&[], Some(("not there", 0))).is_ok());
}

#[test]
fn a_page_ends_with_the_topic_or_when_it_is_full() {
    assert_eq!(fitting(5, 0, 3), 0..3);
    assert_eq!(fitting(5, 3, 3), 3..5);
    // The topic was deleted and made again with fewer partitions.
    assert_eq!(fitting(5, 9, 3), 5..5);
    for (limit, left) in [(-1, 1), (0, 1), (7, 7), (i32::MAX, PARTITIONS_MAX)] {
        assert_eq!(Page::new(limit).left, left);
    }
}
