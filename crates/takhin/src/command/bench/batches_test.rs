use client::Acks;
use wire::record::{self, Codec, Limits, Scratch};

use super::*;

fn load(codec: Codec) -> Load {
    Load {
        connections: 1,
        in_flight: 1,
        batch: 3,
        record_bytes: 50,
        payload: Payload::Json,
        rate: None,
        acks: Acks::All,
        is_idempotent: true,
        codec,
    }
}

/// A batch patched without its CRC, or at a wrong place, is refused by every broker.
#[test]
fn a_stamped_batch_is_valid_and_counts_its_sequence_on() {
    for codec in Codec::ALL {
        let batches = Batches::of(&load(codec), 1).expect("made");
        let mut identity = Identity { producer_id: 77, producer_epoch: 2, sequence: i32::MAX - 2 };
        let mut sequences = Vec::new();
        for turn in 0..3 {
            let mut batch = Vec::new();
            identity.stamp(batches.get(turn), 3, &mut batch);
            let info = record::validate(&batch, &Limits::default(), &mut Scratch::default()).expect("valid");
            assert_eq!((info.header.producer_id, info.header.producer_epoch), (77, 2));
            assert_eq!((info.header.record_count, info.key_value_header_bytes), (3, 150));
            sequences.push(info.header.base_sequence);
        }
        assert_eq!(sequences, [i32::MAX - 2, 0, 3]);
    }
}

/// What another run left in the topic must not be taken for this one's latency.
#[test]
fn a_record_tells_its_own_run_when_it_was_to_be_sent() {
    let mut stamped = Stamped::of(&load(Codec::None), 9, 1);
    let batch = stamped.next(3, 12_345).expect("made");
    let records = record::read(&batch, &Limits::default()).expect("valid");
    let values: Vec<Vec<u8>> =
        records.iter().map(|record| record.expect("valid").value.unwrap_or_default().to_vec()).collect();
    assert_eq!(values.len(), 3);
    for value in &values {
        assert_eq!((value.len(), stamp_of(value, 9), stamp_of(value, 8)), (50, Some(12_345), None));
    }
    assert_eq!(stamp_of(b"short", 9), None);
}
