//! The metadata at one index of its shard.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::str::FromStr;
use std::sync::Arc;

use storage::id::{ShardId, TopicId};

use super::quota::{Quota, QuotaChanges, QuotaEntity};
use super::record::{ConfigChanges, ConfigKind, Record, TopicRecord};
use super::scram::{ScramCredential, ScramMechanism};
use super::topic::collision_key;

/// A topic; never changed, a change makes a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// What everything below dispatch knows it by.
    pub id: TopicId,
    /// What clients know it by.
    pub name: Arc<str>,
    /// The shard of each partition.
    pub shards: Vec<ShardId>,
    /// Configs that were set.
    pub configs: BTreeMap<String, String>,
}

/// What a record did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The topic is there.
    TopicCreated(Arc<Topic>),
    /// TOPIC_ALREADY_EXISTS: another request was first.
    TopicExists,
    /// INVALID_TOPIC_EXCEPTION: the names differ only by `.` and `_`.
    TopicCollides(Arc<str>),
    /// The topic is gone.
    TopicDeleted(Arc<Topic>),
    /// The topic's configs are these now.
    TopicConfigsChanged(Arc<Topic>),
    /// What is no topic has other configs now.
    ConfigsChanged,
    /// Clients have other quotas now.
    QuotasChanged,
    /// The user has this credential now, or none.
    ScramChanged,
    /// There was no such credential to be deleted: another request was first.
    ScramUnknown,
    /// The topic has its partitions from the number `first` on by this record.
    PartitionsAdded {
        /// As it is now.
        topic: Arc<Topic>,
        /// How many there were before.
        first: usize,
    },
    /// Another request was first: all those partitions were there.
    PartitionsThere(Arc<Topic>),
    /// UNKNOWN_TOPIC_ID: it was gone before.
    TopicUnknown,
    /// These producer ids are the proposer's: `first` and the `count` − 1 after it.
    ProducerIds {
        /// The first of them.
        first: i64,
        /// How many.
        count: i64,
    },
}

/// All metadata. Ordered maps only: what is derived from it must not depend on a hash's seed.
#[derive(Debug, Default)]
pub struct Image {
    by_name: BTreeMap<Arc<str>, Arc<Topic>>,
    by_id: HashMap<TopicId, Arc<Topic>, rustc_hash::FxBuildHasher>,
    by_collision_key: BTreeMap<String, Arc<str>>,
    /// Configs of what is no topic: those only that have any.
    configs: BTreeMap<(ConfigKind, String), BTreeMap<String, String>>,
    /// Of those only that have any.
    quotas: BTreeMap<QuotaEntity, BTreeMap<String, Quota>>,
    scram: BTreeMap<(String, ScramMechanism), ScramCredential>,
    next_producer_id: i64,
}

