//! Random messages of every API in every version come back byte for byte.
//!
//! They are written by the tests' own writer, so a field that decoding and encoding misunderstand alike is found too.

mod schema;

use schema::{all_versions, random_message, recode};

const SEEDS: u64 = 40;

// A field in the wrong version or order, a length in the wrong form, a tag that is not sorted.
#[test]
fn prop_decoding_and_encoding_give_the_same_bytes() {
    for (message, version) in all_versions() {
        for seed in 0..SEEDS {
            let bytes = random_message(message, version, seed, false).bytes;
            let recoded = recode(message.name, &bytes, version);
            assert_eq!(recoded.as_ref(), Ok(&bytes), "{} version {version} seed {seed}", message.name);
        }
    }
}

// Clients of a later Kafka send tagged fields that are not known here; they cost nothing but their bytes (KIP-482).
#[test]
fn prop_unknown_tagged_fields_are_left_out_and_change_nothing_else() {
    let mut met = 0;
    for (message, version) in all_versions() {
        for seed in 0..SEEDS {
            let bytes = random_message(message, version, seed, false).bytes;
            let with_unknown = random_message(message, version, seed, true).bytes;
            met += usize::from(bytes != with_unknown);
            let recoded = recode(message.name, &with_unknown, version);
            assert_eq!(recoded.as_ref(), Ok(&bytes), "{} version {version} seed {seed}", message.name);
        }
    }
    assert!(met > 1_000, "only {met} messages had unknown tagged fields");
}

#[test]
fn versions_beside_the_valid_ones_are_refused() {
    for (message, _) in all_versions() {
        for version in [i16::MIN, message.versions.0 - 1, message.versions.1 + 1, i16::MAX] {
            let refused = recode(message.name, &[0; 64], version);
            assert!(
                matches!(refused, Err(wire::DecodeError::UnsupportedVersion { .. })),
                "{} version {version}: {refused:?}",
                message.name
            );
        }
    }
}
