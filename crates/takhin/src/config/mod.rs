//! The configuration: defaults, then a profile, then the YAML file, then `TAKHIN_*`, then arguments of the command.
//!
//! What can be set is said once, in [`table`]. A value is either in force, with its place of origin
//! known, or the start is refused: nothing is guessed, rounded or ignored. Every fault is one line that
//! names the key, the value, what is allowed and, for an unknown key, the nearest known one.
//!
//! Pure: files and the environment are read by the caller.

mod environment;
mod error;
mod field;
pub(crate) mod listener;
mod nearest;
mod profile;
mod rule;
pub(crate) mod table;
mod yaml;

use std::{collections::BTreeMap, path::Path, str::FromStr};

pub(crate) use self::rule::Rule;
pub(crate) use self::{
    environment::variable,
    error::{ConfigError, Origin},
    listener::Listener,
    nearest::key as nearest_key,
    profile::Profile,
    table::{Config, Groups, KEYS, Key, UNSET},
};
use self::{field::Field, rule::Raw};

#[cfg(test)]
mod documentation_test;
#[cfg(test)]
mod environment_test;
#[cfg(test)]
mod error_test;
#[cfg(test)]
mod listener_test;
#[cfg(test)]
mod profile_test;
#[cfg(test)]
mod table_test;
#[cfg(test)]
mod yaml_test;

/// Largest configuration file, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 20;

/// A key as somebody wrote it, and the value.
#[derive(Debug)]
pub(crate) struct Assignment {
    key: String,
    raw: Raw,
    origin: Origin,
}

/// Where values are looked for; each later one wins.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    layers: Vec<Vec<Assignment>>,
}

impl Sources {
    /// Adds a profile: a configuration file that the binary has in it.
    ///
    /// # Errors
    /// None, as a test says.
    pub(crate) fn profile(&mut self, profile: Profile) -> Result<(), ConfigError> {
        let mut layer = yaml::parse(Path::new("profile"), profile.text())?;
        layer.iter_mut().for_each(|assignment| assignment.origin = Origin::Profile(profile.name()));
        self.layers.push(layer);
        Ok(())
    }

    /// Adds the text of a configuration file.
    ///
    /// # Errors
    /// The text isn't YAML of the expected shape.
    pub(crate) fn file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        self.layers.push(yaml::parse(path, text)?);
        Ok(())
    }

    /// Adds environment variables; those without our prefix are left alone.
    pub(crate) fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        self.layers.push(environment::assignments(variables));
    }

    /// Adds `KEY=VALUE` arguments.
    pub(crate) fn command_line(&mut self, arguments: impl IntoIterator<Item = (String, String)>) {
        let assignment =
            |(key, value)| Assignment { key, raw: Raw::Text(value), origin: Origin::CommandLine };
        self.layers.push(arguments.into_iter().map(assignment).collect());
    }

    /// Puts the layers on one another and checks everything.
    ///
    /// # Errors
    /// All that is wrong, in the order of the sources.
    pub(crate) fn resolve(self) -> Result<InForce, Vec<ConfigError>> {
        let mut values = Values::defaults();
        let mut errors = Vec::new();
        for layer in self.layers {
            let mut of_layer: BTreeMap<&str, Origin> = BTreeMap::new();
            for assignment in layer {
                if let Err(e) = values.assign(assignment, &mut of_layer) {
                    errors.push(e);
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let config = Config::read(&values);
        let listeners = listener::resolve(&config).and_then(|listeners| {
            check_between(&config)?;
            Ok(listeners)
        });
        match listeners {
            Ok(listeners) => Ok(InForce { config, listeners, values }),
            Err(e) => Err(vec![e]),
        }
    }
}

/// An accepted value for every key, and where it came from.
#[derive(Debug)]
pub(crate) struct Values(BTreeMap<&'static str, (Raw, Origin)>);

impl Values {
    fn defaults() -> Self {
        let value = |key: &'static Key| {
            let default = Raw::Text(key.default.to_owned());
            let raw = key.rule.accept(&default).expect("a test says that every default is allowed");
            (key.path, (raw, Origin::Default))
        };
        Self(KEYS.iter().map(value).collect())
    }

    fn assign<'a>(
        &mut self,
        assignment: Assignment,
        of_layer: &mut BTreeMap<&'a str, Origin>,
    ) -> Result<(), ConfigError>
    where
        'static: 'a,
    {
        let Assignment { key: written, raw, origin } = assignment;
        let Some(key) = table::find(&written) else {
            // A group whose keys are all commented out.
            let is_group = KEYS
                .iter()
                .any(|key| key.path.strip_prefix(&*written).is_some_and(|rest| rest.starts_with('.')));
            return match raw {
                Raw::Missing if is_group => Ok(()),
                value => Err(ConfigError::UnknownKey { key: written, value, origin }),
            };
        };
        if let Some(first) = of_layer.insert(key.path, origin.clone()) {
            return Err(ConfigError::Twice { key: key.path, value: raw, origin, first });
        }
        match key.rule.accept(&raw) {
            Some(accepted) => {
                self.0.insert(key.path, (accepted, origin));
                Ok(())
            }
            None => Err(ConfigError::NotAllowed { key: key.path, value: raw, origin, rule: &key.rule }),
        }
    }

    fn get(&self, key: &'static Key) -> &(Raw, Origin) {
        self.0.get(key.path).expect("there is a value for every key of the table")
    }

    fn field<T: Field>(&self, path: &'static str) -> T {
        let key = table::find(path).expect("fields are of the table");
        T::read(&self.get(key).0, &key.rule).expect("a test says that fields hold what their rules allow")
    }
}

/// The configuration that a process runs with.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) config: Config,
    pub(crate) listeners: Vec<Listener>,
    values: Values,
}

