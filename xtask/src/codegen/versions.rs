//! Ranges of message versions, as the definitions write them: `0-5`, `3+`, `4`, `none`.

use anyhow::Context;
use std::fmt;

/// Versions from `first` to `last`; none when `first > last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) first: i16,
    pub(crate) last: i16,
}

impl Versions {
    pub(crate) const NONE: Self = Self { first: 0, last: -1 };

    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let number = |text: &str| text.parse::<i16>().with_context(|| format!("version `{text}`"));
        if text == "none" {
            return Ok(Self::NONE);
        }
        if let Some(first) = text.strip_suffix('+') {
            return Ok(Self { first: number(first)?, last: i16::MAX });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Ok(Self { first: number(first)?, last: number(last)? })
    }

    pub(crate) fn is_none(self) -> bool {
        self.first > self.last
    }

    pub(crate) fn contains(self, version: i16) -> bool {
        (self.first..=self.last).contains(&version)
    }

    pub(crate) fn and(self, other: Self) -> Self {
        let both = Self { first: self.first.max(other.first), last: self.last.min(other.last) };
        if both.is_none() { Self::NONE } else { both }
    }

    /// The smallest range with both in it.
    pub(crate) fn hull(self, other: Self) -> Self {
        match (self.is_none(), other.is_none()) {
            (true, _) => other,
            (_, true) => self,
            _ => Self { first: self.first.min(other.first), last: self.last.max(other.last) },
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = i16> {
        self.first..=self.last
    }

    /// How these versions are told from the rest of `known` in Rust; `None` when they are all of it.
    pub(crate) fn condition(self, known: Self) -> Option<String> {
        let both = self.and(known);
        let text = match (both.first == known.first, both.last == known.last) {
            (true, true) => return None,
            _ if both.is_none() => "false".to_owned(),
            _ if both.first == both.last => format!("version == {}", both.first),
            (true, false) => format!("version <= {}", both.last),
            (false, true) => format!("version >= {}", both.first),
            (false, false) => format!("({}..={}).contains(&version)", both.first, both.last),
        };
        Some(text)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (first, last) if first == last => write!(f, "{first}"),
            (first, i16::MAX) => write!(f, "{first}+"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}
