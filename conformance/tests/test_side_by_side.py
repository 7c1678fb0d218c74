"""The same bytes to Apache Kafka and to the broker under test, and the answers compared (desk.py)."""

import re
import struct
import uuid
from pathlib import Path

import pytest
import raw
from desk import compare
from schema import API
from topics import create


@pytest.fixture(scope="session")
def topic(broker, kafka_peer):
    """A topic that both have: partition 1 of three holds three records, the others are empty."""
    name = "side-by-side"
    for b in {broker, kafka_peer}:
        create(b, name, partitions=3)
        with raw.Connection(b) as connection:
            assert raw.produce(connection, name, good, partition=1)["BaseOffset"] == 0
    return name


def produce(topic, records, version=9, partition=0, acks=-1, **more):
    return {
        "api": "Produce",
        "version": version,
        "Acks": acks,
        "TimeoutMs": 5000,
        "TopicData": [{"Name": topic, "PartitionData": [{"Index": partition, "Records": records}]}],
        **more,
    }


def in_own_topic(make):
    """A question about a topic that is fresh on each broker; its name is masked in the answer."""

    def question(desk):
        fresh = desk.fresh_topic()
        answer = desk.ask(**make(fresh))
        return str(answer).replace(fresh, "TOPIC")

    return question


good = raw.batch([b"a", b"b", b"c"])
flipped = bytes([*good[:-1], good[-1] ^ 1])
two = raw.record(0, None, b"a") + raw.record(1, None, b"b")
long_record = raw.varint(1000) + raw.record(0, None, b"a")[1:]
BATCHES = {
    "good": good,
    "two batches in one request": good + good,
    "wrong crc": flipped,
    "magic 0": raw.batch([b"a"], magic=0),
    "magic 1": raw.batch([b"a"], magic=1),
    "magic 3": raw.batch([b"a"], magic=3),
    "count too high": raw.batch([b"a", b"b"], count=3, last_offset_delta=2),
    "count too low": raw.batch([b"a", b"b"], count=1, last_offset_delta=0),
    "count 0": raw.batch([b"a"], count=0),
    "count negative": raw.batch([b"a"], count=-1),
    "count 2^31-1": raw.batch([b"a"], count=2**31 - 1, last_offset_delta=2**31 - 2),
    "last offset delta too high": raw.batch([b"a", b"b"], last_offset_delta=7),
    "last offset delta negative": raw.batch([b"a", b"b"], last_offset_delta=-1),
    "offsets of the records not in steps": raw.batch(
        [b"a", b"b"], records=raw.record(0, None, b"a") + raw.record(5, None, b"b")
    ),
    "a record longer than the batch": raw.batch([b"a"], records=long_record),
    "bytes after the last record": raw.batch([b"a", b"b"], records=two + b"xyz"),
    "length too long": raw.batch([b"a"], length=1000),
    "length too short": raw.batch([b"a"], length=20),
    "length 0": raw.batch([b"a"], length=0),
    "length negative": raw.batch([b"a"], length=-1),
    "no records": raw.batch([]),
    "empty": b"",
    "half a header": good[:30],
    "a base offset": raw.batch([b"a", b"b"], base_offset=5),
    "codec 5": raw.batch([b"a"], attributes=5),
    "codec 7": raw.batch([b"a"], attributes=7),
    "gzip that is none": raw.batch([b"a"], attributes=1),
    "snappy that is none": raw.batch([b"a"], attributes=2),
    "lz4 that is none": raw.batch([b"a"], attributes=3),
    "zstd that is none": raw.batch([b"a"], attributes=4),
    "log append time": raw.batch([b"a"], attributes=8),
    "transactional without a transaction": raw.batch(
        [b"a"], attributes=16, producer_id=1, producer_epoch=0, base_sequence=0
    ),
    "a control batch": raw.batch([b"a"], attributes=32),
    "a sequence without a producer": raw.batch([b"a"], base_sequence=0),
    "a producer without a sequence": raw.batch([b"a"], producer_id=5, producer_epoch=0),
    "a producer that no one gave out": raw.batch([b"a"], producer_id=123456, producer_epoch=0, base_sequence=0),
    "a first sequence that is not 0": raw.batch([b"a"], producer_id=123457, producer_epoch=0, base_sequence=10),
    "a timestamp far ahead": raw.batch([b"a"], timestamp=4_102_444_800_000),
    "a negative timestamp": raw.batch([b"a"], timestamp=-1),
    "max timestamp lies": raw.batch([b"a"], max_timestamp=raw.BASE - 5000),
}


