use clap::ValueEnum;

use super::{Config, Origin, Profile, Sources};

fn resolved(profile: Profile, arguments: &[(&str, &str)]) -> super::InForce {
    let mut sources = Sources::default();
    sources.profile(profile).unwrap();
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    sources.command_line(arguments.iter().map(owned));
    sources.resolve().unwrap()
}

fn batching(config: &Config) -> (i32, u32, u128, bool) {
    let kafka = &config.kafka;
    let linger_ms = kafka.batch_linger.as_millis();
    (kafka.batch_max_size, kafka.batch_max_bytes, linger_ms, kafka.batch_adaptive_enabled)
}

#[test]
fn profiles_are_those_of_the_contract() {
    let of = |profile| batching(&resolved(profile, &[]).config);
    assert_eq!(of(Profile::HighThroughput), (5000, 10_485_760, 50, true));
    assert_eq!(of(Profile::LowLatency), (10, 102_400, 1, false));
    assert_eq!(of(Profile::Balanced), (1000, 1_048_576, 10, true));
    assert_eq!(of(Profile::Balanced), batching(&Sources::default().resolve().unwrap().config));
}

#[test]
fn whatever_else_is_set_wins_over_a_profile() {
    let in_force = resolved(Profile::LowLatency, &[("kafka.batch.linger.ms", "3")]);
    assert_eq!(batching(&in_force.config), (10, 102_400, 3, false));
    let from = |path: &str| in_force.rows().find(|(key, ..)| key.path == path).unwrap().2.clone();
    assert_eq!(from("kafka.batch.linger.ms"), Origin::CommandLine);
    assert_eq!(from("kafka.batch.max.size").to_string(), "profile low-latency");
}

#[test]
fn profiles_are_named_as_their_files() {
    for profile in Profile::value_variants() {
        assert_eq!(profile.to_possible_value().unwrap().get_name(), profile.name());
    }
}
