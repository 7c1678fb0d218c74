"""`takhin consume --group`: a member like others, beside its own kind and beside librdkafka's and Java's consumers."""

import os
import signal
import subprocess
import threading
import time

import pytest
from brokers import Takhin
from clients import CONFLUENT, JAVA, Record
from group_tools import consumer, fill, kafkas, told, wait
from topics import create

CONSOLE = "org.apache.kafka.tools.consumer.ConsoleConsumer"
pytestmark = pytest.mark.usefixtures("_only_ours")


@pytest.fixture(params=["takhin", "kafka"])
def cluster(request):
    """Our broker, and Apache Kafka: the tools are for both."""
    return request.getfixturevalue("broker" if request.param == "takhin" else "kafka_peer")


class Consume:
    """`takhin consume --group` while it runs: the lines it has printed, as they come."""

    def __init__(self, broker, topic, group, *arguments):
        command = [Takhin.binary(), "consume", topic, "--group", group, "--bootstrap-server", broker.address]
        self.child = subprocess.Popen(
            [str(a) for a in [*command, *arguments]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=Takhin.environment(),
        )
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(iter(self._line, None)), daemon=True)
        self.reader.start()

    def _line(self):
        line = self.child.stdout.readline()
        return line.rstrip("\n") if line else None

    def end(self, how=None, status=0):
        """Waits for its end, after a signal if one is given; returns what it has printed."""
        if how is not None:
            self.child.send_signal(how)
        assert self.child.wait(30) == status, self.child.stderr.read()
        self.reader.join(10)
        self.child.stdout.close()
        self.child.stderr.close()
        return self.lines

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


def described(broker, group, *how):
    """The group, or `None` while it isn't there yet."""
    groups = told(broker, "group", "describe", "--all", *how)
    return next((of for of in groups if of["groupId"] == group), None)


def partitions(broker, group):
    """How many partitions each member has, once the group is stable."""
    of = described(broker, group, "--members")
    if of is None or of["state"] != "Stable":
        return None
    return sorted(sum(map(len, m["assignment"].values())) for m in of["members"])


def committed(broker, group):
    of = described(broker, group)
    return of and {p["partition"]: p["committedOffset"] for p in of["partitions"]}


def test_each_run_goes_on_where_the_last_one_ended(cluster, topic_name):
    """Could break: what was fetched and not printed is committed, or what was printed is not."""
    topic, group = create(cluster, topic_name(), partitions=2), topic_name()
    fill(cluster, topic, [30, 20])
    every = {f"p0-{i}" for i in range(30)} | {f"p1-{i}" for i in range(20)}
    with Consume(cluster, topic, group, "--from-beginning", "-n", 7) as one:
        first = one.end()
    assert len(first) == 7
    assert sum(committed(cluster, group).values()) == 7
    (of,) = told(cluster, "group", "describe", "--state", group)
    assert (of["state"], of["memberCount"]) == ("Empty", 0), "it has left"
    with Consume(cluster, topic, group, "--to-end", "--print-offset") as one:
        rest = [line.split("\t")[-1] for line in one.end()]
    assert sorted(first + rest) == sorted(every)
    assert committed(cluster, group) == {0: 30, 1: 20}
    with Consume(cluster, topic, group, "--to-end") as one:
        assert one.end() == []
    assert "30" in kafkas(cluster, "--describe", "--group", group)


def test_two_share_a_topic_and_one_takes_over(cluster, topic_name):
    """Could break: records printed by both or by none when partitions move."""
    topic, group = create(cluster, topic_name(), partitions=4), topic_name()
    fill(cluster, topic, [5, 5, 5, 5])
    with Consume(cluster, topic, group, "--from-beginning") as one:
        wait(lambda: len(one.lines) == 20)
        with Consume(cluster, topic, group, "--from-beginning") as two:
            wait(lambda: partitions(cluster, group) == [2, 2])
            send(cluster, topic, 4, "shared")
            wait(lambda: len(one.lines) + len(two.lines) == 24)
            assert len(two.lines) == 2 == len([line for line in one.lines if "shared" in line])
            two.end(signal.SIGINT)
        began = time.monotonic()
        wait(lambda: partitions(cluster, group) == [4])
        assert time.monotonic() - began < 10, "it has said that it leaves"
        send(cluster, topic, 4, "alone")
        wait(lambda: len(one.lines) == 26)
        assert sorted(line for line in one.lines if "alone" in line) == [f"alone-{i}" for i in range(4)]
        one.end(signal.SIGTERM)
    assert sorted(one.lines + two.lines) == sorted(
        [f"p{p}-{i}" for p in range(4) for i in range(5)] + [f"{w}-{i}" for w in ("shared", "alone") for i in range(4)]
    )
    assert committed(cluster, group) == {p: 7 for p in range(4)}