# Apache Kafka does not look, and stores what contradicts itself; refusing it is as good.
LENIENT = {
    "offsets of the records not in steps",
    "max timestamp lies",
    "a sequence without a producer",
    "log append time",
}
# Apache Kafka stumbles (UNKNOWN_SERVER_ERROR); an error that says what is wrong is better.
STUMBLES = {"codec 5", "codec 7", "gzip that is none", "snappy that is none", "lz4 that is none", "zstd that is none"}
UNKNOWN_SERVER_ERROR, CORRUPT_MESSAGE, INVALID_TIMESTAMP = -1, 2, 32
UNSUPPORTED_COMPRESSION_TYPE, INVALID_RECORD = 76, 87


@pytest.mark.parametrize("what", BATCHES)
def test_a_batch_is_judged_as_kafka_judges_it(desks, what):
    """Could break: what lies about itself must not be acknowledged, and a client retries by the code it gets."""
    kafkas, ours = [desk.ask(**produce(desk.fresh_topic(), BATCHES[what])) for desk in desks]
    kafkas, ours = [answer["Responses"][0]["PartitionResponses"][0] for answer in (kafkas, ours)]
    if what in LENIENT and ours["ErrorCode"] != 0:
        assert kafkas["ErrorCode"] == 0
        assert ours["ErrorCode"] in (CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TIMESTAMP)
    elif what in STUMBLES:
        assert kafkas["ErrorCode"] == UNKNOWN_SERVER_ERROR
        assert ours["ErrorCode"] in (
            UNKNOWN_SERVER_ERROR,
            CORRUPT_MESSAGE,
            UNSUPPORTED_COMPRESSION_TYPE,
            INVALID_RECORD,
        )
    else:
        assert ours == kafkas, f"\nApache Kafka: {kafkas}\n    this one: {ours}"


PRODUCES = {
    "acks 2": lambda t: produce(t, good, acks=2),
    "acks -2": lambda t: produce(t, good, acks=-2),
    "acks 1": lambda t: produce(t, good, acks=1),
    "an unknown topic": lambda _: produce("no-such-topic", good),
    "a bad topic name": lambda _: produce("a/b", good),
    "an unknown partition": lambda t: produce(t, good, partition=9),
    "a negative partition": lambda t: produce(t, good, partition=-1),
    "version 3": lambda t: produce(t, good, version=3),
    "an unknown topic id": lambda _: {
        "api": "Produce",
        "version": 13,
        "Acks": -1,
        "TimeoutMs": 5000,
        "TopicData": [{"TopicId": uuid.UUID(int=99), "PartitionData": [{"Index": 0, "Records": good}]}],
    },
    "no topics": lambda _: {"api": "Produce", "version": 9, "Acks": -1, "TimeoutMs": 5000, "TopicData": []},
}


@pytest.mark.parametrize("what", PRODUCES)
def test_a_produce_is_answered_as_kafka_answers_it(desks, what):
    """Could break: errors that belong to the partition, to the request, or to the connection."""
    compare(desks, in_own_topic(PRODUCES[what]))


