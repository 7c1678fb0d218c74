use std::collections::HashSet;

use super::{
    KEYS, Sources,
    rule::{Raw, Rule},
};

fn resolve(key: &str, value: &str) -> Result<super::InForce, String> {
    let mut sources = Sources::default();
    // What bounds the other keys is kept out of the way.
    if key != "kafka.queued.max.bytes" {
        sources.command_line([("kafka.queued.max.bytes".to_owned(), (1_u64 << 32).to_string())]);
    }
    if key == "kafka.max.connections.per.ip" {
        let somebody = "127.0.0.1:1".to_owned();
        sources.command_line([("kafka.max.connections.per.ip.overrides".to_owned(), somebody)]);
    }
    sources.command_line([(key.to_owned(), value.to_owned())]);
    sources.resolve().map_err(|errors| errors[0].to_string())
}

#[test]
fn names_and_aliases_are_unique_and_in_lower_case() {
    let names: Vec<&str> =
        KEYS.iter().flat_map(|k| std::iter::once(k.path).chain(k.aliases.iter().copied())).collect();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    for name in names {
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.'), "{name}");
    }
}

// A default that its own rule refuses would end every start.
#[test]
fn every_default_is_allowed_and_read() {
    let in_force = Sources::default().resolve().expect("defaults");
    assert_eq!(in_force.rows().count(), KEYS.len());
    for key in KEYS {
        assert!(!key.doc.is_empty() && key.doc.ends_with('.'), "{}", key.path);
    }
}

// A field too narrow for its range would panic at a legal value.
#[test]
fn every_integer_holds_both_ends_of_its_range_and_refuses_beyond() {
    for key in KEYS {
        let Rule::Integer { min, max, word, .. } = key.rule else { continue };
        for value in [min, max] {
            if let Err(e) = resolve(key.path, &value.to_string()) {
                let bounds = ["at least kafka.", "at most kafka.", "at most the number of brokers"];
                let is_between = bounds.iter().any(|bound| e.contains(&format!("allowed is {bound}")));
                assert!(is_between, "{}: {e}", key.path);
            }
        }
        for value in [min.checked_sub(1), max.checked_add(1)].into_iter().flatten() {
            if word.is_some_and(|word| word.text == value.to_string()) {
                continue;
            }
            let error = resolve(key.path, &value.to_string()).unwrap_err();
            assert!(
                error.contains(&format!("\"{value}\" (command line): allowed is an integer from")),
                "{error}"
            );
        }
        for value in ["", "1.5", "1e3", "x", "1 2", "99999999999999999999"] {
            assert!(resolve(key.path, value).is_err(), "{} {value:?}", key.path);
        }
        if let Some(word) = word {
            assert!(resolve(key.path, word.text).is_ok(), "{}", key.path);
        }
    }
}

#[test]
fn every_choice_is_read_and_others_are_refused() {
    for key in KEYS {
        let Rule::Choice(words) = key.rule else { continue };
        for word in words {
            resolve(key.path, word).expect("a word of the choice");
        }
        assert_eq!(
            resolve(key.path, "other").unwrap_err(),
            format!("{}: \"other\" (command line): allowed is one of {}", key.path, words.join(", "))
        );
    }
}

/// Could break: Kafka takes some words in any case, and files that say so are moved from there.
#[test]
fn a_choice_in_any_case_is_the_word_that_it_stands_for() {
    let rule = Rule::ChoiceInAnyCase(&["upgrade", "disabled"]);
    for (text, stands_for) in
        [("upgrade", Some("upgrade")), (" UpGrade ", Some("upgrade")), ("up", None), ("", None)]
    {
        let word = stands_for.map(|word| Raw::Text(word.to_owned()));
        assert_eq!(rule.accept(&Raw::Text(text.to_owned())), word, "{text}");
    }
    assert!(resolve("kafka.group.consumer.migration.policy", "Bidirectional").is_ok());
}

#[test]
fn a_flag_is_true_or_false() {
    let rule = Rule::Flag;
    for (text, fits) in
        [("true", true), ("false", true), ("True", false), ("1", false), ("", false), ("on", false)]
    {
        assert_eq!(rule.accept(&Raw::Text(text.to_owned())).is_some(), fits, "{text}");
    }
}

#[test]
fn space_around_a_value_does_not_count() {
    assert_eq!(resolve("server.port", " 5 ").expect("valid").config.server.port, 5);
}

// A bound that a single legal request can't pass would stop its connection for ever.
#[test]
fn bounds_between_keys_are_held() {
    let mut sources = Sources::default();
    sources.command_line([("kafka.queued.max.bytes".to_owned(), "1048576".to_owned())]);
    let errors = sources.resolve().unwrap_err();
    assert!(errors[0].to_string().starts_with(
        "kafka.queued.max.bytes: \"1048576\": allowed is at least kafka.socket.request.max.bytes, 104857600 ("
    ));
    assert!(resolve("kafka.offsets.topic.replication.factor", "3").unwrap_err().starts_with(
        "kafka.offsets.topic.replication.factor: \"3\": allowed is at most the number of brokers, 1 ("
    ));
    let mut sources = Sources::default();
    sources.command_line([("kafka.max.connections.per.ip".to_owned(), "0".to_owned())]);
    assert!(sources.resolve().unwrap_err()[0].to_string().starts_with(
        "kafka.max.connections.per.ip: \"0\": allowed is at least 1, or kafka.max.connections.per.ip.overrides for somebody ("
    ));
    let mut sources = Sources::default();
    sources.command_line([
        ("storage.tail.max.bytes".to_owned(), "16777216".to_owned()),
        ("kafka.max.message.bytes".to_owned(), "16777217".to_owned()),
    ]);
    assert!(
        sources.resolve().unwrap_err()[0].to_string().contains("at least kafka.max.message.bytes, 16777217")
    );
    let mut sources = Sources::default();
    sources.command_line([
        ("kafka.batch.adaptive.min.size".to_owned(), "101".to_owned()),
        ("kafka.batch.adaptive.max.size".to_owned(), "100".to_owned()),
    ]);
    assert!(sources.resolve().unwrap_err()[0].to_string().starts_with(
        "kafka.batch.adaptive.min.size: \"101\": allowed is at most kafka.batch.adaptive.max.size, 100 ("
    ));
}
