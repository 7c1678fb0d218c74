//! A YAML file as assignments: groups nested, or keys with literal dots, in any mixture.
//!
//! `kafka: {batch: {max.size: 5}}` and `kafka.batch.max.size: 5` say the same. A key with a value and a
//! group may share a name, since a path is only ever the sequence of its words.

use std::{fmt, path::Path};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::{Assignment, ConfigError, Origin, rule::Raw};

/// Reads a file's text into assignments, in the order of the file.
///
/// # Errors
/// Text that isn't YAML, or not groups of keys.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Vec<Assignment>, ConfigError> {
    let refuse = |why: String| ConfigError::File { path: path.to_owned(), why };
    // A file of comments only is a file that says nothing.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    // YAML 1.2: only `true` and `false` are booleans, so that a host may be called `no`.
    let options = serde_saphyr::options! { strict_booleans: true };
    let document: Spanned<Node> = serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        let line = e.location().map_or(String::new(), |at| format!("line {}: ", at.line()));
        let why = e.without_snippet().to_string();
        refuse(format!("{line}{}", why.lines().next().unwrap_or("not YAML")))
    })?;
    let mut assignments = Vec::new();
    match document.value {
        Node::Group(children) => {
            for (key, child) in children {
                flatten(path, key, child, &mut assignments).map_err(&refuse)?;
            }
        }
        Node::Missing => {}
        Node::Text(_) | Node::List(_) => {
            return Err(refuse("groups of keys are expected, such as `server:`".into()));
        }
    }
    Ok(assignments)
}

fn flatten(path: &Path, key: String, node: Spanned<Node>, into: &mut Vec<Assignment>) -> Result<(), String> {
    let raw = match node.value {
        Node::Group(children) => {
            for (child, node) in children {
                flatten(path, format!("{key}.{child}"), node, into)?;
            }
            return Ok(());
        }
        Node::List(items) => Raw::List(
            items
                .into_iter()
                .map(|item| match item {
                    Node::Text(text) => Ok(text),
                    _ => Err(format!("line {}: {key}: a list holds values only", line_of(node.referenced))),
                })
                .collect::<Result<_, _>>()?,
        ),
        Node::Text(text) => Raw::Text(text),
        Node::Missing => Raw::Missing,
    };
    let origin = Origin::File { path: path.to_owned(), line: line_of(node.referenced) };
    into.push(Assignment { key, raw, origin });
    Ok(())
}

fn line_of(at: Location) -> u64 {
    at.line()
}

/// What a YAML file may hold here. Numbers and booleans become text again: the key says what they are.
enum Node {
    Text(String),
    List(Vec<Node>),
    Group(Vec<(String, Spanned<Node>)>),
    Missing,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a group of keys")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Missing)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Missing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut group = Vec::new();
        while let Some((key, value)) = entries.next_entry()? {
            group.push((key, value));
        }
        Ok(Node::Group(group))
    }
}
