use super::{Profile, Settings};

fn refusal(settings: &Settings) -> String {
    settings.check().unwrap_err().to_string()
}

#[test]
fn profiles_are_within_their_ranges() {
    assert!(Profile::ALL.iter().all(|profile| profile.settings().check().is_ok()));
    assert_eq!(Settings::default(), Profile::Balanced.settings());
}

#[test]
fn what_is_out_of_range_is_named() {
    let settings = Settings::default;
    assert_eq!(
        refusal(&Settings { max_size: 0, ..settings() }),
        "kafka.batch.max.size: \"0\": allowed is at least 1"
    );
    assert_eq!(
        refusal(&Settings { max_bytes: 0, ..settings() }),
        "kafka.batch.max.bytes: \"0\": allowed is at least 1"
    );
    assert_eq!(
        refusal(&Settings { adaptive_min_size: 9, adaptive_max_size: 8, ..settings() }),
        "kafka.batch.adaptive.min.size: \"9\": allowed is at most kafka.batch.adaptive.max.size, 8"
    );
}

#[test]
fn a_smaller_max_size_is_legal_and_so_are_huge_limits() {
    let small = Settings { max_size: 5, ..Settings::default() };
    let huge = Settings { max_size: usize::MAX, adaptive_max_size: usize::MAX, ..Settings::default() };
    assert_eq!((small.check(), huge.check()), (Ok(()), Ok(())));
}