impl InForce {
    /// Every key with its value as text and its origin, in the order of the table.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static Key, String, &Origin)> {
        KEYS.iter().map(|key| {
            let (raw, origin) = self.values.get(key);
            (key, raw.shown(), origin)
        })
    }

    /// Likewise, with the whole text of each value.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&'static Key, String, &Origin)> {
        KEYS.iter().map(|key| {
            let (raw, origin) = self.values.get(key);
            (key, raw.text(), origin)
        })
    }

    /// Settings that somebody made and that have no effect beside others, a line each.
    pub(crate) fn without_effect(&self) -> Vec<String> {
        let is_set = |path| {
            let key = table::find(path).expect("keys of the table");
            self.values.get(key).1 != Origin::Default
        };
        let mut lines = Vec::new();
        for (path, winner, wins) in [
            ("server.host", "kafka.listeners", !self.config.kafka.listeners.is_empty()),
            ("server.port", "kafka.listeners", !self.config.kafka.listeners.is_empty()),
            ("kafka.advertised.host", "kafka.advertised.listeners", self.first_is_advertised()),
            ("kafka.advertised.port", "kafka.advertised.listeners", self.first_is_advertised()),
        ] {
            if wins && is_set(path) {
                lines.push(format!("{path} has no effect: {winner} wins"));
            }
        }
        lines
    }

    fn first_is_advertised(&self) -> bool {
        let first = self.listeners.first().map(|listener| &listener.name);
        self.config.kafka.advertised_listeners.iter().any(|a| Some(&a.name) == first)
    }
}

/// Bounds that one key sets to another.
fn check_between(config: &Config) -> Result<(), ConfigError> {
    check_replicas(config)?;
    let (kafka, storage) = (&config.kafka, &config.storage);
    let frame_max = u64::from(kafka.socket_request_max_bytes);
    if kafka.queued_max_bytes < frame_max {
        let allowed = format!("at least kafka.socket.request.max.bytes, {frame_max}");
        let value = kafka.queued_max_bytes.to_string();
        return Err(ConfigError::rule_between("kafka.queued.max.bytes", value, allowed));
    }
    if kafka.batch_adaptive_min_size > kafka.batch_adaptive_max_size {
        let allowed = format!("at most kafka.batch.adaptive.max.size, {}", kafka.batch_adaptive_max_size);
        let value = kafka.batch_adaptive_min_size.to_string();
        return Err(ConfigError::rule_between("kafka.batch.adaptive.min.size", value, allowed));
    }
    let per_ip = kafka.max_connections_per_ip.to_string();
    if !broker::may_be_together(&per_ip, &kafka.max_connections_per_ip_overrides) {
        let allowed = "at least 1, or kafka.max.connections.per.ip.overrides for somebody".to_owned();
        return Err(ConfigError::rule_between("kafka.max.connections.per.ip", per_ip, allowed));
    }
    if config.groups.consumer_assignors.is_empty() {
        let allowed = "uniform, range, or one of them".to_owned();
        return Err(ConfigError::rule_between("kafka.group.consumer.assignors", String::new(), allowed));
    }
    check_group_bounds(&config.groups)?;
    let batch_max = u64::from(kafka.max_message_bytes);
    if let Some(tail_max) = storage.tail_max_bytes.filter(|tail_max| *tail_max < batch_max) {
        let allowed = format!("at least kafka.max.message.bytes, {batch_max}");
        return Err(ConfigError::rule_between("storage.tail.max.bytes", tail_max.to_string(), allowed));
    }
    Ok(())
}

