"""Idempotent producers: thousands of records, in order, once."""

import pytest
import raw
from clients import CONFLUENT, FRANZ, JAVA, JAVA_OLD, KCAT, Record
from topics import create, end_offset

CLIENTS = {
    # Small batches, several in flight.
    "kcat": (KCAT, {"config": ["batch.num.messages=20", "linger.ms=1"]}),
    "confluent": (CONFLUENT, {"config": ["batch.num.messages=20", "linger.ms=0"]}),
    "java-4.3.1": (JAVA, {"config": ["batch.size=300", "linger.ms=0"]}),
    "java-2.8.2": (JAVA_OLD, {"config": ["batch.size=300", "linger.ms=0"]}),
    "franz": (FRANZ, {"batch_bytes": 1024}),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_thousands_of_records_arrive_in_order_and_once(broker, topic_name, long_form, name):
    """Could break: sequence numbers across batches in flight, producer ids from InitProducerId."""
    client, options = CLIENTS[name]
    records = [Record(b"%d" % i, b"value of %d" % i) for i in range(100_000 if long_form else 5_000)]
    topic = create(broker, topic_name(), partitions=2)
    client.produce(broker, topic, records, partition=1, idempotent=True, **options)
    got = CONFLUENT.consume(broker, topic, len(records), partition=1)
    assert [(r.offset, r.key, r.value) for r in got] == [(i, r.key, r.value) for i, r in enumerate(records)]
    assert end_offset(broker, topic, 1) == len(records)


def test_java_is_idempotent_by_its_defaults(broker, topic_name):
    """Could break: with no setting at all the 4.3.1 producer asks for a producer id and acks=all."""
    topic = create(broker, topic_name())
    records = [Record(None, b"%d" % i) for i in range(1000)]
    assert JAVA.produce(broker, topic, records, acks="all", idempotent=True) == list(range(1000))
    batches = fetched_batches(broker, topic)
    assert all(b["producer_id"] >= 0 for b in batches)
    assert [b["base_sequence"] for b in batches] == [b["base_offset"] for b in batches]


def fetched_batches(broker, topic):
    """The headers of all record batches of partition 0, as a fetch returns them."""
    with raw.Connection(broker) as connection:
        return raw.batches(raw.fetch(connection, topic, 0)["Records"])


def test_a_batch_sent_again_keeps_its_first_offset(broker, topic_name):
    """Could break: the answer to a duplicate has to carry the original's offset, for each of the last five batches."""
    topic = create(broker, topic_name())
    with raw.Connection(broker) as connection:
        pid, epoch = raw.producer_id(connection)

        def send(sequence, epoch=epoch):
            return raw.produce(
                connection,
                topic,
                raw.batch([b"a", b"b"], producer_id=pid, producer_epoch=epoch, base_sequence=sequence),
            )

        first = [send(2 * i) for i in range(6)]
        assert [(a["ErrorCode"], a["BaseOffset"]) for a in first] == [(0, 2 * i) for i in range(6)]
        again = [send(2 * i) for i in range(1, 6)]
        assert [(a["ErrorCode"], a["BaseOffset"]) for a in again] == [(0, 2 * i) for i in range(1, 6)]
        assert send(14)["ErrorCode"] == 45, "a gap is OUT_OF_ORDER_SEQUENCE_NUMBER"
        assert send(12)["BaseOffset"] == 12
        assert send(0, epoch + 1)["ErrorCode"] == 0, "a new epoch starts at 0"
        assert send(14)["ErrorCode"] == 47, "an old epoch is INVALID_PRODUCER_EPOCH"
    assert end_offset(broker, topic) == 16
