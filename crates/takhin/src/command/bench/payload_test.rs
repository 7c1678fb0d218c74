use super::*;

/// A value that is cut wrongly would change every figure in bytes.
#[test]
fn values_have_exactly_the_length_that_was_asked_for() {
    let mut dice = Dice::new(7);
    for payload in [Payload::Json, Payload::Random, Payload::Zero] {
        for bytes in [0, 1, 2, 7, 100, 1024] {
            assert_eq!(payload.value(&mut dice, bytes).len(), bytes, "{payload:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_values() {
    let value = |seed| Payload::Random.value(&mut Dice::new(seed), 64);
    assert_eq!(value(3), value(3));
    assert_ne!(value(3), value(5));
}
