use proptest::prelude::*;

use super::*;

fn topic(number: u8) -> Uuid {
    Uuid([number; 16])
}

fn reader(id: &str, topics: &[u8], before: Partitions) -> Reader {
    let topics = topics.iter().map(|number| topic(*number)).collect();
    Reader { id: id.into(), instance_id: None, topics, before, asks: false }
}

fn counts(of: &[(u8, i32)]) -> BTreeMap<Uuid, i32> {
    of.iter().map(|(number, count)| (topic(*number), *count)).collect()
}

fn sizes(targets: &Targets) -> Vec<usize> {
    targets.values().map(|partitions| partitions.values().map(BTreeSet::len).sum()).collect()
}

#[test]
fn ranges_are_whole_and_in_the_order_of_instances_and_ids() {
    let mut readers = [reader("a", &[1], Partitions::new()), reader("b", &[1], Partitions::new())];
    readers[1].instance_id = Some("static".into());
    let targets = assign("range", &readers, &counts(&[(1, 5)]));
    assert_eq!(targets["b"][&topic(1)], BTreeSet::from([0, 1, 2]));
    assert_eq!(targets["a"][&topic(1)], BTreeSet::from([3, 4]));
}

#[test]
fn whoever_comes_gets_a_fair_share_and_the_others_keep_the_rest() {
    let all = counts(&[(1, 6), (2, 3)]);
    let first = uniform(&[reader("a", &[1, 2], Partitions::new())], &all);
    assert_eq!(sizes(&first), [9]);
    let both = [reader("a", &[1, 2], first["a"].clone()), reader("b", &[1, 2], Partitions::new())];
    let second = uniform(&both, &all);
    assert_eq!(sizes(&second), [5, 4]);
    let kept = second["a"].iter().all(|(topic, numbers)| numbers.is_subset(&first["a"][topic]));
    assert!(kept, "nothing moves to whom it was taken from");
}

#[test]
fn of_those_who_have_least_whoever_asks_gets_more() {
    let has = |number: i32| Partitions::from([(topic(1), BTreeSet::from([number]))]);
    let mut readers = [reader("a", &[1], has(0)), reader("b", &[1], has(1)), reader("c", &[1], has(2))];
    readers[1].asks = true;
    // Somebody who had the last one has left.
    assert_eq!(sizes(&uniform(&readers, &counts(&[(1, 4)]))), [1, 2, 1]);
    assert_eq!(sizes(&uniform(&readers, &counts(&[(1, 6)]))), [2, 2, 2]);
}

#[test]
fn members_that_read_different_topics_are_evened_out() {
    let readers = [
        reader("a", &[1, 2], Partitions::from([(topic(1), (0..4).collect()), (topic(2), (0..2).collect())])),
        reader("b", &[1], Partitions::new()),
    ];
    let targets = uniform(&readers, &counts(&[(1, 4), (2, 2)]));
    assert_eq!(sizes(&targets), [3, 3]);
    assert_eq!(targets["a"][&topic(2)].len(), 2, "only one reads them");
}

proptest! {
    #[test]
    fn every_partition_has_one_reader_and_a_second_time_changes_nothing(
        subscriptions in proptest::collection::vec(proptest::collection::btree_set(1..4_u8, 0..4), 1..6),
        sizes_of in proptest::collection::vec(0..7_i32, 3),
        name in prop_oneof![Just("uniform"), Just("range")],
    ) {
        let all = counts(&[(1, sizes_of[0]), (2, sizes_of[1]), (3, sizes_of[2])]);
        let readers = |before: &Targets| -> Vec<Reader> {
            let each = subscriptions.iter().enumerate();
            each.map(|(number, topics)| {
                let id: Arc<str> = format!("m{number}").into();
                let before = before.get(&id).cloned().unwrap_or_default();
                reader(&id, &topics.iter().copied().collect::<Vec<_>>(), before)
            }).collect()
        };
        let first = readers(&Targets::new());
        let targets = assign(name, &first, &all);
        let mut seen = BTreeSet::new();
        for reader in &first {
            for (topic, numbers) in &targets[&reader.id] {
                prop_assert!(reader.topics.contains(topic), "nobody gets what it does not read");
                for number in numbers {
                    prop_assert!(seen.insert((*topic, *number)), "one owner each");
                }
            }
        }
        let is_read = |topic: &Uuid| first.iter().any(|reader| reader.topics.contains(topic));
        let wanted: i32 = all.iter().filter(|(topic, _)| is_read(topic)).map(|(_, count)| count).sum();
        prop_assert_eq!(seen.len(), usize::try_from(wanted).unwrap());
        prop_assert_eq!(&assign(name, &readers(&targets), &all), &targets);
        let is_same = first.windows(2).all(|pair| pair[0].topics == pair[1].topics);
        if name == "uniform" && is_same {
            let sizes = sizes(&targets);
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        }
    }
}
