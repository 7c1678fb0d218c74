//! Who is to have which partitions: as even as may be, and as close to what was as that allows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use wire::primitive::Uuid;

use crate::record::Partitions;

/// Moves of a balancing that are tried, at most: each makes the assignment more even, so that few are needed.
const MOVES_MAX: usize = 10_000;

/// What an assignor knows of a member.
pub(super) struct Reader {
    pub(super) id: Arc<str>,
    /// `group.instance.id` of a static member.
    pub(super) instance_id: Option<Arc<str>>,
    /// Topics that it reads and that there are.
    pub(super) topics: BTreeSet<Uuid>,
    /// What it was to have before.
    pub(super) before: Partitions,
    /// It is being answered, so that it hears of what it gets sooner than anybody else.
    pub(super) asks: bool,
}

/// What each member is to have, by its id.
pub(super) type Targets = BTreeMap<Arc<str>, Partitions>;

/// Kafka's names of the assignors; the first is the default.
pub const NAMES: [&str; 2] = ["uniform", "range"];

/// Assigns by the assignor of this name.
pub(super) fn assign(name: &str, readers: &[Reader], counts: &BTreeMap<Uuid, i32>) -> Targets {
    if name == NAMES[1] { range(readers, counts) } else { uniform(readers, counts) }
}

/// Of each topic a member gets a range; members in the order of their instances, then of their ids.
fn range(readers: &[Reader], counts: &BTreeMap<Uuid, i32>) -> Targets {
    let mut order: Vec<&Reader> = readers.iter().collect();
    order.sort_by_key(|reader| (reader.instance_id.is_none(), reader.instance_id.clone(), reader.id.clone()));
    let mut targets: Targets = readers.iter().map(|reader| (reader.id.clone(), Partitions::new())).collect();
    for (topic, count) in counts {
        let of_topic: Vec<&&Reader> = order.iter().filter(|reader| reader.topics.contains(topic)).collect();
        let members = i32::try_from(of_topic.len()).unwrap_or(i32::MAX);
        let mut next = 0;
        for (place, reader) in (0..).zip(of_topic) {
            let share = count / members + i32::from(place < count % members);
            if share > 0 {
                targets.entry(reader.id.clone()).or_default().insert(*topic, (next..next + share).collect());
            }
            next += share;
        }
    }
    targets
}

/// Everybody keeps what is their fair share; the rest goes to those who have least.
fn uniform(readers: &[Reader], counts: &BTreeMap<Uuid, i32>) -> Targets {
    let mut free: BTreeSet<(Uuid, i32)> =
        counts.iter().flat_map(|(topic, count)| (0..*count).map(move |number| (*topic, number))).collect();
    let mut shares: Vec<Share<'_>> = readers.iter().map(|reader| Share::kept(reader, &mut free)).collect();
    let is_same = readers.windows(2).all(|pair| pair[0].topics == pair[1].topics);
    if is_same {
        cap(&mut shares, counts, &mut free);
    }
    distribute(&mut shares, free);
    if !is_same {
        balance(&mut shares);
    }
    shares.into_iter().map(|share| (share.reader.id.clone(), by_topics(share.has))).collect()
}

/// Each partition that nobody has goes to whoever has least of those that can read it, and of those to whoever asks: the others
/// hear of it with their next heartbeats. What few can read goes first, so that it does not find them full.
fn distribute(shares: &mut [Share<'_>], free: BTreeSet<(Uuid, i32)>) {
    let mut readers: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
    for (place, share) in shares.iter().enumerate() {
        for topic in &share.reader.topics {
            readers.entry(*topic).or_default().push(place);
        }
    }
    let mut order: Vec<(&Uuid, &Vec<usize>)> = readers.iter().collect();
    order.sort_by_key(|(topic, readers)| (readers.len(), **topic));
    let mut free = by_topics(free);
    for (topic, readers) in order {
        let rank = |place: usize| Reverse((shares[place].has.len(), !shares[place].reader.asks, place));
        let mut least: BinaryHeap<_> = readers.iter().map(|place| rank(*place)).collect();
        for number in free.remove(topic).unwrap_or_default() {
            let Some(Reverse((size, is_silent, place))) = least.pop() else { break };
            shares[place].has.insert((*topic, number));
            least.push(Reverse((size + 1, is_silent, place)));
        }
    }
}

/// A member with what it gets.
struct Share<'a> {
    reader: &'a Reader,
    has: BTreeSet<(Uuid, i32)>,
}

impl<'a> Share<'a> {
    /// What the member had and still reads; it is not free any more.
    fn kept(reader: &'a Reader, free: &mut BTreeSet<(Uuid, i32)>) -> Self {
        let before = reader.before.iter().filter(|(topic, _)| reader.topics.contains(*topic));
        let before = before.flat_map(|(topic, numbers)| numbers.iter().map(|number| (*topic, *number)));
        Self { reader, has: before.filter(|partition| free.remove(partition)).collect() }
    }
}

/// Where all read the same, nobody keeps more than an equal share. Those who have one more than others keep it, as long as there is
/// one more to be had.
fn cap(shares: &mut [Share<'_>], counts: &BTreeMap<Uuid, i32>, free: &mut BTreeSet<(Uuid, i32)>) {
    let read = shares.first().map(|share| &share.reader.topics);
    let total: i32 = counts
        .iter()
        .filter(|(topic, _)| read.is_some_and(|read| read.contains(topic)))
        .map(|(_, count)| count)
        .sum();
    let total = usize::try_from(total).unwrap_or(0);
    let (least, mut extra) = (total / shares.len().max(1), total % shares.len().max(1));
    for share in shares {
        let is_extra = share.has.len() > least && extra > 0;
        extra -= usize::from(is_extra);
        while share.has.len() > least + usize::from(is_extra) {
            free.extend(share.has.pop_last());
        }
    }
}

/// Where members read different topics: from those who have most to those who have least, where that can be read.
fn balance(shares: &mut [Share<'_>]) {
    for _ in 0..MOVES_MAX {
        let Some((from, to, partition)) = uneven(shares) else { return };
        shares[from].has.remove(&partition);
        shares[to].has.insert(partition);
    }
}

/// A partition whose move would make two members more even.
fn uneven(shares: &[Share<'_>]) -> Option<(usize, usize, (Uuid, i32))> {
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|place| shares[*place].has.len());
    for to in &order {
        for from in order.iter().rev().take_while(|from| shares[**from].has.len() > shares[*to].has.len() + 1)
        {
            let can_read = |partition: &&(Uuid, i32)| shares[*to].reader.topics.contains(&partition.0);
            if let Some(partition) = shares[*from].has.iter().find(can_read) {
                return Some((*from, *to, *partition));
            }
        }
    }
    None
}

fn by_topics(partitions: BTreeSet<(Uuid, i32)>) -> Partitions {
    let mut by_topic = Partitions::new();
    for (topic, number) in partitions {
        by_topic.entry(topic).or_default().insert(number);
    }
    by_topic
}

#[cfg(test)]
#[path = "assignor_test.rs"]
mod assignor_test;
