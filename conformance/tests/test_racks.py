"""Where a broker stands (`broker.rack`): what clients are told, and what groups of the consumer protocol make of it."""

import raw
from brokers import free_port
from topics import create
from waiting import wait_for

# The coordinator loads, is not there yet, is another one.
SETTLING = (14, 15, 16)


class Member:
    """The one member of a group, which has both partitions of a topic."""

    def __init__(self, broker, topic):
        self.broker, self.topic, self.epoch, self.owned = broker, topic, 0, None

    def beat(self):
        with raw.Connection(self.broker) as connection:
            asked = connection.ask("Metadata", 12, Topics=[{"Name": self.topic}], AllowAutoTopicCreation=False)
            topic_id = asked["Topics"][0]["TopicId"]
            answer = connection.ask(
                "ConsumerGroupHeartbeat",
                1,
                GroupId="racks",
                MemberId="a",
                MemberEpoch=self.epoch,
                RebalanceTimeoutMs=60_000,
                SubscribedTopicNames=[self.topic],
                TopicPartitions=[{"TopicId": topic_id, "Partitions": self.owned}] if self.owned else [],
            )
            if answer["ErrorCode"] in SETTLING:
                # Whoever asks first has the topic of offsets made.
                connection.ask("FindCoordinator", 4, KeyType=0, CoordinatorKeys=["racks"])
                return None
        assert answer["ErrorCode"] == 0, answer
        self.epoch = answer["MemberEpoch"]
        if answer["Assignment"] is not None:
            self.owned = [p for of_topic in answer["Assignment"]["TopicPartitions"] for p in of_topic["Partitions"]]
        return self.epoch

    def comes_to(self, epoch):
        """Kafka computes at most once a second."""
        return wait_for(lambda: self.beat() == epoch and self.owned)


def racks(broker):
    """In the answers that name brokers."""
    with raw.Connection(broker) as connection:
        metadata = connection.ask("Metadata", 12, Topics=[], AllowAutoTopicCreation=False)
        cluster = connection.ask("DescribeCluster", 1)
    return [b["Rack"] for answer in (metadata, cluster) for b in answer["Brokers"]]


def test_a_broker_that_moves_to_another_rack_makes_another_epoch_of_its_groups(start_broker, topic_name):
    """Could break: clients that read from the nearest broker; a group's epoch, when a broker is started again as it was."""
    settings = {"offsets.topic.num.partitions": 1}
    broker, topic = start_broker({**settings, "broker.rack": "r1"}, port=free_port()), topic_name()
    create(broker, topic, partitions=2)
    assert racks(broker) == ["r1", "r1"]
    member = Member(broker, topic)
    assert member.comes_to(2) == [0, 1]
    for rack, epoch in [("r1", 2), ("r2", 3), (None, 4)]:
        broker.stop()
        broker.settings = settings | ({"broker.rack": rack} if rack else {})
        broker.start()
        assert racks(broker) == [rack, rack]
        assert member.comes_to(epoch) == [0, 1]
        assert member.beat() == epoch
