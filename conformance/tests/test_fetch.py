"""Fetching: waiting for data, limits in bytes, sessions, many partitions and many topics."""

import threading
import time

import confluent_kafka
import pytest
import raw
from clients import CONFLUENT, JAVA, JAVA_OLD, Record, consumed
from topics import create, wait_ready


def test_a_waiting_consumer_gets_a_record_at_once(broker, topic_name):
    """Could break: a produce has to wake the fetch that waits; fetch.wait.max.ms is 10 s here."""
    topic = create(broker, topic_name())
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "conformance",
            "fetch.wait.max.ms": 10_000,
            "enable.auto.commit": False,
            "socket.timeout.ms": 30_000,
        }
    )
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "linger.ms": 0})
    latencies = []
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        for i in range(8):
            assert consumer.poll(0.4) is None
            begin = time.monotonic()
            producer.produce(topic, b"%d" % i, partition=0)
            producer.poll(0)
            message = consumer.poll(9)
            latencies.append(time.monotonic() - begin)
            assert (message.offset(), message.value()) == (i, b"%d" % i)
            producer.flush(5)
    finally:
        consumer.close()
    assert sorted(latencies)[4] < 0.5 and max(latencies) < 3, latencies


def test_a_fetch_waits_for_min_bytes_or_for_its_time(broker, topic_name):
    """Could break: too few bytes are answered when the time is over, enough of them at once."""
    topic = create(broker, topic_name())
    with raw.Connection(broker) as reader, raw.Connection(broker) as writer:
        begin = time.monotonic()
        answer = raw.fetch(reader, topic, 0, max_wait_ms=700)
        assert 0.65 <= time.monotonic() - begin < 3
        assert (answer["ErrorCode"], answer["Records"], answer["HighWatermark"]) == (0, b"", 0)

        raw.produce(writer, topic, raw.batch([b"first"]))
        begin = time.monotonic()
        answer = raw.fetch(reader, topic, 0, max_wait_ms=700, min_bytes=1000)
        assert 0.65 <= time.monotonic() - begin < 3
        assert [b["base_offset"] for b in raw.batches(answer["Records"])] == [0]

        late = threading.Timer(0.3, raw.produce, (writer, topic, raw.batch([b"x" * 2000])))
        begin = time.monotonic()
        late.start()
        answer = raw.fetch(reader, topic, 0, max_wait_ms=10_000, min_bytes=1000)
        assert 0.25 <= time.monotonic() - begin < 5
        late.join()
        assert raw.batches(answer["Records"])[-1]["base_offset"] == 1
        assert answer["HighWatermark"] == 2


def test_max_bytes_is_kept_except_for_the_first_batch(broker, topic_name):
    """Could break: the first batch is always whole (KIP-74), what comes after it obeys the limits."""
    topic = create(broker, topic_name())
    with raw.Connection(broker) as connection:
        for _ in range(10):
            raw.produce(connection, topic, raw.batch([b"x" * 1000]))
        for limits in ({"max_bytes": 1}, {"partition_bytes": 1}):
            got = raw.batches(raw.fetch(connection, topic, 3, **limits)["Records"])
            assert got[0]["base_offset"] <= 3 <= got[0]["base_offset"] + got[0]["last_offset_delta"]
        for limits in ({"max_bytes": 3500}, {"partition_bytes": 3500}):
            data = raw.fetch(connection, topic, 0, **limits)["Records"]
            assert 1000 < len(data) <= 3500
        assert len(raw.fetch(connection, topic, 0)["Records"]) > 10_000


class Session:
    """An incremental fetch session (KIP-227), version 12."""

    def __init__(self, connection):
        self.connection, self.id, self.epoch = connection, 0, 0

    def fetch(self, partitions=(), forget=(), max_wait_ms=0):
        """`partitions` is (topic, partition, offset)...; returns {(topic, partition): answer}."""
        answer = self.connection.ask(
            "Fetch",
            12,
            ReplicaId=-1,
            MaxWaitMs=max_wait_ms,
            MinBytes=1,
            MaxBytes=1 << 20,
            SessionId=self.id,
            SessionEpoch=self.epoch,
            Topics=[
                {
                    "Topic": t,
                    "Partitions": [
                        {
                            "Partition": p,
                            "FetchOffset": o,
                            "PartitionMaxBytes": 1 << 20,
                            "CurrentLeaderEpoch": -1,
                            "LastFetchedEpoch": -1,
                            "LogStartOffset": -1,
                        }
                    ],
                }
                for t, p, o in partitions
            ],
            ForgottenTopicsData=[{"Topic": t, "Partitions": [p]} for t, p in forget],
        )
        assert answer["ErrorCode"] == 0, answer
        self.id, self.epoch = answer["SessionId"], self.epoch + 1
        return {(t["Topic"], p["PartitionIndex"]): p for t in answer["Responses"] for p in t["Partitions"]}


