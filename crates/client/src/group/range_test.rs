use std::collections::BTreeMap;

use super::range::{Subscriber, assign};

fn subscriber(member_id: &str, topics: &[&str]) -> Subscriber {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    Subscriber { member_id: member_id.to_owned(), instance_id: None, topics }
}

fn counts(counts: &[(&str, i32)]) -> BTreeMap<String, i32> {
    counts.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect()
}

// Another order than Java's would move partitions whenever the leader changes between the two.
#[test]
fn the_first_in_order_get_one_more() {
    let subscribers =
        [subscriber("b", &["t"]), subscriber("c", &["t"]), subscriber("a", &["t"]), subscriber("d", &["u"])];
    let assigned = assign(&subscribers, &counts(&[("t", 5), ("u", 1)]));
    assert_eq!(assigned["a"]["t"], [0, 1]);
    assert_eq!(assigned["b"]["t"], [2, 3]);
    assert_eq!(assigned["c"]["t"], [4]);
    assert_eq!(assigned["d"]["u"], [0]);
    assert!(!assigned["d"].contains_key("t"));
}

#[test]
fn static_members_come_first_by_instance_id() {
    let fixed = |member: &str, instance: &str| Subscriber {
        instance_id: Some(instance.to_owned()),
        ..subscriber(member, &["t"])
    };
    let subscribers = [subscriber("a", &["t"]), fixed("z", "i1"), fixed("y", "i2")];
    let assigned = assign(&subscribers, &counts(&[("t", 4)]));
    assert_eq!(assigned["z"]["t"], [0, 1]);
    assert_eq!(assigned["y"]["t"], [2]);
    assert_eq!(assigned["a"]["t"], [3]);
}

#[test]
fn more_members_than_partitions_leave_some_with_nothing() {
    let subscribers = [subscriber("a", &["t"]), subscriber("b", &["t"])];
    let assigned = assign(&subscribers, &counts(&[("t", 1)]));
    assert_eq!(assigned["a"]["t"], [0]);
    assert!(assigned["b"].is_empty());
    assert!(assign(&subscribers, &counts(&[])).values().all(BTreeMap::is_empty));
}
