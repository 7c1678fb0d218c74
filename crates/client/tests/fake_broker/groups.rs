//! Groups are asked about at their coordinators, wherever these go, and all brokers are asked for lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::broker::{FakeBroker, Reply, reply, versions};
use client::{Member, MemberOptions, Offsets, Standing};
use wire::{
    ApiKey, ErrorCode, Message,
    frame::RequestFrame,
    message::{
        ApiVersionsResponse, DescribeGroupsRequest, DescribeGroupsResponse, FindCoordinatorRequest,
        FindCoordinatorResponse, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, ListGroupsResponse,
        MetadataResponse, OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest, SyncGroupResponse,
        api_versions::ApiVersion, describe_groups::DescribedGroup, find_coordinator::Coordinator,
        join_group::JoinGroupResponseMember, list_groups::ListedGroup, metadata, offset_fetch,
    },
};

fn node(id: i32, address: SocketAddr) -> metadata::MetadataResponseBroker<'static> {
    let port = i32::from(address.port());
    metadata::MetadataResponseBroker { node_id: id, host: "127.0.0.1".into(), port, ..Default::default() }
}

/// All groups asked for are at node 1, which is at `address`.
fn coordinator(request: &RequestFrame<'_>, address: SocketAddr, code: ErrorCode) -> Reply {
    let asked = FindCoordinatorRequest::decode(&mut request.body.clone(), request.version).unwrap();
    let found = |key: &str| Coordinator {
        key: key.to_owned().into(),
        node_id: 1,
        host: "127.0.0.1".into(),
        port: i32::from(address.port()),
        error_code: code.code(),
        ..Default::default()
    };
    let coordinators = asked.coordinator_keys.iter().map(|key| found(&key)).collect();
    reply(request, &FindCoordinatorResponse { coordinators, ..Default::default() })
}

fn ids(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

// A coordinator that is just being made, or that has moved, is no reason to fail.
#[test]
fn a_coordinator_that_is_not_there_yet_or_has_moved_is_asked_for_anew() {
    let mut finds = [ErrorCode::COORDINATOR_NOT_AVAILABLE].into_iter();
    let mut answers = [ErrorCode::NOT_COORDINATOR, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS].into_iter();
    let asked_about = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked_about);
    let broker = FakeBroker::start(move |request, address| match request.key {
        ApiKey::ApiVersions => reply(request, &versions()),
        ApiKey::FindCoordinator => coordinator(request, address, finds.next().unwrap_or(ErrorCode::NONE)),
        ApiKey::DescribeGroups => {
            let asked = DescribeGroupsRequest::decode(&mut request.body.clone(), request.version).unwrap();
            let ids: Vec<String> = asked.groups.iter().map(|id| id.into_owned()).collect();
            log.lock().unwrap().push(ids.clone());
            // The trouble is about one group only: the other isn't asked about again.
            let group = |id: &String| DescribedGroup {
                group_id: id.clone().into(),
                group_state: "Empty".into(),
                error_code: if id == "a" { answers.next().unwrap_or(ErrorCode::NONE).code() } else { 0 },
                ..Default::default()
            };
            reply(
                request,
                &DescribeGroupsResponse { groups: ids.iter().map(group).collect(), ..Default::default() },
            )
        }
        _ => Reply::Close,
    });
    let told = broker.client().describe_groups(&ids(&["a", "b"])).unwrap();
    assert_eq!(
        told.values().map(|told| told.as_ref().unwrap().state.as_str()).collect::<Vec<_>>(),
        ["Empty"; 2]
    );
    assert_eq!(*asked_about.lock().unwrap(), [vec!["a", "b"], vec!["a"], vec!["a"]]);
    assert_eq!(broker.count(ApiKey::FindCoordinator), 4);
}

