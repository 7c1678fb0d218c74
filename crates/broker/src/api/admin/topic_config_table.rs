//! The topic configs of Kafka 4.3.1, and ours that begin with `batch.`: names, what values they take, defaults.
//!
//! The texts of refusals are Kafka's. A config that nothing here uses yet is checked and kept all the same, so that
//! tools which set it go on working.

use super::topic_config::ConfigError;

/// What values a config takes.
pub(super) enum Kind {
    /// 32 bits, both bounds included.
    Int(i32, i32),
    /// 64 bits, from this on.
    Long(i64),
    /// A level of gzip.
    GzipLevel,
    /// Between 0 and 1.
    Ratio,
    /// `true` or `false`.
    Bool,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Some of these, separated by commas.
    SomeOf(&'static [&'static str]),
    /// `*` or pairs of partition and broker.
    ThrottledReplicas,
}

/// A config that a topic may have.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) default: &'static str,
}

const fn known(name: &'static str, kind: Kind, default: &'static str) -> Known {
    Known { name, kind, default }
}

/// Begins the names of configs that Kafka has for its own tests: taken, but shown only where they are set.
const INTERNAL: &str = "internal.";

const LONG_MAX: &str = "9223372036854775807";

/// All of them, names ascending.
pub(super) const TABLE: &[Known] = &[
    known("batch.linger.ms", Kind::Int(-1, i32::MAX), "-1"),
    known("batch.merge.enable", Kind::Bool, "true"),
    known("batch.target.p99.ms", Kind::Int(0, i32::MAX), "0"),
    known("cleanup.policy", Kind::SomeOf(&["compact", "delete"]), "delete"),
    known("compression.gzip.level", Kind::GzipLevel, "-1"),
    known("compression.lz4.level", Kind::Int(1, 17), "9"),
    known(
        "compression.type",
        Kind::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        "producer",
    ),
    known("compression.zstd.level", Kind::Int(-131_072, 22), "3"),
    known("delete.retention.ms", Kind::Long(0), "86400000"),
    known("file.delete.delay.ms", Kind::Long(0), "60000"),
    known("flush.messages", Kind::Long(1), LONG_MAX),
    known("flush.ms", Kind::Long(0), LONG_MAX),
    known("follower.replication.throttled.replicas", Kind::ThrottledReplicas, ""),
    known("index.interval.bytes", Kind::Int(0, i32::MAX), "4096"),
    known("internal.segment.bytes", Kind::Int(i32::MIN, i32::MAX), "1073741824"),
    known("leader.replication.throttled.replicas", Kind::ThrottledReplicas, ""),
    known("local.retention.bytes", Kind::Long(-2), "-2"),
    known("local.retention.ms", Kind::Long(-2), "-2"),
    known("max.compaction.lag.ms", Kind::Long(1), LONG_MAX),
    known("max.message.bytes", Kind::Int(0, i32::MAX), "1048588"),
    known("message.timestamp.after.max.ms", Kind::Long(0), "3600000"),
    known("message.timestamp.before.max.ms", Kind::Long(0), LONG_MAX),
    known("message.timestamp.type", Kind::OneOf(&["CreateTime", "LogAppendTime"]), "CreateTime"),
    known("min.cleanable.dirty.ratio", Kind::Ratio, "0.5"),
    known("min.compaction.lag.ms", Kind::Long(0), "0"),
    known("min.insync.replicas", Kind::Int(1, i32::MAX), "1"),
    known("preallocate", Kind::Bool, "false"),
    known("remote.log.copy.disable", Kind::Bool, "false"),
    known("remote.log.delete.on.disable", Kind::Bool, "false"),
    known("remote.storage.enable", Kind::Bool, "false"),
    known("retention.bytes", Kind::Long(i64::MIN), "-1"),
    known("retention.ms", Kind::Long(-1), "604800000"),
    known("segment.bytes", Kind::Int(1 << 20, i32::MAX), "1073741824"),
    known("segment.index.bytes", Kind::Int(4, i32::MAX), "10485760"),
    known("segment.jitter.ms", Kind::Long(0), "0"),
    known("segment.ms", Kind::Long(1), "604800000"),
    known("unclean.leader.election.enable", Kind::Bool, "false"),
];