def send(broker, topic, count, word):
    for partition in range(count):
        CONFLUENT.produce(broker, topic, [Record(None, f"{word}-{partition}".encode())], partition=partition)


def test_one_takes_over_from_another_that_was_killed(broker, topic_name):
    """Could break: what was committed while it ran is not what the other goes on from."""
    topic, group = create(broker, topic_name(), partitions=2), topic_name()
    fill(broker, topic, [5, 5])
    arguments = ["--from-beginning", "--session-timeout-ms", 6000]
    with Consume(broker, topic, group, *arguments) as one, Consume(broker, topic, group, *arguments) as two:
        wait(lambda: len(one.lines) + len(two.lines) >= 10 and partitions(broker, group) == [1, 1])
        # Committed without its leaving.
        wait(lambda: committed(broker, group) == {0: 5, 1: 5})
        before = len(two.lines)
        os.kill(one.child.pid, signal.SIGKILL)
        wait(lambda: partitions(broker, group) == [2], seconds=40)
        send(broker, topic, 2, "later")
        wait(lambda: len(two.lines) == before + 2)
        two.end(signal.SIGINT)
    assert committed(broker, group) == {0: 6, 1: 6}


def test_it_shares_with_librdkafka_whoever_leads(cluster, topic_name):
    """Could break: a subscription or an assignment that another client writes or reads in another way."""
    topic, group = create(cluster, topic_name(), partitions=4), topic_name()
    fill(cluster, topic, [3, 3, 3, 3])
    other = consumer(cluster, group, **{"partition.assignment.strategy": "range", "enable.auto.commit": True})
    seen = []

    def both():
        message = other.poll(0.1)
        if message is not None and not message.error():
            seen.append(message.value().decode())
        return partitions(cluster, group) == [2, 2]

    other.subscribe([topic])
    wait(lambda: both() or other.assignment())
    with Consume(cluster, topic, group, "--from-beginning") as one:
        wait(both)
        # Now librdkafka's leaves, and comes back to a group that ours leads.
        other.close()
        wait(lambda: partitions(cluster, group) == [4])
        other = consumer(cluster, group, **{"partition.assignment.strategy": "range", "enable.auto.commit": True})
        other.subscribe([topic])
        wait(both)
        send(cluster, topic, 4, "late")
        wait(lambda: (both() or True) and {f"late-{i}" for i in range(4)} <= {*seen, *one.lines})
        one.end(signal.SIGINT)
    other.close()
    assert {f"p{p}-{i}" for p in range(4) for i in range(3)} <= {*seen, *one.lines}


def test_it_shares_with_javas_console_consumer(cluster, topic_name):
    """Could break: Java's subscriptions are of version 3, and it has other assignors beside range."""
    topic, group = create(cluster, topic_name(), partitions=2), topic_name()
    read = []

    def java():
        arguments = ["--topic", topic, "--group", group, "--max-messages", 1, "--timeout-ms", 40_000]
        read.append(JAVA.tool(CONSOLE, "--bootstrap-server", cluster.address, *arguments))

    with Consume(cluster, topic, group, "--from-beginning") as one:
        wait(lambda: partitions(cluster, group) == [2])
        other = threading.Thread(target=java)
        other.start()
        wait(lambda: partitions(cluster, group) == [1, 1])
        send(cluster, topic, 2, "shared")
        other.join(60)
        ((status, out, err),) = read
        assert status == 0, err
        wait(lambda: len(one.lines) == 1 and partitions(cluster, group) == [2])
        assert sorted([*one.lines, *out.decode().split()]) == ["shared-0", "shared-1"]
        one.end(signal.SIGINT)
    assert committed(cluster, group) == {0: 1, 1: 1}


def test_it_starts_with_what_comes_where_nothing_was_committed(broker, topic_name):
    """Could break: records between its start and its next start are passed over, as nothing was printed."""
    topic, group = create(broker, topic_name()), topic_name()
    fill(broker, topic, [5])
    with Consume(broker, topic, group) as one:
        wait(lambda: committed(broker, group) == {0: 5})
        assert one.end(signal.SIGINT) == []
    send(broker, topic, 1, "between")
    with Consume(broker, topic, group, "--timeout-ms", 3000) as one:
        assert one.end() == ["between-0"]


def test_an_unknown_topic_and_wrong_usage_are_told():
    """Could break: a group that waits for ever for a topic that was misspelt."""
    for wrong in (["--partition", 0], ["--offset", 3], ["--from-time", 5]):
        done = Takhin.tool("consume", "t", "--group", "g", *wrong)
        assert done.returncode == 2 and "--group" in done.stderr
    assert Takhin.tool("consume", "t", "--session-timeout-ms", 6000).returncode == 2
