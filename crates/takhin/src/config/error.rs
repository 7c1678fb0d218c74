//! What is wrong with a configuration, in one line: the key, the value, where it stands, what is allowed.

use std::{fmt, path::PathBuf};

use super::{
    environment, nearest,
    rule::{Raw, Rule},
    table,
};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The table: nobody said anything.
    Default,
    /// The profile of this name.
    Profile(&'static str),
    /// A line of the file.
    File { path: PathBuf, line: u64 },
    /// An environment variable.
    Environment { variable: String },
    /// An argument of the command.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { variable } => {
                write!(f, "environment {}", Raw::Text(variable.clone()).shown())
            }
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// One thing that stops the start.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// The file can't be read, or isn't YAML.
    File { path: PathBuf, why: String },
    /// No key has this name.
    UnknownKey { key: String, value: Raw, origin: Origin },
    /// The key's rule refuses the value.
    NotAllowed { key: &'static str, value: Raw, origin: Origin, rule: &'static Rule },
    /// One source says the same key twice, perhaps by an alias or once nested and once dotted.
    Twice { key: &'static str, value: Raw, origin: Origin, first: Origin },
    /// Each value is allowed, but not this one beside the others.
    Between { key: &'static str, value: String, allowed: String },
}

impl ConfigError {
    /// A rule that holds between keys.
    pub(crate) fn rule_between(key: &'static str, value: String, allowed: String) -> Self {
        Self::Between { key, value, allowed }
    }

    /// Whether an argument of the command is at fault, rather than a file or the environment.
    pub(crate) fn is_of_command_line(&self) -> bool {
        match self {
            Self::UnknownKey { origin, .. }
            | Self::NotAllowed { origin, .. }
            | Self::Twice { origin, .. } => *origin == Origin::CommandLine,
            Self::File { .. } | Self::Between { .. } => false,
        }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::UnknownKey { key, value, origin } => {
                let key_shown = Raw::Text(key.clone()).shown();
                write!(f, "{key_shown}: {} ({origin}): no such key; nearest known key: ", Shown(value))?;
                match origin {
                    Origin::Environment { variable } => {
                        let near = nearest::key(environment::without_prefix(variable));
                        write!(f, "{} ({}, {})", near.path, environment::variable(near.path), near.rule)
                    }
                    _ => {
                        let near = nearest::key(key);
                        write!(f, "{} ({})", near.path, near.rule)
                    }
                }
            }
            Self::NotAllowed { key, value: Raw::Missing, origin, rule } => {
                write!(f, "{key}: no value ({origin}): allowed is {rule}")
            }
            Self::NotAllowed { key, value, origin, rule } => {
                write!(f, "{key}: {} ({origin}): allowed is {rule}", Shown(value))
            }
            Self::Twice { key, value, origin, first } => {
                write!(
                    f,
                    "{key}: {} ({origin}): the key is given before ({first}); once is allowed",
                    Shown(value)
                )
            }
            Self::Between { key, value, allowed } => {
                let rule = &table::find(key).expect("rules between keys name keys of the table").rule;
                write!(f, "{key}: \"{value}\": allowed is {allowed} ({rule})")
            }
        }
    }
}

/// In quotes, already escaped.
struct Shown<'a>(&'a Raw);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.shown())
    }
}
