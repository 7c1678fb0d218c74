"""Kafka's own Java tools of 4.3.1: the verifiable producer and consumer, console and perf tools, the transactional copier, WordCount.

What its administration tools print is compared where Kafka is beside us: `tests/test_admin_tools.py`.
"""

import json
import re
import time

from suites import scripted
from suites.place import PEER
from suites.reasons import TRANSACTIONS, not_yet

NAME = "java-tools"
WHAT = (
    "Kafka's Java tools of 4.3.1, in tests of our own: every record is accounted for. What its administration tools print "
    "is compared in `conformance/tests/test_admin_tools.py`"
)
SETTINGS = {"group.initial.rebalance.delay.ms": 0}
SETTINGS_OF = {}
SHORT = ("verifiable_pair[range]", "producer_and_consumer_perf[zstd]")
REASONS = (
    ("transactional_copier*", TRANSACTIONS),
    ("streams_word_count[exactly_once_v2]", TRANSACTIONS),
    ("verifiable_share_pair", not_yet("share groups")),
)
RECORDS = 20_000
ASSIGNORS = {
    "range": "RangeAssignor",
    "roundrobin": "RoundRobinAssignor",
    "sticky": "StickyAssignor",
    "cooperative-sticky": "CooperativeStickyAssignor",
}


def events(text, name):
    """The JSON lines of a verifiable tool with this name."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("name") == name]


def verifiably_produced(stage, topic, count=RECORDS, *arguments):
    text = stage.tool("kafka-verifiable-producer", "--topic", topic, "--max-messages", count, *arguments)
    acknowledged = events(text, "producer_send_success")
    assert len(acknowledged) == count, f"{len(acknowledged)} of {count} acknowledged"
    return {(each["partition"], each["offset"]): each["value"] for each in acknowledged}


def verifiably_consumed(stage, topic, count, *arguments):
    text = stage.tool(
        "kafka-verifiable-consumer",
        "--topic",
        topic,
        "--group-id",
        topic,
        "--verbose",
        "--max-messages",
        count,
        *arguments,
    )
    found = {(each["partition"], each["offset"]): each["value"] for each in events(text, "record_data")}
    commits = events(text, "offsets_committed")
    assert commits and all(each["success"] for each in commits), "offsets were not committed"
    return found


def pair_with(*arguments):
    def pair(stage):
        """A group takes over from another member where that one has committed."""
        topic = stage.topic(partitions=3)
        sent = verifiably_produced(stage, topic)
        half = RECORDS // 2
        first = verifiably_consumed(stage, topic, half, *arguments)
        second = verifiably_consumed(stage, topic, RECORDS - half, *arguments)
        assert len(first) == half and not first.keys() & second.keys(), "records came twice"
        assert first | second == sent, "other records than were sent"

    return pair


def console_with(*arguments):
    def console(stage):
        """What is typed comes out again, and the group's tool says that nothing is left."""
        topic = stage.topic(partitions=3)
        lines = [f"key {n}\tline {n}" for n in range(1000)]
        typed = stage.file("lines", "".join(f"{line}\n" for line in lines))
        producer = [PEER / "bin/kafka-console-producer", "--bootstrap-server", stage.address, "--topic", topic]
        stage.command(["bash", "-c", f'"$@" < {typed}', "-", *producer, "--reader-property", "parse.key=true"])
        printed = stage.tool(
            "kafka-console-consumer",
            *("--topic", topic, "--group", topic, "--from-beginning", "--max-messages", len(lines)),
            *("--formatter-property", "print.key=true", *arguments),
        )
        assert sorted(line for line in printed.splitlines() if line.startswith("key ")) == sorted(lines)
        described = stage.tool("kafka-consumer-groups", "--describe", "--group", topic)
        rows = [line.split() for line in described.splitlines() if line.startswith(topic)]
        # Group, topic, partition, committed offset, end, lag.
        assert [row[5] for row in rows] == ["0"] * 3, described
        assert sum(int(row[3]) for row in rows) == len(lines), described

    return console


def two_members(stage):
    """Two members share the partitions; the second one's coming is a rebalance."""
    topic = stage.topic(partitions=6)
    command = [PEER / "bin/kafka-verifiable-consumer", "--bootstrap-server", stage.address, "--topic", topic]
    outputs = [stage.folder / name for name in ("first", "second")]
    for output in outputs:
        stage.begin(["bash", "-c", f'exec "$@" > {output}', "-", *command, "--group-id", topic, "--verbose"])
        wait_until(lambda output=output: output.exists() and events(output.read_text(), "partitions_assigned"), 40)
    wait_until(
        lambda: all(len(events(o.read_text(), "partitions_assigned")[-1]["partitions"]) == 3 for o in outputs), 40
    )
    sent = verifiably_produced(stage, topic)

    def found():
        lines = [line for output in outputs for line in events(output.read_text(), "record_data")]
        return [(line["partition"], line["offset"]) for line in lines]

    wait_until(lambda: len(found()) >= len(sent), 40)
    assert sorted(found()) == sorted(sent), "records are missing or came twice"


def wait_until(condition, limit):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true within {limit} s"
        time.sleep(0.2)