#[test]
fn a_groups_own_error_is_beside_the_others_answers() {
    let broker = FakeBroker::start(|request, address| match request.key {
        ApiKey::ApiVersions => reply(request, &versions()),
        ApiKey::FindCoordinator => coordinator(request, address, ErrorCode::NONE),
        ApiKey::OffsetFetch => {
            let asked = OffsetFetchRequest::decode(&mut request.body.clone(), request.version).unwrap();
            let partition =
                offset_fetch::OffsetFetchResponsePartitions { committed_offset: 7, ..Default::default() };
            let topic = offset_fetch::OffsetFetchResponseTopics {
                name: "t".into(),
                partitions: vec![partition].into(),
                ..Default::default()
            };
            let group = |id: &str| offset_fetch::OffsetFetchResponseGroup {
                group_id: id.to_owned().into(),
                topics: if id == "a" { vec![topic.clone()].into() } else { Vec::new().into() },
                error_code: if id == "a" { 0 } else { ErrorCode::GROUP_AUTHORIZATION_FAILED.code() },
            };
            let groups = asked.groups.iter().map(|asked| group(&asked.group_id)).collect();
            reply(request, &OffsetFetchResponse { groups, ..Default::default() })
        }
        _ => Reply::Close,
    });
    let mut told = broker.client().group_offsets(&ids(&["a", "b"])).unwrap();
    let expected = Offsets::from([("t".to_owned(), BTreeMap::from([(0, 7)]))]);
    assert_eq!(told.remove("a").unwrap().unwrap(), expected);
    let refused = told.remove("b").unwrap().unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::GROUP_AUTHORIZATION_FAILED));
    assert_eq!(broker.count(ApiKey::OffsetFetch), 1, "one request for both");
}

// Before Kafka 3.0 neither FindCoordinator nor OffsetFetch takes several groups.
#[test]
fn an_older_broker_is_asked_about_one_group_at_a_time() {
    let broker = FakeBroker::start(|request, address| match request.key {
        ApiKey::ApiVersions => {
            let cut = |mut row: ApiVersion| {
                if row.api_key == ApiKey::FindCoordinator.code() {
                    row.max_version = 3;
                } else if row.api_key == ApiKey::OffsetFetch.code() {
                    row.max_version = 7;
                }
                row
            };
            let api_keys = versions().api_keys.iter().map(cut).collect();
            reply(request, &ApiVersionsResponse { api_keys, ..Default::default() })
        }
        ApiKey::FindCoordinator => {
            let found = FindCoordinatorResponse {
                node_id: 1,
                host: "127.0.0.1".into(),
                port: i32::from(address.port()),
                ..Default::default()
            };
            reply(request, &found)
        }
        ApiKey::OffsetFetch => {
            let asked = OffsetFetchRequest::decode(&mut request.body.clone(), request.version).unwrap();
            assert!(asked.topics.is_none(), "all that the group has");
            let offset = if asked.group_id == "a" { 7 } else { 8 };
            let partition =
                offset_fetch::OffsetFetchResponsePartition { committed_offset: offset, ..Default::default() };
            let topic = offset_fetch::OffsetFetchResponseTopic {
                name: "t".into(),
                partitions: vec![partition].into(),
            };
            reply(request, &OffsetFetchResponse { topics: vec![topic].into(), ..Default::default() })
        }
        _ => Reply::Close,
    });
    let told = broker.client().group_offsets(&ids(&["a", "b"])).unwrap();
    let offsets: Vec<i64> = told.values().map(|told| told.as_ref().unwrap()["t"][&0]).collect();
    assert_eq!(offsets, [7, 8]);
    assert_eq!((broker.count(ApiKey::FindCoordinator), broker.count(ApiKey::OffsetFetch)), (2, 2));
}

/// A broker that coordinates one group, `g` and its node's id.
fn listing(id: i32, nodes: Arc<Mutex<Vec<(i32, SocketAddr)>>>) -> FakeBroker {
    FakeBroker::start(move |request, _| match request.key {
        ApiKey::ApiVersions => reply(request, &versions()),
        ApiKey::Metadata => {
            let brokers = nodes.lock().unwrap().iter().map(|(id, address)| node(*id, *address)).collect();
            reply(request, &MetadataResponse { brokers, ..Default::default() })
        }
        ApiKey::ListGroups => {
            let group = ListedGroup {
                group_id: format!("g{id}").into(),
                group_type: "Classic".into(),
                ..Default::default()
            };
            reply(request, &ListGroupsResponse { groups: vec![group].into(), ..Default::default() })
        }
        _ => Reply::Close,
    })
}

