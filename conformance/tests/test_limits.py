"""Records of 1 MiB: refused at the default, kept exactly where the topic or the broker allows 2 MiB."""

import gzip
import random

import pytest
import raw
from clients import ALL, CODECS, CONFLUENT, JAVA, Record, Refused
from topics import create, end_offset
from waiting import wait_for

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


def test_batches_that_decompress_to_much_keep_their_turn(broker, topic_name):
    """Could break: what takes long to check is checked elsewhere meanwhile; what was sent behind it must stay behind it."""
    topic = create(broker, topic_name())
    heavy = raw.batch([b""], attributes=1, records=gzip.compress(raw.record(0, None, bytes(4 << 20))))
    small = raw.batch([b"small"])

    def body(i):
        data = {"Index": 0, "Records": heavy if i % 3 == 1 else small}
        return {"Acks": -1, "TimeoutMs": 10_000, "TopicData": [{"Name": topic, "PartitionData": [data]}]}

    with raw.Connection(broker) as connection:
        asked = [connection.send("Produce", 9, **body(i)) for i in range(20)]
        for i, correlation_id in enumerate(asked):
            answer = connection.receive("Produce", 9, correlation_id)["Responses"][0]["PartitionResponses"][0]
            assert (answer["ErrorCode"], answer["BaseOffset"]) == (0, i)
    assert [len(r.content()[1] or b"") for r in CONFLUENT.consume(broker, topic, 3)] == [5, 4 << 20, 5]


def connect_from(broker, address):
    """A connection, if there is a place for it."""
    connection = raw.Connection(broker, source=address)
    try:
        connection.ask("ApiVersions", 0)
    except (raw.Closed, ConnectionError):
        return None
    return connection


def set_broker(connection, **configs):
    asked = [{"Name": name.replace("_", "."), "ConfigOperation": 0, "Value": value} for name, value in configs.items()]
    this = {"ResourceType": 4, "ResourceName": "1", "Configs": asked}
    answer = connection.ask("IncrementalAlterConfigs", 1, Resources=[this], ValidateOnly=False)
    assert answer["Responses"][0]["ErrorCode"] == 0, answer


def test_an_address_may_have_connections_of_its_own_number(start_broker):
    """Could break: a number that holds for somebody else, or still after another one was set; names of hosts."""
    named = "127.0.0.1:3,127.0.0.3:1"
    broker = start_broker({"max.connections.per.ip": 0, "max.connections.per.ip.overrides": named})
    here = [connect_from(broker, "127.0.0.1") for _ in range(3)]
    assert all(here)
    assert connect_from(broker, "127.0.0.1") is None
    one = connect_from(broker, "127.0.0.3")
    assert one and connect_from(broker, "127.0.0.3") is None
    assert connect_from(broker, "127.0.0.2") is None
    # The name has the address of those who are here.
    set_broker(here[0], max_connections_per_ip_overrides="localhost:5", max_connections_per_ip="2")
    more = [wait_for(lambda: connect_from(broker, "127.0.0.1")) for _ in range(2)]
    assert all(more) and connect_from(broker, "127.0.0.1") is None
    assert wait_for(lambda: connect_from(broker, "127.0.0.2"))


def test_an_address_has_so_many_connections(start_broker):
    """Could break: a client in a loop that takes everybody's place; places that are not given back."""
    broker = start_broker({"max.connections.per.ip": 3})
    here = [connect_from(broker, "127.0.0.1") for _ in range(3)]
    assert all(here)
    assert connect_from(broker, "127.0.0.1") is None
    others = [connect_from(broker, "127.0.0.2") for _ in range(3)]
    assert all(others)
    set_broker(here[0], max_connections_per_ip="5")
    more = [wait_for(lambda: connect_from(broker, "127.0.0.1")) for _ in range(2)]
    assert connect_from(broker, "127.0.0.1") is None
    more[0].socket.close()
    assert wait_for(lambda: connect_from(broker, "127.0.0.1"))
