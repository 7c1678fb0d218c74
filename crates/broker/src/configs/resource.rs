//! What has configs, by type and name: described, and told apart for changes.

use std::collections::BTreeMap;

use cluster::metadata::{ConfigKind, check_topic_name};
use wire::error::ErrorCode;

use super::changes::Changes;
use super::{
    Described, Origins, Refusal, ResourceType, client_metrics, group, invalid_request, loggers, of_broker,
    topic,
};
use crate::server::Broker;

/// All configs of the resource of this type and name.
///
/// # Errors
/// Kafka's code and text.
pub(crate) fn describe(broker: &Broker, type_number: i8, name: &str) -> Result<Vec<Described>, Refusal> {
    let image = broker.node().image();
    let broker_id = broker.node().broker_id();
    let origins = Origins::new(&image, broker_id, &broker.options.started_with);
    match ResourceType::of(type_number) {
        Some(ResourceType::Topic) => {
            check_topic(name)?;
            // Kafka leaves the text to the client.
            let unknown = || (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, String::new());
            let configs = &image.topic(name).ok_or_else(unknown)?.configs;
            Ok(topic::describe(&broker.options.topic_defaults, &origins, configs))
        }
        Some(ResourceType::Broker) => of_broker::describe(&origins, broker_id, name),
        Some(ResourceType::BrokerLogger) => loggers::describe(&*broker.options.log_levels, broker_id, name),
        Some(ResourceType::ClientMetrics) => {
            client_metrics::describe(image.configs(ConfigKind::ClientMetrics, name), name)
        }
        Some(ResourceType::Group) => group::describe(&origins, image.configs(ConfigKind::Group, name), name),
        None => invalid_request(format!("Unsupported resource type: {type_number}")),
    }
}

fn check_topic(name: &str) -> Result<(), Refusal> {
    check_topic_name(name).map_err(|error| (ErrorCode::INVALID_TOPIC_EXCEPTION, error.to_string()))
}

/// What has configs that are kept in the metadata, and is to get others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource<'a> {
    /// A topic.
    Topic(&'a str),
    /// Anything else.
    Other(ConfigKind, &'a str),
}

impl<'a> Resource<'a> {
    /// The resource of this type and name, there or not.
    ///
    /// # Errors
    /// Kafka's code and text: there can be none.
    pub(crate) fn of(broker_id: i32, type_number: i8, name: &'a str) -> Result<Self, Refusal> {
        match ResourceType::of(type_number) {
            Some(ResourceType::Topic) if name.is_empty() => {
                invalid_request("Default topic resources are not allowed.")
            }
            Some(ResourceType::Topic) => {
                check_topic(name)?;
                Ok(Self::Topic(name))
            }
            Some(ResourceType::Broker) => {
                of_broker::check_name(broker_id, name)?;
                Ok(Self::Other(ConfigKind::Broker, name))
            }
            Some(ResourceType::Group) => {
                group::check_name(name)?;
                Ok(Self::Other(ConfigKind::Group, name))
            }
            Some(ResourceType::ClientMetrics) => {
                client_metrics::check_name(name)?;
                Ok(Self::Other(ConfigKind::ClientMetrics, name))
            }
            Some(ResourceType::BrokerLogger) | None => {
                invalid_request(format!("Unknown resource type {type_number}"))
            }
        }
    }

    /// Checks new values of what is no topic.
    pub(super) fn check_others(
        kind: ConfigKind,
        name: &str,
        broker: &Broker,
        changes: &Changes,
    ) -> Result<(), Refusal> {
        match kind {
            ConfigKind::Broker => {
                let (image, broker_id) = (broker.node().image(), broker.node().broker_id());
                let origins = of_broker::Origins::new(&image, broker_id, &broker.options.started_with);
                of_broker::check(&origins, name, changes)
            }
            ConfigKind::ClientMetrics => client_metrics::check(changes),
            ConfigKind::Group => group::check(&broker.options.group_config_bounds, changes),
        }
    }

    /// The value of a list with `elements` added (`is_append`) or taken away, where it is set to `configs` now.
    ///
    /// # Errors
    /// The config is no list.
    pub(crate) fn list_changed(
        &self,
        name: &str,
        elements: &str,
        is_append: bool,
        configs: &BTreeMap<String, String>,
    ) -> Result<String, Refusal> {
        let default = match self {
            Self::Topic(_) => topic::list_default(name),
            Self::Other(ConfigKind::Broker, _) => of_broker::list_default(name),
            Self::Other(ConfigKind::ClientMetrics | ConfigKind::Group, _) => None,
        };
        let default = default.ok_or_else(|| self.no_list(name, is_append))?;
        let now = configs.get(name).map_or(default, String::as_str);
        let mut list: Vec<&str> = topic::elements(now).collect();
        // An empty text is an empty element here, which the check of the whole list refuses.
        for element in elements.split(',').map(str::trim) {
            if !is_append {
                list.retain(|there| *there != element);
            } else if !list.contains(&element) {
                list.push(element);
            }
        }
        Ok(list.join(","))
    }

    fn no_list(&self, name: &str, is_append: bool) -> Refusal {
        let message = match (self, is_append) {
            (Self::Other(ConfigKind::Broker, _), true) => {
                format!("Config value append is not allowed for config key: {name}")
            }
            (Self::Other(ConfigKind::Broker, _), false) => {
                format!("Config value subtract is not allowed for config key: {name}")
            }
            (_, true) => format!("Can't APPEND to key {name} because its type is not LIST."),
            (_, false) => format!("Can't SUBTRACT to key {name} because its type is not LIST."),
        };
        (ErrorCode::INVALID_CONFIG, message)
    }
}
