//! CreateTopics, DeleteTopics, and topics' configs.

use std::borrow::Cow;

use env::Instant;
use wire::{
    ApiKey, ErrorCode,
    message::{
        create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest},
        delete_topics::{DeleteTopicState, DeleteTopicsRequest},
        describe_configs::{DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult},
        incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest},
    },
};

use crate::{
    Client, ClientError,
    client::{Limits, To},
    connection::left,
};

/// A topic as the resource whose configs are asked for or changed, by Kafka's number.
const TOPIC: i8 = 2;

/// A topic to be made.
#[derive(Debug, Clone, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Number of partitions; `None` leaves it to the broker.
    pub partitions: Option<i32>,
    /// Number of replicas of each; `None` leaves it to the broker.
    pub replication_factor: Option<i16>,
    /// Configuration that differs from the broker's.
    pub configs: Vec<(String, String)>,
}

/// A config of a topic, as it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// Its key.
    pub name: String,
    /// Its value; `None` where there is none, or it is secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
}

/// Where a config's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// It was set for the topic.
    Topic,
    /// It was set for the brokers: in their files, or while they ran.
    Broker,
    /// Nobody set it.
    Default,
    /// The broker says something else.
    Other,
}

impl ConfigSource {
    fn of(code: i8) -> Self {
        match code {
            1 => Self::Topic,
            2..=4 => Self::Broker,
            5 => Self::Default,
            _ => Self::Other,
        }
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Broker => "broker",
            Self::Default => "default",
            Self::Other => "other",
        }
    }
}

impl Client {
    /// Makes a topic.
    ///
    /// # Errors
    /// `TOPIC_ALREADY_EXISTS` also when an earlier attempt of this call made it and its answer was lost.
    pub fn create_topic(&mut self, topic: &NewTopic) -> Result<(), ClientError> {
        let config = |(name, value): &(String, String)| CreatableTopicConfig {
            name: Cow::Owned(name.clone()),
            value: Some(Cow::Owned(value.clone())),
        };
        self.retry(|client, deadline| {
            let created = CreatableTopic {
                name: Cow::Borrowed(&topic.name),
                num_partitions: topic.partitions.unwrap_or(-1),
                replication_factor: topic.replication_factor.unwrap_or(-1),
                configs: topic.configs.iter().map(config).collect(),
                ..Default::default()
            };
            let request = CreateTopicsRequest {
                topics: vec![created].into(),
                timeout_ms: client.broker_timeout_ms(deadline),
                validate_only: false,
            };
            client.call(To::Any, &request, Limits::until(deadline), |response, broker| {
                let result = response.topics.iter().next();
                let (code, message) = result
                    .map_or((ErrorCode::UNKNOWN_SERVER_ERROR.code(), None), |result| {
                        (result.error_code, result.error_message)
                    });
                refusal(broker, ApiKey::CreateTopics, &topic.name, code, message)
            })
        })
    }

    /// Deletes a topic with all that is in it.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` at once if there is none; else as [`ClientError`] says.
    pub fn delete_topic(&mut self, name: &str) -> Result<(), ClientError> {
        let deleted = self.retry(|client, deadline| {
            let request = DeleteTopicsRequest {
                topics: vec![DeleteTopicState { name: Some(Cow::Borrowed(name)), ..Default::default() }]
                    .into(),
                // The same, as versions up to 5 have it.
                topic_names: vec![Cow::Borrowed(name)].into(),
                timeout_ms: client.broker_timeout_ms(deadline),
            };
            let answer = client.call(To::Any, &request, Limits::until(deadline), |response, broker| {
                let result = response.responses.iter().next();
                let (code, message) = result
                    .map_or((ErrorCode::UNKNOWN_SERVER_ERROR.code(), None), |result| {
                        (result.error_code, result.error_message)
                    });
                refusal(broker, ApiKey::DeleteTopics, name, code, message)
            });
            match answer {
                Err(e) if e.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok(Err(e)),
                other => other.map(Ok),
            }
        });
        self.leaders.remove(name);
        deleted?
    }

