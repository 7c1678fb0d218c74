//! What a dump prints of one thing in a file.

use std::fmt;

/// One thing in a file: a frame, a batch, a record, an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its first byte; of a record in a batch, the batch's.
    pub position: u64,
    /// What it is.
    pub kind: &'static str,
    /// What it says.
    pub fields: Vec<(&'static str, Value)>,
}

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(i128),
    /// Text; bytes that are not UTF-8 are shown as replaced.
    Text(String),
    /// Values of one kind.
    List(Vec<String>),
}

impl Line {
    pub(crate) fn new(position: u64, kind: &'static str) -> Self {
        Self { position, kind, fields: Vec::new() }
    }

    pub(crate) fn number(mut self, name: &'static str, value: impl Into<i128>) -> Self {
        self.fields.push((name, Value::Number(value.into())));
        self
    }

    pub(crate) fn text(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, Value::Text(value.into())));
        self
    }

    /// A list; an empty one is left out.
    pub(crate) fn list(mut self, name: &'static str, values: impl IntoIterator<Item = String>) -> Self {
        let values: Vec<String> = values.into_iter().collect();
        if !values.is_empty() {
            self.fields.push((name, Value::List(values)));
        }
        self
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.position, self.kind)?;
        self.fields.iter().try_for_each(|(name, value)| match value {
            Value::Number(number) => write!(f, " {name}={number}"),
            Value::Text(text) => write!(f, " {name}={}", text.escape_debug()),
            Value::List(values) => write!(f, " {name}=[{}]", values.join(", ")),
        })
    }
}
