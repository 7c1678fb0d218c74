"""Every client writes with every codec and acks setting, and every client reads exactly that."""

import time

import pytest
from clients import ACKS, ALL, CODECS, CREATE_TIME, Record
from raw import BASE
from topics import create, end_offset

BINARY = bytes(b for b in range(256)) * 3
RECORDS = [
    Record(b"key", b"value"),
    Record(None, b"no key"),
    Record(b"tombstone", None),
    Record(b"empty value", b""),
    Record(b"", b"empty key"),
    Record(None, None),
    Record(b"text", "żółć 🙂".encode(), (("trace", b"abc"), ("trace", b"the same name again"), ("other", b"1"))),
    Record(b"headers", b"odd ones", (("", b""), ("null", None), ("binary", b"\x00\xff\x80"))),
    Record(BINARY, BINARY),
    Record(b"repeated", b"compressible " * 400),
    *[Record(b"k%d" % i, b"in order %d" % i) for i in range(20)],
    Record(b"timed", b"the past", timestamp=BASE),
    Record(b"timed", b"earlier than the one before", timestamp=BASE - 5_000),
    Record(b"timed", b"later", timestamp=BASE + 12_345),
    Record(b"last", b"one"),
]


def readers_of(writer, codec, acks):
    """The writer itself when acks is all; the other four are dealt out, two to each of acks 0 and 1."""
    others = [c for c in ALL if c is not writer]
    turn = CODECS.index(codec)
    others = others[turn % 4 :] + others[: turn % 4]
    return {"0": others[:2], "1": others[2:], "all": [writer]}[acks]


@pytest.mark.parametrize("acks", ACKS)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("writer", ALL, ids=lambda c: c.name)
def test_what_one_client_writes_every_client_reads(broker, topic_name, long_form, writer, codec, acks):
    """Could break: a codec's framing, nulls told from empties, a header version, offsets after a stretch without answers."""
    records = [r for r in RECORDS if writer.can(r)]
    assert len(records) >= 20
    topic = create(broker, topic_name(), partitions=2)
    begin = int(time.time() * 1000)
    offsets = writer.produce(broker, topic, records, partition=1, codec=codec, acks=acks)
    if offsets is not None and acks != "0":
        assert offsets == list(range(len(records)))
    for reader in ALL if long_form else readers_of(writer, codec, acks):
        got = reader.consume(broker, topic, len(records), partition=1)
        check(got, records, begin, kcat_reads=reader.name == "kcat")
    assert end_offset(broker, topic, 1) == len(records)
    assert end_offset(broker, topic, 0) == 0


def check(got, records, begin, kcat_reads):
    """Contents, offsets, order and timestamps, record by record."""
    assert len(got) == len(records)
    end = int(time.time() * 1000)
    for offset, (want, have) in enumerate(zip(records, got, strict=True)):
        assert (have.partition, have.offset) == (1, offset)
        assert have.timestamp_type == CREATE_TIME
        if want.timestamp is None:
            assert begin <= have.timestamp <= end
        else:
            assert have.timestamp == want.timestamp
        # kcat prints headers as text: commas and raw bytes in them can't be told apart, so only the count of bytes is left.
        if kcat_reads and want.key == b"headers":
            assert (have.key, have.value) == (want.key, want.value)
        else:
            assert have.content() == want.content()


@pytest.mark.parametrize("reader", ALL, ids=lambda c: c.name)
def test_reading_starts_at_any_offset_of_a_compressed_batch(broker, topic_name, reader):
    """Could break: a fetch inside a batch returns the whole of it, and the client skips."""
    records = [Record(b"%d" % i, b"value %d" % i) for i in range(300)]
    topic = create(broker, topic_name())
    writer = ALL[1]
    writer.produce(broker, topic, records, codec="zstd", config=["linger.ms=200"])
    for start in (0, 1, 150, 299):
        got = reader.consume(broker, topic, 300 - start, offset=start)
        assert [(r.offset, r.key, r.value) for r in got] == [
            (i, records[i].key, records[i].value) for i in range(start, 300)
        ]
