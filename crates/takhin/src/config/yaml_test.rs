use std::path::Path;

use super::{Config, Sources};

/// One line per fault; panics where there is none.
fn faults(yaml: &str) -> Vec<String> {
    let mut sources = Sources::default();
    if let Err(e) = sources.file(Path::new("t.yaml"), yaml) {
        return vec![e.to_string()];
    }
    let errors = sources.resolve().expect_err("a fault was expected");
    errors.iter().map(ToString::to_string).collect()
}

fn config(yaml: &str) -> Config {
    let mut sources = Sources::default();
    sources.file(Path::new("t.yaml"), yaml).expect("YAML");
    sources.resolve().expect("a configuration without fault").config
}

#[test]
fn groups_nest_or_carry_dots_in_any_mixture() {
    for yaml in [
        "kafka:\n  num:\n    partitions: 7\n",
        "kafka:\n  num.partitions: 7\n",
        "kafka.num:\n  partitions: 7\n",
        "kafka.num.partitions: 7\n",
        "kafka: {num.partitions: 7}\n",
        "\"kafka.num.partitions\": '7'\n",
    ] {
        assert_eq!(config(yaml).kafka.num_partitions, 7, "{yaml}");
    }
}

// `connections` is the end of one key and the beginning of another.
#[test]
fn a_key_and_a_group_share_a_name() {
    let config =
        config("kafka: {max.connections: 5, connections: {max.idle.ms: 9}, max: {message.bytes: 11}}");
    assert_eq!(config.kafka.max_connections, 5);
    assert_eq!(config.kafka.connections_max_idle, Some(std::time::Duration::from_millis(9)));
    assert_eq!(config.kafka.max_message_bytes, 11);
}

#[test]
fn zero_and_false_are_values() {
    let config = config(
        "server.port: 0\nkafka: {broker.id: 0, max.message.bytes: 0, auto.create.topics.enable: false}",
    );
    assert_eq!((config.server.port, config.kafka.broker_id, config.kafka.max_message_bytes), (0, 0, 0));
    assert!(!config.kafka.auto_create_topics_enable);
}

#[test]
fn a_file_without_values_leaves_the_defaults() {
    for yaml in ["", "# nothing\n", "\n\n", "---\n", "kafka:\n", "kafka: {}\nserver:\n  # port: 1\n", "~\n"] {
        assert_eq!(config(yaml), config("server.port: 9092"), "{yaml:?}");
    }
}

#[test]
fn a_list_is_a_sequence_or_a_text_with_commas() {
    let sequence = config("kafka.listeners:\n  - A://127.0.0.1:1\n  - B://[::1]:2\n");
    let text = config("kafka.listeners: A://127.0.0.1:1, B://[::1]:2");
    assert_eq!(sequence, text);
    assert_eq!(sequence.kafka.listeners.len(), 2);
    assert!(config("kafka.listeners: []").kafka.listeners.is_empty());
}

// YAML 1.1 would take a host of Norway for `false`.
#[test]
fn only_true_and_false_are_booleans() {
    assert_eq!(config("server.host: no").server.host, "no");
}

#[test]
fn faults_name_key_value_line_and_what_is_allowed() {
    assert_eq!(
        faults("server:\n  host: 127.0.0.1\n  port: 70000\n"),
        ["server.port: \"70000\" (t.yaml:3): allowed is an integer from 0 to 65535"]
    );
    assert_eq!(
        faults("kafka.auto.create.topics.enable: yes"),
        ["kafka.auto.create.topics.enable: \"yes\" (t.yaml:1): allowed is true or false"]
    );
    assert_eq!(
        faults("kafka:\n  max.mesage.bytes: 5"),
        [
            "kafka.max.mesage.bytes: \"5\" (t.yaml:2): no such key; nearest known key: kafka.max.message.bytes (an integer from 0 to 2147483647 (bytes))"
        ]
    );
    assert_eq!(
        faults("server.port:\n"),
        ["server.port: no value (t.yaml:1): allowed is an integer from 0 to 65535"]
    );
}

#[test]
fn every_fault_of_a_file_is_told() {
    assert_eq!(faults("server.port: x\nkafka.broker.id: -1\nlogging.level: loud\n").len(), 3);
}

// One of the two would silently win.
#[test]
fn a_key_given_twice_is_refused() {
    for yaml in [
        "kafka: {num.partitions: 1}\nkafka.num.partitions: 1\n",
        "kafka: {max.message.bytes: 1, message.max.bytes: 1}\n",
    ] {
        let faults = faults(yaml);
        assert!(faults[0].contains("the key is given before (t.yaml:1); once is allowed"), "{faults:?}");
    }
    assert!(faults("server.port: 1\nserver.port: 2\n")[0].starts_with("t.yaml: line 2: "));
}

#[test]
fn what_is_not_groups_of_keys_is_refused_in_one_line() {
    for yaml in [
        "- 1\n",
        "text\n",
        "server: [1\n",
        "a: b: c\n",
        "server:\n\tport: 1\n",
        "kafka.listeners: [{a: 1}]\n",
        "kafka.listeners: [[A://x:1]]\n",
        "server.port: [1]\n",
        "server.port: {a: 1}\n",
        "server: 5\n",
        "1: 2\n",
        "a: *b\n",
        "---\nserver.port: 1\n---\nserver.port: 2\n",
        "server.port: 1.5\n",
        "server.port: 99999999999999999999999999\n",
        "server.host: \"a\\nb\"\n",
        "? [a]\n: 1\n",
    ] {
        let faults = faults(yaml);
        assert_eq!(faults.len(), 1, "{yaml:?}: {faults:?}");
        assert!(!faults[0].contains('\n'), "{yaml:?}: {faults:?}");
    }
}

// The reader must not be the way to exhaust memory: aliases and depth are bounded.
#[test]
fn alias_bombs_and_deep_nesting_are_refused() {
    let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for (from, to) in ["a", "b", "c", "d", "e", "f", "g"].iter().zip(["b", "c", "d", "e", "f", "g", "h"]) {
        let items = vec![format!("*{from}"); 10].join(",");
        bomb.push_str(&format!("{to}: &{to} [{items}]\n"));
    }
    assert_eq!(faults(&bomb).len(), 1);
    assert_eq!(faults(&"{a: ".repeat(100_000)).len(), 1);
    assert_eq!(faults(&"[".repeat(100_000)).len(), 1);
}
