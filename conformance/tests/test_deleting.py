"""Where a log begins and ends: DeleteRecords, OffsetForLeaderEpoch, ListOffsets and DescribeLogDirs, beside Apache Kafka."""

import os

import pytest
import raw
from desk import compare
from waiting import wait_for

BATCH = raw.batch([b"a", b"b", b"c"])
MAX_TIMESTAMP, SPECIAL = -3, [-1, -2, -4, -5, -6]


def filled(desk, configs=()):
    """A topic of two partitions, nine records in three batches in the first, the last three the youngest."""
    topic = desk.fresh_topic(2, configs)
    for later in (0, 1000, 2000):
        records = b"".join(raw.record(i, b"k", b"v") for i in range(3))
        batch = raw.batch([b""] * 3, records=records, timestamp=raw.BASE + later)
        assert raw.produce(desk.connection, topic, batch)["ErrorCode"] == 0
    return topic


def delete(topic, partitions, version=2, timeout_ms=5000):
    return {
        "api": "DeleteRecords",
        "version": version,
        "TimeoutMs": timeout_ms,
        "Topics": [{"Name": topic, "Partitions": [{"PartitionIndex": p, "Offset": o} for p, o in partitions]}],
    }


DELETES = {
    **{f"version {v}": lambda t, v=v: delete(t, [(0, 4)], v) for v in range(3)},
    "nothing": lambda t: delete(t, [(0, 0)]),
    "the end": lambda t: delete(t, [(0, 9)]),
    "the high watermark": lambda t: delete(t, [(0, -1), (1, -1)]),
    "beyond the end": lambda t: delete(t, [(0, 10)]),
    "-2": lambda t: delete(t, [(0, -2)]),
    "a long way down": lambda t: delete(t, [(0, -(1 << 62))]),
    "unknown partitions": lambda t: delete(t, [(7, 0), (-1, 0), (0, 3)]),
    "an unknown topic": lambda _: delete("not-there", [(0, 0)]),
    "a bad name": lambda _: delete("a/b", [(0, 0)]),
    "a partition twice": lambda t: delete(t, [(0, 3), (0, 2)]),
    "a partition twice, once wrong": lambda t: delete(t, [(0, 4), (0, 99)]),
    "a topic twice": lambda t: {
        **delete(t, []),
        "Topics": delete(t, [(0, 4)])["Topics"] + delete(t, [(1, 0)])["Topics"],
    },
    "no partition": lambda t: delete(t, []),
    "no topic": lambda t: {**delete(t, []), "Topics": []},
    "no time": lambda t: delete(t, [(0, 5)], timeout_ms=0),
    "a negative time": lambda t: delete(t, [(0, 5)], timeout_ms=-1),
}


def offsets(desk, topic, times):
    """What ListOffsets says of partition 0."""
    return [
        desk.ask(
            "ListOffsets",
            11,
            ReplicaId=-1,
            Topics=[{"Name": topic, "Partitions": [{"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": t}]}],
        )
        for t in times
    ]


def fetch_code(desk, topic, offset):
    answer = raw.fetch(desk.connection, topic, offset, max_wait_ms=20)
    return answer["ErrorCode"], [r for r in raw.records(answer["Records"] or b"") if r[0] >= offset]


@pytest.mark.parametrize("what", DELETES)
def test_deleting_records_is_answered_as_kafka_answers_it(desks, what):
    """Could break: an offset that is none of the log's is taken, and what is deleted is still found."""

    def question(desk):
        topic = filled(desk)
        answer = desk.ask(**DELETES[what](topic))
        times = [*SPECIAL, 0, *(raw.BASE + t for t in (0, 1, 1000, 1001, 2000, 2001))]
        found = offsets(desk, topic, times), [fetch_code(desk, topic, o) for o in range(11)]
        return str((answer, *found)).replace(topic, "TOPIC")

    compare(desks, question)


def test_records_of_an_internal_topic_are_not_deleted(desks):
    """Could break: an administrator's request that takes groups' offsets away."""

    def question(desk):
        asked = {"KeyType": 0, "CoordinatorKeys": ["any"]}
        wait_for(lambda: desk.ask("FindCoordinator", 4, **asked)["Coordinators"][0]["ErrorCode"] == 0)
        return desk.ask(**delete("__consumer_offsets", [(0, 0), (9999, 0)]))

    compare(desks, question)


def test_deleting_again_goes_forward_only(desks):
    """Could break: a late request brings deleted offsets back."""

    def question(desk):
        topic = filled(desk)
        answers = [raw.delete_records(desk.connection, topic, o) for o in (4, 2, 0, 4, 5, 9, -1, 3)]
        assert raw.produce(desk.connection, topic, BATCH)["BaseOffset"] == 9
        answers.append(raw.delete_records(desk.connection, topic, -1))
        return answers, str(offsets(desk, topic, SPECIAL)).replace(topic, "TOPIC")

    compare(desks, question)


