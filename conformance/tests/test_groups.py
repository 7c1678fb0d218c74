"""Consumer groups with real clients: members that come and go, a broker that is killed, and what Kafka's own tools read of it."""

import random
import subprocess
import threading
import time
from collections import defaultdict

import pytest
import raw
import watch
from brokers import PEER, free_port
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from topics import create, end_offset

FAST = {
    "group.initial.rebalance.delay.ms": 0,
    "group.consumer.min.heartbeat.interval.ms": 500,
    "group.consumer.heartbeat.interval.ms": 500,
    "num.partitions": 6,
}
# What a client says of sessions and assignors is the broker's to say in the consumer protocol.
OF_CLASSIC = {
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 500,
    "partition.assignment.strategy": "range",
}


def consumer(broker, group, protocol="classic", **more):
    settings = {
        **(OF_CLASSIC if protocol == "classic" else {}),
        "group.protocol": protocol,
        "bootstrap.servers": broker.address,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "log_level": 0,
        **{k.replace("_", "."): v for k, v in more.items()},
    }
    return Consumer(settings)


def committed(broker, group, topic, partitions):
    """Offsets by partition, of those that have one."""
    asked = [{"Name": topic, "PartitionIndexes": list(range(partitions))}]
    with raw.Connection(broker) as connection:
        answer = connection.ask("OffsetFetch", 8, Groups=[{"GroupId": group, "Topics": asked}])["Groups"][0]
    assert answer["ErrorCode"] == 0, answer
    found = {p["PartitionIndex"]: p["CommittedOffset"] for t in answer["Topics"] for p in t["Partitions"]}
    return {p: o for p, o in found.items() if o >= 0}


class Fleet:
    """Consumers of one group that come and go, each on a thread: who owns what, what was read, what was committed."""

    def __init__(self, broker, topic, members, protocol):
        self.broker, self.topic, self.group = broker, topic, f"{topic}-group"
        self.protocol = protocol
        self.lock = threading.Lock()
        self.owners, self.read, self.last_commit = {}, defaultdict(int), {}
        self.wrong, self.ends = [], threading.Event()
        self.threads = [threading.Thread(target=self.live, args=(n,), daemon=True) for n in range(members)]

    def live(self, number):
        dice, life = random.Random(number), 0
        while not self.ends.is_set():
            life += 1
            me, stay = f"{number}.{life}", time.monotonic() + dice.uniform(1, 5)
            one = consumer(self.broker, self.group, self.protocol)
            one.subscribe([self.topic], on_assign=self.assigned(me), on_revoke=self.revoked(me))
            try:
                while time.monotonic() < stay and not self.ends.is_set():
                    self.take(one.consume(100, 0.2), one)
            except KafkaException as error:
                if not error.args[0].retriable() and error.args[0].code() not in TRANSIENT:
                    self.wrong.append(f"{me}: {error}")
            one.close()
            self.gone(me)

    def assigned(self, me):
        def on_assign(one, partitions):
            if self.protocol == "consumer":
                one.incremental_assign(partitions)
            with self.lock:
                for p in (p.partition for p in partitions):
                    if self.owners.get(p, me) != me:
                        self.wrong.append(f"partition {p} is given to {me} while {self.owners[p]} has it")
                    self.owners[p] = me

        return on_assign

    def revoked(self, me):
        def on_revoke(one, partitions):
            self.gone(me, {p.partition for p in partitions})
            if self.protocol == "consumer":
                one.incremental_unassign(partitions)

        return on_revoke

    def gone(self, me, partitions=None):
        """Before the broker hears of it."""
        with self.lock:
            gone = [p for p, owner in self.owners.items() if owner == me and (partitions is None or p in partitions)]
            for p in gone:
                del self.owners[p]

    def take(self, messages, one):
        good = [m for m in messages if m.error() is None]
        if not good:
            return
        with self.lock:
            for m in good:
                self.read[(m.partition(), m.offset())] += 1
        asked = {m.partition(): m.offset() + 1 for m in good}
        done = one.commit(offsets=[TopicPartition(self.topic, p, o) for p, o in asked.items()], asynchronous=False)
        with self.lock:
            for of in done:
                if of.error is None:
                    if of.offset < self.last_commit.get(of.partition, 0):
                        self.wrong.append(
                            f"partition {of.partition} was committed back from {self.last_commit[of.partition]}"
                        )
                    self.last_commit[of.partition] = of.offset


