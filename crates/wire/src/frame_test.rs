use crate::api::ApiKey;
use crate::frame::{
    FrameTooLong, Written, read_request, read_response, start_response, write_request, write_response,
};
use crate::message::fetch::{FetchableTopicResponse, PartitionData};
use crate::message::{ApiVersionsRequest, FetchResponse, MetadataRequest};
use crate::primitive::{DecodeError, Message, Records, Splice};

// Header versions 1 and 2 differ by tagged fields only, which are easy to leave out on one side.
#[test]
fn a_request_comes_back_from_its_frame_in_either_header_version() {
    for version in [8, 9] {
        let mut buffer = b"before".to_vec();
        let request = MetadataRequest { topics: None, ..Default::default() };
        write_request(&mut buffer, version, 7, Some("me"), &request).unwrap();
        let (length, frame) = buffer[6..].split_at(4);
        assert_eq!(usize::try_from(i32::from_be_bytes(length.try_into().unwrap())).unwrap(), frame.len());
        let mut read = read_request(frame).unwrap();
        assert_eq!((read.key, read.version, read.correlation_id), (ApiKey::Metadata, version, 7));
        assert_eq!(read.client_id, Some("me"));
        assert_eq!(MetadataRequest::decode(&mut read.body, version).unwrap(), request);
        read.body.finish().unwrap();
    }
}

// A newer client asks with a version that is not known here, and must be told which ones are.
#[test]
fn the_header_of_an_api_versions_request_from_the_future_is_read() {
    let mut buffer = Vec::new();
    write_request(&mut buffer, 99, 1, None, &ApiVersionsRequest::default()).unwrap();
    let read = read_request(&buffer[4..]).unwrap();
    assert_eq!((read.key, read.version, read.client_id), (ApiKey::ApiVersions, 99, None));
}

// Clients name themselves in Latin-1 too, and Kafka serves them.
#[test]
fn a_client_id_is_read_as_far_as_it_is_utf8() {
    let header = |id: &[u8]| [&[0, 3, 0, 1, 0, 0, 0, 1, 0, 4], id].concat();
    assert_eq!(read_request(&header(b"gr\xf6n")).unwrap().client_id, Some("gr"));
    assert_eq!(read_request(&header(b"\xf6gr\xfc")).unwrap().client_id, Some(""));
    assert_eq!(read_request(&header("grü".as_bytes())).unwrap().client_id, Some("grü"));
}

#[test]
fn the_header_of_an_unknown_api_is_refused() {
    let error = read_request(&[0, 99, 0, 0, 0, 0, 0, 1, 0xff, 0xff]).unwrap_err();
    assert_eq!(error, DecodeError::UnknownApiKey { key: 99 });
}

// What is spliced in is not in the buffer, but the peer counts it.
#[test]
fn a_frame_is_as_long_as_its_buffer_and_its_splices() {
    let partition = |records| PartitionData { records, ..Default::default() };
    let partitions = vec![
        partition(Records::Spliced(1_000)),
        partition(Records::Slice(b"abc")),
        partition(Records::Spliced(5)),
    ];
    let topic = FetchableTopicResponse { partitions: partitions.into(), ..Default::default() };
    let response = FetchResponse { responses: vec![topic].into(), ..Default::default() };
    let mut buffer = vec![0; 3];
    let Written { splices, errors } = write_response(&mut buffer, ApiKey::Fetch, 12, 5, &response).unwrap();
    assert_eq!(splices.iter().map(|splice| splice.length).collect::<Vec<_>>(), [1_000, 5]);
    assert_eq!(errors, []);

    let mut sent = buffer.clone();
    for splice in splices.iter().rev() {
        let filler = vec![0x55; splice.length];
        sent.splice(splice.position..splice.position, filler);
    }
    let length = i32::from_be_bytes(sent[3..7].try_into().unwrap());
    assert_eq!(usize::try_from(length).unwrap(), sent.len() - 7);
    let (correlation_id, mut body) = read_response(&sent[7..], ApiKey::Fetch, 12).unwrap();
    let read = FetchResponse::decode(&mut body, 12).unwrap();
    body.finish().unwrap();
    assert_eq!(correlation_id, 5);
    let lengths: Vec<_> = read
        .responses
        .iter()
        .flat_map(|t| t.partitions.iter().map(|p| p.records.len()).collect::<Vec<_>>())
        .collect();
    assert_eq!(lengths, [1_000, 3, 5]);
}

#[test]
fn a_frame_too_long_for_its_length_field_leaves_the_buffer_as_it_was() {
    let mut buffer = b"before".to_vec();
    let frame = start_response(&mut buffer, ApiKey::Fetch, 4, 1);
    let splice = Splice { position: buffer.len(), length: 1 << 31 };
    assert_eq!(frame.finish(&mut buffer, &[splice]), Err(FrameTooLong { length: (1 << 31) + 4 }));
    assert_eq!(buffer, b"before");
}

// Could break: an error of some version, some depth, or said twice is not counted, and the metrics say that all is well.
#[test]
fn every_error_that_a_response_says_is_noted() {
    let partition = |error_code| PartitionData { error_code, ..Default::default() };
    let topic = |codes: &[i16]| FetchableTopicResponse {
        partitions: codes.iter().map(|code| partition(*code)).collect(),
        ..Default::default()
    };
    let responses = vec![topic(&[0, 3, 1]), topic(&[3, 0])].into();
    let response = FetchResponse { error_code: 70, responses, ..Default::default() };
    let noted = |version| {
        let mut errors =
            write_response(&mut Vec::new(), ApiKey::Fetch, version, 5, &response).unwrap().errors;
        errors.sort_unstable();
        errors
    };
    // The version before has no place for the error of the whole.
    assert_eq!(noted(6), [(1, 1), (3, 2)]);
    assert_eq!(noted(7), [(1, 1), (3, 2), (70, 1)]);
}
