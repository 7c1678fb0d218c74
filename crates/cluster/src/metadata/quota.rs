//! Quotas of clients (KIP-546): whom they are for, what they are, and their bytes in a record.

use std::borrow::Cow;
use std::collections::BTreeMap;

use wire::primitive::{DecodeError, Form, Reader, Writer};

use super::record::RecordError;

/// By what clients are told apart; the numbers are those of a record's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum QuotaEntityType {
    /// The client's own name for itself.
    ClientId = 0,
    /// The user that logged in.
    User = 1,
    /// Where it connects from.
    Ip = 2,
}

impl QuotaEntityType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ClientId, Self::User, Self::Ip];

    /// Kafka's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ClientId => "client-id",
            Self::Ip => "ip",
        }
    }

    /// The type that Kafka calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Whom quotas are for: a name by type, `None` for all that have none of their own.
pub type QuotaEntity = BTreeMap<QuotaEntityType, Option<String>>;

/// A quota's value, any that a client may send: two are the same if their bits are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Quota(u64);

impl From<f64> for Quota {
    fn from(value: f64) -> Self {
        Self(value.to_bits())
    }
}

impl From<Quota> for f64 {
    fn from(quota: Quota) -> Self {
        f64::from_bits(quota.0)
    }
}

impl std::fmt::Debug for Quota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f64::from(*self).fmt(f)
    }
}

/// New values by key; `None`: there is no such quota any more.
pub type QuotaChanges = BTreeMap<String, Option<Quota>>;

pub(super) fn write(entity: &QuotaEntity, changes: &QuotaChanges, writer: &mut Writer<'_>) {
    writer.int8(i8::try_from(entity.len()).expect("there are three types"));
    for (kind, name) in entity {
        writer.int8(*kind as i8);
        writer.nullable_string(name.as_deref(), Form::Compact);
    }
    writer.uint32(u32::try_from(changes.len()).expect("a request has fewer"));
    for (key, quota) in changes {
        writer.string(key, Form::Compact);
        writer.bool(quota.is_some());
        writer.float64(quota.map_or(0.0, f64::from));
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<(QuotaEntity, QuotaChanges), RecordError> {
    let mut entity = QuotaEntity::new();
    for _ in 0..reader.int8()? {
        let kind = read_type(reader)?;
        entity.insert(kind, reader.nullable_string(Form::Compact)?.map(Cow::into_owned));
    }
    Ok((entity, read_changes(reader)?))
}

fn read_type(reader: &mut Reader<'_>) -> Result<QuotaEntityType, RecordError> {
    let number = reader.int8()?;
    let known = QuotaEntityType::ALL.into_iter().find(|kind| *kind as i8 == number);
    known.ok_or(RecordError::UnknownQuotaEntity(number))
}

fn read_changes(reader: &mut Reader<'_>) -> Result<QuotaChanges, DecodeError> {
    let mut changes = QuotaChanges::new();
    for _ in 0..reader.uint32()? {
        let key = reader.string(Form::Compact)?.into_owned();
        let (is_set, value) = (reader.bool()?, reader.float64()?);
        changes.insert(key, is_set.then(|| value.into()));
    }
    Ok(changes)
}
