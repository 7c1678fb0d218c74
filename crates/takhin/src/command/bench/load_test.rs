use super::*;

fn arguments() -> LoadArgs {
    LoadArgs {
        connections: 4,
        in_flight: 1,
        record_bytes: 100,
        payload: Payload::Json,
        acks: Acks::All,
        idempotent: false,
        compression: Codec::None,
    }
}

fn refusal(arguments: &LoadArgs, batch: u64) -> String {
    Load::new(arguments, batch, None).expect_err("refused").to_string()
}

/// A broker would refuse each of these, or worse, take it for something else: the reader wants to know before.
#[test]
fn options_that_do_not_go_together_are_named_with_value_and_range() {
    let idempotent = LoadArgs { idempotent: true, ..arguments() };
    let weak = LoadArgs { acks: Acks::Leader, ..idempotent };
    assert_eq!(refusal(&weak, 1), "--acks 1 with --idempotent: all is expected");
    let deep = LoadArgs { in_flight: 6, ..LoadArgs { idempotent: true, ..arguments() } };
    assert_eq!(refusal(&deep, 1), "--in-flight 6 with --idempotent: 1 to 5 is expected");
    let large = LoadArgs { record_bytes: 1 << 20, ..arguments() };
    assert_eq!(refusal(&large, 101), "--batch 101 with --record-bytes 1048576: 1 to 100 is expected");
    assert!(Load::new(&large, 100, None).is_ok());
}

#[test]
fn records_are_sent_exactly_or_not_at_all() {
    let length = |duration, records, warm_up, batch| {
        Length::new(&LengthArgs { duration, records, warm_up }, batch).map_err(|e| e.to_string())
    };
    let exact = length(None, Some(1000), None, 10).expect("a multiple");
    assert_eq!(exact, Length { warm_up: Duration::ZERO, measured: None, requests: Some(100) });
    let odd = length(None, Some(1001), None, 10).expect_err("not a multiple");
    assert_eq!(odd, "--records 1001 with --batch 10: a multiple of 10 is expected");
    let usual = length(None, None, None, 10).expect("nothing said");
    assert_eq!(usual, Length { warm_up: WARM_UP, measured: Some(DURATION), requests: None });
}
