//! What a coordinator is asked, and what it answers. No version of a request is known here: who asks says what it can take.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wire::error::ErrorCode;
use wire::primitive::Uuid;

use crate::record::{MemberSubscription, Partitions};

pub use crate::record::Protocol;

/// Names whoever waits for a reply; its host gives them out.
pub type Ticket = u64;

/// A request of a group.
#[derive(Clone, Debug)]
pub enum Command {
    /// A member joins, or joins again.
    Join(Join),
    /// A member asks for its assignment; the leader brings everybody's.
    Sync(Sync),
    /// A member says that it is alive.
    Heartbeat(Heartbeat),
    /// Members leave.
    Leave(Leave),
    /// Offsets are committed.
    CommitOffsets(CommitOffsets),
    /// Committed offsets are asked for.
    FetchOffsets(FetchOffsets),
    /// Committed offsets are deleted.
    DeleteOffsets(DeleteOffsets),
    /// A group is deleted.
    DeleteGroup(Arc<str>),
    /// A group of the classic protocol is described.
    Describe(Arc<str>),
    /// A member of a group of the consumer protocol joins, says what is new, or leaves.
    ConsumerBeat(ConsumerBeat),
    /// A group of the consumer protocol is described.
    DescribeConsumer(Arc<str>),
    /// Groups are listed.
    List(ListFilter),
}

/// What a [`Command`] comes to, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after its command")]
pub enum Reply {
    Join(JoinReply),
    Sync(SyncReply),
    Heartbeat(ErrorCode),
    Leave(Result<Vec<LeftMember>, ErrorCode>),
    /// One error for each partition, in the command's order; or one for all.
    CommitOffsets(Result<Vec<ErrorCode>, ErrorCode>),
    FetchOffsets(FetchedOffsets),
    /// One error for each partition, in the command's order; or one for all.
    DeleteOffsets(Result<Vec<ErrorCode>, ErrorCode>),
    DeleteGroup(ErrorCode),
    /// `None`: there is no such group.
    Describe(Option<DescribedGroup>),
    /// Or why not, in Kafka's words.
    ConsumerBeat(Result<ConsumerBeatReply, (ErrorCode, Box<str>)>),
    /// `None`: there is no such group.
    DescribeConsumer(Option<DescribedConsumerGroup>),
    List(Vec<ListedGroup>),
}

/// See [`Command::Join`].
#[derive(Clone, Debug)]
pub struct Join {
    /// The group.
    pub group: Arc<str>,
    /// Empty when the client has none yet.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    /// The client's id.
    pub client_id: Arc<str>,
    /// The client's address, as Kafka shows it.
    pub client_host: Arc<str>,
    /// Milliseconds of silence after which the member is gone.
    pub session_timeout_ms: i32,
    /// Milliseconds that the member may take to join again.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect` …
    pub protocol_type: Arc<str>,
    /// What the member can do, best first.
    pub protocols: Vec<Protocol>,
    /// From which a new member's id is made.
    pub random_id: Uuid,
    /// A client without an id is told one and comes again (KIP-394).
    pub requires_member_id: bool,
    /// A leader can be told that nothing is to be assigned (KIP-814).
    pub can_skip_assignment: bool,
}

/// See [`Command::Join`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinReply {
    /// Whether it worked.
    pub error: ErrorCode,
    /// −1 beside an error.
    pub generation: i32,
    /// The group's.
    pub protocol_type: Option<Arc<str>>,
    /// What was agreed on; none beside an error.
    pub protocol: Option<Arc<str>>,
    /// The member that assigns; empty beside an error.
    pub leader: Arc<str>,
    /// The leader has nothing to assign.
    pub skips_assignment: bool,
    /// The member's id.
    pub member_id: Arc<str>,
    /// For the leader: who is to be assigned to.
    pub members: Vec<JoinedMember>,
}

/// A member as its leader is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    /// Its metadata of the protocol that was agreed on.
    pub metadata: Bytes,
}

impl JoinReply {
    /// A refusal.
    #[must_use]
    pub fn refused(error: ErrorCode, member_id: Arc<str>) -> Self {
        Self {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            skips_assignment: false,
            member_id,
            members: Vec::new(),
        }
    }
}

/// See [`Command::Sync`].
#[derive(Clone, Debug)]
pub struct Sync {
    /// The group.
    pub group: Arc<str>,
    /// The generation that the member joined.
    pub generation: i32,
    /// The member.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    /// What the member takes the group's to be, if it says so.
    pub protocol_type: Option<Arc<str>>,
    /// Likewise.
    pub protocol: Option<Arc<str>>,
    /// From the leader: what each member gets.
    pub assignments: Vec<(Arc<str>, Bytes)>,
}

/// See [`Command::Sync`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReply {
    /// Whether it worked.
    pub error: ErrorCode,
    /// The group's.
    pub protocol_type: Option<Arc<str>>,
    /// What was agreed on.
    pub protocol: Option<Arc<str>>,
    /// What the member gets.
    pub assignment: Bytes,
}

impl SyncReply {
    /// A refusal.
    #[must_use]
    pub fn refused(error: ErrorCode) -> Self {
        Self { error, protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}

/// See [`Command::Heartbeat`].
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// The group.
    pub group: Arc<str>,
    /// The member's generation.
    pub generation: i32,
    /// The member.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
}

/// See [`Command::Leave`].
#[derive(Clone, Debug)]
pub struct Leave {
    /// The group.
    pub group: Arc<str>,
    /// Who leaves.
    pub members: Vec<MemberIdentity>,
}

/// Names a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberIdentity {
    /// Empty when the static member with `instance_id` is meant, whichever id it has.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
}

