"""Topics: created, refused, deleted and created again; made by a first use, or not."""

import time
import uuid

import pytest
import raw
from clients import CONFLUENT, FRANZ, JAVA, JAVA_OLD, KCAT, Record, Refused
from topics import create, end_offset, wait_ready
from waiting import wait_for


def metadata(connection, name, version=12, create_it=False):
    """The answer about one topic."""
    answer = connection.ask("Metadata", version, Topics=[{"Name": name}], AllowAutoTopicCreation=create_it)
    assert [t["Name"] for t in answer["Topics"]] == [name]
    return answer["Topics"][0]


def test_a_created_topic_is_described_as_it_was_asked_for(broker, topic_name):
    """Could break: partitions numbered from 0, each with this node as leader, replica and ISR."""
    topic = create(broker, topic_name(), partitions=5)
    with raw.Connection(broker) as connection:
        answer = connection.ask("Metadata", 12, Topics=[{"Name": topic}])
        node = answer["Brokers"][0]
        assert (len(answer["Brokers"]), node["Host"], node["Port"]) == (1, "127.0.0.1", broker.port)
        assert answer["ControllerId"] == node["NodeId"]
        found = answer["Topics"][0]
        assert (found["ErrorCode"], found["IsInternal"]) == (0, False)
        assert sorted(p["PartitionIndex"] for p in found["Partitions"]) == list(range(5))
        for p in found["Partitions"]:
            assert (p["ErrorCode"], p["LeaderId"], p["ReplicaNodes"], p["IsrNodes"], p["OfflineReplicas"]) == (
                0,
                node["NodeId"],
                [node["NodeId"]],
                [node["NodeId"]],
                [],
            )
        by_id = connection.ask("Metadata", 12, Topics=[{"TopicId": found["TopicId"], "Name": None}])["Topics"][0]
        assert (by_id["Name"], by_id["ErrorCode"]) == (topic, 0)
        unknown = connection.ask("Metadata", 12, Topics=[{"TopicId": uuid.uuid4(), "Name": None}])["Topics"][0]
        assert unknown["ErrorCode"] == 100, "UNKNOWN_TOPIC_ID"


INVALID_TOPIC, ALREADY_EXISTS, INVALID_PARTITIONS, INVALID_REPLICATION, INVALID_CONFIG = 17, 36, 37, 38, 40
BAD_NAMES = ["", ".", "..", "a/b", "/", "..\\..", "a b", "ä", "x" * 250, "a\0b", "a,b"]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_a_bad_topic_name_is_refused(broker, name):
    """Could break: a name becomes a path somewhere."""
    with raw.Connection(broker) as connection:
        assert raw.create_topic(connection, name)["ErrorCode"] == INVALID_TOPIC
        answer = raw.produce(connection, name, raw.batch([b"x"])) if name else {"ErrorCode": 3}
        assert answer["ErrorCode"] in (3, INVALID_TOPIC)


def test_the_longest_name_is_taken(broker):
    """Could break: 249 characters are allowed, as many as a file name with its partition's number."""
    create(broker, f"{time.time_ns():x<249}")


def test_what_cannot_be_created_is_refused_with_kafkas_error(broker, topic_name):
    """Could break: a client decides by these codes whether to go on."""
    topic = create(broker, topic_name())
    with raw.Connection(broker) as connection:

        def code(name, **how):
            return raw.create_topic(connection, name, **how)["ErrorCode"]

        assert code(topic) == ALREADY_EXISTS
        assert code(topic_name(), partitions=0) == INVALID_PARTITIONS
        assert code(topic_name(), partitions=-2) == INVALID_PARTITIONS
        assert code(topic_name(), replication=2) == INVALID_REPLICATION
        assert code(topic_name(), replication=0) == INVALID_REPLICATION
        assert code(topic_name(), configs=[("no.such.config", "1")]) == INVALID_CONFIG
        assert code(topic_name(), configs=[("max.message.bytes", "many")]) == INVALID_CONFIG
        name = topic_name()
        assert code(name, partitions=-1, replication=-1) == 0
        wait_ready(connection, name, 3)
        assert len(metadata(connection, name)["Partitions"]) == 3, "num.partitions is the default"
        twice = connection.ask(
            "CreateTopics",
            7,
            TimeoutMs=5000,
            Topics=[
                {"Name": name + "x", "NumPartitions": 1, "ReplicationFactor": 1},
                {"Name": name + "x", "NumPartitions": 1, "ReplicationFactor": 1},
            ],
        )
        assert {t["ErrorCode"] for t in twice["Topics"]} == {42}, "a name twice in a request is INVALID_REQUEST"


