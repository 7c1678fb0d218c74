"""Java clients of Kafka 2.8.2 and 3.9.1: their tools, with the request versions of their time."""

import re

from suites import scripted
from suites.java_tools import events
from suites.place import PEER, command

NAME = "java-old"
WHAT = "Java clients of Kafka 2.8.2 and 3.9.1, in tests of our own: every record is accounted for"
SETTINGS = {"group.initial.rebalance.delay.ms": 0}
SETTINGS_OF = {}
SHORT = ("verifiable_pair[2.8.2]", "verifiable_pair[3.9.1]")
REASONS = ()
VERSIONS = ("2.8.2", "3.9.1")
RECORDS = 20_000


def perf_of(version):
    # The tools have moved.
    package = {"2.8.2": "kafka.tools", "3.9.1": "org.apache.kafka.tools"}[version]

    def perf(stage):
        topic = stage.topic(partitions=3)
        text = stage.java(
            "org.apache.kafka.tools.ProducerPerformance",
            *("--topic", topic, "--num-records", RECORDS, "--record-size", 200, "--throughput", -1),
            *("--producer-props", f"bootstrap.servers={stage.address}", "acks=all"),
            version=version,
        )
        assert re.search(rf"^{RECORDS} records sent", text, re.MULTILINE)
        text = stage.java(
            f"{package}.ConsumerPerformance",
            *("--bootstrap-server", stage.address, "--topic", topic, "--messages", RECORDS, "--hide-header"),
            version=version,
        )
        rows = [line.split(",") for line in text.splitlines() if line.count(",") > 7]
        assert int(rows[-1][4]) == RECORDS, text[-500:]

    return perf


def verifiable_pair_of(version, *arguments):
    def pair(stage):
        """A group takes over from another member where that one has committed."""
        topic = stage.topic(partitions=3)
        given = ("--bootstrap-server", stage.address, "--topic", topic)
        produced = stage.java(
            "org.apache.kafka.tools.VerifiableProducer", *given, "--max-messages", RECORDS, version=version
        )
        sent = {(e["partition"], e["offset"]): e["value"] for e in events(produced, "producer_send_success")}
        assert len(sent) == RECORDS
        half = RECORDS // 2
        halves = []
        for _ in range(2):
            text = stage.java(
                "org.apache.kafka.tools.VerifiableConsumer",
                *(*given, "--group-id", topic, "--verbose", "--max-messages", half, *arguments),
                version=version,
            )
            halves.append({(e["partition"], e["offset"]): e["value"] for e in events(text, "record_data")})
        first, second = halves
        assert len(first) == half and not first.keys() & second.keys(), "records came twice"
        assert first | second == sent, "other records than were sent"

    return pair


def console_of(version):
    # These have moved, too.
    package = {"2.8.2": "kafka.tools", "3.9.1": "org.apache.kafka.tools.consumer"}[version]

    def console(stage):
        """What is typed comes out again."""
        topic = stage.topic(partitions=3)
        lines = [f"line {n}" for n in range(1000)]
        typed = stage.file("lines", "".join(f"{line}\n" for line in lines))
        producer = [PEER / "kafka-run", "kafka.tools.ConsoleProducer", "--bootstrap-server", stage.address]
        stage.command(
            ["bash", "-c", f'"$@" < {typed}', "-", *producer, "--topic", topic], env={"KAFKA_VERSION": version}
        )
        printed = stage.java(
            f"{package}.ConsoleConsumer",
            *("--bootstrap-server", stage.address, "--topic", topic, "--group", topic),
            *("--from-beginning", "--max-messages", len(lines)),
            version=version,
        )
        assert sorted(line for line in printed.splitlines() if line.startswith("line ")) == sorted(lines)

    return console


TESTS = {
    **{
        f"{name}[{v}]": of(v)
        for v in VERSIONS
        for name, of in (("verifiable_pair", verifiable_pair_of), ("perf", perf_of), ("console", console_of))
    },
    # KIP-848 as its first clients speak it.
    "verifiable_pair[3.9.1, consumer-protocol]": verifiable_pair_of("3.9.1", "--group-protocol", "consumer"),
}


def tests():
    return list(TESTS)


def prepare():
    for version in VERSIONS:
        command("env", f"KAFKA_VERSION={version}", PEER / "fetch-jars")


def run(broker, only=None):
    return scripted.run(NAME, broker, TESTS, only)
