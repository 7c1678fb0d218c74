"""What is deleted by age and size: Kafka's rule, the space that comes back, and readers that get exact records meanwhile."""

import random
import threading
import time

import pytest
import raw
from topics import as_sent, create, list_offsets

OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC, UNKNOWN_TOPIC_ID = 1, 3, 100
# Kafka's own tests make small segments with it.
SEGMENT = ("internal.segment.bytes", "2200")
# 1,070 bytes: two of them fill a segment.
BIG = b"z" * 1000


@pytest.fixture
def eager(start_broker):
    """A broker that looks for what is to be deleted five times a second."""
    settings = {"num.partitions": 1, "log.retention.check.interval.ms": 200}
    if start_broker.kind == "kafka":
        settings["log.initial.task.delay.ms"] = 200
    return start_broker(settings)


def bounds(connection, topic, partition=0):
    return [list_offsets(connection, topic, [partition], t)[0]["Offset"] for t in (-2, -1)]


def wait_for(what, expected, seconds=30):
    deadline = time.monotonic() + seconds
    while (found := what()) != expected:
        assert time.monotonic() < deadline, f"{found}, not {expected}, after {seconds} s"
        time.sleep(0.05)


def size_of(connection, topic):
    """Bytes of partition 0, as DescribeLogDirs says."""
    asked = [{"Topic": topic, "Partitions": [0]}]
    answer = connection.ask("DescribeLogDirs", 4, Topics=asked)
    return answer["Results"][0]["Topics"][0]["Partitions"][0]["PartitionSize"]


def test_a_log_keeps_at_least_its_bytes_in_whole_segments(eager, topic_name):
    """Could break: one segment too many, or none because the records were in memory when retention looked."""
    topics = {
        create(eager, topic_name(), configs=[("retention.bytes", str(kept)), SEGMENT, *as_sent(eager)]): first
        for kept, first in ((5000, 4), (5350, 4), (5351, 2), (0, 9), (-1, 0))
    }
    with raw.Connection(eager) as connection:
        for topic in topics:
            for _ in range(9):
                assert raw.produce(connection, topic, raw.batch([BIG]))["ErrorCode"] == 0
        for topic, first in topics.items():
            wait_for(lambda t=topic: bounds(connection, t), [first, 9])
            left = []
            while first + len(left) < 9:
                # Apache Kafka ends an answer at the end of a segment.
                left += raw.records(raw.fetch(connection, topic, first + len(left))["Records"])
            assert [offset for offset, _ in left] == list(range(first, 9))
            if first:
                gone = raw.fetch(connection, topic, first - 1)
                assert (gone["ErrorCode"], gone["Records"] or b"") == (OFFSET_OUT_OF_RANGE, b"")
        # Nothing more goes in peace.
        time.sleep(1)
        assert {t: bounds(connection, t) for t in topics} == {t: [first, 9] for t, first in topics.items()}


def test_records_go_when_they_are_old_and_their_space_comes_back(eager, topic_name):
    """Could break: the segment that is appended to stays for ever, or what is young goes with it."""
    now = int(time.time() * 1000)
    old = create(eager, topic_name(), configs=[("retention.ms", "2000"), SEGMENT, *as_sent(eager)])
    mixed = create(eager, topic_name(), configs=[("retention.ms", "3600000"), SEGMENT, *as_sent(eager)])
    compacted = create(eager, topic_name(), configs=[("retention.ms", "1"), ("cleanup.policy", "compact")])
    with raw.Connection(eager) as connection:
        for i in range(9):
            assert raw.produce(connection, old, raw.batch([BIG], timestamp=now))["ErrorCode"] == 0
            # The fifth is young: its segment stays, and all behind it.
            at = now if i == 4 else now - 3_700_000
            assert raw.produce(connection, mixed, raw.batch([BIG], timestamp=at))["ErrorCode"] == 0
        with_key = raw.batch([b"v"], records=raw.record(0, b"k", b"v"), timestamp=now - 3_700_000)
        assert raw.produce(connection, compacted, with_key)["ErrorCode"] == 0
        wait_for(lambda: bounds(connection, old), [9, 9])
        wait_for(lambda: bounds(connection, mixed), [4, 9])
        assert bounds(connection, compacted) == [0, 1]
        wait_for(lambda: size_of(connection, old), 0)
        assert size_of(connection, mixed) == 5 * len(raw.batch([BIG]))
        if eager.kind == "takhin":
            # No partition but these two has anything left: what is on disk is theirs.
            wait_for(lambda: len(list(eager.data_dir.glob("partitions/*/*.log"))), 4)
        # The log goes on where it ended.
        assert raw.produce(connection, old, raw.batch([b"new"], timestamp=now + 60_000))["BaseOffset"] == 9
        assert raw.records(raw.fetch(connection, old, 9)["Records"]) == [(9, b"new")]


