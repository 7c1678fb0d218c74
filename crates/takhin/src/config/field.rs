//! From an accepted value to the Rust type of a [`Config`](super::Config) field.

use std::{path::PathBuf, time::Duration};

use super::{
    listener::Endpoint,
    rule::{Raw, Rule},
};

/// A type that a field of the configuration may have.
pub(crate) trait Field: Sized {
    /// Reads a value that `rule` has accepted; `None` when the type can't hold it.
    ///
    /// That is a fault of the table, not of the user: a test walks every key's bounds.
    fn read(raw: &Raw, rule: &Rule) -> Option<Self>;
}

macro_rules! field_from_str {
    ($($ty:ty),*) => {$(
        impl Field for $ty {
            fn read(raw: &Raw, _: &Rule) -> Option<Self> {
                match raw {
                    Raw::Text(text) => text.parse().ok(),
                    Raw::List(_) | Raw::Missing => None,
                }
            }
        }
    )*};
}
field_from_str!(
    bool,
    u16,
    u32,
    u64,
    i32,
    i64,
    String,
    PathBuf,
    super::BatchCodec,
    super::BatchPolicy,
    super::GroupMigration,
    super::LogLevel,
    super::LogFormat
);

/// Every key that is a time counts milliseconds (`.ms`).
impl Field for Duration {
    fn read(raw: &Raw, rule: &Rule) -> Option<Self> {
        u64::read(raw, rule).map(Self::from_millis)
    }
}

/// `None` is the rule's word.
impl<T: Field> Field for Option<T> {
    fn read(raw: &Raw, rule: &Rule) -> Option<Self> {
        match (raw, rule) {
            (Raw::Text(text), Rule::Integer { word: Some(word), .. }) if word.text == text => Some(None),
            (Raw::Text(text), Rule::Text { .. }) if text.is_empty() => Some(None),
            _ => T::read(raw, rule).map(Some),
        }
    }
}

impl Field for Vec<String> {
    fn read(raw: &Raw, _: &Rule) -> Option<Self> {
        match raw {
            Raw::List(items) => Some(items.clone()),
            Raw::Text(_) | Raw::Missing => None,
        }
    }
}

impl Field for Vec<Endpoint> {
    fn read(raw: &Raw, _: &Rule) -> Option<Self> {
        match raw {
            Raw::List(items) => items.iter().map(|item| item.parse().ok()).collect(),
            Raw::Text(_) | Raw::Missing => None,
        }
    }
}