@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete", ""])
def test_records_of_a_compacted_topic_are_not_deleted(desks, policy):
    """Could break: compaction alone keeps the last of each key; the policy is looked at before the offset is."""

    def question(desk):
        topic = filled(desk, [("cleanup.policy", policy)])
        return [raw.delete_records(desk.connection, topic, o) for o in (3, -5, 100)]

    compare(desks, question)


@pytest.mark.parametrize("log_start", [0, 3, 4, 7])
def test_the_largest_timestamp_is_found_while_its_records_are_left(desks, log_start):
    """Could break: the log start cuts the batch or the segment in which it is."""

    def question(desk):
        topic = filled(desk)
        raw.delete_records(desk.connection, topic, log_start)
        found = desk.ask(
            "ListOffsets",
            7,
            ReplicaId=-1,
            Topics=[
                {
                    "Name": topic,
                    "Partitions": [{"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": MAX_TIMESTAMP}],
                }
            ],
        )["Topics"][0]["Partitions"][0]
        # Kafka names the first that ever had it, deleted or not; here it is the first that is left.
        return found["ErrorCode"], found["Timestamp"] - raw.BASE, max(found["Offset"], log_start)

    assert compare(desks, question) == (0, 2000, max(6, log_start))


def epochs(topic, asked, version=4):
    partitions = [{"Partition": p, "CurrentLeaderEpoch": c, "LeaderEpoch": e} for p, c, e in asked]
    replica = {"ReplicaId": -1} if version >= 3 else {}
    return {
        "api": "OffsetForLeaderEpoch",
        "version": version,
        **replica,
        "Topics": [{"Topic": topic, "Partitions": partitions}],
    }


EPOCHS = {
    **{f"version {v}": lambda t, v=v: epochs(t, [(0, -1, 0), (1, -1, 0)], v) for v in range(2, 5)},
    "to come": lambda t: epochs(t, [(0, -1, 1), (0, -1, 2**31 - 1)]),
    "none": lambda t: epochs(t, [(0, -1, -1)]),
    "negative": lambda t: epochs(t, [(0, -1, -2), (1, -1, -(2**31))]),
    "the current one is known": lambda t: epochs(t, [(0, 0, 0)]),
    "the current one is newer": lambda t: epochs(t, [(0, 1, 0)]),
    "the current one is older": lambda t: epochs(t, [(0, -2, 0)]),
    "unknown partitions": lambda t: epochs(t, [(7, -1, 0), (-1, -1, 0), (0, -1, 0)]),
    "an unknown topic": lambda _: epochs("not-there", [(0, -1, 0)]),
    "a bad name": lambda _: epochs("a/b", [(0, -1, 0)]),
    "a partition twice": lambda t: epochs(t, [(0, -1, 0), (0, -1, 5)]),
    "a topic twice": lambda t: {
        **epochs(t, []),
        "Topics": epochs(t, [(0, -1, 0)])["Topics"] + epochs(t, [(1, -1, 0)])["Topics"],
    },
    "no partition": lambda t: epochs(t, []),
    "a replica": lambda t: {**epochs(t, [(0, -1, 0)]), "ReplicaId": 5},
}


@pytest.mark.parametrize("what", EPOCHS)
@pytest.mark.parametrize("log_start", [0, 4, 9])
def test_the_end_of_an_epoch_is_answered_as_kafka_answers_it(desks, what, log_start):
    """Could break: a consumer truncates by this answer; a log that has forgotten its beginning still has its epoch."""

    def question(desk):
        topic = filled(desk)
        raw.delete_records(desk.connection, topic, log_start)
        return str(desk.ask(**EPOCHS[what](topic))).replace(topic, "TOPIC")

    compare(desks, question)


@pytest.mark.parametrize("version", range(1, 6))
def test_log_dirs_are_described_as_kafka_describes_them(desks, version):
    """Could break: what is not there is left out, not in error; a size is that of the batches."""

    def question(desk):
        topic = filled(desk)
        some = desk.ask(
            "DescribeLogDirs",
            version,
            Topics=[
                {"Topic": topic, "Partitions": [0, 9]},
                {"Topic": "not-there", "Partitions": [0]},
                {"Topic": topic, "Partitions": [1, 0]},
            ],
        )
        none = desk.ask("DescribeLogDirs", version, Topics=[{"Topic": topic, "Partitions": []}])
        everything = desk.ask("DescribeLogDirs", version, Topics=None)
        mine = [t for t in everything["Results"][0]["Topics"] if t["Name"] == topic]
        return str((some, none, mine)).replace(topic, "TOPIC")

    compare(desks, question)


def test_log_dirs_name_the_data_directory_and_its_file_system(broker):
    """Could break: tools show free space in percent of the total."""
    with raw.Connection(broker) as connection:
        found = connection.ask("DescribeLogDirs", 5, Topics=[])["Results"][0]
    system = os.statvfs(broker.data_dir)
    assert found["LogDir"] == str(broker.data_dir)
    assert found["TotalBytes"] == system.f_blocks * system.f_frsize
    assert 0 < found["UsableBytes"] <= found["TotalBytes"]