def test_zstd_needs_produce_7_and_fetch_10(desks, broker, kafka_peer, topic_name):
    """Could break: old clients can't decompress it (KIP-110): UNSUPPORTED_COMPRESSION_TYPE (76)."""
    from clients import CONFLUENT, Record

    name = topic_name()
    for b in {broker, kafka_peer}:
        create(b, name)
        CONFLUENT.produce(b, name, [Record(None, b"compress me " * 50)], codec="zstd")
    for version in (4, 9, 10, 12):
        compare(desks, lambda d, v=version: fetch_codes(d, name, v))
    for d in desks:
        d.zstd = raw.fetch(d.connection, name, 0)["Records"]
    for version in (3, 6, 7, 9):
        answer = compare(desks, lambda d, v=version: d.ask(**produce(name, d.zstd, version=v)))
        assert answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == (76 if version < 7 else 0)


def fetch_codes(desk, name, version):
    answer = desk.ask(
        "Fetch",
        version,
        ReplicaId=-1,
        MaxWaitMs=100,
        MinBytes=1,
        MaxBytes=1 << 20,
        Topics=[
            {
                "Topic": name,
                "Partitions": [
                    {
                        "Partition": 0,
                        "FetchOffset": 0,
                        "PartitionMaxBytes": 1 << 20,
                        "CurrentLeaderEpoch": -1,
                        "LogStartOffset": -1,
                    }
                ],
            }
        ],
    )
    return [p["ErrorCode"] for t in answer["Responses"] for p in t["Partitions"]]


def fetch(topic, version, partition=0, offset=0, epoch=-1, **more):
    return {
        "api": "Fetch",
        "version": version,
        "ReplicaId": -1,
        "MaxWaitMs": 50,
        "MinBytes": 1,
        "MaxBytes": 1 << 20,
        "Topics": [
            {
                "Topic": topic,
                "Partitions": [
                    {
                        "Partition": partition,
                        "FetchOffset": offset,
                        "PartitionMaxBytes": 1 << 20,
                        **({"CurrentLeaderEpoch": epoch} if version >= 9 else {}),
                        **({"LogStartOffset": -1} if version >= 5 else {}),
                    }
                ],
            }
        ],
        **more,
    }


FETCHES = {
    **{f"version {v}": lambda t, v=v: fetch(t, v) for v in range(4, 13)},
    "at the end": lambda t: fetch(t, 12, offset=3),
    "beyond the end": lambda t: fetch(t, 12, offset=4),
    "a negative offset": lambda t: fetch(t, 12, offset=-5),
    "an unknown partition": lambda t: fetch(t, 12, partition=7),
    "an unknown topic": lambda _: fetch("no-such-topic", 12),
    "an epoch of the future": lambda t: fetch(t, 12, epoch=100),
    "read committed": lambda t: fetch(t, 12, IsolationLevel=1),
    "a session that is not there": lambda t: fetch(t, 12, SessionId=99, SessionEpoch=3),
}


@pytest.mark.parametrize("what", FETCHES)
def test_a_fetch_is_answered_as_kafka_answers_it(desks, what):
    """Could break: a field that exists from one version on, or a position that is answered by another error."""

    def question(desk):
        fresh = desk.fresh_topic()
        assert raw.produce(desk.connection, fresh, good)["ErrorCode"] == 0
        return str(desk.ask(**FETCHES[what](fresh))).replace(fresh, "TOPIC")

    compare(desks, question)


def test_a_fetch_names_the_leader_epoch_that_metadata_gave(desks, topic):
    """Could break: the epoch of Metadata is the current one, the next one is UNKNOWN_LEADER_EPOCH (KIP-320)."""

    def question(desk, ahead):
        described = desk.connection.ask("Metadata", 12, Topics=[{"Name": topic}])["Topics"][0]["Partitions"]
        epoch = next(p["LeaderEpoch"] for p in described if p["PartitionIndex"] == 1)
        return desk.ask(**fetch(topic, 12, partition=1, epoch=epoch + ahead))

    for ahead in (0, 1):
        compare(desks, lambda d, a=ahead: question(d, a))