def perf_with(codec):
    def perf(stage):
        topic = stage.topic(partitions=2)
        text = stage.tool(
            "kafka-producer-perf-test",
            *("--topic", topic, "--num-records", RECORDS, "--record-size", 500, "--throughput", -1),
            *("--command-property", f"compression.type={codec}", "acks=all"),
        )
        assert re.search(rf"^{RECORDS} records sent", text, re.MULTILINE)
        text = stage.tool("kafka-consumer-perf-test", "--topic", topic, "--num-records", RECORDS, "--hide-header")
        consumed = int(text.strip().splitlines()[-1].split(",")[4])
        assert consumed == RECORDS, text

    return perf


def e2e_latency(stage):
    text = stage.java("org.apache.kafka.tools.EndToEndLatency", stage.address, stage.topic(), 500, "all", 100)
    assert "Percentiles" in text, text


def transactional_copier(stage):
    """What it copies, with random aborts, is there once for those who read committed records only."""
    source, copy = stage.topic(), stage.topic()
    sent = verifiably_produced(stage, source)
    text = stage.java(
        "org.apache.kafka.tools.TransactionalMessageCopier",
        *("--input-topic", source, "--input-partition", 0, "--output-topic", copy, "--broker-list", stage.address),
        *("--consumer-group", source, "--transactional-id", source, "--enable-random-aborts"),
    )
    assert text
    isolated = stage.properties("isolated", isolation_level="read_committed")
    found = verifiably_consumed(stage, copy, RECORDS, "--command-config", isolated)
    assert sorted(found.values(), key=int) == sorted(sent.values(), key=int), "not each record once"


def word_count_with(guarantee):
    def word_count(stage):
        """Kafka Streams' example counts a thousand words exactly, through internal topics and a state store."""
        words = [f"word{n % 37}" for n in range(1000)]
        for topic in ("streams-plaintext-input", "streams-wordcount-output"):
            # The example's topics have fixed names: what another test left in them does not count.
            stage.tool("kafka-topics", "--delete", "--if-exists", "--topic", topic)
            stage.tool("kafka-topics", "--create", "--topic", topic, "--partitions", 1)
        out = stage.folder / "counts"
        text = stage.file("words", "".join(f"{' '.join(words[at : at + 10])}\n" for at in range(0, 1000, 10)))
        producer = f'"{PEER}/bin/kafka-console-producer" --bootstrap-server {stage.address} --topic streams-plaintext-input < {text}'
        stage.command(["bash", "-c", producer])
        settings = stage.properties(
            "streams",
            bootstrap_servers=stage.address,
            processing_guarantee=guarantee,
            application_id=f"word-count-{guarantee}",
            state_dir=stage.folder / "state",
            commit_interval_ms=500,
        )
        stage.begin([PEER / "kafka-run", "org.apache.kafka.streams.examples.wordcount.WordCountDemo", settings])
        expected = {word: words.count(word) for word in words}
        counted = {}

        def counts():
            consumer = [
                *(PEER / "bin/kafka-console-consumer", "--bootstrap-server", stage.address, "--topic"),
                *(
                    "streams-wordcount-output",
                    "--from-beginning",
                    "--timeout-ms",
                    8000,
                    "--isolation-level",
                    "read_committed",
                ),
                *("--formatter-property", "print.key=true"),
                *("--formatter-property", "value.deserializer=org.apache.kafka.common.serialization.LongDeserializer"),
            ]
            stage.command(["bash", "-c", f'"$@" > {out}', "-", *consumer], 60)
            counted.clear()
            counted.update(re.findall(r"^(word\d+)\t(\d+)$", out.read_text(), re.MULTILINE))
            return {word: int(n) for word, n in counted.items()}

        wait_until(lambda: counts() == expected, 60)

    return word_count


def verifiable_share_pair(stage):
    topic = stage.topic()
    group = ["--entity-type", "groups", "--entity-name", topic]
    stage.tool("kafka-configs", "--alter", *group, "--add-config", "share.auto.offset.reset=earliest")
    verifiably_produced(stage, topic, 1000)
    text = stage.tool(
        "kafka-verifiable-share-consumer", "--topic", topic, "--group-id", topic, "--max-messages", 1000, limit=60
    )
    assert sum(each["count"] for each in events(text, "records_consumed")) >= 1000, text[-500:]


TESTS = {
    **{
        f"verifiable_pair[{n}]": pair_with("--assignment-strategy", f"org.apache.kafka.clients.consumer.{a}")
        for n, a in ASSIGNORS.items()
    },
    "verifiable_pair[static]": pair_with("--group-instance-id", "one"),
    "verifiable_pair[consumer-protocol]": pair_with("--group-protocol", "consumer"),
    "console[classic]": console_with(),
    "console[consumer-protocol]": console_with("--command-property", "group.protocol=consumer"),
    "two_members": two_members,
    **{f"producer_and_consumer_perf[{codec}]": perf_with(codec) for codec in ("none", "gzip", "snappy", "lz4", "zstd")},
    "e2e_latency": e2e_latency,
    "streams_word_count[at_least_once]": word_count_with("at_least_once"),
    "streams_word_count[exactly_once_v2]": word_count_with("exactly_once_v2"),
    "transactional_copier": transactional_copier,
    "verifiable_share_pair": verifiable_share_pair,
}


def tests():
    return list(TESTS)


def prepare():
    """`conformance/setup` has brought the jars."""


def run(broker, only=None):
    return scripted.run(NAME, broker, TESTS, only)
