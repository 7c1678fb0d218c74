"""librdkafka's consumers go over from the classic to the consumer protocol and back, one by one, while records are written."""

import time

import pytest
import raw
from confluent_kafka import KafkaException, Producer
from test_groups import FAST, committed, consumer
from topics import create

PARTITIONS = 6
GROUP_ID_NOT_FOUND = 69
# What a commit is refused with while a member has still to hear that the group has changed.
MOVED = {"ILLEGAL_GENERATION", "REBALANCE_IN_PROGRESS", "STALE_MEMBER_EPOCH", "UNKNOWN_MEMBER_ID", "_NO_OFFSET"}


class Rolling:
    """Three consumers of one group, polled in turn: what was written, what was read, what was committed."""

    def __init__(self, broker, topic, **settings):
        self.broker, self.topic, self.group, self.settings = broker, topic, f"{topic}-group", settings
        self.producer = Producer({"bootstrap.servers": broker.address, "linger.ms": 0})
        self.written = 0
        self.read, self.commits = set(), {}
        self.members = [self.come("classic") for _ in range(3)]

    def come(self, protocol):
        member = consumer(self.broker, self.group, protocol, **(self.settings if protocol == "classic" else {}))
        member.subscribe([self.topic])
        return member

    def write(self):
        self.producer.produce(self.topic, str(self.written).encode(), partition=self.written % PARTITIONS)
        self.producer.poll(0)
        self.written += 1

    def turn(self):
        """Everybody is given a chance to read one record, and commits it now and then."""
        for member in self.members:
            message = member.poll(0.01)
            if message is None or message.error():
                continue
            self.read.add((message.partition(), message.offset()))
            if len(self.read) % 7 == 0:
                self.commit(member, message)

    def commit(self, member, message):
        try:
            member.commit(message=message, asynchronous=False)
        except KafkaException as error:
            assert error.args[0].name() in MOVED, error
            return
        self.commits[message.partition()] = message.offset() + 1
        self.check_commits()

    def check_commits(self):
        """What was acknowledged stands, until a later commit of the same partition is."""
        found = committed(self.broker, self.group, self.topic, PARTITIONS)
        assert found == self.commits

    def until(self, what, seconds=30):
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, [[p.partition for p in m.assignment()] for m in self.members]
            self.write()
            self.turn()

    def is_shared(self):
        shares = [[p.partition for p in member.assignment()] for member in self.members]
        return sorted(p for share in shares for p in share) == list(range(PARTITIONS)) and all(map(len, shares))

    def replace(self, place, protocol):
        """One of them leaves and comes back; the others go on."""
        self.members[place].close()
        self.members[place] = self.come(protocol)

    def kind(self):
        with raw.Connection(self.broker) as connection:
            groups = connection.ask("ListGroups", 5)["Groups"]
        return next(of["GroupType"].lower() for of in groups if of["GroupId"] == self.group)

    def end(self):
        """Everything that was written is read."""
        self.producer.flush()
        deadline = time.monotonic() + 30
        while len(self.read) < self.written:
            assert time.monotonic() < deadline, f"{self.written - len(self.read)} records are never read"
            self.turn()
        assert self.commits
        self.check_commits()

    def close(self):
        for member in self.members:
            member.close()


@pytest.fixture
def rolling(start_broker, topic_name):
    started = []

    def start(**settings):
        broker = start_broker(FAST)
        started.append(Rolling(broker, create(broker, topic_name(), PARTITIONS), **settings))
        return started[0]

    yield start
    for group in started:
        group.close()


def test_three_members_go_over_and_come_back_while_records_are_written(rolling):
    """Could break: a partition that nobody reads or two read, a commit that is lost or goes back, on the way or after it."""
    group = rolling(partition_assignment_strategy="range")
    group.until(group.is_shared)
    kinds = []
    for protocol in ("consumer", "classic"):
        for place in range(3):
            group.replace(place, protocol)
            group.until(group.is_shared)
            kinds.append(group.kind())
    assert kinds == ["consumer"] * 5 + ["classic"]
    group.end()


def test_an_assignor_that_keeps_data_of_its_own_is_not_replaced(rolling):
    """Could break: members whose assignor would lose what it has written in assignments; they go on as they are."""
    group = rolling(partition_assignment_strategy="cooperative-sticky")
    group.until(group.is_shared)
    group.members.pop().close()
    group.until(group.is_shared)
    with raw.Connection(group.broker) as connection:
        of_member = {"MemberId": "m", "MemberEpoch": 0, "RebalanceTimeoutMs": 10_000, "TopicPartitions": []}
        of_member |= {"GroupId": group.group, "SubscribedTopicNames": [group.topic]}
        answer = connection.ask("ConsumerGroupHeartbeat", 1, **of_member)
    assert answer["ErrorCode"] == GROUP_ID_NOT_FOUND
    assert "custom assignor" in answer["ErrorMessage"]
    assert group.kind() == "classic"
    group.members.append(group.come("classic"))
    group.until(group.is_shared)
    group.end()
