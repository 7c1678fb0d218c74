//! What the metadata shard commits, and its bytes (docs/format/entry.md).
//!
//! A record is a kind byte, a version byte and fields in Kafka's compact encodings. A kind or version that this
//! build does not know is an error, never a guess: a log written by a newer build is not half understood.

use std::borrow::Cow;
use std::collections::BTreeMap;

use storage::id::{ShardId, TopicId};
use wire::primitive::{DecodeError, Form, Reader, Uuid, Writer};

use super::quota::{self, QuotaChanges, QuotaEntity};
use super::scram::{self, ScramCredential, ScramMechanism};

const VERSION: i8 = 0;
const TOPIC_CREATED: i8 = 1;
const TOPIC_DELETED: i8 = 2;
const PRODUCER_IDS_RESERVED: i8 = 3;
const TOPIC_CONFIGS_CHANGED: i8 = 4;
const PARTITIONS_ADDED: i8 = 5;
const CONFIGS_CHANGED: i8 = 6;
const QUOTAS_CHANGED: i8 = 7;
const SCRAM_CHANGED: i8 = 8;

/// A topic as it was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    /// New with every creation, also of a name that was used before.
    pub id: TopicId,
    /// A legal name.
    pub name: String,
    /// The shard of each partition, in the order of their numbers; at least one.
    pub shards: Vec<ShardId>,
    /// Configs that were set; names are Kafka's.
    pub configs: BTreeMap<String, String>,
}

/// What may have configs beside topics, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ConfigKind {
    /// A broker by its number, or, with an empty name, all brokers.
    Broker = 4,
    /// A subscription of client metrics (KIP-714).
    ClientMetrics = 16,
    /// A group, there or not.
    Group = 32,
}

impl ConfigKind {
    fn read(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        let number = reader.int8()?;
        let known = [Self::Broker, Self::ClientMetrics, Self::Group];
        known.into_iter().find(|kind| *kind as i8 == number).ok_or(RecordError::UnknownConfigKind(number))
    }
}

/// New values by name; `None`: the default holds again.
pub type ConfigChanges = BTreeMap<String, Option<String>>;

/// One change of the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A topic is there, unless its name is taken when this is applied.
    TopicCreated(TopicRecord),
    /// A topic is gone.
    TopicDeleted(TopicId),
    /// This many producer ids are taken from the next free one on.
    ProducerIdsReserved {
        /// How many.
        count: i64,
    },
    /// Some of a topic's configs are others. Whoever wrote it has checked names and values; changes of several requests follow
    /// each other, and none takes back what it does not name.
    TopicConfigsChanged {
        /// Which.
        id: TopicId,
        /// To what.
        changes: ConfigChanges,
    },
    /// Some configs of what is no topic are others; as of a topic's, whoever wrote it has checked them.
    ConfigsChanged {
        /// What kind of thing it is.
        kind: ConfigKind,
        /// Which.
        name: String,
        /// To what.
        changes: ConfigChanges,
    },
    /// Some quotas of a kind of clients are others; whoever wrote it has checked them.
    QuotasChanged {
        /// Of which clients.
        entity: QuotaEntity,
        /// To what.
        changes: QuotaChanges,
    },
    /// A user has another credential, or none.
    ScramChanged {
        /// Whose.
        user: String,
        /// By which mechanism; those of others stay.
        mechanism: ScramMechanism,
        /// The new one.
        credential: Option<ScramCredential>,
    },
    /// A topic has more partitions. Those of them that are there when this is applied stay as they are: of two requests that
    /// saw the same topic the larger one adds what the other did not.
    PartitionsAdded {
        /// Which.
        id: TopicId,
        /// The number of the first.
        first: u32,
        /// The shard of each, in the order of their numbers.
        shards: Vec<ShardId>,
    },
}

/// The bytes are no record that this build knows.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// They end too early, or a field is none.
    #[error("metadata record: {0}")]
    Malformed(#[from] DecodeError),
    /// A newer build wrote it.
    #[error("metadata record of kind {kind} version {version} is not known to this build")]
    Unknown {
        /// Its kind byte.
        kind: i8,
        /// Its version byte.
        version: i8,
    },
    /// Likewise.
    #[error("metadata record: configs of kind {0} are not known to this build")]
    UnknownConfigKind(i8),
    /// Likewise.
    #[error("metadata record: quotas for clients by {0} are not known to this build")]
    UnknownQuotaEntity(i8),
    /// Likewise.
    #[error("metadata record: SCRAM mechanism {0} is not known to this build")]
    UnknownScramMechanism(i8),
}

