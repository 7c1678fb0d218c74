//! Who writes and reads: producers with and without an id, an administrator, and an observer of whoever leads.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use cluster::shard::entry::{self, EntryKind};
use cluster::shard::outcome::{Appended, Outcome, ProposeError, Refused};
use storage::id::PartitionId;
use tokio::sync::oneshot;
use wire::record::{Builder, Compression};

use super::node::Letter;
use super::run::Room;

/// Whoever has waited for this long, or less, asks again.
const PATIENCE_MS_MAX: u64 = 2000;

/// Writes until the room is over; with an id every batch until it is acknowledged.
pub(super) async fn produce(room: Rc<Room>, producer_id: Option<i64>) {
    let mut sequences: BTreeMap<PartitionId, i32> = BTreeMap::new();
    let mut leader = 0;
    while !room.is_over.get() {
        let partition = room.any_partition().filter(|_| !room.is_quiet.get());
        let Some(partition) = partition else {
            env::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let sequence = sequences.entry(partition).or_default();
        let count = i32::try_from(1 + room.dice.borrow_mut().below(4)).expect("a few");
        let batch = room.batch(producer_id.map(|id| (id, *sequence)), count);
        match write_batch(&room, &mut leader, partition, &batch, producer_id.is_some()).await {
            Some(Ok(appended)) => {
                room.acknowledged(partition, appended.base_offset, &batch);
                *sequence += count;
                if producer_id.is_some() && room.dice.borrow_mut().chance(5) {
                    repeat(&room, &mut leader, partition, &batch, appended.base_offset).await;
                }
            }
            Some(Err(Refused::UnknownPartition)) | None => {}
            Some(Err(refused)) => {
                let what = format!("a batch in its order, sequence {sequence}, is refused: {refused}");
                room.oracle.borrow_mut().fail(what);
            }
        }
        let pause = 3000 + room.dice.borrow_mut().below(60_000);
        env::sleep(Duration::from_micros(pause)).await;
    }
    room.producers_done.set(room.producers_done.get() + 1);
}

/// The producer did not hear that its batch was taken, and sends it again: it must hear the same.
async fn repeat(room: &Room, leader: &mut usize, partition: PartitionId, batch: &[u8], base_offset: i64) {
    match write_batch(room, leader, partition, batch, true).await {
        Some(Ok(again)) if again.base_offset != base_offset => {
            let what =
                format!("a batch at {base_offset} is answered with {} the next time", again.base_offset);
            room.oracle.borrow_mut().fail(what);
        }
        Some(Ok(_)) => room.duplicates.set(room.duplicates.get() + 1),
        Some(Err(Refused::UnknownPartition)) | None => {}
        Some(Err(refused)) => {
            let what = format!("a duplicate of the batch at {base_offset} is refused: {refused}");
            room.oracle.borrow_mut().fail(what);
        }
    }
}

/// What became of a batch; `None` when that is unknown and it must not be sent again.
async fn write_batch(
    room: &Room,
    leader: &mut usize,
    partition: PartitionId,
    batch: &[u8],
    may_repeat: bool,
) -> Option<Result<Appended, Refused>> {
    let mut bytes = entry::header(EntryKind::Batches);
    entry::write_item_header(&mut bytes, partition, 0, batch.len());
    bytes.extend_from_slice(batch);
    match write(room, leader, bytes.into(), may_repeat).await? {
        Outcome::Batches(mut outcomes) => outcomes.pop(),
        _ => None,
    }
}

/// Writes an entry, to one node after the other until one takes it.
pub(super) async fn write(
    room: &Room,
    leader: &mut usize,
    entry: Bytes,
    may_repeat: bool,
) -> Option<Outcome> {
    while !room.is_abandoned() {
        let (tell, told) = oneshot::channel();
        let is_posted = room.nodes[*leader].post(Letter::Write(entry.clone(), tell));
        let answer = if is_posted {
            let patience = PATIENCE_MS_MAX / 8 * (1 + room.dice.borrow_mut().below(8));
            env::timeout(Duration::from_millis(patience), told).await
        } else {
            Some(Ok(Err(ProposeError::NotLeader)))
        };
        match answer {
            Some(Ok(Ok(outcome))) => return Some(outcome),
            Some(Ok(Err(ProposeError::NotLeader))) => {}
            // Whether it was written is unknown.
            _ if !may_repeat => return None,
            _ => {}
        }
        *leader = room.dice.borrow_mut().index(3);
        let pause = room.dice.borrow_mut().below(50);
        env::sleep(Duration::from_millis(pause)).await;
    }
    None
}

/// Makes a partition exist.
pub(super) async fn create(room: &Room, partition: PartitionId) {
    let entry = entry::partitions_created([(partition, 0)]);
    if write(room, &mut 0, entry.into(), true).await.is_some() {
        room.partitions.borrow_mut().push(partition);
    }
}

/// Removes one.
pub(super) async fn delete(room: &Room, partition: PartitionId) {
    room.partitions.borrow_mut().retain(|known| *known != partition);
    let _ = write(room, &mut 0, entry::partitions_deleted([partition]).into(), true).await;
}

/// Looks at every node again and again: what a leader shows must have everything that was seen before it was asked.
pub(super) async fn observe(room: Rc<Room>) {
    loop {
        for node in &room.nodes {
            let floor = room.oracle.borrow().floor();
            let (tell, told) = oneshot::channel();
            if !node.post(Letter::Look(tell)) {
                continue;
            }
            if let Some(Ok(Some(look))) = env::timeout(Duration::from_millis(200), told).await {
                room.oracle.borrow_mut().leads(node.at, look.term, &look.ends, &floor);
            }
        }
        let pause = 10 + room.dice.borrow_mut().below(30);
        env::sleep(Duration::from_millis(pause)).await;
    }
}

impl Room {
    fn any_partition(&self) -> Option<PartitionId> {
        let partitions = self.partitions.borrow();
        partitions.get(self.dice.borrow_mut().index(partitions.len())).copied()
    }

    /// A batch of `count` records that no other batch equals.
    fn batch(&self, producer: Option<(i64, i32)>, count: i32) -> Vec<u8> {
        let mut builder = Builder::new(Compression::default());
        if let Some((id, sequence)) = producer {
            builder = builder.producer(id, 0, sequence);
        }
        for _ in 0..count {
            let number = self.records.get();
            self.records.set(number + 1);
            let len = self.dice.borrow_mut().index(300);
            let mut value = number.to_be_bytes().to_vec();
            value.resize(8 + len, 7);
            let timestamp = i64::try_from(number).expect("counted from 0");
            builder.append(timestamp, None, Some(&value), &[]).expect("small records");
        }
        builder.finish().expect("not empty")
    }

    fn acknowledged(&self, partition: PartitionId, base_offset: i64, batch: &[u8]) {
        self.acknowledgements.set(self.acknowledgements.get() + 1);
        self.oracle.borrow_mut().acknowledged(partition, base_offset, batch);
    }
}