impl Image {
    /// The topic called `name`.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    /// The topic with this id.
    #[must_use]
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    /// All topics in the order of their names.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    /// Topics in the order of their names, from `name` on.
    pub fn topics_from(&self, name: &str) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.range::<str, _>((Bound::Included(name), Bound::Unbounded)).map(|(_, topic)| topic)
    }

    /// The topic, other than `name` itself, whose name differs from `name` only by `.` and `_`.
    #[must_use]
    pub fn colliding_topic(&self, name: &str) -> Option<&Arc<str>> {
        self.by_collision_key.get(&collision_key(name)).filter(|other| &***other != name)
    }

    /// What this is set to; nothing, as long as nobody has set anything.
    #[must_use]
    pub fn configs(&self, kind: ConfigKind, name: &str) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.configs.get(&(kind, name.to_owned())).unwrap_or(&NONE)
    }

    /// What broker `broker_id` was set to while it ran, or else what all of them were.
    #[must_use]
    pub fn broker_config(&self, broker_id: i32, name: &str) -> Option<&str> {
        let of = |broker: &str| self.configs(ConfigKind::Broker, broker).get(name);
        of(&broker_id.to_string()).or_else(|| of("")).map(String::as_str)
    }

    /// Likewise, a number.
    #[must_use]
    pub fn broker_number<T: FromStr>(&self, broker_id: i32, name: &str) -> Option<T> {
        self.broker_config(broker_id, name)?.trim().parse().ok()
    }

    /// The names of all of this kind that have configs, ascending.
    pub fn configured(&self, kind: ConfigKind) -> impl Iterator<Item = &str> {
        self.configs.keys().filter(move |(of, _)| *of == kind).map(|(_, name)| name.as_str())
    }

    /// All quotas, by whom they are for.
    #[must_use]
    pub fn quotas(&self) -> &BTreeMap<QuotaEntity, BTreeMap<String, Quota>> {
        &self.quotas
    }

    /// All credentials, by user and mechanism.
    #[must_use]
    pub fn scram_credentials(&self) -> &BTreeMap<(String, ScramMechanism), ScramCredential> {
        &self.scram
    }

    /// The credential that a user has by this mechanism.
    #[must_use]
    pub fn scram_credential(&self, user: &str, mechanism: ScramMechanism) -> Option<&ScramCredential> {
        self.scram.get(&(user.to_owned(), mechanism))
    }

    /// Applies a committed record.
    pub fn apply(&mut self, record: Record) -> Applied {
        match record {
            Record::TopicCreated(topic) => self.create(topic),
            Record::TopicDeleted(id) => self.delete(id),
            Record::TopicConfigsChanged { id, changes } => self.change_topic_configs(id, changes),
            Record::ConfigsChanged { kind, name, changes } => self.change_configs(kind, name, changes),
            Record::QuotasChanged { entity, changes } => self.change_quotas(entity, changes),
            Record::ScramChanged { user, mechanism, credential } => {
                self.change_scram((user, mechanism), credential)
            }
            Record::PartitionsAdded { id, first, shards } => self.add_partitions(id, first, shards),
            Record::ProducerIdsReserved { count } => {
                let first = self.next_producer_id;
                self.next_producer_id += count;
                Applied::ProducerIds { first, count }
            }
        }
    }

    fn create(&mut self, record: TopicRecord) -> Applied {
        if self.by_name.contains_key(record.name.as_str()) {
            return Applied::TopicExists;
        }
        if let Some(other) = self.colliding_topic(&record.name) {
            return Applied::TopicCollides(other.clone());
        }
        let name: Arc<str> = record.name.into();
        let topic = Arc::new(Topic {
            id: record.id,
            name: name.clone(),
            shards: record.shards,
            configs: record.configs,
        });
        self.by_collision_key.insert(collision_key(&name), name.clone());
        self.by_id.insert(topic.id, topic.clone());
        self.by_name.insert(name, topic.clone());
        Applied::TopicCreated(topic)
    }

    fn delete(&mut self, id: TopicId) -> Applied {
        let Some(topic) = self.by_id.remove(&id) else {
            return Applied::TopicUnknown;
        };
        self.by_name.remove(&topic.name);
        self.by_collision_key.remove(&collision_key(&topic.name));
        Applied::TopicDeleted(topic)
    }

    fn change_configs(&mut self, kind: ConfigKind, name: String, changes: ConfigChanges) -> Applied {
        let key = (kind, name);
        let configs = self.configs.entry(key.clone()).or_default();
        change(configs, changes);
        if configs.is_empty() {
            self.configs.remove(&key);
        }
        Applied::ConfigsChanged
    }

    fn change_quotas(&mut self, entity: QuotaEntity, changes: QuotaChanges) -> Applied {
        let quotas = self.quotas.entry(entity.clone()).or_default();
        change(quotas, changes);
        if quotas.is_empty() {
            self.quotas.remove(&entity);
        }
        Applied::QuotasChanged
    }

    fn change_scram(
        &mut self,
        key: (String, ScramMechanism),
        credential: Option<ScramCredential>,
    ) -> Applied {
        match credential {
            Some(credential) => _ = self.scram.insert(key, credential),
            None if self.scram.remove(&key).is_none() => return Applied::ScramUnknown,
            None => (),
        }
        Applied::ScramChanged
    }

    fn change_topic_configs(&mut self, id: TopicId, changes: ConfigChanges) -> Applied {
        let Some(topic) = self.by_id.get_mut(&id) else {
            return Applied::TopicUnknown;
        };
        let mut changed = Topic::clone(topic);
        change(&mut changed.configs, changes);
        let changed = Arc::new(changed);
        *topic = changed.clone();
        self.by_name.insert(changed.name.clone(), changed.clone());
        Applied::TopicConfigsChanged(changed)
    }

    fn add_partitions(&mut self, id: TopicId, first: u32, shards: Vec<ShardId>) -> Applied {
        let Some(topic) = self.by_id.get_mut(&id) else {
            return Applied::TopicUnknown;
        };
        let before = topic.shards.len();
        let there = before.saturating_sub(usize::try_from(first).unwrap_or(usize::MAX));
        if there >= shards.len() {
            return Applied::PartitionsThere(topic.clone());
        }
        let mut grown = Topic::clone(topic);
        grown.shards.extend(shards.into_iter().skip(there));
        let grown = Arc::new(grown);
        *topic = grown.clone();
        self.by_name.insert(grown.name.clone(), grown.clone());
        Applied::PartitionsAdded { topic: grown, first: before }
    }

    /// The records that make an empty image equal to this one: its snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Record> {
        let mut records = vec![Record::ProducerIdsReserved { count: self.next_producer_id }];
        records.extend(self.configs.iter().map(|((kind, name), configs)| {
            let set = |(name, value): (&String, &String)| (name.clone(), Some(value.clone()));
            let changes = configs.iter().map(set).collect();
            Record::ConfigsChanged { kind: *kind, name: name.clone(), changes }
        }));
        records.extend(self.quotas.iter().map(|(entity, quotas)| {
            let changes = quotas.iter().map(|(key, quota)| (key.clone(), Some(*quota))).collect();
            Record::QuotasChanged { entity: entity.clone(), changes }
        }));
        records.extend(self.scram.iter().map(|((user, mechanism), credential)| Record::ScramChanged {
            user: user.clone(),
            mechanism: *mechanism,
            credential: Some(credential.clone()),
        }));
        records.extend(self.topics().map(|topic| {
            Record::TopicCreated(TopicRecord {
                id: topic.id,
                name: topic.name.to_string(),
                shards: topic.shards.clone(),
                configs: topic.configs.clone(),
            })
        }));
        records
    }
}

fn change<V>(values: &mut BTreeMap<String, V>, changes: BTreeMap<String, Option<V>>) {
    for (name, value) in changes {
        match value {
            Some(value) => values.insert(name, value),
            None => values.remove(&name),
        };
    }
}
