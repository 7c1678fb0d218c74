//! The pipelined connection: requests go out before answers come, and no answer is believed out of turn.

use std::{borrow::Cow, future::poll_fn, task::Poll};

use client::{ClientError, Creation, Pipe};
use wire::{
    ApiKey,
    frame::RequestFrame,
    message::{
        ProduceRequest, ProduceResponse,
        produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData, TopicProduceResponse},
    },
    primitive::{Message, Records},
};

use crate::broker::{FakeBroker, Reply, metadata, reply, versions};

const BATCH: &[u8] = b"not looked into";

/// Holds answers back until `hold` produce requests have come, then gives them all at once, as `order` has them.
fn broker(hold: usize, order: fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>) -> FakeBroker {
    let mut held = Vec::new();
    FakeBroker::start(move |request, address| match request.key {
        ApiKey::ApiVersions => reply(request, &versions()),
        ApiKey::Metadata => reply(request, &metadata(address, 0)),
        _ => {
            held.push(stored_at(request, i64::try_from(held.len()).unwrap()));
            if held.len() < hold {
                return Reply::Silence;
            }
            Reply::Bytes(order(std::mem::take(&mut held)).concat())
        }
    })
}

/// The answer "stored at `base_offset`", once the request has shown that it carries its batch whole.
fn stored_at(request: &RequestFrame<'_>, base_offset: i64) -> Vec<u8> {
    let produce = ProduceRequest::decode(&mut request.body.clone(), request.version).unwrap();
    let topic = produce.topic_data.iter().next().unwrap();
    let data = topic.partition_data.iter().next().unwrap();
    assert_eq!((data.index, data.records.as_slice()), (0, Some(BATCH)));
    let partition = PartitionProduceResponse { base_offset, ..Default::default() };
    let topic = TopicProduceResponse { partition_responses: vec![partition].into(), ..Default::default() };
    let response = ProduceResponse { responses: vec![topic].into(), ..Default::default() };
    let Reply::Bytes(bytes) = reply(request, &response) else { panic!("an answer is bytes") };
    bytes
}

/// Sends three requests, then takes the base offsets of the answers.
fn three(broker: &FakeBroker) -> Result<Vec<i64>, ClientError> {
    let mut client = broker.client();
    let topic = client.topic_with_leaders("t", Creation::Never)?;
    env::task::block_on_io_thread(async {
        let mut pipe = client.pipe_to_leader(&topic, 0)?;
        let data = PartitionProduceData { index: 0, records: Records::Spliced(BATCH.len()) };
        let of_topic = TopicProduceData {
            name: Cow::Borrowed("t"),
            topic_id: topic.id,
            partition_data: vec![data].into(),
        };
        let request = ProduceRequest { acks: -1, topic_data: vec![of_topic].into(), ..Default::default() };
        let mut template = pipe.template(&request, topic.version_max())?;
        for _ in 0..3 {
            pipe.send(&mut template, BATCH, true)?;
        }
        assert_eq!(pipe.in_flight(), 3);
        let mut offsets = Vec::new();
        while offsets.len() < 3 {
            more(&mut pipe).await?;
            while let Some(answer) = pipe.next_answer()? {
                let response: ProduceResponse<'_> = answer.decode()?;
                offsets.push(
                    response
                        .responses
                        .iter()
                        .next()
                        .unwrap()
                        .partition_responses
                        .iter()
                        .next()
                        .unwrap()
                        .base_offset,
                );
            }
        }
        Ok(offsets)
    })
    .unwrap()
}

async fn more(pipe: &mut Pipe) -> Result<(), ClientError> {
    poll_fn(|cx| match pipe.poll_flush(cx)? {
        Poll::Ready(()) | Poll::Pending => pipe.poll_receive(cx),
    })
    .await
}

/// A connection that waited for each answer would wait for ever here.
#[test]
fn requests_go_out_before_answers_come() {
    assert_eq!(three(&broker(3, |answers| answers)).unwrap(), [0, 1, 2]);
}

/// Taken for the oldest request's, such an answer would count a batch that may not be stored.
#[test]
fn an_answer_out_of_turn_is_refused() {
    let swapped = broker(3, |mut answers| {
        answers.swap(0, 1);
        answers
    });
    let error = three(&swapped).unwrap_err();
    assert!(error.to_string().contains("belongs to another request"), "{error}");
}

/// A length is what a peer says: believed, it would ask for memory.
#[test]
fn a_frame_longer_than_allowed_is_refused() {
    let huge = broker(3, |_| vec![i32::MAX.to_be_bytes().to_vec()]);
    let error = three(&huge).unwrap_err();
    assert!(error.to_string().contains("at most"), "{error}");
}

#[test]
fn a_broker_that_closes_is_an_error_that_says_so() {
    let closing = FakeBroker::start(|request, address| match request.key {
        ApiKey::ApiVersions => reply(request, &versions()),
        ApiKey::Metadata => reply(request, &metadata(address, 0)),
        _ => Reply::Close,
    });
    let error = three(&closing).unwrap_err();
    assert!(matches!(error, ClientError::Connection { .. }), "{error}");
}
