use std::{collections::HashSet, path::Path};

use super::{InForce, KEYS, Origin, Sources, variable};

fn resolve(file: &str, variables: &[(&str, &str)]) -> Result<InForce, Vec<String>> {
    let mut sources = Sources::default();
    sources.file(Path::new("t.yaml"), file).expect("YAML");
    sources.environment(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    sources.resolve().map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

// Two keys that differ in `.` and `_` only would share one variable.
#[test]
fn every_key_has_a_variable_of_its_own() {
    let names = || KEYS.iter().flat_map(|key| std::iter::once(&key.path).chain(key.aliases));
    let variables: HashSet<String> = names().map(|path| variable(path)).collect();
    assert_eq!(variables.len(), names().count());
    assert_eq!(variable("kafka.max.message.bytes"), "TAKHIN_KAFKA_MAX_MESSAGE_BYTES");
}

#[test]
fn every_variable_sets_its_key() {
    for key in KEYS {
        let name = variable(key.path);
        let in_force = resolve("", &[(&name, key.default)]).expect("the default is allowed");
        let (_, _, origin) =
            in_force.rows().find(|(row, ..)| row.path == key.path).expect("every key is shown");
        assert_eq!(*origin, Origin::Environment { variable: name });
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let in_force =
        resolve("server.port: 1\nkafka.broker.id: 2", &[("TAKHIN_SERVER_PORT", "0")]).expect("valid");
    assert_eq!((in_force.config.server.port, in_force.config.kafka.broker_id), (0, 2));
    // Also where the file calls the key by its other name.
    let in_force =
        resolve("kafka.message.max.bytes: 1", &[("TAKHIN_KAFKA_MAX_MESSAGE_BYTES", "5")]).expect("valid");
    assert_eq!(in_force.config.kafka.max_message_bytes, 5);
}

#[test]
fn the_command_line_wins_over_the_environment() {
    let mut sources = Sources::default();
    sources.environment([("TAKHIN_SERVER_PORT".to_owned(), "1".to_owned())]);
    sources.command_line([("server.port".to_owned(), "2".to_owned())]);
    let in_force = sources.resolve().expect("valid");
    assert_eq!(in_force.config.server.port, 2);
    assert!(in_force.rows().any(|(_, value, origin)| value == "2" && *origin == Origin::CommandLine));
}

#[test]
fn lists_are_split_at_commas() {
    let in_force =
        resolve("", &[("TAKHIN_KAFKA_LISTENERS", "A://127.0.0.1:1,B://127.0.0.1:2")]).expect("valid");
    assert_eq!(in_force.listeners.len(), 2);
    let in_force = resolve("kafka.listeners: A://h:1", &[("TAKHIN_KAFKA_LISTENERS", "")]).expect("valid");
    assert_eq!(in_force.listeners[0].port, 9092, "an empty text empties the list");
}

#[test]
fn faults_name_the_variable() {
    assert_eq!(
        resolve("", &[("TAKHIN_SERVER_PORT", "x")]).unwrap_err(),
        ["server.port: \"x\" (environment TAKHIN_SERVER_PORT): allowed is an integer from 0 to 65535"]
    );
    let errors = resolve("", &[("TAKHIN_KAFKA_BROKERID", "1")]).unwrap_err();
    assert!(
        errors[0]
            .starts_with("TAKHIN_KAFKA_BROKERID: \"1\" (environment TAKHIN_KAFKA_BROKERID): no such key")
    );
    assert!(
        errors[0].contains("nearest known key: kafka.broker.id (TAKHIN_KAFKA_BROKER_ID, an integer"),
        "{errors:?}"
    );
}

#[test]
fn other_variables_are_left_alone() {
    assert!(resolve("", &[("PATH", "x"), ("TAKHINX", "y"), ("takhin_server_port", "z")]).is_ok());
}

// A service of the name `takhin` would keep every broker beside it from starting.
#[test]
fn service_links_of_kubernetes_are_left_alone() {
    let links = [
        ("TAKHIN_SERVICE_HOST", "10.0.0.7"),
        ("TAKHIN_SERVICE_PORT", "9092"),
        ("TAKHIN_SERVICE_PORT_KAFKA", "9092"),
        ("TAKHIN_PORT", "tcp://10.0.0.7:9092"),
        ("TAKHIN_SERVER_PORT", "tcp://10.0.0.7:9092"),
        ("TAKHIN_PORT_9092_TCP", "tcp://10.0.0.7:9092"),
        ("TAKHIN_PORT_9092_TCP_PROTO", "tcp"),
        ("TAKHIN_HEADLESS_PORT_9092_TCP_ADDR", "10.0.0.7"),
    ];
    let in_force = resolve("", &links).expect("nobody set anything");
    assert_eq!(in_force.config.server.port, 9092);
}