# A member that was between two generations commits again; a broker that is away comes back.
TRANSIENT = {
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._WAIT_COORD,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._NO_OFFSET,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_members_come_and_go_while_the_broker_is_killed(start_broker, topic_name, long_form, protocol):
    """Could break: a partition with two owners, a commit that is lost, a record that nobody reads, a group that gets stuck."""
    broker, topic = start_broker(FAST, port=free_port()), topic_name()
    create(broker, topic, partitions=6)
    fleet = Fleet(broker, topic, 4, protocol)
    producer = Producer({"bootstrap.servers": broker.address, "log_level": 0, "enable.idempotence": True})
    for thread in fleet.threads:
        thread.start()
    sent, kills, end = 0, 0, time.monotonic() + (240 if long_form else 25)
    next_kill = time.monotonic() + 5
    seen = {}
    while time.monotonic() < end:
        for _ in range(50):
            producer.produce(topic, value=str(sent), partition=sent % 6)
            sent += 1
        producer.flush(10)
        if time.monotonic() > next_kill:
            with fleet.lock:
                seen = dict(fleet.last_commit)
            broker.kill()
            broker.start()
            kills += 1
            next_kill = time.monotonic() + random.uniform(4, 8)
            now = committed_when_ready(broker, fleet.group, topic)
            assert all(now.get(p, 0) >= offset for p, offset in seen.items()), f"lost: {seen}, now {now}"
        time.sleep(0.05)
    assert producer.flush(30) == 0
    ends = {p: end_offset(broker, topic, p) for p in range(6)}
    assert sum(ends.values()) == sent
    deadline = time.monotonic() + 90
    while committed(broker, fleet.group, topic, 6) != ends:
        assert time.monotonic() < deadline, f"not all was read: {committed(broker, fleet.group, topic, 6)} of {ends}"
        time.sleep(0.2)
    fleet.ends.set()
    for thread in fleet.threads:
        thread.join(60)
    assert fleet.wrong == []
    assert kills >= 3
    missed = [(p, o) for p, e in ends.items() for o in range(e) if (p, o) not in fleet.read]
    assert missed == []


def committed_when_ready(broker, group, topic):
    """What is committed, once the broker has read its groups again."""
    for _ in range(200):
        try:
            return committed(broker, group, topic, 6)
        except AssertionError:
            time.sleep(0.05)
    raise AssertionError("the coordinator does not come back")


def test_a_group_shares_its_partitions_and_tells_who_has_what(start_broker, topic_name):
    """Could break: assignment, lag and members as an operator sees them, by our metrics and by Kafka's own tool."""
    broker, topic = start_broker(FAST), topic_name()
    create(broker, topic, partitions=6)
    producer = Producer({"bootstrap.servers": broker.address})
    for number in range(60):
        producer.produce(topic, value=str(number), partition=number % 6)
    producer.flush(10)
    group = f"{topic}-group"
    both = [consumer(broker, group, client_id=name) for name in ("one", "two")]
    for one in both:
        one.subscribe([topic])
    deadline = time.monotonic() + 30
    while [len(one.assignment()) for one in both] != [3, 3]:
        assert time.monotonic() < deadline, [one.assignment() for one in both]
        for one in both:
            one.poll(0.1)
    for one in both:
        one.commit(offsets=[TopicPartition(topic, p.partition, 4) for p in one.assignment()], asynchronous=False)
    page = watch.metrics(broker)
    assert watch.value(page, "takhin_consumer_group_members", group_id=group) == 2
    assert watch.value(page, "takhin_consumer_group_state", group_id=group, state="Stable") == 1
    assert watch.value(page, "takhin_consumer_group_lag_offsets", group_id=group, topic=topic, partition="3") == 6
    assert watch.value(page, "takhin_consumer_group_commits_total") == 6
    told = subprocess.run(
        [PEER / "bin" / "kafka-consumer-groups", "--bootstrap-server", broker.address, "--describe", "--group", group],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    rows = [line.split() for line in told.splitlines() if line.startswith(group)]
    assert [(r[1], int(r[2]), r[3], r[4], r[5]) for r in sorted(rows, key=lambda r: int(r[2]))] == [
        (topic, p, "4", "10", "6") for p in range(6)
    ]
    assert sorted({r[8] for r in rows}) == ["one", "two"]
    for one in both:
        one.close()


def test_what_a_group_keeps_survives_and_is_read_by_kafkas_formatter(start_broker, topic_name):
    """Could break: the log of a group's commits grows for ever, or loses something when it is rewritten; Kafka can't read it."""
    broker, topic = start_broker(FAST, port=free_port()), topic_name()
    create(broker, topic, partitions=6)
    group, topics = "kept", [{"Name": topic, "Partitions": []}]
    with raw.Connection(broker) as connection:
        connection.ask("FindCoordinator", 4, KeyType=0, CoordinatorKeys=[group])
        commits = 2000
        for number in range(1, commits + 1):
            topics[0]["Partitions"] = [
                {"PartitionIndex": p, "CommittedOffset": number * 10 + p, "CommittedMetadata": "m"} for p in range(6)
            ]
            body = {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": topics}
            connection.send("OffsetCommit", 8, **body)
            if number % 100 == 0:
                for _ in range(100):
                    connection.read_frame()
    expected = {p: commits * 10 + p for p in range(6)}
    deadline = time.monotonic() + 40
    while log_start(broker, "__consumer_offsets") == 0:
        assert time.monotonic() < deadline, "12,000 records of 6 offsets were not rewritten"
        time.sleep(0.2)
    assert committed(broker, group, topic, 6) == expected
    broker.kill()
    broker.start()
    assert committed_when_ready(broker, group, topic) == expected
    told = subprocess.run(
        [
            PEER / "bin" / "kafka-console-consumer",
            *("--bootstrap-server", broker.address, "--topic", "__consumer_offsets", "--from-beginning"),
            *("--formatter", "org.apache.kafka.tools.consumer.OffsetsMessageFormatter", "--timeout-ms", "5000"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout
    assert f'"topic":"{topic}","partition":5' in told, told[-500:]
    assert f'"offset":{expected[5]}' in told, told[-500:]


def log_start(broker, topic):
    """The largest log start of all partitions."""
    page = watch.metrics(broker)
    return max(n for labels, n in page["takhin_storage_log_start_offset"] if labels["topic"] == topic)


def test_thousands_join_one_group_at_once(start_broker, topic_name):
    """Could break: each member looks at all the others, or who gets nothing at first never does; and there is no end of them."""
    broker = start_broker({"group.consumer.max.size": 2000})
    topic, group = create(broker, topic_name(), partitions=500), "thousands"
    members = {(group, f"member-{n}"): (0, []) for n in range(2000)}
    first = {"RebalanceTimeoutMs": 60_000, "SubscribedTopicNames": [topic]}

    def is_shared():
        numbers = raw.partitions_of(members)
        return sorted(p for of in numbers for p in of) == list(range(500)) and max(map(len, numbers)) == 1

    raw.wait_for_coordinator(broker)
    with raw.Connection(broker, timeout=60) as connection:
        raw.beats(connection, members, **first)
        for _ in range(20):
            if is_shared():
                break
            raw.beats(connection, members)
        assert is_shared()
        one_more = {"GroupId": group, "MemberId": "one-more", "MemberEpoch": 0, "TopicPartitions": [], **first}
        answer = connection.ask("ConsumerGroupHeartbeat", 1, **one_more)
        assert (answer["ErrorCode"], answer["ErrorMessage"]) == (
            81,
            "The consumer group has reached its maximum capacity of 2000 members.",
        )


def test_assignors_that_the_operator_leaves(start_broker):
    """Could break: the first one is for whoever asks for none, and no other is to be had."""
    broker = start_broker({"group.consumer.assignors": "range"})
    raw.wait_for_coordinator(broker)
    asked = {"RebalanceTimeoutMs": 60_000, "SubscribedTopicNames": ["t"], "TopicPartitions": []}
    with raw.Connection(broker) as connection:
        for assignor, told in (
            (None, None),
            ("range", None),
            ("uniform", "ServerAssignor uniform is not supported. Supported assignors: range."),
        ):
            group = f"assigned-{assignor}"
            who = {"GroupId": group, "MemberId": "one", "MemberEpoch": 0, "ServerAssignor": assignor}
            answer = connection.ask("ConsumerGroupHeartbeat", 1, **who, **asked)
            assert (answer["ErrorCode"], answer["ErrorMessage"]) == (112 if told else 0, told)
        answer = connection.ask("ConsumerGroupDescribe", 1, GroupIds=["assigned-None", "assigned-range"])
        assert [g["AssignorName"] for g in answer["Groups"]] == ["range", "range"]


def test_ten_thousand_offsets_are_deleted(start_broker):
    """Could break: the records that delete them are more than a batch holds: a group or topic that nobody can delete."""
    broker = start_broker()
    topic = create(broker, "t" * 200, partitions=10_000)
    raw.wait_for_coordinator(broker)
    groups = ["first", "second"]
    with raw.Connection(broker) as connection:
        for group in groups:
            for begin in range(0, 10_000, 1000):
                numbers = range(begin, begin + 1000)
                offsets = [{"PartitionIndex": p, "CommittedOffset": p, "CommittedMetadata": ""} for p in numbers]
                who = {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": ""}
                told = connection.ask("OffsetCommit", 8, **who, Topics=[{"Name": topic, "Partitions": offsets}])
                assert {p["ErrorCode"] for p in told["Topics"][0]["Partitions"]} == {0}
        answer = connection.ask("DeleteGroups", 2, GroupsNames=["first"])
        assert [result["ErrorCode"] for result in answer["Results"]] == [0]
        assert [len(committed(broker, group, topic, 10_000)) for group in groups] == [0, 10_000]
        answer = connection.ask("DeleteTopics", 6, TimeoutMs=60_000, Topics=[{"Name": topic}])
        assert [response["ErrorCode"] for response in answer["Responses"]] == [0]
    assert [len(committed(broker, group, topic, 10_000)) for group in groups] == [0, 0]
    broker.kill()
    broker.start()
    raw.wait_for_coordinator(broker)
    assert [len(committed(broker, group, topic, 10_000)) for group in groups] == [0, 0]
    assert "too large" not in broker.log()