// Each broker lists the groups that it coordinates, and no others.
#[test]
fn every_broker_is_asked_for_its_groups() {
    let nodes = Arc::default();
    let (one, two) = (listing(2, Arc::clone(&nodes)), listing(1, Arc::clone(&nodes)));
    nodes.lock().unwrap().extend([(2, one.address), (1, two.address)]);
    let groups = one.client().groups().unwrap();
    let listed: Vec<_> =
        groups.iter().map(|g| (g.id.as_str(), g.group_type.as_str(), g.coordinator)).collect();
    assert_eq!(listed, [("g1", "classic", 1), ("g2", "classic", 2)]);
}

// The id is given with an error, a member that is forgotten begins anew, and the leader divides for all.
#[test]
fn a_member_joins_divides_and_joins_again_when_it_was_forgotten() {
    let joins = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&joins);
    let broker = FakeBroker::start(move |request, address| match request.key {
        ApiKey::ApiVersions => reply(request, &versions()),
        ApiKey::Metadata => reply(request, &crate::broker::metadata(address, 0)),
        ApiKey::FindCoordinator => coordinator(request, address, ErrorCode::NONE),
        ApiKey::JoinGroup => {
            let asked = JoinGroupRequest::decode(&mut request.body.clone(), request.version).unwrap();
            log.lock().unwrap().push(asked.member_id.clone().into_owned());
            if asked.member_id.is_empty() {
                let code = ErrorCode::MEMBER_ID_REQUIRED.code();
                let told =
                    JoinGroupResponse { error_code: code, member_id: "m".into(), ..Default::default() };
                return reply(request, &told);
            }
            let metadata = asked.protocols.iter().next().unwrap().metadata.into_owned();
            let member = |id: &'static str| JoinGroupResponseMember {
                member_id: id.into(),
                metadata: metadata.clone().into(),
                ..Default::default()
            };
            let told = JoinGroupResponse {
                generation_id: 3,
                leader: "m".into(),
                member_id: "m".into(),
                members: vec![member("x"), member("m")].into(),
                ..Default::default()
            };
            reply(request, &told)
        }
        ApiKey::SyncGroup => {
            let asked = SyncGroupRequest::decode(&mut request.body.clone(), request.version).unwrap();
            assert_eq!(asked.assignments.len(), 2, "also for the one that gets nothing");
            let own = asked.assignments.iter().find(|given| given.member_id == "m").unwrap();
            let assignment = own.assignment.into_owned().into();
            reply(request, &SyncGroupResponse { assignment, ..Default::default() })
        }
        ApiKey::Heartbeat => {
            let error_code = ErrorCode::UNKNOWN_MEMBER_ID.code();
            reply(request, &HeartbeatResponse { error_code, ..Default::default() })
        }
        _ => Reply::Close,
    });
    let mut client = broker.client();
    let mut member = Member::new(MemberOptions {
        group: "g".to_owned(),
        topics: vec!["t".to_owned()],
        session_timeout: Duration::from_secs(10),
    });
    let partitions = member.join(&mut client).unwrap();
    assert_eq!(partitions, BTreeMap::from([("t".to_owned(), vec![0])]));
    assert_eq!(member.beat(&mut client).unwrap(), Standing::Holds, "it joined just now: nothing is sent");
    let is_put_out = (0..100).any(|_| {
        std::thread::park_timeout(Duration::from_millis(50));
        member.beat(&mut client).unwrap() == Standing::Rejoin
    });
    assert!(is_put_out);
    member.join(&mut client).unwrap();
    assert_eq!(*joins.lock().unwrap(), ["", "m", "", "m"]);
}
