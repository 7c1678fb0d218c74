"""Seven client families send tiny batches into one partition at a time; what is stored are merged batches, and all read the same."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import merging
import pytest
from clients import AIOKAFKA, CODECS, CONFLUENT, CREATE_TIME, FAMILIES, FRANZ, JAVA, JAVA_OLD, KAFKAJS, KCAT, Record
from raw import BASE
from topics import create, end_offset

SINGLE = ["batch.num.messages=1", "linger.ms=0"]
# One record a request, idempotent or not: both are merged, with each other.
WAYS = {
    KCAT: {"config": SINGLE},
    CONFLUENT: {"config": SINGLE, "idempotent": True},
    JAVA: {"alone": True, "idempotent": True},
    JAVA_OLD: {"alone": True},
    FRANZ: {"alone": True, "idempotent": True},
    KAFKAJS: {"alone": True, "idempotent": True},
    AIOKAFKA: {"alone": True},
}
# Batches of different codecs are merged only where the topic has one of its own.
OWN_CODECS = {KCAT: "gzip", CONFLUENT: "lz4", JAVA: "zstd", JAVA_OLD: "snappy", FRANZ: "zstd", KAFKAJS: "gzip"}
BINARY = bytes(range(256))


def written_by(client):
    """What `client` writes: keys or values that tell whose they are, and all that it can express."""
    me = client.name.encode()
    records = [
        *[Record(b"%s-%d" % (me, i), b"%d of %s;" % (i, me) * (i * 3)) for i in range(1, 16)],
        *[Record(None, b"%s without a key %d" % (me, i)) for i in range(4)],
        *[Record(b"%s-h%d" % (me, i), b"traced", (("trace", b"abc"), ("by", me))) for i in range(4)],
        *[Record(b"%s-n%d" % (me, i), None) for i in range(2)],
        *[Record(b"%s-e%d" % (me, i), b"") for i in range(2)],
        Record(me + BINARY, BINARY, (("binary", b"\x00\xff\x80"), ("empty", b""))),
        Record(me + b"-null", b"header", (("null", None),)),
        *[Record(b"%s-t%d" % (me, i), b"timed", timestamp=BASE + t) for i, t in enumerate((0, 9_000, -5_000))],
        Record(b"", b"%s at the end" % me),
    ]
    return [r for r in records if client.can(r)]


def is_by(record, client):
    me = client.name.encode()
    return (record.key or b"").startswith((me + b"-", me + BINARY)) or any(
        (record.value or b"").startswith(me + text) for text in (b" without", b" at the end")
    )


def write_all(broker, topic, codecs):
    """Every family writes at once, each record in a request of its own; {client: the offsets that it was told}."""

    def write(client):
        codec = codecs.get(client, "none")
        return client.produce(broker, topic, written_by(client), codec=codec, **WAYS[client])

    with ThreadPoolExecutor(len(FAMILIES)) as pool:
        return dict(zip(FAMILIES, pool.map(write, FAMILIES), strict=True))


def read_all(broker, topic, count):
    """What every family reads from the beginning."""
    with ThreadPoolExecutor(len(FAMILIES)) as pool:
        found = pool.map(lambda client: client.consume(broker, topic, count), FAMILIES)
        return dict(zip(FAMILIES, found, strict=True))


def check_same(read, count):
    """Every family read every offset once, in order, and the same there."""
    reference = read[JAVA]
    assert [r.offset for r in reference] == list(range(count))
    for client, records in read.items():
        if client is KCAT:
            records = with_raw_headers_of(reference, records)
        assert records == reference, client.name


def with_raw_headers_of(reference, records):
    """kcat prints headers as text: of those that are none, nothing can be said."""
    is_raw = [any(v is None or not v.isascii() for _, v in r.headers) for r in reference]
    return [
        replace(have, headers=want.headers) if raw else have
        for want, have, raw in zip(reference, records, is_raw, strict=True)
    ]


def check_written(read, told, begin):
    """Each family's records are there, once, in its order, at the offsets that it was told."""
    end = int(time.time() * 1000)
    for client in FAMILIES:
        sent = written_by(client)
        own = [r for r in read if is_by(r, client)]
        assert [r.content() for r in own] == [r.content() for r in sent], client.name
        assert told[client] in (None, [r.offset for r in own]), client.name
        for want, have in zip(sent, own, strict=True):
            assert have.timestamp_type == CREATE_TIME
            low, high = (begin, end) if want.timestamp is None else (want.timestamp, want.timestamp)
            assert low <= have.timestamp <= high, (client.name, want, have)


def check_merged(batches, count, codec):
    """Few batches hold all records, and those that are merged are in `codec`."""
    assert sum(b["count"] for b in batches) == count
    assert len(batches) <= count // 4, f"{len(batches)} batches of {count} records"
    merged = [b for b in batches if b["count"] > 1]
    assert {b["attributes"] for b in merged} == {CODECS.index(codec)}
    assert {b["producer_id"] for b in merged} == {-1}


def families_in(batch, read):
    """How many families have records in a batch."""
    records = read[batch["base_offset"] :][: batch["count"]]
    return sum(any(is_by(r, client) for r in records) for client in FAMILIES)


def round_trip(broker, topic, codec, codecs):
    """Writes, waits until all is stored, reads, and compares."""
    begin = int(time.time() * 1000)
    told = write_all(broker, topic, codecs)
    count = sum(len(written_by(client)) for client in FAMILIES)
    assert end_offset(broker, topic) == count
    # Each record came in a batch of its own.
    batches = merging.wait_stored(broker, topic, count)
    check_merged(batches, count, codec)
    read = read_all(broker, topic, count)
    check_same(read, count)
    check_written(read[JAVA], told, begin)
    assert max(families_in(batch, read[JAVA]) for batch in batches) >= 2


@pytest.mark.usefixtures("_only_ours")
@pytest.mark.parametrize("codec", CODECS)
def test_all_families_agree_on_batches_merged_in_the_brokers_codec(start_broker, topic_name, codec):
    """Could break: offsets within a merged batch, timestamps before the first one's, nulls, headers, a codec's framing."""
    broker = start_broker({"batch.compression.type": codec, "batch.tail.max.ms": 400})
    round_trip(broker, create(broker, topic_name()), codec, {})


@pytest.mark.usefixtures("_only_ours")
@pytest.mark.parametrize("codec", CODECS[1:])
def test_all_families_agree_on_batches_merged_in_the_topics_codec(start_broker, topic_name, codec):
    """Could break: batches of five codecs that become one of a sixth."""
    broker = start_broker({"batch.tail.max.ms": 400})
    topic = create(broker, topic_name(), configs=[("compression.type", codec)])
    round_trip(broker, topic, codec, OWN_CODECS)


def test_all_families_agree_on_what_they_sent_with_codecs_of_their_own(broker, topic_name):
    """Could break: this is what merged batches are compared with, and Apache Kafka has to pass it too."""
    topic, begin = create(broker, topic_name()), int(time.time() * 1000)
    told = write_all(broker, topic, OWN_CODECS)
    count = sum(len(written_by(client)) for client in FAMILIES)
    read = read_all(broker, topic, count)
    check_same(read, count)
    check_written(read[JAVA], told, begin)
