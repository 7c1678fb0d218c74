//! Another decoder of the protocol, the crate `kafka-protocol`, reads what this one writes, and the other way round.
//!
//! Both are generated from Kafka's definitions, by different generators. It is only compared with: its decoder
//! allocates what a length claims.

mod schema;

use kafka_protocol::protocol::{Decodable, Encodable, Message};
use schema::{all_versions, random_message, recode, with_all_messages};

const SEEDS: u64 = 30;

/// What only this crate has: versions of Kafka 4.1 and later, and two APIs. With a newer `kafka-protocol` it gets shorter.
const NOT_THEIRS: [&str; 25] = [
    "ListOffsetsRequest 11",
    "ListOffsetsResponse 11",
    "OffsetCommitRequest 10",
    "OffsetFetchRequest 10",
    "InitProducerIdRequest 6",
    "WriteTxnMarkersRequest 2",
    "WriteTxnMarkersResponse 2",
    "DescribeLogDirsRequest 5",
    "DescribeLogDirsResponse 5",
    "ShareFetchRequest 2",
    "ShareFetchResponse 2",
    "ShareAcknowledgeRequest 2",
    "ShareAcknowledgeResponse 2",
    "AddRaftVoterRequest 1",
    "AddRaftVoterResponse 1",
    "WriteShareGroupStateRequest 1",
    "WriteShareGroupStateResponse 1",
    "ReadShareGroupStateSummaryRequest 1",
    "ReadShareGroupStateSummaryResponse 1",
    "StreamsGroupHeartbeatRequest 0",
    "StreamsGroupHeartbeatResponse 0",
    "StreamsGroupDescribeRequest 0",
    "StreamsGroupDescribeResponse 0",
    "DescribeShareGroupOffsetsRequest 1",
    "DescribeShareGroupOffsetsResponse 1",
];

/// What they write after having read all of `bytes`; `None` for a version that they do not have.
fn recode_theirs<M: Decodable + Encodable + Message>(
    bytes: &[u8],
    version: i16,
) -> Option<Result<Vec<u8>, String>> {
    if version < M::VERSIONS.min || version > M::VERSIONS.max {
        return None;
    }
    let mut rest = bytes;
    let decoded = M::decode(&mut rest, version).map_err(|error| format!("{error:#}"));
    let recoded = decoded.and_then(|message| {
        let mut buffer = Vec::new();
        message.encode(&mut buffer, version).map_err(|error| format!("{error:#}"))?;
        Ok(buffer)
    });
    Some(recoded.and_then(|buffer| if rest.is_empty() { Ok(buffer) } else { Err("bytes left over".into()) }))
}

macro_rules! theirs {
    (StreamsGroupHeartbeatRequest, $($ignored:tt)*) => {
        None
    };
    (StreamsGroupHeartbeatResponse, $($ignored:tt)*) => {
        None
    };
    (StreamsGroupDescribeRequest, $($ignored:tt)*) => {
        None
    };
    (StreamsGroupDescribeResponse, $($ignored:tt)*) => {
        None
    };
    ($message:ident, $bytes:expr, $version:expr) => {
        recode_theirs::<kafka_protocol::messages::$message>($bytes, $version)
    };
}

macro_rules! declare_theirs {
    ($(($key:literal, $request:ident, $response:ident),)+) => {
        fn theirs(name: &str, bytes: &[u8], version: i16) -> Option<Result<Vec<u8>, String>> {
            match name {
                $(
                    stringify!($request) => theirs!($request, bytes, version),
                    stringify!($response) => theirs!($response, bytes, version),
                )+
                _ => unreachable!("{name} is in the table"),
            }
        }
    };
}

with_all_messages!(declare_theirs);

// A misreading that the generator makes in the messages and in the tests' table alike shows only here.
#[test]
fn prop_both_decoders_read_and_write_the_same_bytes() {
    let mut not_theirs = Vec::new();
    let mut compared = 0;
    for (message, version) in all_versions() {
        let name = message.name;
        for seed in 0..SEEDS {
            let at = || format!("{name} version {version} seed {seed}");
            let bytes = random_message(message, version, seed, false).bytes;
            let ours = recode(name, &bytes, version).unwrap();
            let Some(theirs) = theirs(name, &ours, version) else {
                not_theirs.push(format!("{name} {version}"));
                break;
            };
            let theirs = theirs.unwrap_or_else(|error| panic!("{}: {error}", at()));
            assert_eq!(theirs, ours, "{}", at());
            assert_eq!(recode(name, &theirs, version).unwrap(), theirs, "{}", at());
            compared += 1;
        }
    }
    assert_eq!(not_theirs, NOT_THEIRS);
    assert!(compared > 10_000, "{compared} messages compared");
}
