//! Who is no member: clients that only commit, an administrator, and whoever looks.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use coordinator::group::BATCH_BYTES_MAX;
use coordinator::group::command::{Command, DeleteOffsets, Join, Protocol, Reply, Sync, SyncReply};
use tokio::sync::oneshot;
use wire::error::ErrorCode;
use wire::primitive::Uuid;

use super::host::Letter;
use super::offsets::{Fate, Key};
use super::run::{CLASSIC, CONSUMER, Room, SIMPLE, TOPICS, keys_of};

/// Commits without being a member, often before the last commit is answered.
pub(super) async fn commit(room: Rc<Room>, group: Arc<str>) {
    while !room.is_over() {
        let part = any_part(&room);
        if room.chance(50) {
            let (room, group) = (room.clone(), group.clone());
            env::spawn_local(async move { room.commit(&group, (&"".into(), -1), part).await });
        } else {
            room.commit(&group, (&"".into(), -1), part).await;
        }
        room.pause(40).await;
    }
}

fn any_part(room: &Room) -> (Arc<str>, i32) {
    let (topic, partitions) = room.any(&TOPICS);
    (topic.into(), i32::try_from(room.roll(partitions.into())).expect("few"))
}

/// Looks at what is there.
pub(super) async fn look(room: Rc<Room>) {
    while !room.is_over() {
        let group = any_group(&room);
        if CONSUMER.contains(&&*group) && room.chance(30) {
            let (floor, gone) = (room.members.borrow().floor(&group), room.members.borrow().gone());
            let answer = room.ask(&group, Command::DescribeConsumer(group.clone())).await;
            if let Some(Ok(Reply::DescribeConsumer(Some(described)))) = answer {
                let holds = room.members.borrow_mut().seen(&group, floor, described.epoch);
                room.check(holds);
                if let Some(back) = described.members.iter().find(|member| gone.contains(&member.member_id)) {
                    room.fail(format!("{group}: a member has left and is back: {}", back.member_id));
                }
            }
        } else {
            room.read(&group).await;
        }
        room.pause(60).await;
    }
}

/// Joins with more than a coordinator can write down: it is thrown away, with all that it has decided and that is on its way.
pub(super) async fn bloat(room: Rc<Room>) {
    let group: Arc<str> = "bloated".into();
    while !room.is_over() {
        room.pause(4000).await;
        if let Some(Ok(Reply::Join(joined))) = room.ask(&group, Command::Join(bloated(&room, &group))).await {
            let sync = Sync {
                group: group.clone(),
                generation: joined.generation,
                member_id: joined.member_id,
                instance_id: None,
                protocol_type: None,
                protocol: None,
                assignments: Vec::new(),
            };
            if let Some(Ok(answer)) = room.ask(&group, Command::Sync(sync)).await
                && matches!(answer, Reply::Sync(SyncReply { error: ErrorCode::NONE, .. }))
            {
                room.fail("what can't be written down is answered".to_owned());
            }
        }
    }
}

fn bloated(room: &Room, group: &Arc<str>) -> Join {
    static METADATA: [u8; BATCH_BYTES_MAX] = [0; BATCH_BYTES_MAX];
    Join {
        group: group.clone(),
        member_id: "".into(),
        instance_id: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 500,
        rebalance_timeout_ms: 500,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: "range".into(), metadata: Bytes::from_static(&METADATA) }],
        random_id: Uuid(u128::from(room.number()).to_be_bytes()),
        requires_member_id: false,
        can_skip_assignment: true,
    }
}

fn any_group(room: &Room) -> Arc<str> {
    let of = room.any(&[CLASSIC, CONSUMER, SIMPLE]);
    room.any(&of).into()
}

/// Deletes offsets, groups and topics.
pub(super) async fn delete(room: Rc<Room>) {
    while !room.is_over() {
        match room.roll(100) {
            0..=69 => delete_offset(&room).await,
            70..=96 => delete_group(&room).await,
            _ => delete_topic(&room).await,
        }
        room.pause(150).await;
    }
}

async fn delete_offset(room: &Room) {
    let (group, part) = (any_group(room), any_part(room));
    let key: Key = (group.clone(), part.0.clone(), part.1);
    let number = room.offsets.borrow_mut().ask(&key, None);
    let delete = DeleteOffsets { group: group.clone(), partitions: vec![part] };
    let fate = match room.ask(&group, Command::DeleteOffsets(delete)).await {
        Some(Ok(Reply::DeleteOffsets(result))) if result == Ok(vec![ErrorCode::NONE]) => Fate::Done,
        Some(Ok(Reply::DeleteOffsets(_))) => Fate::Refused,
        other => room.fate_of(other),
    };
    room.ended(&key, number, fate);
}

async fn delete_group(room: &Room) {
    let group = any_group(room);
    let writes = deletions(room, keys_of(&group));
    room.members.borrow_mut().may_be_deleted(&group);
    let fate = match room.ask(&group, Command::DeleteGroup(group.clone())).await {
        Some(Ok(Reply::DeleteGroup(ErrorCode::NONE))) => Fate::Done,
        Some(Ok(Reply::DeleteGroup(_))) => Fate::Refused,
        other => room.fate_of(other),
    };
    room.members.borrow_mut().may_be_deleted(&group);
    room.count(|counted| counted.groups_deleted += u64::from(fate == Fate::Done));
    for (key, number) in writes {
        room.ended(&key, number, fate);
    }
}

/// What was committed of a topic goes with it.
async fn delete_topic(room: &Room) {
    let (topic, _) = room.any(&TOPICS);
    let groups = [CLASSIC, CONSUMER, SIMPLE].concat();
    let keys = groups.into_iter().flat_map(keys_of).filter(|(_, of, _)| **of == *topic);
    let writes = deletions(room, keys);
    let (tell, told) = oneshot::channel();
    let is_posted = room.host.post(Letter::DeleteTopic(topic.into(), tell));
    let fate = match told.await {
        Ok(true) => Fate::Done,
        // What could not be forgotten goes when a coordinator begins: nobody knows when.
        _ if is_posted => Fate::Open,
        _ => Fate::Refused,
    };
    for (key, number) in writes {
        room.ended(&key, number, fate);
    }
}

/// Deletes what is committed of all of them, also what is committed only now.
fn deletions(room: &Room, keys: impl Iterator<Item = Key>) -> Vec<(Key, usize)> {
    let mut offsets = room.offsets.borrow_mut();
    let ask = |key: Key| {
        let number = offsets.ask(&key, None);
        (key, number)
    };
    keys.map(ask).collect()
}
