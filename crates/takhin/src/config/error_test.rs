use super::{Sources, nearest};

fn fault(key: &str, value: &str) -> String {
    let mut sources = Sources::default();
    sources.command_line([(key.to_owned(), value.to_owned())]);
    sources.resolve().unwrap_err()[0].to_string()
}

#[test]
fn the_nearest_key_is_what_was_meant() {
    for (written, meant) in [
        ("kafka.max.mesage.bytes", "kafka.max.message.bytes"),
        ("kafka.maxMessageBytes", "kafka.max.message.bytes"),
        ("message.max.bytes", "kafka.max.message.bytes"),
        ("data.dir", "storage.data.dir"),
        ("storage.data_dir", "storage.data.dir"),
        ("kafka.brokerid", "kafka.broker.id"),
        ("server.prot", "server.port"),
        ("log.level", "logging.level"),
        ("auto.create.topics.enable", "kafka.auto.create.topics.enable"),
        ("KAFKA_NUM_PARTITION", "kafka.num.partitions"),
    ] {
        assert_eq!(nearest::key(written).path, meant, "{written}");
    }
}

#[test]
fn nonsense_has_a_nearest_key_too_and_costs_little() {
    for written in ["", "…", &"x".repeat(1 << 20)] {
        assert!(!nearest::key(written).path.is_empty());
    }
}

#[test]
fn a_fault_is_one_bounded_line() {
    for (key, value) in [
        ("server.port", "1\n2"),
        ("server.port", &*"9".repeat(1 << 20)),
        ("a\nb", "c\r\nd"),
        (&*"k".repeat(1 << 20), "v"),
        ("server.port", "\u{1b}[31m"),
    ] {
        let fault = fault(key, value);
        assert!(!fault.chars().any(char::is_control), "{fault:?}");
        assert!(fault.chars().count() < 700, "{}", fault.len());
    }
}
