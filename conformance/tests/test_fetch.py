"""Fetching: waiting for data, limits in bytes, sessions, many partitions and many topics."""

import bisect
import random
import socket
import struct
import threading
import time
from pathlib import Path

import confluent_kafka
import pytest
import raw
from clients import CONFLUENT, JAVA, JAVA_OLD, Record, consumed
from topics import as_sent, create, wait_ready


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


def test_sessions_may_be_switched_off(start_broker, topic_name):
    """Could break: a client that is given no session asks for everything each time (session id 0)."""
    broker = start_broker({"max.incremental.fetch.session.cache.slots": 0})
    topic = create(broker, topic_name(), partitions=2)
    with raw.Connection(broker) as connection:
        for _ in range(2):
            session = Session(connection)
            assert len(session.fetch([(topic, p, 0) for p in range(2)])) == 2
            assert session.id == 0


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


# Batches of every kind of length: what a broker copies, what it shares, what spans its buffers.
COUNTS = [3, 5, 1, 40]
VALUES = [bytes([n]) * size for n, size in enumerate([1, 900, 30_000, 9])]
TEMPLATES = [raw.batch([value] * count) for value, count in zip(VALUES, COUNTS, strict=True)]


class Expected:
    """What is at each offset when the templates are written in turn."""

    def __init__(self, batches, *, merged):
        self.merged, self.starts, offset = merged, [], 0
        for i in range(batches):
            self.starts.append(offset)
            offset += COUNTS[i % len(COUNTS)]
        self.number = {start: i for i, start in enumerate(self.starts)}
        self.end = offset

    def check(self, data, start):
        """`data` answers a fetch from `start`: whole batches in order; where it ends."""
        return self._check_records(data, start) if self.merged else self._check_batches(data, start)

    def _check_records(self, data, start):
        found = raw.records(data, checked=False)
        if not found:
            assert not data
            return start
        first, end = found[0][0], found[-1][0] + 1
        assert first <= start < end and [offset for offset, _ in found] == list(range(first, end))
        i = bisect.bisect_right(self.starts, first) - 1
        for offset, value in found:
            i += i + 1 < len(self.starts) and offset >= self.starts[i + 1]
            assert value == VALUES[i % len(VALUES)], f"another record at offset {offset}"
        return end

    def _check_batches(self, data, start):
        """Byte for byte what was sent, but for offset and epoch."""
        at, next_offset = 0, None
        while at < len(data):
            base, length = struct.unpack_from(">qi", data, at)
            i = self.number[base]
            end = at + 12 + length
            sent = TEMPLATES[i % len(TEMPLATES)]
            assert (data[at + 8 : at + 12], data[at + 16 : end]) == (sent[8:12], sent[16:]), (
                f"batch {i} at offset {base}"
            )
            after = base + COUNTS[i % len(COUNTS)]
            assert base == next_offset if next_offset is not None else base <= start < after, (start, base)
            at, next_offset = end, after
        return start if next_offset is None else next_offset


