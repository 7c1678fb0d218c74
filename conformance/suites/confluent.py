"""confluent-kafka, the most used client outside Java: produce, both group protocols, transactions, the admin client."""

import itertools
import time
import uuid

import confluent_kafka as ck
from confluent_kafka import admin

from suites import scripted
from suites.reasons import TRANSACTIONS

NAME = "confluent-kafka"
WHAT = "confluent-kafka 2.16 (librdkafka 2.16), in tests of our own"
SETTINGS = {"group.initial.rebalance.delay.ms": 0}
SETTINGS_OF = {}
SHORT = ("produce[idempotent]", "group[cooperative-sticky]", "commits_and_resumes", "admin_topics")
REASONS = (("transactions_*", TRANSACTIONS),)
RECORDS = 5000


def _made(stage, partitions=3):
    """A new topic."""
    topic = f"confluent-{uuid.uuid4().hex[:8]}"
    # A client that nothing holds ends its requests.
    client = _admin(stage)
    client.create_topics([admin.NewTopic(topic, partitions, 1)])[topic].result(20)
    return topic


def _admin(stage):
    return admin.AdminClient({"bootstrap.servers": stage.address, "log_level": 0})


def _producer(stage, **settings):
    names = {k.replace("_", "."): v for k, v in settings.items()}
    return ck.Producer({"bootstrap.servers": stage.address, "log_level": 0, "message.timeout.ms": 20_000, **names})


def _produce(producer, topic, values):
    failed = []
    for value in values:
        producer.produce(topic, key=str(value), value=str(value), on_delivery=lambda e, m: e and failed.append(e))
        producer.poll(0)
    assert producer.flush(30) == 0, "not all was delivered"
    assert not failed, failed[:3]


def _consumer(stage, group, **settings):
    names = {k.replace("_", "."): v for k, v in settings.items()}
    return ck.Consumer(
        {
            "bootstrap.servers": stage.address,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "log_level": 0,
            **names,
        }
    )


def _values(consumer, count, limit=30):
    """`count` values, and what comes in half a second more."""
    values, deadline = [], time.monotonic() + limit
    while len(values) < count and time.monotonic() < deadline:
        values += _poll(consumer, 0.5)
    return values + _poll(consumer, 0.5)


def _poll(consumer, wait):
    messages = consumer.consume(500, wait)
    for message in messages:
        assert message.error() is None, message.error()
    return [int(message.value()) for message in messages]


def produce_with(**settings):
    def produce(stage):
        topic = _made(stage)
        _produce(_producer(stage, **settings), topic, range(RECORDS))
        consumer = _consumer(stage, topic)
        consumer.subscribe([topic])
        assert sorted(_values(consumer, RECORDS)) == list(range(RECORDS))
        consumer.close()

    return produce


def group_with(**settings):
    def group(stage):
        """A second member takes its share, and gives it back as it leaves."""
        topic = _made(stage, 4)
        first, second = (_consumer(stage, topic, **settings) for _ in range(2))
        found = []

        def both_until(condition, *members):
            for _ in range(200):
                for member in members:
                    found.extend(_poll(member, 0.1))
                if condition():
                    return
            raise AssertionError("the group did not settle")

        first.subscribe([topic])
        both_until(lambda: len(first.assignment()) == 4, first)
        second.subscribe([topic])
        both_until(lambda: len(first.assignment()) == len(second.assignment()) == 2, first, second)
        _produce(_producer(stage), topic, range(RECORDS))
        both_until(lambda: len(found) >= RECORDS, first, second)
        second.close()
        both_until(lambda: len(first.assignment()) == 4, first)
        _produce(_producer(stage), topic, range(RECORDS, RECORDS + 100))
        both_until(lambda: len(found) >= RECORDS + 100, first)
        first.close()
        assert sorted(found) == list(range(RECORDS + 100)), "records are missing or came twice"

    return group


def commits_and_resumes(stage):
    topic = _made(stage, 1)
    _produce(_producer(stage), topic, range(100))
    consumer = _consumer(stage, topic, enable_auto_commit=False)
    consumer.subscribe([topic])
    assert _values(consumer, 100) == list(range(100))
    consumer.commit(offsets=[ck.TopicPartition(topic, 0, 40, "noted")], asynchronous=False)
    consumer.close()
    consumer = _consumer(stage, topic)
    consumer.subscribe([topic])
    assert _values(consumer, 60) == list(range(40, 100))
    [kept] = consumer.committed([ck.TopicPartition(topic, 0)], timeout=10)
    assert (kept.offset, kept.metadata) == (40, "noted"), kept
    consumer.close()


def offsets_for_times(stage):
    topic = _made(stage, 1)
    producer = _producer(stage)
    now = int(time.time() * 1000)
    for n in range(10):
        producer.produce(topic, value=str(n), timestamp=now + 1000 * n)
    producer.flush(20)
    consumer = _consumer(stage, topic)
    for asked, offset in ((now, 0), (now + 3500, 4), (now + 60_000, -1)):
        [found] = consumer.offsets_for_times([ck.TopicPartition(topic, 0, asked)], timeout=10)
        assert found.offset == offset, (asked - now, found)
    assert consumer.get_watermark_offsets(ck.TopicPartition(topic, 0), timeout=10) == (0, 10)
    consumer.close()


def transactions_commit_and_abort(stage):
    topic = _made(stage, 1)
    producer = _producer(stage, transactional_id=topic)
    producer.init_transactions(20)
    for number in range(4):
        producer.begin_transaction()
        for n in range(10):
            producer.produce(topic, value=str(number * 10 + n))
        producer.commit_transaction(20) if number % 2 else producer.abort_transaction(20)
    consumer = _consumer(stage, topic)
    consumer.subscribe([topic])
    assert _values(consumer, 20) == [*range(10, 20), *range(30, 40)]
    consumer.close()