def test_segments_roll_by_the_records_time(eager, topic_name):
    """Could break: time is that of the records, counted from the largest of the segment's first batch; old ones roll nothing."""
    topic = create(eager, topic_name(), configs=[("segment.ms", "1000")])
    with raw.Connection(eager) as connection:
        for later in (0, 500, 1000, 1001, 1002, 2001, 2002, 2003, -5000, 3003, 3004):
            assert raw.produce(connection, topic, raw.batch([b"q"], timestamp=raw.BASE + later))["ErrorCode"] == 0
    # The broker has no other topic.
    where = "partitions/*/*.log" if eager.kind == "takhin" else f"{topic}-0/*.log"
    wait_for(lambda: sorted(int(f.stem) for f in eager.data_dir.glob(where)), [0, 3, 6, 9])


class Reader(threading.Thread):
    """Reads from anywhere, again and again: what comes is exact, what does not come is gone for good."""

    def __init__(self, broker, topic, seed):
        super().__init__(name=f"reader-{seed}")
        self.broker, self.topic, self.chance = broker, topic, random.Random(seed)
        self.stopping = threading.Event()
        self.errors, self.reads, self.missed = [], 0, 0

    def run(self):
        try:
            with raw.Connection(self.broker) as connection:
                while not self.stopping.is_set():
                    self._read_on(connection)
        except Exception as e:
            self.errors.append(f"{self.name}: {e!r}")

    def _read_on(self, connection):
        first, end = bounds(connection, self.topic)
        offset = self.chance.randint(max(first - 3, 0), end)
        for _ in range(20):
            answer = raw.fetch(
                connection, self.topic, offset, max_wait_ms=20, partition_bytes=self.chance.choice([1, 2000, 1 << 20])
            )
            if answer["ErrorCode"] == OFFSET_OUT_OF_RANGE:
                start = bounds(connection, self.topic)[0]
                assert offset < start, f"{offset} is out of range, and the log starts at {start}"
                self.missed += 1
                return
            assert answer["ErrorCode"] == 0, answer
            found = [r for r in raw.records(answer["Records"] or b"") if r[0] >= offset]
            assert [o for o, _ in found] == list(range(offset, offset + len(found))), f"a gap behind {offset}"
            for o, value in found:
                assert value.startswith(b"%d:" % o), f"offset {o} holds {value[:20]}"
            self.reads += len(found)
            offset += len(found)


def test_readers_get_exact_records_while_records_are_deleted(eager, topic_name, long_form):
    """Could break: a reader between view and file, a batch that moves from memory into a segment, an error that is stale."""
    topic = create(eager, topic_name(), configs=[("retention.bytes", "40000"), ("internal.segment.bytes", "9000")])
    readers = [Reader(eager, topic, seed) for seed in range(3)]
    chance = random.Random(17)
    with raw.Connection(eager) as connection:
        end, deleted = 0, 0
        assert raw.produce(connection, topic, raw.batch([b"0:"]))["BaseOffset"] == 0
        for r in readers:
            r.start()
        deadline = time.monotonic() + (60 if long_form else 6)
        end = 1
        while time.monotonic() < deadline and all(r.is_alive() for r in readers):
            values = [b"%d:" % (end + i) + BIG[: chance.randint(0, 300)] for i in range(chance.randint(1, 5))]
            assert raw.produce(connection, topic, raw.batch(values))["BaseOffset"] == end
            end += len(values)
            if chance.randrange(40) == 0:
                first, _ = bounds(connection, topic)
                wanted = chance.randint(first, end)
                deleted = raw.delete_records(connection, topic, wanted)
                assert (deleted["ErrorCode"], deleted["LowWatermark"] >= wanted) == (0, True), deleted
        for r in readers:
            r.stopping.set()
        for r in readers:
            r.join()
        assert [e for r in readers for e in r.errors] == []
        assert bounds(connection, topic)[0] > 0
        assert min(r.reads for r in readers) > 0
        print("records read", [r.reads for r in readers], "out of range", [r.missed for r in readers])


