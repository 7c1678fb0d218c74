//! What a config may be set to, whatever has it. Checks and texts are Kafka's.

use super::connections_per_ip::{OverridesError, read_overrides};

/// What values a config takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// 32 bits, both bounds included.
    Int(i32, i32),
    /// A number of threads.
    Threads,
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
    /// Pairs of a host and a number.
    ConnectionOverrides,
}

/// A config that there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) default: &'static str,
    /// What it does, in a sentence.
    pub(super) doc: &'static str,
}

pub(super) const fn known(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Known {
    Known { name, kind, default, doc }
}

/// A value that is none; the texts are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    /// The config does not take this value.
    #[error("Invalid value {value} for configuration {name}: {why}")]
    Value {
        /// The config's name.
        name: &'static str,
        /// The value, or the part of it that is wrong.
        value: String,
        /// What is allowed.
        why: String,
    },
    /// Connections of hosts.
    #[error(transparent)]
    Overrides(#[from] OverridesError),
    /// A comma too many.
    #[error("Configuration '{name}' values must not be empty.")]
    EmptyElement {
        /// The config's name.
        name: &'static str,
    },
}

/// Kafka's numbers for the types of values.
pub(super) mod type_number {
    pub(in crate::configs) const UNKNOWN: i8 = 0;
    pub(in crate::configs) const BOOLEAN: i8 = 1;
    pub(in crate::configs) const STRING: i8 = 2;
    pub(in crate::configs) const INT: i8 = 3;
    pub(in crate::configs) const SHORT: i8 = 4;
    pub(in crate::configs) const LONG: i8 = 5;
    pub(in crate::configs) const DOUBLE: i8 = 6;
    pub(in crate::configs) const LIST: i8 = 7;
}

impl Known {
    pub(super) fn is_list(&self) -> bool {
        matches!(self.kind, Kind::SomeOf(_) | Kind::ThrottledReplicas)
    }

    /// Kafka's number for the type of its values.
    pub(super) fn type_number(&self) -> i8 {
        match self.kind {
            Kind::Bool => type_number::BOOLEAN,
            Kind::OneOf(_) | Kind::ConnectionOverrides => type_number::STRING,
            Kind::Int(..) | Kind::Threads | Kind::GzipLevel => type_number::INT,
            Kind::Long(_) => type_number::LONG,
            Kind::Ratio => type_number::DOUBLE,
            Kind::SomeOf(_) | Kind::ThrottledReplicas => type_number::LIST,
        }
    }

    /// Checks a value as Kafka does: spaces around it don't count.
    pub(super) fn check(&self, value: &str) -> Result<(), ValueError> {
        let refuse = |why: String| Err(ValueError::Value { name: self.name, value: value.to_owned(), why });
        let trimmed = value.trim();
        let check_int = |min: i32, max: i32| match trimmed.parse::<i32>() {
            Err(_) => refuse("Not a number of type INT".to_owned()),
            Ok(number) if number < min => refuse(format!("Value must be at least {min}")),
            Ok(number) if number > max => refuse(format!("Value must be no more than {max}")),
            Ok(_) => Ok(()),
        };
        match self.kind {
            Kind::Int(min, max) => check_int(min, max),
            Kind::Threads => check_int(1, i32::MAX),
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
            Kind::ConnectionOverrides => Ok(read_overrides(trimmed).map(|_| ())?),
        }
    }

    fn check_list(&self, list: &str, allowed: &[&str]) -> Result<(), ValueError> {
        for element in elements(list) {
            if element.is_empty() {
                return Err(ValueError::EmptyElement { name: self.name });
            }
            if !allowed.contains(&element) {
                let why = format!("String must be one of: {}", allowed.join(", "));
                return Err(ValueError::Value { name: self.name, value: element.to_owned(), why });
            }
        }
        Ok(())
    }

    fn check_throttled_replicas(&self, list: &str) -> Result<(), ValueError> {
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
        Err(ValueError::Value { name: self.name, value, why })
    }
}

/// The elements of a list; an empty text is an empty list.
pub(crate) fn elements(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(move |_| !list.is_empty())
}
