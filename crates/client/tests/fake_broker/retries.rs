//! What is tried again, what isn't, and that nothing is stored twice by it.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::broker::{FakeBroker, Reply, metadata, reply, versions};
use client::{Acks, Client, ClientError, Consumer, Producer, ProducerOptions, Sent};
use wire::{
    ApiKey, ErrorCode, Message,
    frame::RequestFrame,
    message::{
        FetchResponse, InitProducerIdResponse, ProduceRequest, ProduceResponse, fetch,
        produce::{PartitionProduceResponse, TopicProduceResponse},
    },
    primitive::Records,
    record::{BatchHeader, Builder, Compression},
};

/// What was asked about batches: the sequence of each.
type Sequences = Arc<Mutex<Vec<i32>>>;

/// A broker that answers each produce request by the next of `answers`: a code, or `None` to close.
fn producing(answers: Vec<Option<ErrorCode>>) -> (FakeBroker, Sequences) {
    let sequences = Sequences::default();
    let (log, mut answers) = (Arc::clone(&sequences), answers.into_iter());
    let broker = FakeBroker::start(move |request, address| match request.key {
        ApiKey::ApiVersions => reply(request, &versions()),
        ApiKey::Metadata => reply(request, &metadata(address, 0)),
        ApiKey::InitProducerId => reply(
            request,
            &InitProducerIdResponse { producer_id: 77, producer_epoch: 0, ..Default::default() },
        ),
        ApiKey::Produce => {
            log.lock().unwrap().push(sequence(request));
            match answers.next().unwrap_or(Some(ErrorCode::NONE)) {
                Some(code) => reply(request, &produced(code)),
                None => Reply::Close,
            }
        }
        _ => Reply::Close,
    });
    (broker, sequences)
}

fn sequence(request: &RequestFrame<'_>) -> i32 {
    let produce = ProduceRequest::decode(&mut request.body.clone(), request.version).unwrap();
    let topic = produce.topic_data.iter().next().unwrap();
    let partition = topic.partition_data.iter().next().unwrap();
    BatchHeader::parse(partition.records.as_slice().unwrap()).unwrap().base_sequence
}

fn produced(code: ErrorCode) -> ProduceResponse<'static> {
    let base_offset = if code == ErrorCode::NONE { 5 } else { -1 };
    let partition = PartitionProduceResponse { error_code: code.code(), base_offset, ..Default::default() };
    let topic = TopicProduceResponse { partition_responses: vec![partition].into(), ..Default::default() };
    ProduceResponse { responses: vec![topic].into(), ..Default::default() }
}

fn producer(acks: Acks) -> Producer {
    Producer::new(ProducerOptions { acks, compression: Compression::NONE })
}

fn send(producer: &mut Producer, client: &mut Client) -> Result<Sent, ClientError> {
    let mut batch = producer.batch();
    for _ in 0..3 {
        batch.append(0, None, Some(b"v"), &[]).unwrap();
    }
    producer.send(client, "t", 0, batch)
}

// Another sequence for the same records would store them twice when only the answer was lost.
#[test]
fn a_batch_is_sent_again_under_its_sequence() {
    let answers = vec![Some(ErrorCode::NOT_LEADER_OR_FOLLOWER), None, Some(ErrorCode::NONE)];
    let (broker, sequences) = producing(answers);
    let (mut client, mut producer) = (broker.client(), producer(Acks::All));
    assert_eq!(send(&mut producer, &mut client).unwrap(), Sent { base_offset: Some(5) });
    send(&mut producer, &mut client).unwrap();
    assert_eq!(*sequences.lock().unwrap(), [0, 0, 0, 3]);
    assert!(broker.count(ApiKey::Metadata) >= 3, "leaders are asked for anew before each repetition");
}

#[test]
fn a_batch_that_the_broker_has_already_is_a_success() {
    let (broker, _) = producing(vec![None, Some(ErrorCode::DUPLICATE_SEQUENCE_NUMBER)]);
    let sent = send(&mut producer(Acks::All), &mut broker.client()).unwrap();
    assert_eq!(sent, Sent { base_offset: None });
}