@pytest.mark.parametrize("merged", [True, False], ids=["merged", "as sent"])
def test_readers_at_every_position_while_tails_move_into_segments(broker, topic_name, merged, long_form):
    """Could break: a read that begins in a segment and ends in memory, just when the one becomes the other."""
    topic = create(broker, topic_name(), configs=[] if merged else as_sent(broker))
    expected = Expected(8000 if long_form else 1600, merged=merged)
    written, failures = [0], []

    def write():
        with raw.Connection(broker) as connection:
            for i, start in enumerate(expected.starts):
                answer = raw.produce(connection, topic, TEMPLATES[i % len(TEMPLATES)])
                assert (answer["ErrorCode"], answer["BaseOffset"]) == (0, start)
                written[0] = start + COUNTS[i % len(COUNTS)]
                time.sleep(0.001)

    def read(seed):
        dice = random.Random(seed)
        with raw.Connection(broker) as connection:
            while written[0] < expected.end:
                start = dice.choice([0, dice.randrange(written[0] + 1), max(0, written[0] - dice.randrange(200))])
                limit = dice.choice([1, 3000, 100_000, 1 << 20, 50 << 20])
                answer = raw.fetch(connection, topic, start, max_wait_ms=0, partition_bytes=limit)
                assert answer["ErrorCode"] == 0
                end = expected.check(answer["Records"], start)
                assert end > start or start >= written[0] or start == answer["HighWatermark"]

    def follow():
        with raw.Connection(broker) as connection:
            offset = 0
            while offset < expected.end:
                answer = raw.fetch(connection, topic, offset, max_wait_ms=5000)
                offset = expected.check(answer["Records"], offset)

    def run(what, *of):
        try:
            what(*of)
        except BaseException as failure:
            failures.append(failure)
            written[0] = expected.end

    threads = [
        threading.Thread(target=run, args=x) for x in [(write,), (follow,), *((read, seed) for seed in range(4))]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


def test_a_slow_reader_of_much_gets_it_all_and_keeps_nobody_waiting(broker, topic_name):
    """Could break: partial writes within any piece of an answer, also after its records have left memory for a segment."""
    topic = create(broker, topic_name(), configs=as_sent(broker))
    expected = Expected(1200, merged=False)
    with raw.Connection(broker) as writer:
        for i in range(1200):
            raw.produce(writer, topic, TEMPLATES[i % len(TEMPLATES)])
    with raw.Connection(broker) as other, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(15)
        slow.connect(("127.0.0.1", broker.port))
        reader = raw.Connection.__new__(raw.Connection)
        reader.socket = slow
        asked = reader.send("Fetch", 12, **whole_fetch(topic))
        data = b""
        while len(data) < 4 or len(data) < 4 + struct.unpack_from(">i", data)[0]:
            part = slow.recv(len(data) % 3000 + 1 if len(data) < 60_000 else 1 << 20)
            assert part, "the broker closed it"
            data += part
            if len(data) < 60_000:
                begin = time.monotonic()
                raw.fetch(other, topic, 0, max_wait_ms=0, max_bytes=1)
                assert time.monotonic() - begin < 2
                time.sleep(0.05 if len(data) < 10_000 else 0)
        got, answer = raw.API["Fetch"].decode(12, data[4:])
        assert got == asked
        records = answer["Responses"][0]["Partitions"][0]["Records"]
        assert len(records) > 9_000_000 and expected.check(records, 0) == expected.end


def whole_fetch(topic):
    partition = {
        "Partition": 0,
        "FetchOffset": 0,
        "PartitionMaxBytes": 50 << 20,
        "CurrentLeaderEpoch": -1,
        "LastFetchedEpoch": -1,
        "LogStartOffset": -1,
    }
    limits = {"ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 1, "MaxBytes": 50 << 20, "SessionEpoch": -1}
    return {**limits, "Topics": [{"Topic": topic, "Partitions": [partition]}]}


def test_a_session_over_thousands_of_silent_partitions_tells_what_moves(broker, topic_name):
    """Could break: a partition that nobody visits any more because it was silent, or one that was forgotten and comes back."""
    count = 2000
    topic = create(broker, topic_name(), partitions=count)
    with raw.Connection(broker) as connection, raw.Connection(broker) as writer:
        session = Session(connection)
        assert len(session.fetch([(topic, p, 0) for p in range(count)])) == count
        offsets = [0] * count
        for round_ in range(40):
            assert session.fetch() == {}
            moved = sorted({(round_ * 37 + k * 611) % count for k in range(3)})
            late = threading.Timer(
                0.05, lambda moved=moved: [raw.produce(writer, topic, BATCH, partition=p) for p in moved]
            )
            late.start()
            seen, named = set(), []
            while seen < set(moved):
                got = session.fetch(named, max_wait_ms=5000)
                assert got, f"{set(moved) - seen} of round {round_} never came"
                named = []
                for (_, p), answer in got.items():
                    assert [b["base_offset"] for b in raw.batches(answer["Records"])] == [offsets[p]]
                    offsets[p] += 1
                    named.append((topic, p, offsets[p]))
                    seen.add(p)
            late.join()
            assert session.fetch(named) == {}
        # One that is forgotten says nothing more, until it is named again.
        assert session.fetch(forget=[(topic, 7)]) == {}
        raw.produce(writer, topic, BATCH, partition=7)
        assert session.fetch() == {}
        assert list(session.fetch([(topic, 7, offsets[7])])) == [(topic, 7)]


BATCH = raw.batch([b"x"])


def test_a_client_that_goes_while_its_fetch_waits_is_noticed(start_broker, topic_name):
    """Could break: nobody reads a connection while it waits; hundreds of gone clients would be kept for their whole wait."""
    if start_broker.kind != "takhin":
        pytest.skip("Kafka keeps them until the wait ends")
    # One of its own: other tests' connections go while these are counted.
    broker = start_broker()
    topic = create(broker, topic_name())
    before = sockets(broker)
    connections = [raw.Connection(broker) for _ in range(50)]
    for connection in connections:
        connection.send("Fetch", 12, **{**whole_fetch(topic), "MaxWaitMs": 60_000})
    deadline = time.monotonic() + 10
    while sockets(broker) < before + 50:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for connection in connections:
        connection.socket.close()
    while sockets(broker) > before:
        assert time.monotonic() < deadline, "gone clients are still held"
        time.sleep(0.01)
    # What was sent behind a fetch that waits is answered behind it.
    with raw.Connection(broker) as connection, raw.Connection(broker) as writer:
        first = connection.send("Fetch", 12, **{**whole_fetch(topic), "MaxWaitMs": 10_000})
        second = connection.send("Fetch", 12, **whole_fetch(topic))
        time.sleep(0.1)
        raw.produce(writer, topic, BATCH)
        for asked in (first, second):
            answer = connection.receive("Fetch", 12, asked)
            assert len(raw.batches(answer["Responses"][0]["Partitions"][0]["Records"])) == 1


def sockets(broker):
    """How many sockets the broker has open."""
    found = 0
    for fd in Path(f"/proc/{broker.pid}/fd").iterdir():
        try:
            found += str(fd.readlink()).startswith("socket:")
        except FileNotFoundError:
            pass
    return found


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