/// There are not more replicas than brokers, and this one is alone.
fn check_replicas(config: &Config) -> Result<(), ConfigError> {
    let factors = [
        ("kafka.default.replication.factor", config.kafka.default_replication_factor),
        ("kafka.offsets.topic.replication.factor", config.groups.offsets_replication_factor),
    ];
    match factors.into_iter().find(|(_, replicas)| *replicas > 1) {
        Some((key, replicas)) => {
            let allowed = "at most the number of brokers, 1".to_owned();
            Err(ConfigError::rule_between(key, replicas.to_string(), allowed))
        }
        None => Ok(()),
    }
}

/// What holds for groups without configs of their own lies within what theirs may be.
fn check_group_bounds(groups: &Groups) -> Result<(), ConfigError> {
    let bounds = [
        (
            "session.timeout.ms",
            groups.consumer_session_timeout,
            groups.consumer_min_session_timeout..=groups.consumer_max_session_timeout,
        ),
        (
            "heartbeat.interval.ms",
            groups.consumer_heartbeat_interval,
            groups.consumer_min_heartbeat_interval..=groups.consumer_max_heartbeat_interval,
        ),
    ];
    for (name, value, bounds) in bounds {
        if !bounds.contains(&value) {
            let (min, max) = (bounds.start().as_millis(), bounds.end().as_millis());
            let allowed = format!(
                "at least kafka.group.consumer.min.{name}, {min}, and at most kafka.group.consumer.max.{name}, {max}"
            );
            let key = table::find(&format!("kafka.group.consumer.{name}")).expect("of the table").path;
            return Err(ConfigError::rule_between(key, value.as_millis().to_string(), allowed));
        }
    }
    Ok(())
}

macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $word_doc:literal])+ $variant:ident = $word:literal,)* }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {$($(#[doc = $word_doc])+ $variant,)*}

        impl $name {
            /// The words, as a user writes them.
            pub(crate) const WORDS: &[&str] = &[$($word),*];
        }

        impl FromStr for $name {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(()),
                }
            }
        }
    };
}

words! {
    /// How important a message must be to be written.
    LogLevel {
        /// Nothing works as it should.
        Error = "error",
        /// Something needs a look.
        Warn = "warn",
        /// What an operator wants to know.
        Info = "info",
        /// What a developer wants to know.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

words! {
    /// The codec of merged batches.
    BatchCodec {
        /// None.
        None = "none",
        /// Gzip.
        Gzip = "gzip",
        /// Snappy.
        Snappy = "snappy",
        /// Lz4.
        Lz4 = "lz4",
        /// Zstd.
        Zstd = "zstd",
    }
}

words! {
    /// What chooses the size of merged batches.
    BatchPolicy {
        /// What is at hand.
        Company = "company",
        /// Whether throughput improves.
        Throughput = "throughput",
    }
}

words! {
    /// Which groups with members change their protocol.
    GroupMigration {
        /// None.
        Disabled = "disabled",
        /// To the consumer protocol.
        Upgrade = "upgrade",
        /// To the classic protocol.
        Downgrade = "downgrade",
        /// Either way.
        Bidirectional = "bidirectional",
    }
}

words! {
    /// The form of messages.
    LogFormat {
        /// Lines to read.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}