#[test]
fn a_refusal_that_time_does_not_mend_is_told_at_once() {
    let (broker, sequences) = producing(vec![Some(ErrorCode::MESSAGE_TOO_LARGE)]);
    let error = send(&mut producer(Acks::All), &mut broker.client()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("Produce to {} (node 1): partition t-0: MESSAGE_TOO_LARGE (10)", broker.address)
    );
    assert_eq!(sequences.lock().unwrap().len(), 1);
}

#[test]
fn trying_again_ends_with_the_operations_time() {
    let (broker, sequences) = producing(vec![Some(ErrorCode::NOT_ENOUGH_REPLICAS); 10_000]);
    let error = send(&mut producer(Acks::All), &mut broker.client()).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NOT_ENOUGH_REPLICAS));
    assert!(sequences.lock().unwrap().len() > 1);
}

#[test]
fn without_acks_all_there_is_no_producer_id() {
    let (broker, sequences) = producing(vec![]);
    send(&mut producer(Acks::Leader), &mut broker.client()).unwrap();
    assert_eq!(broker.count(ApiKey::InitProducerId), 0);
    assert_eq!(*sequences.lock().unwrap(), [-1]);
}

fn fetched(records: &[u8]) -> FetchResponse<'_> {
    let partition =
        fetch::PartitionData { high_watermark: 100, records: Records::Slice(records), ..Default::default() };
    let topic = fetch::FetchableTopicResponse { partitions: vec![partition].into(), ..Default::default() };
    FetchResponse { responses: vec![topic].into(), ..Default::default() }
}

fn batch(base_offset: i64) -> Vec<u8> {
    let mut batch = Builder::new(Compression::NONE).base_offset(base_offset);
    for _ in 0..4 {
        batch.append(0, None, Some(b"v"), &[]).unwrap();
    }
    batch.finish().unwrap()
}

/// Offsets that a consumer from offset 12 hands out when every fetch answers `records`.
fn read(records: Vec<u8>) -> (Result<Vec<i64>, ClientError>, i64) {
    let broker = FakeBroker::start(move |request, address| match request.key {
        ApiKey::ApiVersions => reply(request, &versions()),
        ApiKey::Metadata => reply(request, &metadata(address, 0)),
        _ => reply(request, &fetched(&records)),
    });
    let mut offsets = Vec::new();
    let mut consumer = Consumer::new("t", BTreeMap::from([(0, 12)]));
    let polled =
        consumer.poll(&mut broker.client(), Duration::from_millis(10), |record| -> ControlFlow<()> {
            offsets.push(record.record.offset);
            ControlFlow::Continue(())
        });
    (polled.map(|_| offsets), consumer.positions()[&0].next)
}

// A broker returns whole batches, whatever offset in them was asked for.
#[test]
fn records_before_the_position_are_passed_over() {
    let (offsets, next) = read([batch(10), batch(14)].concat());
    assert_eq!((offsets.unwrap(), next), (vec![12, 13, 14, 15, 16, 17], 18));
}

#[test]
fn a_batch_that_the_answers_end_cuts_off_is_left_for_the_next_fetch() {
    let mut records = [batch(10), batch(14)].concat();
    records.truncate(records.len() - 1);
    let (offsets, next) = read(records);
    assert_eq!((offsets.unwrap(), next), (vec![12, 13], 14));
}

#[test]
fn a_damaged_batch_is_an_error_that_names_partition_and_offset() {
    let mut records = [batch(10), batch(14)].concat();
    *records.last_mut().unwrap() ^= 1;
    let (offsets, next) = read(records);
    let error = offsets.unwrap_err().to_string();
    assert!(error.starts_with("partition t-0 at offset 14: record batch is corrupt"), "{error}");
    assert_eq!(next, 14);
}