@pytest.mark.parametrize("version", range(13, API["Fetch"].request.versions[1] + 1))
def test_a_fetch_by_topic_id_is_answered_as_kafka_answers_it(desks, topic, version):
    """Could break: versions 13 and up name topics by id (KIP-516)."""

    def question(desk, topic_id=None):
        replica = {"ReplicaId": -1} if version < 15 else {}
        return desk.ask(
            "Fetch",
            version,
            **replica,
            MaxWaitMs=50,
            MinBytes=1,
            MaxBytes=1 << 20,
            Topics=[
                {
                    "TopicId": topic_id or desk.topic_id(topic),
                    "Partitions": [
                        {"Partition": 2, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20, "CurrentLeaderEpoch": -1}
                    ],
                }
            ],
        )

    compare(desks, question)
    compare(desks, lambda d: question(d, uuid.UUID(int=77)))


def name_of_time(time):
    return str(time) if time < raw.BASE else f"base+{time - raw.BASE}"


@pytest.mark.parametrize("version", range(1, 12))
@pytest.mark.parametrize("time", [-1, -2, -3, -4, -5, -6, -7, 0, raw.BASE, raw.BASE + 1], ids=name_of_time)
def test_list_offsets_is_answered_as_kafka_answers_it(desks, topic, version, time):
    """Could break: special times that exist from one version on, and timestamps that come back or not."""

    def question(desk):
        epoch = {"CurrentLeaderEpoch": -1} if version >= 4 else {}
        return desk.ask(
            "ListOffsets",
            version,
            ReplicaId=-1,
            Topics=[
                {"Name": topic, "Partitions": [{"PartitionIndex": p, "Timestamp": time, **epoch} for p in (1, 2, 5)]}
            ],
        )

    compare(desks, question)


@pytest.mark.parametrize("version", range(14))
def test_metadata_has_kafkas_shape(desks, topic, version):
    """Could break: an unknown topic, and fields that come and go with the versions."""
    more = {"AllowAutoTopicCreation": False} if version >= 4 else {}
    compare(
        desks,
        lambda d: d.ask(
            "Metadata", version, Topics=[{"Name": topic}, *([{"Name": "not-there"}] if version >= 4 else [])], **more
        ),
    )


@pytest.mark.parametrize("version", range(2, 8))
def test_create_topics_is_answered_as_kafka_answers_it(desks, version):
    """Could break: the error of each, with a message from version 1 on and the topic's configs from version 5 on."""

    def question(desk):
        stem = f"made-{id(desk)}-{next(desk.made)}"
        answer = desk.ask(
            "CreateTopics",
            version,
            TimeoutMs=5000,
            Topics=[
                {"Name": f"{stem}-fine", "NumPartitions": 2, "ReplicationFactor": 1},
                {"Name": f"{stem}-none", "NumPartitions": 0, "ReplicationFactor": 1},
                {"Name": f"{stem}-copies", "NumPartitions": 1, "ReplicationFactor": 3},
                {
                    "Name": f"{stem}-assigned",
                    "NumPartitions": -1,
                    "ReplicationFactor": -1,
                    "Assignments": [{"PartitionIndex": 0, "BrokerIds": [4711]}],
                },
                {
                    "Name": f"{stem}-both",
                    "NumPartitions": 2,
                    "ReplicationFactor": 1,
                    "Assignments": [{"PartitionIndex": 0, "BrokerIds": [1]}],
                },
                {"Name": "..", "NumPartitions": 1, "ReplicationFactor": 1},
            ],
        )
        for t in answer["Topics"]:
            t.pop("Configs", None)
        return str(answer).replace(stem, "TOPIC")

    compare(desks, question)


@pytest.mark.parametrize("version", range(6))
def test_init_producer_id_is_answered_as_kafka_answers_it(desks, version):
    """Could break: a fresh id without a transactional id, epoch 0; ids that the client brings along."""
    compare(desks, lambda d: d.ask("InitProducerId", version, TransactionalId=None, TransactionTimeoutMs=60_000))
    if version >= 3:
        compare(
            desks,
            lambda d: d.ask(
                "InitProducerId",
                version,
                TransactionalId=None,
                TransactionTimeoutMs=60_000,
                ProducerId=5,
                ProducerEpoch=-1,
            ),
        )
        compare(desks, lambda d: d.ask("InitProducerId", version, TransactionalId="", TransactionTimeoutMs=60_000))


