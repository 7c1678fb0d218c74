use std::collections::BTreeMap;

use client::{GroupDescription, GroupMember, Offsets, Partitions};

use super::lag::lags;

fn offsets(offsets: &[(&str, i32, i64)]) -> Offsets {
    let mut all = Offsets::new();
    for (topic, partition, offset) in offsets {
        all.entry((*topic).to_owned()).or_default().insert(*partition, *offset);
    }
    all
}

fn group(assignment: Partitions) -> GroupDescription {
    let member = GroupMember {
        id: "m".to_owned(),
        instance_id: None,
        client_id: "c".to_owned(),
        host: "h".to_owned(),
        assignment: Some(assignment),
    };
    GroupDescription {
        id: "g".to_owned(),
        state: "Stable".to_owned(),
        protocol_type: "consumer".to_owned(),
        assignor: "range".to_owned(),
        coordinator: 1,
        members: vec![member],
    }
}

// A partition that a member has and nobody has committed is as much the group's as one that is only committed.
#[test]
fn partitions_are_those_with_an_offset_and_those_with_a_reader() {
    let group = group(BTreeMap::from([("t".to_owned(), vec![0, 2])]));
    let committed = offsets(&[("t", 0, 5), ("t", 1, 9), ("gone", 0, 3)]);
    let ends = offsets(&[("t", 0, 12), ("t", 1, 7), ("t", 2, 4)]);
    let shown: Vec<_> = lags(&group, &committed, &ends)
        .iter()
        .map(|p| (p.topic.to_owned(), p.partition, p.committed, p.end, p.lag(), p.member.is_some()))
        .collect();
    assert_eq!(
        shown,
        [
            ("gone".to_owned(), 0, Some(3), None, None, false),
            ("t".to_owned(), 0, Some(5), Some(12), Some(7), true),
            // The log was made anew, shorter than it was read.
            ("t".to_owned(), 1, Some(9), Some(7), Some(0), false),
            ("t".to_owned(), 2, None, Some(4), None, true),
        ]
    );
}
