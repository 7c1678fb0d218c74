"""Offsets by time, timestamps, and where a consumer lands that asks for an offset that is not there."""

import subprocess
import threading
import time

import confluent_kafka
import pytest
import raw
from clients import CONFLUENT, FRANZ, JAVA, JAVA_OLD, KCAT, LOG_APPEND_TIME, Record, Refused
from raw import BASE
from topics import create, list_offsets

# Out of order on purpose; the largest comes twice.
STAMPS = [BASE + t for t in (100, 50, 300, 300, 150, 200)]
# Time asked for: the first record in offset order with a timestamp of at least that, or none.
FIRST_AT = {0: 0, BASE: 0, BASE + 100: 0, BASE + 101: 2, BASE + 300: 2, BASE + 301: None}


@pytest.fixture(params=["one batch each", "one batch", "one batch zstd"])
def timed(request, broker, topic_name):
    """A topic with STAMPS, cut into batches in several ways."""
    topic = create(broker, topic_name(), partitions=2)
    records = [Record(None, b"%d" % i, timestamp=t) for i, t in enumerate(STAMPS)]
    codec = "zstd" if request.param.endswith("zstd") else "none"
    groups = [[r] for r in records] if request.param.endswith("each") else [records]
    for group in groups:
        CONFLUENT.produce(broker, topic, group, codec=codec, config=["linger.ms=100"])
    return topic


def test_librdkafka_finds_offsets_by_time(broker, timed):
    """Could break: a binary search over timestamps that are not sorted; 'none' is the end for librdkafka."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": "conformance"})
    try:
        for at, first in FIRST_AT.items():
            found = consumer.offsets_for_times([confluent_kafka.TopicPartition(timed, 0, at)], 10)[0]
            assert found.error is None
            assert found.offset == (confluent_kafka.OFFSET_END if first is None else first), at - BASE
        empty = consumer.offsets_for_times([confluent_kafka.TopicPartition(timed, 1, BASE)], 10)[0]
        assert empty.offset == confluent_kafka.OFFSET_END
        assert consumer.get_watermark_offsets(confluent_kafka.TopicPartition(timed, 0), 10) == (0, 6)
        assert consumer.get_watermark_offsets(confluent_kafka.TopicPartition(timed, 1), 10) == (0, 0)
    finally:
        consumer.close()


def test_kcat_finds_offsets_by_time(broker, timed):
    """Could break: an older librdkafka asks with an older version of ListOffsets; 'none' is -1 for kcat."""
    for at, first in FIRST_AT.items():
        done = subprocess.run(
            [KCAT.path, "-Q", "-b", broker.address, "-t", f"{timed}:0:{at}"],
            capture_output=True,
            timeout=30,
            check=True,
        )
        assert done.stdout.decode().split() == [timed, "[0]", "offset", str(-1 if first is None else first)]


@pytest.mark.parametrize("java", [JAVA, JAVA_OLD], ids=lambda j: j.version)
def test_java_finds_offsets_by_time(broker, timed, java):
    """Could break: the timestamp that comes back is the found record's, not the one asked for."""
    asked = [*FIRST_AT, -1, -2]
    found = dict(zip(asked, java.offsets(broker, timed, asked), strict=True))
    for at, first in FIRST_AT.items():
        assert found[at] == ((None, None) if first is None else (first, STAMPS[first])), at - BASE
    assert (found[-1][0], found[-2][0]) == (6, 0)


def test_the_largest_timestamp_has_its_offset(broker, timed):
    """Could break: of equal timestamps the first counts (KIP-734); an empty partition has none."""
    with raw.Connection(broker) as connection:
        full, empty = list_offsets(connection, timed, [0, 1], -3)
    assert (full["Offset"], full["Timestamp"]) == (2, BASE + 300)
    assert (empty["ErrorCode"], empty["Offset"], empty["Timestamp"]) == (0, -1, -1)


def test_a_topic_with_log_append_time_has_the_brokers_clock(broker, topic_name):
    """Could break: the stamp goes into the batch header, and into its checksum."""
    topic = create(broker, topic_name(), configs=[("message.timestamp.type", "LogAppendTime")])
    begin = int(time.time() * 1000)
    for codec in ("none", "gzip"):
        CONFLUENT.produce(broker, topic, [Record(b"k", b"v", timestamp=BASE)] * 3, codec=codec)
    end = int(time.time() * 1000)
    for reader in (CONFLUENT, JAVA, FRANZ):
        got = reader.consume(broker, topic, 6)
        assert [r.offset for r in got] == list(range(6))
        assert all(r.timestamp_type == LOG_APPEND_TIME and begin <= r.timestamp <= end for r in got), reader.name


def reset_consumer(broker, policy):
    return confluent_kafka.Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "conformance",
            "enable.auto.commit": False,
            "auto.offset.reset": policy,
        }
    )


@pytest.mark.parametrize("policy", ["earliest", "latest"])
def test_librdkafka_resets_an_offset_that_is_out_of_range(broker, topic_name, policy):
    """Could break: a fetch beyond the end is answered OFFSET_OUT_OF_RANGE, at the end it waits."""
    topic = create(broker, topic_name())
    CONFLUENT.produce(broker, topic, [Record(None, b"%d" % i) for i in range(5)])
    consumer = reset_consumer(broker, policy)
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 1000)])
        if policy == "latest":
            # Nothing comes until the reset is done; then only what is new.
            assert consumer.poll(2) is None
            CONFLUENT.produce(broker, topic, [Record(None, b"new")])
        first = consumer.poll(15)
    finally:
        consumer.close()
    assert first is not None and first.error() is None
    assert (first.offset(), first.value()) == ((0, b"0") if policy == "earliest" else (5, b"new"))


@pytest.mark.parametrize("java", [JAVA, JAVA_OLD], ids=lambda j: j.version)
def test_java_resets_an_offset_that_is_out_of_range(broker, topic_name, java):
    """Could break: without a policy the client must see the error itself."""
    topic = create(broker, topic_name())
    CONFLUENT.produce(broker, topic, [Record(None, b"%d" % i) for i in range(5)])
    got = java.consume(broker, topic, 5, offset=1000, config=["auto.offset.reset=earliest"])
    assert [r.value for r in got] == [b"%d" % i for i in range(5)]
    with pytest.raises(Refused, match="OffsetOutOfRange"):
        java.consume(broker, topic, 1, offset=1000, config=["auto.offset.reset=none"])
    later = threading.Timer(2.0, CONFLUENT.produce, (broker, topic, [Record(None, b"new")]))
    later.start()
    try:
        got = java.consume(broker, topic, 1, offset=1000, config=["auto.offset.reset=latest"])
    finally:
        later.join()
    assert [(r.offset, r.value) for r in got] == [(5, b"new")]