def transactions_with_offsets(stage):
    source, target = _made(stage, 1), _made(stage, 1)
    _produce(_producer(stage), source, range(100))
    consumer = _consumer(stage, source, enable_auto_commit=False)
    consumer.subscribe([source])
    values = _values(consumer, 100)
    producer = _producer(stage, transactional_id=source)
    producer.init_transactions(20)
    producer.begin_transaction()
    for value in values:
        producer.produce(target, value=str(value))
    producer.send_offsets_to_transaction(
        consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 20
    )
    producer.commit_transaction(20)
    assert consumer.committed([ck.TopicPartition(source, 0)], timeout=10)[0].offset == 100
    consumer.close()


def admin_topics(stage):
    client = _admin(stage)
    topic = _made(stage, 3)
    described = client.describe_topics(ck.TopicCollection([topic]))[topic].result(20)
    assert len(described.partitions) == 3
    client.delete_topics([topic])[topic].result(20)
    for _ in range(50):
        if topic not in client.list_topics(timeout=10).topics:
            return
        time.sleep(0.1)
    raise AssertionError("a deleted topic is still there")


def admin_topic_configs(stage):
    client = _admin(stage)
    resource = admin.ConfigResource(admin.ResourceType.TOPIC, _made(stage))
    entry = admin.ConfigEntry("retention.ms", "123456", incremental_operation=admin.AlterConfigOpType.SET)
    change = admin.ConfigResource(resource.restype, resource.name, incremental_configs=[entry])
    client.incremental_alter_configs([change])[change].result(20)
    assert client.describe_configs([resource])[resource].result(20)["retention.ms"].value == "123456"


def admin_broker_configs(stage):
    client = _admin(stage)
    broker = next(iter(client.list_topics(timeout=10).brokers))
    resource = admin.ConfigResource(admin.ResourceType.BROKER, str(broker))
    assert client.describe_configs([resource])[resource].result(20)["num.partitions"].value


def admin_partitions(stage):
    client = _admin(stage)
    topic = _made(stage, 1)
    client.create_partitions([admin.NewPartitions(topic, 4)])[topic].result(20)
    for _ in itertools.repeat(None, 50):
        if len(client.list_topics(topic, timeout=10).topics[topic].partitions) == 4:
            return
        time.sleep(0.1)
    raise AssertionError("the new partitions did not appear")


def admin_cluster(stage):
    client = _admin(stage)
    described = client.describe_cluster(request_timeout=20).result(20)
    assert described.cluster_id and len(described.nodes) == 1


def admin_delete_records(stage):
    topic = _made(stage, 1)
    _produce(_producer(stage), topic, range(100))
    asked = ck.TopicPartition(topic, 0, 60)
    client = _admin(stage)
    assert client.delete_records([asked])[asked].result(20).low_watermark == 60


def admin_list_offsets(stage):
    topic = _made(stage, 1)
    _produce(_producer(stage), topic, range(100))
    client, asked = _admin(stage), ck.TopicPartition(topic, 0)
    for spec, offset in ((admin.OffsetSpec.earliest(), 0), (admin.OffsetSpec.latest(), 100)):
        assert client.list_offsets({asked: spec})[asked].result(20).offset == offset


def admin_groups(stage):
    client, topic = _admin(stage), _made(stage, 2)
    _produce(_producer(stage), topic, range(100))
    consumer = _consumer(stage, topic)
    consumer.subscribe([topic])
    assert len(_values(consumer, 100)) == 100
    consumer.commit(asynchronous=False)
    listed = client.list_consumer_groups(request_timeout=20).result(20)
    assert not listed.errors and topic in {group.group_id for group in listed.valid}
    described = client.describe_consumer_groups([topic])[topic].result(20)
    assert described.state == ck.ConsumerGroupState.STABLE and len(described.members) == 1
    assert len(described.members[0].assignment.topic_partitions) == 2
    consumer.close()
    asked = ck.ConsumerGroupTopicPartitions(topic, [ck.TopicPartition(topic, 0, 5)])
    client.alter_consumer_group_offsets([asked])[topic].result(20)
    asked = ck.ConsumerGroupTopicPartitions(topic, [ck.TopicPartition(topic, 0)])
    found = client.list_consumer_group_offsets([asked])[topic].result(20)
    assert found.topic_partitions[0].offset == 5
    client.delete_consumer_groups([topic])[topic].result(20)
    assert topic not in {g.group_id for g in client.list_consumer_groups(request_timeout=20).result(20).valid}


TESTS = {
    "produce[plain]": produce_with(),
    "produce[idempotent]": produce_with(enable_idempotence=True),
    **{f"produce[{c}]": produce_with(compression_type=c) for c in ("gzip", "snappy", "lz4", "zstd")},
    **{
        f"group[{a}]": group_with(partition_assignment_strategy=a)
        for a in ("range", "roundrobin", "cooperative-sticky")
    },
    "group[consumer-protocol]": group_with(group_protocol="consumer"),
    **{
        test.__name__: test
        for test in (
            *(
                commits_and_resumes,
                offsets_for_times,
                transactions_commit_and_abort,
                transactions_with_offsets,
                admin_topics,
            ),
            *(admin_topic_configs, admin_broker_configs, admin_partitions, admin_cluster, admin_delete_records),
            *(admin_list_offsets, admin_groups),
        )
    },
}


def tests():
    return list(TESTS)


def prepare():
    """`conformance/setup` has installed it."""


def run(broker, only=None):
    return scripted.run(NAME, broker, TESTS, only)
