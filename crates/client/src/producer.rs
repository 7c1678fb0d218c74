//! A producer: record batches to partition leaders, one at a time.
//!
//! With acks=all it is idempotent wherever the broker gives producer ids: a batch whose answer was lost is
//! sent again under the same sequence and stored once. With acks=1 a repetition may store it twice, with
//! acks=0 nothing is known and nothing repeated: as with Kafka's own producers.

use std::{borrow::Cow, collections::BTreeMap};

use env::Instant;
use wire::{
    ApiKey, ErrorCode,
    message::{
        InitProducerIdRequest, ProduceRequest,
        produce::{PartitionProduceData, TopicProduceData},
    },
    primitive::Records,
    record::{Builder, Compression, header},
};

use crate::{
    Client, ClientError,
    client::{Limits, To},
    metadata::Creation,
};

/// What the broker answers, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Nothing.
    None,
    /// When the leader has the batch.
    Leader,
    /// When all in-sync replicas have the batch.
    All,
}

impl Acks {
    /// As requests have it.
    pub fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// How batches are made and sent.
#[derive(Debug, Clone, Copy)]
pub struct ProducerOptions {
    /// What is waited for.
    pub acks: Acks,
    /// Codec of the batches.
    pub compression: Compression,
}

/// Where a batch was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Offset of the first record; `None` when the broker didn't say: with acks=0, or because it had the batch already.
    pub base_offset: Option<i64>,
}

/// Sends batches of one process; sequences count per partition.
#[derive(Debug)]
pub struct Producer {
    options: ProducerOptions,
    identity: Identity,
    sequences: BTreeMap<(String, i32), i32>,
}

#[derive(Debug, Clone, Copy)]
enum Identity {
    /// Not asked for yet.
    Unknown,
    /// Acks or broker leave none.
    None,
    Given {
        producer_id: i64,
        producer_epoch: i16,
    },
}

impl Producer {
    /// A producer; it asks for a producer id with its first batch.
    pub fn new(options: ProducerOptions) -> Self {
        let identity = if options.acks == Acks::All { Identity::Unknown } else { Identity::None };
        Self { options, identity, sequences: BTreeMap::new() }
    }

    /// An empty batch with this producer's codec.
    pub fn batch(&self) -> Builder {
        Builder::new(self.options.compression)
    }

    /// Sends a batch to a partition and waits for what `acks` says.
    ///
    /// # Errors
    /// As [`ClientError`] says. After an error it is unknown whether the batch is stored, unless a code
    /// says that it isn't.
    pub fn send(
        &mut self,
        client: &mut Client,
        topic: &str,
        partition: i32,
        batch: Builder,
    ) -> Result<Sent, ClientError> {
        if matches!(self.identity, Identity::Unknown) {
            self.identity = client.retry(init_producer_id)?;
        }
        let sequence = self.sequences.get(&(topic.to_owned(), partition)).copied().unwrap_or(0);
        let count = batch.record_count();
        let batch = match self.identity {
            Identity::Given { producer_id, producer_epoch } => {
                batch.producer(producer_id, producer_epoch, sequence)
            }
            Identity::Unknown | Identity::None => batch,
        };
        let about = || format!("partition {topic}-{partition}");
        let records =
            batch.finish().map_err(|e| ClientError::Records { about: about(), why: e.to_string() })?;
        let sent = match self.options.acks {
            // A repetition is no safer than the first attempt, whose fate nobody knows.
            Acks::None => {
                client.topic_with_leaders(topic, Creation::Allowed)?;
                let deadline = Instant::now() + client.options.operation_timeout;
                self.attempt(client, topic, partition, &records, deadline)?
            }
            _ => {
                client.retry(|client, deadline| self.attempt(client, topic, partition, &records, deadline))?
            }
        };
        self.sequences.insert((topic.to_owned(), partition), header::sequence_after(sequence, count));
        Ok(sent)
    }

    fn attempt(
        &self,
        client: &mut Client,
        topic: &str,
        partition: i32,
        records: &[u8],
        deadline: Instant,
    ) -> Result<Sent, ClientError> {
        let known = client.topic_known(topic, Creation::Allowed, deadline)?;
        let leader = client.leader(&known, partition)?;
        let data = PartitionProduceData { index: partition, records: Records::Slice(records) };
        let of_topic = TopicProduceData {
            name: Cow::Borrowed(topic),
            topic_id: known.id,
            partition_data: vec![data].into(),
        };
        let request = ProduceRequest {
            transactional_id: None,
            acks: self.options.acks.code(),
            timeout_ms: client.broker_timeout_ms(deadline),
            topic_data: vec![of_topic].into(),
        };
        let limits = Limits { version_max: known.version_max(), ..Limits::until(deadline) };
        if self.options.acks == Acks::None {
            client.tell(leader, &request, limits)?;
            return Ok(Sent { base_offset: None });
        }
        client.call(leader, &request, limits, |response, broker| {
            let found = response.responses.iter().find_map(|t| t.partition_responses.iter().next());
            let Some(found) = found else {
                let why = "it names no partition".to_owned();
                return Err(ClientError::Answer { broker: broker.to_owned(), api: ApiKey::Produce, why });
            };
            match found.error_code {
                0 => Ok(Sent { base_offset: Some(found.base_offset).filter(|offset| *offset >= 0) }),
                // An attempt before this one was stored, too long ago for its offset to be known.
                code if code == ErrorCode::DUPLICATE_SEQUENCE_NUMBER.code() => Ok(Sent { base_offset: None }),
                code => Err(ClientError::Refused {
                    broker: broker.to_owned(),
                    api: ApiKey::Produce,
                    about: format!("partition {topic}-{partition}"),
                    code,
                    message: found.error_message.map(Cow::into_owned),
                }),
            }
        })
    }
}

impl Client {
    /// A producer id of one's own and its epoch; `None` where the broker gives none.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub fn producer_id(&mut self) -> Result<Option<(i64, i16)>, ClientError> {
        Ok(match self.retry(init_producer_id)? {
            Identity::Given { producer_id, producer_epoch } => Some((producer_id, producer_epoch)),
            Identity::Unknown | Identity::None => None,
        })
    }
}

fn init_producer_id(client: &mut Client, deadline: Instant) -> Result<Identity, ClientError> {
    if !client.serves(To::Any, ApiKey::InitProducerId, deadline)? {
        return Ok(Identity::None);
    }
    let request = InitProducerIdRequest {
        transactional_id: None,
        // There is no transaction to time out, but Kafka's own clients send their default too.
        transaction_timeout_ms: 60_000,
        ..Default::default()
    };
    client.call(To::Any, &request, Limits::until(deadline), |response, broker| match response.error_code {
        0 => {
            Ok(Identity::Given { producer_id: response.producer_id, producer_epoch: response.producer_epoch })
        }
        code => Err(ClientError::Refused {
            broker: broker.to_owned(),
            api: ApiKey::InitProducerId,
            about: "producer id".to_owned(),
            code,
            message: None,
        }),
    })
}