class IdReader(threading.Thread):
    """Fetches by topic id from topics that are deleted meanwhile."""

    def __init__(self, broker, topics, allowed, seed):
        super().__init__(name=f"id-reader-{seed}")
        self.broker, self.topics, self.allowed, self.chance = broker, topics, allowed, random.Random(seed)
        self.stopping = threading.Event()
        self.errors, self.codes = [], {}

    def run(self):
        try:
            with raw.Connection(self.broker) as connection:
                while not self.stopping.is_set():
                    self._read(connection)
        except Exception as e:
            self.errors.append(f"{self.name}: {e!r}")

    def _read(self, connection):
        number = self.chance.randrange(max(len(self.topics) - 4, 0), len(self.topics))
        topic = self.topics[number]
        offset, was_deleted = self.chance.randint(0, topic["end"]), topic["is_deleted"]
        answer = connection.ask(
            "Fetch",
            13,
            ReplicaId=-1,
            MaxWaitMs=self.chance.choice([0, 50]),
            MinBytes=1,
            MaxBytes=1 << 20,
            SessionEpoch=-1,
            Topics=[
                {
                    "TopicId": topic["id"],
                    "Partitions": [
                        {"Partition": 0, "FetchOffset": offset, "PartitionMaxBytes": 1 << 20, "CurrentLeaderEpoch": -1}
                    ],
                }
            ],
        )["Responses"]
        found = answer[0]["Partitions"][0] if answer else {"ErrorCode": 0, "Records": None}
        code, records = found["ErrorCode"], raw.records(found["Records"] or b"")
        self.codes[code] = self.codes.get(code, 0) + 1
        assert code in ({UNKNOWN_TOPIC_ID} if was_deleted else {0, *self.allowed}), (code, was_deleted)
        for at, value in records:
            assert value == b"%d:%d" % (number, at), f"topic {number} has {value} at {at}"


def test_nobody_sees_the_records_of_a_topic_that_was_deleted(eager, topic_name, long_form):
    """Could break: a topic that is made again under its name finds old files, a waiting fetch never ends, an error is stale."""
    name, topics = topic_name(), []
    # Whoever asked before the deletion was answered may be told that the partition is gone; Apache Kafka has one more way.
    allowed = {UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC} | ({6} if eager.kind == "kafka" else set())
    readers = [IdReader(eager, topics, allowed, seed) for seed in range(3)]
    chance = random.Random(23)
    with raw.Connection(eager) as connection:
        deadline = time.monotonic() + (60 if long_form else 5)
        while time.monotonic() < deadline:
            create(eager, name, configs=[("internal.segment.bytes", "3000")])
            topic = connection.ask("Metadata", 12, Topics=[{"Name": name}])["Topics"][0]
            topics.append({"id": topic["TopicId"], "end": 0, "is_deleted": False})
            if len(topics) == 1:
                for r in readers:
                    r.start()
            for _ in range(chance.randint(1, 120)):
                end = topics[-1]["end"]
                values = [b"%d:%d" % (len(topics) - 1, end + i) for i in range(5)]
                assert raw.produce(connection, name, raw.batch(values))["BaseOffset"] == end
                topics[-1]["end"] = end + 5
            answer = connection.ask("DeleteTopics", 5, TimeoutMs=5000, TopicNames=[name])["Responses"][0]
            assert answer["ErrorCode"] == 0
            topics[-1]["is_deleted"] = eager.kind == "takhin"
        for r in readers:
            r.stopping.set()
        for r in readers:
            r.join()
    assert [e for r in readers for e in r.errors] == []
    print("topics", len(topics), "answers", [r.codes for r in readers])
