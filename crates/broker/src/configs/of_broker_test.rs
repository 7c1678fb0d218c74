//! Facts about the broker's own configs; texts and sources were taken from a running Kafka 4.3.1.

use cluster::metadata::Record;

use super::*;

fn started_with() -> Vec<StartedWith> {
    let config = |name, value: Option<&str>, default| StartedWith {
        name,
        value: value.map(ToOwned::to_owned),
        default,
        is_set: false,
        values: Values::Int,
        doc: "",
    };
    vec![
        config("log.retention.hours", Some("168"), Some("168")),
        config("log.retention.ms", None, None),
        config("num.partitions", Some("1"), Some("1")),
    ]
}

fn set(image: &mut Image, broker: &str, name: &str, value: &str) {
    let changes = Changes::from([(name.to_owned(), Some(value.to_owned()))]);
    image.apply(Record::ConfigsChanged { kind: ConfigKind::Broker, name: broker.to_owned(), changes });
}

fn describe_of(image: &Image, name: &str) -> Vec<Described> {
    describe(&Origins::new(image, 1, &started_with()), 1, name).expect("this broker")
}

#[test]
fn what_is_not_known_is_kept_and_not_shown() {
    let mut image = Image::default();
    set(&mut image, "1", "no.such", "secret");
    let described = describe_of(&image, "1");
    let config = described.iter().find(|config| config.name == "no.such").unwrap();
    assert_eq!((&config.value, config.is_read_only, config.is_sensitive), (&None, true, true));
    assert_eq!(config.source, ConfigSource::DynamicBroker);
    assert!(!format!("{described:?}").contains("secret"));
}

#[test]
fn hours_are_no_milliseconds() {
    let image = Image::default();
    let described = describe_of(&image, "1");
    let config = described.iter().find(|config| config.name == "log.retention.ms").unwrap();
    assert_eq!((&config.value, config.source, config.synonyms.len()), (&None, ConfigSource::Default, 0));
    assert!(described.is_sorted_by(|a, b| a.name < b.name), "each once, in order");
}

#[test]
fn what_would_be_in_force_together_is_what_this_broker_or_else_all_are_set_to() {
    // Could break: a broker that lets nobody in.
    let started_with = started_with();
    let refusal = |image: &Image, of: &str, name: &str, value: Option<&str>| {
        let changes = Changes::from([(name.to_owned(), value.map(ToOwned::to_owned))]);
        check(&Origins::new(image, 1, &started_with), of, &changes).err().map(|(_, why)| why)
    };
    let mut image = Image::default();
    let why = "requirement failed: max.connections.per.ip can be set to zero only if \
               max.connections.per.ip.overrides property is set.";
    for of in ["1", ""] {
        assert_eq!(refusal(&image, of, OF_ALL, Some("0")).as_deref(), Some(why));
    }
    set(&mut image, "", OVERRIDES, "127.0.0.1:9");
    assert_eq!(refusal(&image, "1", OF_ALL, Some("0")), None);
    set(&mut image, "1", OF_ALL, "0");
    assert_eq!(refusal(&image, "", OVERRIDES, None).as_deref(), Some(why));
    assert_eq!(refusal(&image, "1", OVERRIDES, Some("")).as_deref(), Some(why));
    assert_eq!(refusal(&image, "", OF_ALL, Some("0")), None);
    assert_eq!(refusal(&image, "1", OF_ALL, None), None);
}

#[test]
fn all_brokers_show_only_what_all_were_set_to() {
    let mut image = Image::default();
    set(&mut image, "", "log.retention.ms", "7");
    set(&mut image, "1", "log.retention.ms", "8");
    let described = describe_of(&image, "");
    assert_eq!(described.len(), 1);
    assert_eq!(described[0].value.as_deref(), Some("7"));
    assert_eq!(described[0].synonyms.len(), 1);
    assert_eq!(image.broker_number::<i64>(1, "log.retention.ms"), Some(8));
    assert_eq!(image.broker_number::<i64>(2, "log.retention.ms"), Some(7));
}

#[test]
fn only_what_may_change_while_the_broker_runs_is_changed() {
    let refusal = |pairs: &[(&str, &str)]| {
        let changes = pairs.iter().map(|(n, v)| ((*n).to_owned(), Some((*v).to_owned()))).collect();
        check(&Origins::new(&Image::default(), 1, &started_with()), "1", &changes)
            .map_or_else(|(_, why)| why, |()| "fine".to_owned())
    };
    assert_eq!(
        refusal(&[("num.partitions", "1"), ("log.retention.ms", "1")]),
        "Cannot update these configs dynamically: [num.partitions]"
    );
    assert_eq!(
        refusal(&[("log.cleaner.enable", "false"), ("background.threads", "8")]),
        "Cannot update these configs dynamically: [log.cleaner.enable]",
        "it means nothing here, and the one that may be changed in Kafka is taken"
    );
    assert_eq!(
        refusal(&[("log.segment.bytes", "5")]),
        "Invalid value 5 for configuration log.segment.bytes: Value must be at least 1048576"
    );
    assert_eq!(refusal(&[("log.retention.ms", "-2"), ("no.such", "x"), ("max.connections", "0")]), "fine");
    assert_eq!(
        refusal(&[("max.connections.per.ip.overrides", "a:1,b")]),
        "Error parsing configuration property 'max.connections.per.ip.overrides': begin 0, end -1, length 1"
    );
    assert_eq!(list_default("log.cleanup.policy"), Some("delete"));
    assert_eq!(list_default("log.retention.ms"), None);
}