def test_a_session_returns_only_what_changed(broker, topic_name):
    """Could break: the partitions that are not named in a request stay in the session, forgotten ones leave it."""
    topic = create(broker, topic_name(), partitions=10)
    with raw.Connection(broker) as connection, raw.Connection(broker) as writer:
        session = Session(connection)
        assert len(session.fetch([(topic, p, 0) for p in range(10)])) == 10
        assert session.id != 0
        assert session.fetch() == {}
        raw.produce(writer, topic, raw.batch([b"a", b"b"]), partition=7)
        got = session.fetch(max_wait_ms=5000)
        assert list(got) == [(topic, 7)]
        assert raw.batches(got[topic, 7]["Records"])[0]["count"] == 2
        # The session does not move by itself: the same comes again until the consumer says where it is.
        assert list(session.fetch(max_wait_ms=5000)) == [(topic, 7)]
        assert session.fetch([(topic, 7, 2)]) == {}
        raw.produce(writer, topic, raw.batch([b"c"]), partition=3)
        raw.produce(writer, topic, raw.batch([b"c"]), partition=4)
        assert sorted(session.fetch(forget=[(topic, 3)])) == [(topic, 4)]
        raw.produce(writer, topic, raw.batch([b"d"]), partition=3)
        assert session.fetch([(topic, 4, 1)]) == {}


def test_a_session_that_does_not_exist_is_refused(broker, topic_name):
    """Could break: FETCH_SESSION_ID_NOT_FOUND (70) and INVALID_FETCH_SESSION_EPOCH (71) make a client start anew."""
    topic = create(broker, topic_name())
    with raw.Connection(broker) as connection:
        session = Session(connection)
        session.fetch([(topic, 0, 0)])
        ask = {"ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1000}
        assert (
            connection.ask("Fetch", 12, SessionId=session.id, SessionEpoch=session.epoch + 3, **ask)["ErrorCode"] == 71
        )
        assert connection.ask("Fetch", 12, SessionId=session.id ^ 0x5555, SessionEpoch=1, **ask)["ErrorCode"] == 70


@pytest.mark.parametrize("java", [JAVA, JAVA_OLD], ids=lambda j: j.version)
def test_java_follows_many_partitions_in_one_session(broker, topic_name, java):
    """Could break: the Java consumer names only what changed; here all but a few of 40 partitions are silent."""
    topic = create(broker, topic_name(), partitions=40)
    rounds = 12

    def write():
        for i in range(rounds):
            CONFLUENT.produce(broker, topic, [Record(b"%d" % i, b"round %d" % i)], partition=(i * 7) % 40)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        got = java.consume(broker, topic, rounds, partition=-1, config=["fetch.max.wait.ms=3000"])
    finally:
        writer.join()
    assert sorted((int(r.key), r.partition, r.offset) for r in got) == [(i, (i * 7) % 40, 0) for i in range(rounds)]


def test_one_consumer_reads_hundreds_of_partitions(broker, topic_name, long_form):
    """Could break: work that grows with the number of partitions, and partitions mixed up with one another."""
    partitions, each = (1000 if long_form else 200), 5
    topic = create(broker, topic_name(), partitions=partitions)
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "linger.ms": 20})
    for i in range(each):
        for p in range(partitions):
            producer.produce(topic, b"%d/%d" % (p, i), partition=p)
    assert producer.flush(60) == 0
    got = read_all(broker, [confluent_kafka.TopicPartition(topic, p, 0) for p in range(partitions)], partitions * each)
    for p in range(partitions):
        assert got[topic, p] == [(i, b"%d/%d" % (p, i)) for i in range(each)]


def test_one_client_writes_and_reads_a_hundred_topics(broker, topic_name):
    """Could break: topics created in one request, and one request with many topics in it."""
    names = [topic_name() for _ in range(100)]
    with raw.Connection(broker) as connection:
        made = connection.ask(
            "CreateTopics",
            7,
            TimeoutMs=30_000,
            Topics=[{"Name": n, "NumPartitions": 2, "ReplicationFactor": 1} for n in names],
        )["Topics"]
        assert {(t["Name"], t["ErrorCode"]) for t in made} == {(n, 0) for n in names}
        for name in names:
            wait_ready(connection, name, 2)
        listed = connection.ask("Metadata", 12, Topics=None)["Topics"]
        assert set(names) <= {t["Name"] for t in listed}
        assert len({t["TopicId"] for t in listed}) == len(listed)
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": broker.address, "linger.ms": 20, "enable.idempotence": True}
    )
    for i in range(10):
        for name in names:
            producer.produce(name, b"%s %d" % (name.encode(), i), partition=i % 2)
    assert producer.flush(60) == 0
    wanted = [confluent_kafka.TopicPartition(n, p, 0) for n in names for p in range(2)]
    got = read_all(broker, wanted, 1000)
    for name in names:
        for p in range(2):
            assert got[name, p] == [(i, b"%s %d" % (name.encode(), 2 * i + p)) for i in range(5)]


def read_all(broker, wanted, count, seconds=60):
    """{(topic, partition): [(offset, value)...]} of `count` records."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "conformance",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
    )
    got = {(w.topic, w.partition): [] for w in wanted}
    try:
        consumer.assign(wanted)
        deadline = time.monotonic() + seconds
        while sum(map(len, got.values())) < count and time.monotonic() < deadline:
            for message in consumer.consume(1000, 0.2):
                assert message.error() is None, message.error()
                read = consumed(message)
                got[message.topic(), read.partition].append((read.offset, read.value))
    finally:
        consumer.close()
    return got