    /// Changes configs of a topic: new values by name, `None` for the default.
    ///
    /// # Errors
    /// What the broker refuses, as [`ClientError`] says; nothing was changed then.
    pub fn alter_topic(
        &mut self,
        name: &str,
        changes: &[(String, Option<String>)],
    ) -> Result<(), ClientError> {
        const SET: i8 = 0;
        const DELETE: i8 = 1;
        let change = |(name, value): &(String, Option<String>)| AlterableConfig {
            name: Cow::Owned(name.clone()),
            config_operation: if value.is_some() { SET } else { DELETE },
            value: value.clone().map(Cow::Owned),
        };
        self.retry(|client, deadline| {
            let resource = AlterConfigsResource {
                resource_type: TOPIC,
                resource_name: Cow::Borrowed(name),
                configs: changes.iter().map(change).collect(),
            };
            let request =
                IncrementalAlterConfigsRequest { resources: vec![resource].into(), validate_only: false };
            client.call(To::Any, &request, Limits::until(deadline), |response, broker| {
                let result = response.responses.iter().next();
                let (code, message) = result
                    .map_or((ErrorCode::UNKNOWN_SERVER_ERROR.code(), None), |result| {
                        (result.error_code, result.error_message)
                    });
                refusal(broker, ApiKey::IncrementalAlterConfigs, name, code, message)
            })
        })
    }

    /// The configs that were set for a topic.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub fn topic_configs(&mut self, name: &str) -> Result<Vec<(String, String)>, ClientError> {
        let own = self.topic_configs_in_force(name)?.into_iter();
        let own = own.filter(|config| config.source == ConfigSource::Topic);
        Ok(own.map(|config| (config.name, config.value.unwrap_or_default())).collect())
    }

    /// All configs that hold for a topic, by name.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub fn topic_configs_in_force(&mut self, name: &str) -> Result<Vec<TopicConfig>, ClientError> {
        self.retry(|client, deadline| {
            let resource = DescribeConfigsResource {
                resource_type: TOPIC,
                resource_name: Cow::Borrowed(name),
                configuration_keys: None,
            };
            let request = DescribeConfigsRequest {
                resources: vec![resource].into(),
                ..DescribeConfigsRequest::default()
            };
            client.call(To::Any, &request, Limits::until(deadline), |response, broker| {
                let Some(result) = response.results.iter().next() else {
                    let code = ErrorCode::UNKNOWN_SERVER_ERROR.code();
                    return refusal(broker, ApiKey::DescribeConfigs, name, code, None).map(|()| Vec::new());
                };
                refusal(broker, ApiKey::DescribeConfigs, name, result.error_code, result.error_message)?;
                let mut configs: Vec<TopicConfig> = result.configs.iter().map(config_of).collect();
                configs.sort_by(|a, b| a.name.cmp(&b.name));
                Ok(configs)
            })
        })
    }

    /// What the broker is given to do it: less than we wait for its answer.
    pub(crate) fn broker_timeout_ms(&self, deadline: Instant) -> i32 {
        let wait = self.options.request_timeout.min(left(deadline)) * 9 / 10;
        i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)
    }
}

fn config_of(config: DescribeConfigsResourceResult<'_>) -> TopicConfig {
    TopicConfig {
        name: config.name.into_owned(),
        value: config.value.map(Cow::into_owned),
        source: ConfigSource::of(config.config_source),
    }
}

fn refusal(
    broker: &str,
    api: ApiKey,
    topic: &str,
    code: i16,
    message: Option<Cow<'_, str>>,
) -> Result<(), ClientError> {
    if code == 0 {
        return Ok(());
    }
    let (broker, about) = (broker.to_owned(), format!("topic {topic}"));
    Err(ClientError::Refused { broker, api, about, code, message: message.map(Cow::into_owned) })
}
