"""What the tests of `takhin group` share: records to read, members, and what the tools say, ours and Kafka's own."""

import contextlib
import json
import time

import confluent_kafka
from brokers import Takhin
from clients import CONFLUENT, JAVA, Record

CONSUMER_GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


def tool(broker, *arguments, status=0):
    """What `takhin …` prints; its complaint where it is to fail."""
    done = Takhin.tool(*arguments, "--bootstrap-server", broker.address, timeout=90)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stderr


def told(broker, *arguments):
    """The same as JSON."""
    return json.loads(tool(broker, *arguments, "--output", "json"))


def kafkas(broker, *arguments):
    """What Kafka's own kafka-consumer-groups prints."""
    status, out, err = JAVA.tool(CONSUMER_GROUPS, "--bootstrap-server", broker.address, *arguments)
    assert status == 0, (out, err)
    return out.decode()


def rows(text, first):
    """A table of Kafka's: a dictionary for each line below the headings, which begin with `first`."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    at = next(i for i, line in enumerate(lines) if line[0] == first)
    return [dict(zip(lines[at], line, strict=False)) for line in lines[at + 1 :]]


def fill(broker, topic, counts):
    """Writes so many records to each partition: `p0-0`, `p0-1` …, a second apart from 1,600,000,000 s on."""
    for partition, count in enumerate(counts):
        records = [
            Record(None, f"p{partition}-{i}".encode(), timestamp=1_600_000_000_000 + 1000 * i) for i in range(count)
        ]
        if records:
            CONFLUENT.produce(broker, topic, records, partition=partition)
    return topic


def consumer(broker, group, **settings):
    """A consumer of librdkafka's; a setting that is `None` is left to it."""
    settings = {
        "bootstrap.servers": broker.address,
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 10_000,
        **settings,
    }
    return confluent_kafka.Consumer({key: value for key, value in settings.items() if value is not None})


def commit(broker, group, topic, offsets):
    """Commits offsets for a group without members."""
    member = consumer(broker, group)
    partitions = [confluent_kafka.TopicPartition(topic, p, o) for p, o in offsets.items()]
    for done in member.commit(offsets=partitions, asynchronous=False):
        assert done.error is None
    member.close()


@contextlib.contextmanager
def members(broker, group, topic, count, **settings):
    """Consumers that share the topic's partitions, each with some of them."""
    consumers = [consumer(broker, group, **{"client.id": f"member-{i}", **settings}) for i in range(count)]
    try:
        for one in consumers:
            one.subscribe([topic])
        deadline = time.monotonic() + 60
        while not all(one.assignment() for one in consumers):
            assert time.monotonic() < deadline, "no assignment"
            for one in consumers:
                one.poll(0.1)
        yield consumers
    finally:
        for one in consumers:
            one.close()


def wait(condition, seconds=30):
    """Waits until `condition` gives something, and returns it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return found
