use std::path::Path;

use super::{InForce, Listener, Sources};

fn resolve(yaml: &str) -> Result<InForce, String> {
    let mut sources = Sources::default();
    sources.file(Path::new("t.yaml"), yaml).expect("YAML");
    sources.resolve().map_err(|errors| errors[0].to_string())
}

fn listeners(yaml: &str) -> Vec<Listener> {
    resolve(yaml).expect("valid").listeners
}

fn listener(name: &str, bind: (&str, u16), advertised: (Option<&str>, Option<u16>)) -> Listener {
    Listener {
        name: name.to_owned(),
        host: bind.0.to_owned(),
        port: bind.1,
        advertised_host: advertised.0.map(str::to_owned),
        advertised_port: advertised.1,
    }
}

// 0.0.0.0 in Metadata would send every client to itself.
#[test]
fn every_address_is_never_advertised() {
    assert_eq!(listeners(""), [listener("PLAINTEXT", ("0.0.0.0", 9092), (None, None))]);
    assert_eq!(listeners("kafka.listeners: [A://:5]"), [listener("A", ("0.0.0.0", 5), (None, None))]);
    assert_eq!(listeners("kafka.listeners: ['A://[::]:5']"), [listener("A", ("::", 5), (None, None))]);
    for yaml in [
        "kafka.advertised.host: 0.0.0.0",
        "kafka.advertised.host: '::'",
        "{kafka.listeners: 'A://h:1', kafka.advertised.listeners: 'A://0.0.0.0:1'}",
        "{kafka.listeners: 'A://h:1', kafka.advertised.listeners: 'A://:1'}",
        "{kafka.listeners: 'A://h:1', kafka.advertised.listeners: 'A://h:0'}",
    ] {
        assert!(resolve(yaml).unwrap_err().contains("allowed is "), "{yaml}");
    }
}

#[test]
fn what_is_bound_is_advertised_where_nothing_else_is_said() {
    assert_eq!(
        listeners("server.host: 10.1.2.3"),
        [listener("PLAINTEXT", ("10.1.2.3", 9092), (Some("10.1.2.3"), None))]
    );
}

#[test]
fn advertised_host_and_port_are_the_first_listeners() {
    let yaml = "kafka: {listeners: 'A://h1:1,B://h2:2', advertised.host: example.org, advertised.port: 99}";
    let expected = [
        listener("A", ("h1", 1), (Some("example.org"), Some(99))),
        listener("B", ("h2", 2), (Some("h2"), None)),
    ];
    assert_eq!(listeners(yaml), expected);
}

#[test]
fn advertised_listeners_go_by_name_and_win() {
    let yaml = "kafka: {listeners: 'A://h1:1,B://h2:2', advertised.host: x, advertised.listeners: ['b://b.example:22', 'A://[::1]:11']}";
    let expected = [
        listener("A", ("h1", 1), (Some("::1"), Some(11))),
        listener("B", ("h2", 2), (Some("b.example"), Some(22))),
    ];
    assert_eq!(listeners(yaml), expected);
}

#[test]
fn a_setting_that_another_one_overrules_is_told() {
    let lines = |yaml| resolve(yaml).expect("valid").without_effect();
    assert_eq!(
        lines("{server.port: 1, kafka.listeners: 'A://h:2'}"),
        ["server.port has no effect: kafka.listeners wins"]
    );
    assert!(lines("{server.port: 1, kafka.advertised.host: x}").is_empty());
    let yaml = "kafka: {listeners: 'A://h:2', advertised.host: x, advertised.listeners: 'A://h:2'}";
    assert_eq!(lines(yaml), ["kafka.advertised.host has no effect: kafka.advertised.listeners wins"]);
}

#[test]
fn names_and_addresses_are_used_once() {
    for yaml in [
        "kafka.listeners: 'A://h:1,a://h:2'",
        "kafka.listeners: 'A://h:1,B://h:1'",
        "kafka: {listeners: 'A://h:1', advertised.listeners: 'A://x:1,A://y:1'}",
    ] {
        assert!(resolve(yaml).unwrap_err().contains("allowed is each name and each address once"), "{yaml}");
    }
    assert_eq!(listeners("kafka.listeners: 'A://h:0,B://h:0'").len(), 2, "two free ports are two ports");
}

#[test]
fn an_advertised_name_must_be_a_listeners() {
    let error = resolve("kafka: {listeners: 'A://h:1', advertised.listeners: 'C://x:1'}").unwrap_err();
    assert!(
        error.starts_with("kafka.advertised.listeners: \"C://x:1\": allowed is a listener's name (A)"),
        "{error}"
    );
}

// Serving plain text on a listener called SSL would be a lie.
#[test]
fn names_of_protocols_that_are_not_served_are_refused() {
    for name in ["SSL", "ssl", "SASL_SSL", "SASL_PLAINTEXT"] {
        assert!(resolve(&format!("kafka.listeners: '{name}://h:1'")).is_err(), "{name}");
    }
}

#[test]
fn texts_that_are_no_endpoint_are_refused() {
    for text in [
        "h:1",
        "A//h:1",
        "A://h",
        "A://h:",
        "A://h:x",
        "A://h:-1",
        "A://h:65536",
        "A://h:+1",
        "A://a b:1",
        "://h:1",
        "A B://h:1",
        "A://::1:1",
        "A://[::1:1",
        "A://[h]:1",
        "A://h:1/x",
        "A://a..b:1",
        "A://h:1:2",
    ] {
        assert!(resolve(&format!("kafka.listeners: ['{text}']")).is_err(), "{text}");
    }
    assert!(resolve("server.host: 'a b'").is_err());
    assert!(resolve("server.host: ''").is_err());
}