def test_hundreds_of_topics_are_created_one_after_another(broker, topic_name):
    """Could break: what a broker does only after so and so many changes to its metadata, a snapshot of them for one."""
    stem = topic_name()
    names = {f"{stem}-{i}" for i in range(300)}
    with raw.Connection(broker) as connection:
        for name in sorted(names):
            assert raw.create_topic(connection, name)["ErrorCode"] == 0
        assert names <= {t["Name"] for t in connection.ask("Metadata", 12, Topics=None)["Topics"]}
        for name in sorted(names):
            assert delete(connection, name) == 0
        deadline = time.monotonic() + 20
        while names & {t["Name"] for t in connection.ask("Metadata", 12, Topics=None)["Topics"]}:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_validate_only_creates_nothing(broker, topic_name):
    """Could break: the answer is that of a real creation."""
    name = topic_name()
    with raw.Connection(broker) as connection:
        answer = connection.ask(
            "CreateTopics",
            7,
            TimeoutMs=5000,
            ValidateOnly=True,
            Topics=[{"Name": name, "NumPartitions": 4, "ReplicationFactor": 1}],
        )["Topics"][0]
        assert (answer["ErrorCode"], answer["NumPartitions"]) == (0, 4)
        assert metadata(connection, name)["ErrorCode"] == 3


def delete(connection, name):
    answer = connection.ask("DeleteTopics", 6, TimeoutMs=10_000, Topics=[{"Name": name}])
    return answer["Responses"][0]["ErrorCode"]


def test_a_topic_created_again_has_nothing_of_the_old_one(broker, topic_name):
    """Could break: old records, offsets or sequences under the old name."""
    topic = create(broker, topic_name(), partitions=2)
    CONFLUENT.produce(broker, topic, [Record(b"old", b"%d" % i) for i in range(10)], idempotent=True)
    with raw.Connection(broker) as connection:
        old = metadata(connection, topic)["TopicId"]
        assert delete(connection, topic) == 0
        deadline = time.monotonic() + 20
        while metadata(connection, topic)["ErrorCode"] != 3:
            assert time.monotonic() < deadline
        assert delete(connection, topic) == 3
        create(broker, topic, partitions=1)
        again = metadata(connection, topic)
        assert again["TopicId"] != old and len(again["Partitions"]) == 1
        by_id = connection.ask("Metadata", 12, Topics=[{"TopicId": old, "Name": None}])["Topics"][0]
        assert by_id["ErrorCode"] == 100
    assert end_offset(broker, topic) == 0
    assert CONFLUENT.produce(broker, topic, [Record(b"new", b"0")], idempotent=True) == [0]
    assert [r.content() for r in CONFLUENT.consume(broker, topic, 1)] == [(b"new", b"0", ())]


def test_metadata_creates_a_topic_only_when_asked_to(broker, topic_name):
    """Could break: a consumer must not create what it looks for (AllowAutoTopicCreation false), a producer may."""
    name = topic_name()
    with raw.Connection(broker) as connection:
        assert metadata(connection, name)["ErrorCode"] == 3
        assert metadata(connection, name)["ErrorCode"] == 3
        # The answer to the request that creates does not have it yet.
        assert metadata(connection, name, create_it=True)["ErrorCode"] == 3
        deadline = time.monotonic() + 20
        while metadata(connection, name)["ErrorCode"] != 0:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert len(metadata(connection, name)["Partitions"]) == 3
        for bad in ("a/b", "..", "x" * 250):
            assert metadata(connection, bad, create_it=True)["ErrorCode"] == INVALID_TOPIC
        # Who asks for a name that collides with another topic's is not told why there is none.
        first, second = f"{name}.a", f"{name}_a"
        assert metadata(connection, first, create_it=True)["ErrorCode"] == 3
        wait_for(lambda: metadata(connection, first)["ErrorCode"] == 0)
        for _ in range(2):
            assert metadata(connection, second, create_it=True)["ErrorCode"] == 3
        # Groups' own topic comes with its own number of partitions.
        metadata(connection, "__consumer_offsets", create_it=True)
        wait_for(lambda: metadata(connection, "__consumer_offsets")["ErrorCode"] == 0)
        assert len(metadata(connection, "__consumer_offsets")["Partitions"]) == 50
        # The controllers' own log is no topic for clients; the second answer would be of one that was created.
        for _ in range(2):
            assert metadata(connection, "__cluster_metadata", create_it=True)["ErrorCode"] == 3


@pytest.mark.parametrize("client", [KCAT, CONFLUENT, JAVA, JAVA_OLD], ids=lambda c: c.name)
def test_a_first_produce_creates_the_topic(broker, topic_name, client):
    """Could break: the client asks again until the new topic has a leader."""
    topic = topic_name()
    client.produce(broker, topic, [Record(b"first", b"one")])
    assert [r.content() for r in CONFLUENT.consume(broker, topic, 1)] == [(b"first", b"one", ())]


def test_nothing_is_created_when_it_is_switched_off(strict_broker, topic_name):
    """Could break: auto.create.topics.enable=false; the client hears UNKNOWN_TOPIC_OR_PARTITION."""
    name = topic_name()
    with raw.Connection(strict_broker) as connection:
        for _ in range(3):
            assert metadata(connection, name, create_it=True)["ErrorCode"] == 3
        assert raw.produce(connection, name, raw.batch([b"x"]))["ErrorCode"] == 3
        assert raw.fetch(connection, name, 0)["ErrorCode"] == 3
    with pytest.raises(Refused, match="UNKNOWN_TOPIC"):
        CONFLUENT.produce(strict_broker, name, [Record(None, b"x")], config=["topic.metadata.propagation.max.ms=500"])
    with pytest.raises(Refused, match="UNKNOWN_TOPIC"):
        FRANZ.produce(strict_broker, name, [Record(None, b"x")])
