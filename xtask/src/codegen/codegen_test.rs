use super::definition::{self, Kind, Type};
use super::message::single_file;
use super::names;
use super::versions::Versions;

// `first` and `last` decide in which versions a field is read: one off shifts every byte behind it.
#[test]
fn versions_are_read_as_kafka_writes_them() {
    let parse = |text| Versions::parse(text).unwrap();
    assert_eq!(parse("3"), Versions { first: 3, last: 3 });
    assert_eq!(parse("0-4"), Versions { first: 0, last: 4 });
    assert_eq!(parse("2+").and(parse("0-4")), Versions { first: 2, last: 4 });
    assert_eq!(parse("0-1").and(parse("2+")), Versions::NONE);
    assert!(parse("none").is_none());
    assert!(Versions::parse("x+").is_err());
}

#[test]
fn conditions_say_only_what_is_not_known_already() {
    let known = Versions { first: 4, last: 18 };
    let condition = |text| Versions::parse(text).unwrap().condition(known);
    assert_eq!(condition("0+"), None);
    assert_eq!(condition("0-14").unwrap(), "version <= 14");
    assert_eq!(condition("7+").unwrap(), "version >= 7");
    assert_eq!(condition("7-12").unwrap(), "(7..=12).contains(&version)");
    assert_eq!(condition("18+").unwrap(), "version == 18");
    assert_eq!(condition("0-3").unwrap(), "false");
}

#[test]
fn names_become_snake_case_at_the_end_of_a_run_of_capitals() {
    assert_eq!(names::snake("TopicId"), "topic_id");
    assert_eq!(names::snake("timeoutMs"), "timeout_ms");
    assert_eq!(names::snake("ISRNodes"), "isr_nodes");
    assert_eq!(names::field("Match"), "r#match");
}

const HEADER: &str = r#"
// A comment, as definitions have them.
{ "type": "header", "name": "ExampleHeader", "validVersions": "1-2", "flexibleVersions": "2+",
  "fields": [ // at a line's end too
    { "name": "Url", "type": "string", "versions": "0+", "nullableVersions": "2+", "about": "http://kept" },
    { "name": "Gone", "type": "int32", "versions": "0" },
    { "name": "Ids", "type": "[]int32", "versions": "2+" } ] }
"#;

#[test]
fn comments_are_no_part_of_a_definition_except_in_strings() {
    let parsed = definition::parse(HEADER).unwrap().unwrap();
    assert_eq!((parsed.kind, parsed.fields.len()), (Kind::Header, 3));
    assert!(matches!(parsed.fields[2].ty, Type::Array(_)));
}

// Kafka keeps fields in its definitions that only removed versions had.
#[test]
fn a_field_without_a_version_is_not_generated_and_texts_are_not_taken_over() {
    let text = single_file(&definition::parse(HEADER).unwrap().unwrap(), "crate").unwrap();
    assert!(text.contains("pub url: Option<Cow<'a, str>>"), "{text}");
    assert!(
        text.contains("if version == 2 { r.nullable_string(form)? } else { Some(r.string(form)?) }"),
        "{text}"
    );
    assert!(!text.contains("gone") && !text.contains("kept"), "{text}");
}

// Could break: a trace of a request that has somebody's password in it.
#[test]
fn a_secret_is_not_shown() {
    let secret = HEADER.replace("ExampleHeader", "SaslAuthenticateRequest").replace("Url", "AuthBytes");
    let text = single_file(&definition::parse(&secret).unwrap().unwrap(), "crate").unwrap();
    assert!(text.contains("#[derive(Clone, PartialEq)]\npub struct SaslAuthenticateRequest"), "{text}");
    assert!(text.contains(".field(\"auth_bytes\", &format_args!(\"REDACTED\"))"), "{text}");
    assert!(text.contains(".field(\"ids\", &self.ids)") && !text.contains("&self.auth_bytes)"), "{text}");
    let other = single_file(&definition::parse(HEADER).unwrap().unwrap(), "crate").unwrap();
    assert!(other.contains("#[derive(Debug, ") && !other.contains("fmt"), "{other}");
}

// What the generator would get wrong must stop it, not compile.
#[test]
fn a_shape_that_no_definition_has_yet_is_refused() {
    let tagged =
        HEADER.replace(r#""versions": "2+" }"#, r#""versions": "1+", "tag": 0, "taggedVersions": "1+" }"#);
    let refused = single_file(&definition::parse(&tagged).unwrap().unwrap(), "crate").unwrap_err();
    assert!(format!("{refused:#}").contains("not flexible"), "{refused:#}");
}
