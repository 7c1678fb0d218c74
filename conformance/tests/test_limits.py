"""Records of 1 MiB: refused at the default, kept exactly where the topic or the broker allows 2 MiB."""

import random

import pytest
from clients import ALL, CODECS, CONFLUENT, JAVA, Record, Refused
from topics import create, end_offset

MIB = 1 << 20
# Bytes that no codec makes smaller.
BIG = Record(b"big", random.Random(3).randbytes(MIB), (("h", b"v"),))
SMALL = Record(b"small", b"beside it")
# The error as each client names it.
REFUSAL = {
    "kcat": "Message size too large",
    "confluent": "MSG_SIZE_TOO_LARGE",
    "java-4.3.1": "RecordTooLargeException",
    "java-2.8.2": "RecordTooLargeException",
    "franz": "MESSAGE_TOO_LARGE",
}
EVERY = pytest.mark.parametrize("client", ALL, ids=lambda c: c.name)


def allow_big(client):
    """The client's own limit, raised so that the broker's is the one that decides."""
    if client.name == "franz":
        return {"batch_bytes": 4 * MIB}
    if client.name.startswith("java"):
        return {"config": [f"max.request.size={4 * MIB}"]}
    return {"config": [f"message.max.bytes={4 * MIB}"]}


@EVERY
def test_a_record_of_1_mib_is_refused_at_the_default(broker, topic_name, client):
    """Could break: the batch with its header is larger than 1048588 bytes, the record alone is not."""
    topic = create(broker, topic_name())
    with pytest.raises(Refused, match=REFUSAL[client.name]):
        client.produce(broker, topic, [BIG], **allow_big(client))
    assert end_offset(broker, topic) == 0
    client.produce(broker, topic, [SMALL])
    assert [r.content() for r in CONFLUENT.consume(broker, topic, 1)] == [SMALL.content()]


@EVERY
def test_a_topic_that_allows_2_mib_keeps_a_record_of_1_mib(broker, topic_name, client):
    """Could break: a batch beyond max.partition.fetch.bytes has to be returned whole (KIP-74)."""
    topic = create(broker, topic_name(), configs=[("max.message.bytes", str(2 * MIB))])
    client.produce(broker, topic, [SMALL, BIG, SMALL], **allow_big(client))
    for reader in {CONFLUENT, client}:
        got = reader.consume(broker, topic, 3)
        assert [(r.offset, *r.content()) for r in got] == [
            (0, *SMALL.content()),
            (1, *BIG.content()),
            (2, *SMALL.content()),
        ], reader.name


@pytest.mark.parametrize("codec", CODECS)
def test_the_limit_counts_compressed_bytes(broker, topic_name, codec):
    """Could break: what is measured is the batch as sent; zeros of 1 MiB fit with every codec but none."""
    topic = create(broker, topic_name())
    zeros = Record(None, bytes(MIB))
    config = [f"max.request.size={4 * MIB}"]
    if codec == "none":
        with pytest.raises(Refused, match="RecordTooLargeException"):
            JAVA.produce(broker, topic, [zeros], codec=codec, config=config)
    else:
        assert JAVA.produce(broker, topic, [zeros], codec=codec, config=config) == [0]
        assert [r.value for r in CONFLUENT.consume(broker, topic, 1)] == [zeros.value]


def test_a_broker_that_allows_2_mib_does_so_for_every_topic(strict_broker, topic_name):
    """Could break: the broker's message.max.bytes is the default of the topic's max.message.bytes."""
    topic = create(strict_broker, topic_name())
    narrow = create(strict_broker, topic_name(), configs=[("max.message.bytes", "1000")])
    assert CONFLUENT.produce(strict_broker, topic, [BIG], **allow_big(CONFLUENT)) == [0]
    assert [r.content() for r in CONFLUENT.consume(strict_broker, topic, 1)] == [BIG.content()]
    with pytest.raises(Refused, match="MSG_SIZE_TOO_LARGE"):
        CONFLUENT.produce(strict_broker, narrow, [Record(None, bytes(2000))])
