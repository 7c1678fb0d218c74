//! What consumers tell each other through the coordinator, which passes it on unread: Kafka's consumer protocol.
//!
//! Version 0 is written, which every consumer reads; of later ones, up to 3 and beyond, what version 0 has is read: they
//! only add fields at the end (KIP-429, KIP-792, KIP-881).

use std::borrow::Cow;

use wire::{
    DecodeError,
    primitive::{Array, Form, Reader, Writer},
};

use crate::Partitions;

const VERSION: i16 = 0;

/// What a member says when it joins: the topics that it wants to read.
pub(super) fn subscription(topics: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut w = Writer::new(&mut bytes);
    w.int16(VERSION);
    let topics: Array<'_, Cow<'_, str>> = topics.iter().map(|topic| Cow::Borrowed(topic.as_str())).collect();
    w.array(&topics, VERSION, Form::Classic);
    w.nullable_bytes(None, Form::Classic);
    bytes
}

/// The topics that a member wants to read.
///
/// # Errors
/// The bytes end before they should.
pub(super) fn read_subscription(bytes: &[u8]) -> Result<Vec<String>, DecodeError> {
    let mut r = Reader::new(bytes);
    r.int16()?;
    let topics: Array<'_, Cow<'_, str>> = r.array(VERSION, Form::Classic)?;
    Ok(topics.iter().map(Cow::into_owned).collect())
}

/// What the leader gives to a member: its partitions.
pub(super) fn assignment(partitions: &Partitions) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut w = Writer::new(&mut bytes);
    w.int16(VERSION);
    w.int32(i32::try_from(partitions.len()).expect("as many topics as fit into memory"));
    for (topic, indexes) in partitions {
        w.string(topic, Form::Classic);
        w.array(&Array::from(indexes.clone()), VERSION, Form::Classic);
    }
    w.nullable_bytes(None, Form::Classic);
    bytes
}

/// The partitions that a member was given; none where nothing was said, as before the first assignment.
///
/// # Errors
/// The bytes end before they should.
pub(super) fn read_assignment(bytes: &[u8]) -> Result<Partitions, DecodeError> {
    let mut partitions = Partitions::new();
    if bytes.is_empty() {
        return Ok(partitions);
    }
    let mut r = Reader::new(bytes);
    r.int16()?;
    // A count that lies ends with the bytes, and nothing is allocated for it.
    for _ in 0..r.int32()? {
        let topic = r.string(Form::Classic)?.into_owned();
        let indexes: Array<'_, i32> = r.array(VERSION, Form::Classic)?;
        partitions.entry(topic).or_default().extend(indexes.iter());
    }
    Ok(partitions)
}