def listed(desk, version):
    """{key: (first, last)} of the versions that ApiVersions lists."""
    body = {"ClientSoftwareName": "conformance", "ClientSoftwareVersion": "1"} if version >= 3 else {}
    answer = desk.ask("ApiVersions", version, **body)
    assert answer["ErrorCode"] == 0
    return {api["ApiKey"]: (api["MinVersion"], api["MaxVersion"]) for api in answer["ApiKeys"]}


@pytest.mark.parametrize("version", range(5))
def test_api_versions_has_kafkas_ranges(desks, version):
    """Could break: an API listed with other versions than Kafka's; fewer APIs than Kafka's are no fault here."""
    kafkas, ours = [listed(d, version) for d in desks]
    assert ours == {k: kafkas.get(k) for k in ours}


def documented(column):
    """{key: (first, last)} as docs/protocol.md has it of "Takhin" or of "Kafka"."""
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
    found = {}
    for key, name, *versions in re.findall(
        r"^\| (\d+) \| (\w+) \| ([\d–]+|none) \| ([\d–]+|none) \|", page, re.MULTILINE
    ):
        assert API[name].key == int(key)
        said = dict(zip(("Takhin", "Kafka"), versions, strict=True))[column]
        if said != "none":
            first, _, last = said.partition("–")
            found[int(key)] = int(first), int(last or first)
    return found


def test_the_documentation_lists_what_both_brokers_list(desks, broker):
    """Could break: a table from definitions; a broker may list fewer, or others."""
    kafkas, ours = [listed(d, 4) for d in desks]
    assert documented("Kafka") == kafkas
    assert documented("Kafka" if broker.kind == "kafka" else "Takhin") == ours


def header(key, version, correlation_id=77, client=b"\0\x01x"):
    return struct.pack(">hhi", key, version, correlation_id) + client


FRAMES = {
    "api versions 99": header(18, 99),
    "api versions 99 and more": header(18, 99) + b"\0" * 40,
    "api versions 32767": header(18, 32767),
    "api versions 3 with an empty name": header(18, 3) + b"\0\x01\x01\0",
    "api versions 3 with a bad name": header(18, 3) + b"\0\x03@!\x02x\0",
    "api versions -1": header(18, -1),
    "an unknown key": header(999, 0),
    "a negative key": header(-1, 0),
    "produce 2": header(0, 2) + struct.pack(">hii", 1, 1000, 0),
    "produce 99": header(0, 99),
    "fetch 3": header(1, 3) + b"\0" * 20,
    "metadata 99": header(3, 99),
    "metadata without a body": header(3, 1),
    "metadata with 2^31-1 topics": header(3, 1) + struct.pack(">i", 2**31 - 1),
    "metadata with bytes left over": header(3, 1) + struct.pack(">i", 0) + b"left over",
    "half a header": b"\0\x03\0",
    "nothing": b"",
    "a client id that is longer than the frame": header(3, 1, client=b"\x7f\xff"),
    "a client id that is not utf-8": header(3, 1, client=b"\0\x02\xff\xfe") + struct.pack(">i", 0),
    "no client id": header(18, 0, client=b"\xff\xff"),
    "another protocol": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("what", FRAMES)
def test_an_odd_frame_is_answered_or_closed_as_kafka_does(desks, what):
    """Could break: an answer in a version that the client can't read, or a connection left hanging."""

    def question(desk):
        answer = desk.frame(FRAMES[what])
        if isinstance(answer, str) or not what.startswith("api versions"):
            return answer if isinstance(answer, str) else "answered"
        version = 3 if what.startswith("api versions 3 ") else 0
        decoded = API["ApiVersions"].decode(version, answer)[1]
        if decoded["ErrorCode"] == 35:
            return 35, [a for a in decoded["ApiKeys"] if a["ApiKey"] == 18]
        return decoded["ErrorCode"]

    compare(desks, question)
