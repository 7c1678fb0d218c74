"""Kafka's own command line tools, 4.3.1 and 2.8.2: console producer and consumer, and get-offsets."""

import time

import pytest
import raw
from clients import ACKS, CODECS, CONFLUENT, JAVA, JAVA_OLD, Record
from topics import create, wait_end_offset

NEW, OLD = JAVA.version, JAVA_OLD.version
PRODUCER = {NEW: "org.apache.kafka.tools.ConsoleProducer", OLD: "kafka.tools.ConsoleProducer"}
CONSUMER = {NEW: "org.apache.kafka.tools.consumer.ConsoleConsumer", OLD: "kafka.tools.ConsoleConsumer"}
GET_OFFSETS = {NEW: "org.apache.kafka.tools.GetOffsetShell", OLD: "kafka.tools.GetOffsetShell"}
PROPERTY = {
    NEW: ("--reader-property", "--formatter-property", "--command-property"),
    OLD: ("--property", "--property", "--producer-property"),
}
BOTH = pytest.mark.parametrize("java", [JAVA, JAVA_OLD], ids=lambda j: j.version)


def console_produce(java, broker, topic, lines, codec, acks, *reader):
    """Writes lines, headers and keys told apart as `reader` properties say."""
    reader_flag, _, config_flag = PROPERTY[java.version]
    properties = [x for p in reader for x in (reader_flag, p)]
    status, _, err = java.tool(
        PRODUCER[java.version],
        "--bootstrap-server",
        broker.address,
        "--topic",
        topic,
        "--compression-codec",
        codec,
        "--request-required-acks",
        {"all": "-1"}.get(acks, acks),
        "--timeout",
        0,
        *(["--sync"] if acks != "0" else []),
        config_flag,
        "enable.idempotence=false",
        *properties,
        stdin="".join(line + "\n" for line in lines).encode(),
    )
    assert status == 0, err
    assert "Error" not in err and "Exception" not in err, err


def console_consume(java, broker, topic, count, offset="earliest"):
    """`count` lines from partition 0: timestamp, partition, offset, headers (4.3.1), key and value as far as the version prints them."""
    _, formatter_flag, _ = PROPERTY[java.version]
    wanted = ["print.timestamp", "print.partition", "print.offset", "print.headers", "print.key"]
    properties = [x for p in wanted for x in (formatter_flag, p + "=true")]
    status, out, err = java.tool(
        CONSUMER[java.version],
        "--bootstrap-server",
        broker.address,
        "--topic",
        topic,
        "--partition",
        0,
        "--offset",
        offset,
        "--max-messages",
        count,
        "--timeout-ms",
        20_000,
        *properties,
        formatter_flag,
        "null.literal=NIL",
    )
    assert status == 0, err
    return out.decode().splitlines()


@BOTH
@pytest.mark.parametrize("codec", CODECS)
def test_the_console_reads_what_the_console_wrote(broker, topic_name, java, codec):
    """Could break: the tools take part in fetch sessions and versions that a bare client may not use."""
    topic = create(broker, topic_name())
    begin = int(time.time() * 1000)
    due = 0
    for acks in ACKS:
        lines = [f"key {acks} {i}\tvalue {acks} {i}" for i in range(5)]
        console_produce(java, broker, topic, lines, codec, acks, "parse.key=true")
        due += len(lines)
        wait_end_offset(broker, topic, 0, due)
    end = int(time.time() * 1000)
    got = console_consume(java, broker, topic, due)
    for offset, (line, (acks, i)) in enumerate(zip(got, [(a, i) for a in ACKS for i in range(5)], strict=True)):
        stamp, partition, at, headers, key, value = line.split("\t")
        kind, _, stamp = stamp.partition(":")
        assert kind == "CreateTime" and begin <= int(stamp) <= end
        assert partition == "Partition:0" and at == f"Offset:{offset}"
        assert (headers, key, value) == ("NO_HEADERS", f"key {acks} {i}", f"value {acks} {i}")
    assert [line.split("\t")[-1] for line in console_consume(java, broker, topic, 4, offset=7)] == [
        "value 1 2",
        "value 1 3",
        "value 1 4",
        "value all 0",
    ]


def test_the_console_keeps_headers_and_nulls(broker, topic_name):
    """Could break: a tombstone read back as an empty value, or headers lost."""
    topic = create(broker, topic_name())
    lines = ["a:1,b:two\tk1\tv1", "a:NIL\tk2\tNIL", "c:\tNIL\tv3", "c:3\tk4\t"]
    console_produce(JAVA, broker, topic, lines, "lz4", "all", "parse.key=true", "parse.headers=true", "null.marker=NIL")
    got = CONFLUENT.consume(broker, topic, 4)
    assert [r.content() for r in got] == [
        (b"k1", b"v1", (("a", b"1"), ("b", b"two"))),
        (b"k2", None, (("a", None),)),
        (None, b"v3", (("c", b""),)),
        (b"k4", b"", (("c", b"3"),)),
    ]
    assert [line.split("\t")[3:] for line in console_consume(JAVA, broker, topic, 4)] == [
        ["a:1,b:two", "k1", "v1"],
        ["a:NIL", "k2", "NIL"],
        ["c:", "NIL", "v3"],
        ["c:3", "k4", ""],
    ]


TIMES = [raw.BASE + t for t in (100, 50, 300, 300, 150, 200)]


@BOTH
def test_get_offsets_prints_beginning_end_and_times(broker, topic_name, java):
    """Could break: the special times -1, -2 and -3, and a time that lies past the last record."""
    topic = create(broker, topic_name(), partitions=2)
    for i, t in enumerate(TIMES):
        CONFLUENT.produce(broker, topic, [Record(None, b"%d" % i, timestamp=t)])

    def get(time_or_name):
        flag = "--bootstrap-server" if java is JAVA else "--broker-list"
        status, out, err = java.tool(
            GET_OFFSETS[java.version], flag, broker.address, "--topic", topic, "--time", time_or_name
        )
        assert status == 0, err
        return sorted(out.decode().split())

    assert get(-1) == [f"{topic}:0:6", f"{topic}:1:0"]
    assert get(-2) == [f"{topic}:0:0", f"{topic}:1:0"]
    assert get(TIMES[0] + 1)[0] == f"{topic}:0:2"
    if java is JAVA:
        assert get("max-timestamp")[0] == f"{topic}:0:2"
        assert get("latest") == get(-1)
        assert get("earliest") == get(-2)