/// One of a [`Leave`]'s members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    /// As the command named it.
    pub member: MemberIdentity,
    /// Whether it has left.
    pub error: ErrorCode,
}

/// See [`Command::CommitOffsets`].
#[derive(Clone, Debug)]
pub struct CommitOffsets {
    /// The group.
    pub group: Arc<str>,
    /// Negative for a client that is no member.
    pub generation: i32,
    /// Empty for a client that is no member.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    /// How long the offsets are kept, where the client may say so, in milliseconds.
    pub retention_ms: Option<i64>,
    /// A group that is not there has an error of its own; else it is ILLEGAL_GENERATION.
    pub knows_missing_groups: bool,
    /// What is committed.
    pub offsets: Vec<NewOffset>,
}

/// An offset to be committed.
#[derive(Clone, Debug)]
pub struct NewOffset {
    /// The topic's name.
    pub topic: Arc<str>,
    /// Its id, if the client named it by that; else zero.
    pub topic_id: Uuid,
    /// The partition.
    pub partition: i32,
    /// The next record to be read.
    pub offset: i64,
    /// Of the record read last; −1: not known.
    pub leader_epoch: i32,
    /// What the client wants kept with it.
    pub metadata: Arc<str>,
}

/// See [`Command::FetchOffsets`].
#[derive(Clone, Debug)]
pub struct FetchOffsets {
    /// The group.
    pub group: Arc<str>,
    /// A member of a group of the consumer protocol (KIP-848), and its epoch.
    pub member: Option<(Arc<str>, i32)>,
    /// Of which partitions; `None`: of all that have one.
    pub partitions: Option<Vec<(Arc<str>, i32)>>,
}

/// See [`Command::FetchOffsets`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffsets {
    /// Whether it worked.
    pub error: ErrorCode,
    /// In the command's order; of all by topic and partition.
    pub offsets: Vec<FetchedOffset>,
}

/// What is committed of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// −1: nothing is committed.
    pub offset: i64,
    /// −1: not known.
    pub leader_epoch: i32,
    /// What the client wanted kept with it.
    pub metadata: Arc<str>,
}

/// See [`Command::DeleteOffsets`].
#[derive(Clone, Debug)]
pub struct DeleteOffsets {
    /// The group.
    pub group: Arc<str>,
    /// Of which partitions.
    pub partitions: Vec<(Arc<str>, i32)>,
}

/// See [`Command::Describe`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// Kafka's name of the state.
    pub state: &'static str,
    /// Empty when the group never had a member.
    pub protocol_type: Arc<str>,
    /// What was agreed on, of a stable group; else empty.
    pub protocol: Arc<str>,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member of a [`DescribedGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    /// The client's id.
    pub client_id: Arc<str>,
    /// The client's address.
    pub client_host: Arc<str>,
    /// Its metadata of the protocol that was agreed on, of a stable group.
    pub metadata: Bytes,
    /// What was assigned to it last.
    pub assignment: Bytes,
}

/// See [`Command::ConsumerBeat`]. What a member does not say is as it was.
#[derive(Clone, Debug)]
pub struct ConsumerBeat {
    /// The group.
    pub group: Arc<str>,
    /// Made by the client, or by the broker for clients of the first version.
    pub member_id: Arc<str>,
    /// The epoch that the member has come to; 0 joins, −1 leaves, −2 leaves for a while.
    pub epoch: i32,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    /// `client.rack`.
    pub rack_id: Option<Arc<str>>,
    /// Milliseconds that it may take to give partitions up; −1: as before.
    pub rebalance_timeout_ms: i32,
    /// The client's id.
    pub client_id: Arc<str>,
    /// The client's address, as Kafka shows it.
    pub client_host: Arc<str>,
    /// Topics that it reads.
    pub topics: Option<BTreeSet<Arc<str>>>,
    /// And by an expression; empty: by none.
    pub regex: Option<Arc<str>>,
    /// The assignor that it asks for.
    pub assignor: Option<Arc<str>>,
    /// Partitions that it has.
    pub owned: Option<Partitions>,
}

/// See [`Command::ConsumerBeat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerBeatReply {
    /// The member.
    pub member_id: Arc<str>,
    /// The epoch that it has come to.
    pub epoch: i32,
    /// When it is to be heard of next.
    pub heartbeat_interval: Duration,
    /// What it may read now, where that is new.
    pub assignment: Option<Partitions>,
}

/// See [`Command::DescribeConsumer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerGroup {
    /// Kafka's name of the state.
    pub state: &'static str,
    /// The group's epoch.
    pub epoch: i32,
    /// The one that targets were computed for.
    pub target_epoch: i32,
    /// The assignor.
    pub assignor: Box<str>,
    /// Its members.
    pub members: Vec<DescribedConsumer>,
}

/// A member of a [`DescribedConsumerGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumer {
    /// Its id.
    pub member_id: Arc<str>,
    /// The epoch that it has come to.
    pub epoch: i32,
    /// Who it is, and what it reads.
    pub subscription: MemberSubscription,
    /// What it has.
    pub assigned: Partitions,
    /// What it is to have.
    pub target: Partitions,
}

/// Which groups are listed; an empty list is all.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Kafka's names of states, in any case.
    pub states: Vec<Box<str>>,
    /// Kafka's names of types, in any case.
    pub types: Vec<Box<str>>,
}

/// See [`Command::List`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group's id.
    pub group: Arc<str>,
    /// Empty when the group never had a member.
    pub protocol_type: Arc<str>,
    /// Kafka's name of the state.
    pub state: &'static str,
    /// Kafka's name of the type.
    pub group_type: &'static str,
}
