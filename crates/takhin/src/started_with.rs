//! The configuration as Kafka's clients are shown it: under Kafka's names.

use broker::{StartedWith, Values};

use crate::config::{InForce, Key, Origin, Rule, UNSET};

/// Begins the keys that are Kafka's.
const PREFIX: &str = "kafka.";
/// Kafka counts these in 64 bits although the values that make sense are smaller.
const LONGS: [&str; 3] =
    ["connections.max.idle.ms", "log.retention.check.interval.ms", "offsets.retention.check.interval.ms"];

/// Kafka counts this one in 16 bits.
const SHORT: &str = "offsets.topic.replication.factor";

/// Everything that the broker was started with and that has a name of Kafka's, or begins as Kafka's do.
pub(crate) fn started_with(in_force: &InForce) -> Vec<StartedWith> {
    let mut all: Vec<_> = in_force
        .texts()
        .filter_map(|(key, text, origin)| {
            let name = kafka_name(key)?;
            Some(StartedWith {
                name,
                value: value(name, text),
                default: value(name, key.default.to_owned()).map(|_| shown_default(name, key)),
                is_set: *origin != Origin::Default,
                values: values(name, &key.rule),
                doc: key.doc,
            })
        })
        .collect();
    let listeners = in_force.listeners.iter().map(|l| format!("{}://{}:{}", l.name, l.host, l.port));
    set(&mut all, "listeners", listeners.collect::<Vec<_>>().join(","));
    set(&mut all, "log.dirs", in_force.config.storage.data_dir.display().to_string());
    // The same under Kafka's older name.
    let node_id = all.iter().find(|config| config.name == "node.id").cloned();
    all.extend(node_id.map(|config| StartedWith { name: "broker.id", ..config }));
    all
}

/// Kafka's name where we have one of our own, else ours.
fn kafka_name(key: &Key) -> Option<&'static str> {
    let names = key.aliases.iter().copied().chain([key.path]);
    names.filter_map(|name| name.strip_prefix(PREFIX)).next()
}

/// A value as Kafka writes it; `None`: there is none.
fn value(name: &str, text: String) -> Option<String> {
    match (name, &*text) {
        // None of these is a value, too.
        ("max.connections.per.ip.overrides", "") => Some(text),
        (_, UNSET | "") => None,
        ("log.retention.bytes", "0") => Some("-1".to_owned()),
        _ => Some(text),
    }
}

fn shown_default(name: &str, key: &Key) -> &'static str {
    if name == "log.retention.bytes" { "-1" } else { key.default }
}

fn values(name: &str, rule: &Rule) -> Values {
    match rule {
        Rule::Integer { max, .. } if *max > i64::from(i32::MAX) || LONGS.contains(&name) => Values::Long,
        Rule::Integer { .. } if name == SHORT => Values::Short,
        Rule::Integer { .. } => Values::Int,
        Rule::Flag => Values::Flag,
        // One directory here, several in Kafka.
        Rule::Text { .. } if name == "log.dirs" => Values::List,
        Rule::Choice(_) | Rule::ChoiceInAnyCase(_) | Rule::Text { .. } => Values::Text,
        Rule::List { .. } => Values::List,
    }
}

/// What is in force although the key itself is empty.
fn set(all: &mut [StartedWith], name: &str, value: String) {
    if let Some(config) = all.iter_mut().find(|config| config.name == name) {
        config.value = Some(value);
        config.is_set = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn find(name: &str, settings: &[(&str, &str)]) -> StartedWith {
        let mut sources = Sources::default();
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        sources.command_line(settings);
        let in_force = sources.resolve().expect("settings");
        started_with(&in_force).into_iter().find(|config| config.name == name).expect(name)
    }

    #[test]
    fn keys_are_shown_under_kafkas_names_with_kafkas_values() {
        let bytes = find("message.max.bytes", &[("kafka.max.message.bytes", "7")]);
        assert_eq!((bytes.value.as_deref(), bytes.default, bytes.is_set), (Some("7"), Some("1048588"), true));
        let ms = find("log.retention.ms", &[]);
        assert_eq!((ms.value, ms.default, ms.is_set), (None, None, false));
        assert_eq!(find("log.retention.bytes", &[]).value.as_deref(), Some("-1"));
        assert_eq!(
            find("log.retention.hours", &[("storage.log.retention.hours", "9")]).value.as_deref(),
            Some("9")
        );
        assert_eq!(find("connections.max.idle.ms", &[]).values, Values::Long);
        let overrides = find("max.connections.per.ip.overrides", &[]);
        assert_eq!((overrides.value.as_deref(), overrides.default), (Some(""), Some("")));
        let rack = find("broker.rack", &[("kafka.broker.rack", "r1")]);
        assert_eq!((rack.value.as_deref(), rack.default, rack.values), (Some("r1"), None, Values::Text));
        let long = format!("{}://h:1", "L".repeat(200));
        let listeners = find("listeners", &[("kafka.listeners", &long)]);
        assert_eq!(listeners.value, Some(long));
        assert_eq!(find("broker.id", &[("kafka.node.id", "7")]).value.as_deref(), Some("7"));
    }
}