/// The config called `name`.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    TABLE.binary_search_by_key(&name, |known| known.name).ok().map(|at| &TABLE[at])
}

impl Known {
    /// Whether it is shown where it is not set.
    pub(super) fn is_shown(&self) -> bool {
        !self.name.starts_with(INTERNAL)
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.kind, Kind::SomeOf(_) | Kind::ThrottledReplicas)
    }

    /// Kafka's number for the type of its values.
    pub(super) fn type_number(&self) -> i8 {
        match self.kind {
            Kind::Bool => 1,
            Kind::OneOf(_) => 2,
            Kind::Int(..) | Kind::GzipLevel => 3,
            Kind::Long(_) => 5,
            Kind::Ratio => 6,
            Kind::SomeOf(_) | Kind::ThrottledReplicas => 7,
        }
    }

    /// Checks a value as Kafka does: spaces around it don't count.
    pub(super) fn check(&self, value: &str) -> Result<(), ConfigError> {
        let refuse = |why: String| Err(ConfigError::Value { name: self.name, value: value.to_owned(), why });
        let trimmed = value.trim();
        match self.kind {
            Kind::Int(min, max) => match trimmed.parse::<i32>() {
                Err(_) => refuse("Not a number of type INT".to_owned()),
                Ok(number) if number < min => refuse(format!("Value must be at least {min}")),
                Ok(number) if number > max => refuse(format!("Value must be no more than {max}")),
                Ok(_) => Ok(()),
            },
            Kind::Long(min) => match trimmed.parse::<i64>() {
                Err(_) => refuse("Not a number of type LONG".to_owned()),
                Ok(number) if number < min => refuse(format!("Value must be at least {min}")),
                Ok(_) => Ok(()),
            },
            Kind::GzipLevel => match trimmed.parse::<i32>() {
                Err(_) => refuse("Not a number of type INT".to_owned()),
                Ok(-1 | 1..=9) => Ok(()),
                Ok(_) => refuse("Value must be between 1 and 9 or equal to -1".to_owned()),
            },
            Kind::Ratio => match trimmed.parse::<f64>() {
                Ok(number) if number < 0.0 => refuse("Value must be at least 0".to_owned()),
                Ok(number) if number > 1.0 => refuse("Value must be no more than 1".to_owned()),
                Ok(number) if !number.is_nan() => Ok(()),
                _ => refuse("Not a number of type DOUBLE".to_owned()),
            },
            Kind::Bool if trimmed.eq_ignore_ascii_case("true") || trimmed.eq_ignore_ascii_case("false") => {
                Ok(())
            }
            Kind::Bool => refuse("Expected value to be either true or false".to_owned()),
            Kind::OneOf(allowed) if allowed.contains(&trimmed) => Ok(()),
            Kind::OneOf(allowed) => refuse(format!("String must be one of: {}", allowed.join(", "))),
            Kind::SomeOf(allowed) => self.check_list(trimmed, allowed),
            Kind::ThrottledReplicas => self.check_throttled_replicas(trimmed),
        }
    }

    fn check_list(&self, list: &str, allowed: &[&str]) -> Result<(), ConfigError> {
        for element in elements(list) {
            if element.is_empty() {
                return Err(ConfigError::EmptyElement { name: self.name });
            }
            if !allowed.contains(&element) {
                let why = format!("String must be one of: {}", allowed.join(", "));
                return Err(ConfigError::Value { name: self.name, value: element.to_owned(), why });
            }
        }
        Ok(())
    }

    fn check_throttled_replicas(&self, list: &str) -> Result<(), ConfigError> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_pair = |pair: &str| pair.split_once(':').is_some_and(|(a, b)| is_number(a) && is_number(b));
        if list == "*" || elements(list).all(is_pair) {
            return Ok(());
        }
        let value = format!("[{}]", elements(list).collect::<Vec<_>>().join(", "));
        let why = format!(
            "{} must be the literal '*' or a list of replicas in the following format: \
             [partitionId]:[brokerId],[partitionId]:[brokerId],...",
            self.name
        );
        Err(ConfigError::Value { name: self.name, value, why })
    }
}

/// The elements of a list; an empty text is an empty list.
pub(crate) fn elements(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(move |_| !list.is_empty())
}
