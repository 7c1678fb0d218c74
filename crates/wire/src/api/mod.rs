//! The APIs of the Kafka protocol: which there are, their versions, and the headers they are sent with.

mod table;

pub use table::ApiKey;

use crate::primitive::{DecodeError, Form};
use std::fmt;
use std::ops::RangeInclusive;

/// What the table says of an API.
struct Row {
    name: &'static str,
    first: i16,
    last: i16,
    flexible_since: Option<i16>,
}

const fn row(name: &'static str, first: i16, last: i16, flexible_since: Option<i16>) -> Row {
    Row { name, first, last, flexible_since }
}

impl ApiKey {
    /// The key as it is sent.
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Kafka's name, such as `OffsetForLeaderEpoch`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The stable versions.
    #[must_use]
    pub const fn versions(self) -> RangeInclusive<i16> {
        let row = self.row();
        row.first..=row.last
    }

    /// The first version with compact lengths and tagged fields (KIP-482), if one has them.
    #[must_use]
    pub const fn flexible_since(self) -> Option<i16> {
        self.row().flexible_since
    }

    /// The form of a version's body.
    #[must_use]
    pub const fn form(self, version: i16) -> Form {
        match self.flexible_since() {
            Some(first) => Form::compact_since(first, version),
            None => Form::Classic,
        }
    }

    /// The version of the header in front of a request: 2 where it has tagged fields, else 1.
    #[must_use]
    pub const fn request_header_version(self, version: i16) -> i16 {
        match self.form(version) {
            Form::Classic => 1,
            Form::Compact => 2,
        }
    }

    /// The version of the header in front of a response: 1 where it has tagged fields, else 0.
    ///
    /// Always 0 for ApiVersions: its client does not know yet what the broker can read (KIP-511).
    #[must_use]
    pub const fn response_header_version(self, version: i16) -> i16 {
        match (self, self.form(version)) {
            (Self::ApiVersions, _) | (_, Form::Classic) => 0,
            (_, Form::Compact) => 1,
        }
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<i16> for ApiKey {
    type Error = DecodeError;

    fn try_from(key: i16) -> Result<Self, DecodeError> {
        let found = Self::ALL.binary_search_by_key(&key, |api| api.code());
        found.map(|index| Self::ALL[index]).map_err(|_| DecodeError::UnknownApiKey { key })
    }
}

#[cfg(test)]
mod api_test;