impl Record {
    /// Appends the record's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        match self {
            Record::TopicCreated(topic) => topic.write(&mut writer),
            Record::TopicDeleted(id) => {
                writer.int8(TOPIC_DELETED);
                writer.int8(VERSION);
                writer.uuid(Uuid(id.0));
            }
            Record::ProducerIdsReserved { count } => {
                writer.int8(PRODUCER_IDS_RESERVED);
                writer.int8(VERSION);
                writer.int64(*count);
            }
            Record::TopicConfigsChanged { id, changes } => {
                writer.int8(TOPIC_CONFIGS_CHANGED);
                writer.int8(VERSION);
                writer.uuid(Uuid(id.0));
                write_changes(changes, &mut writer);
            }
            Record::ConfigsChanged { kind, name, changes } => {
                writer.int8(CONFIGS_CHANGED);
                writer.int8(VERSION);
                writer.int8(*kind as i8);
                writer.string(name, Form::Compact);
                write_changes(changes, &mut writer);
            }
            Record::QuotasChanged { entity, changes } => {
                writer.int8(QUOTAS_CHANGED);
                writer.int8(VERSION);
                quota::write(entity, changes, &mut writer);
            }
            Record::ScramChanged { user, mechanism, credential } => {
                writer.int8(SCRAM_CHANGED);
                writer.int8(VERSION);
                writer.string(user, Form::Compact);
                writer.int8(*mechanism as i8);
                scram::write(credential.as_ref(), &mut writer);
            }
            Record::PartitionsAdded { id, first, shards } => {
                writer.int8(PARTITIONS_ADDED);
                writer.int8(VERSION);
                writer.uuid(Uuid(id.0));
                writer.uint32(*first);
                write_shards(shards, &mut writer);
            }
        }
    }

    /// Reads one record from the front of `bytes`.
    ///
    /// # Errors
    /// When the bytes are none that this build knows.
    pub fn read(bytes: &mut Reader<'_>) -> Result<Record, RecordError> {
        let (kind, version) = (bytes.int8()?, bytes.int8()?);
        if version != VERSION {
            return Err(RecordError::Unknown { kind, version });
        }
        match kind {
            TOPIC_CREATED => Ok(Record::TopicCreated(TopicRecord::read(bytes)?)),
            TOPIC_DELETED => Ok(Record::TopicDeleted(TopicId(bytes.uuid()?.0))),
            PRODUCER_IDS_RESERVED => Ok(Record::ProducerIdsReserved { count: bytes.int64()? }),
            TOPIC_CONFIGS_CHANGED => {
                let id = TopicId(bytes.uuid()?.0);
                Ok(Record::TopicConfigsChanged { id, changes: read_changes(bytes)? })
            }
            CONFIGS_CHANGED => Ok(Record::ConfigsChanged {
                kind: ConfigKind::read(bytes)?,
                name: bytes.string(Form::Compact)?.into_owned(),
                changes: read_changes(bytes)?,
            }),
            QUOTAS_CHANGED => {
                let (entity, changes) = quota::read(bytes)?;
                Ok(Record::QuotasChanged { entity, changes })
            }
            SCRAM_CHANGED => Ok(Record::ScramChanged {
                user: bytes.string(Form::Compact)?.into_owned(),
                mechanism: scram::read_mechanism(bytes)?,
                credential: scram::read(bytes)?,
            }),
            PARTITIONS_ADDED => Ok(Record::PartitionsAdded {
                id: TopicId(bytes.uuid()?.0),
                first: bytes.uint32()?,
                shards: read_shards(bytes)?,
            }),
            _ => Err(RecordError::Unknown { kind, version }),
        }
    }
}

impl TopicRecord {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.int8(TOPIC_CREATED);
        writer.int8(VERSION);
        writer.uuid(Uuid(self.id.0));
        writer.string(&self.name, Form::Compact);
        write_shards(&self.shards, writer);
        writer.uint32(u32::try_from(self.configs.len()).expect("there are at most a few dozen config names"));
        for (name, value) in &self.configs {
            writer.string(name, Form::Compact);
            writer.string(value, Form::Compact);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<TopicRecord, DecodeError> {
        let id = TopicId(reader.uuid()?.0);
        let name = reader.string(Form::Compact)?.into_owned();
        let shards = read_shards(reader)?;
        let mut configs = BTreeMap::new();
        for _ in 0..reader.uint32()? {
            let name = reader.string(Form::Compact)?.into_owned();
            configs.insert(name, reader.string(Form::Compact)?.into_owned());
        }
        Ok(TopicRecord { id, name, shards, configs })
    }
}

fn write_changes(changes: &ConfigChanges, writer: &mut Writer<'_>) {
    writer.uint32(u32::try_from(changes.len()).expect("a request has fewer"));
    for (name, value) in changes {
        writer.string(name, Form::Compact);
        writer.nullable_string(value.as_deref(), Form::Compact);
    }
}

fn read_changes(reader: &mut Reader<'_>) -> Result<ConfigChanges, DecodeError> {
    let mut changes = ConfigChanges::new();
    for _ in 0..reader.uint32()? {
        let name = reader.string(Form::Compact)?.into_owned();
        changes.insert(name, reader.nullable_string(Form::Compact)?.map(Cow::into_owned));
    }
    Ok(changes)
}

fn write_shards(shards: &[ShardId], writer: &mut Writer<'_>) {
    writer.uint32(u32::try_from(shards.len()).expect("a topic has at most a million partitions"));
    for shard in shards {
        writer.uint16(shard.0);
    }
}

/// The count is of our own log, whose checksums held; still, nothing is reserved on its word.
fn read_shards(reader: &mut Reader<'_>) -> Result<Vec<ShardId>, DecodeError> {
    (0..reader.uint32()?).map(|_| reader.uint16().map(ShardId)).collect()
}
