"""No reply to a produce is written before the sync that covers its records has returned, as the system calls show it."""

import threading

import pytest
import raw
from durability import Checker, Trace
from topics import create

PORT = 9092


def hexed(data):
    return "".join(f"\\x{b:02x}" for b in data)


LOG = f"7<{hexed(b'/data/wal/1')}>"
SOCKET = f"9<TCP:[127.0.0.1:{PORT}->127.0.0.1:5000]>"
WRITE = f'pwritev2({LOG}, [{{iov_base="{hexed(b"xx token-1 yy")}", iov_len=13}}], 1, 0, '
REPLY = f'10 sendto({SOCKET}, "{hexed(bytes([0, 0, 0, 4, 0, 0, 0, 1]))}", 8, MSG_NOSIGNAL, NULL, 0) = 8'


@pytest.mark.parametrize(
    ("name", "lines", "early"),
    [
        ("a synced write, then the reply", [f"10 {WRITE}RWF_DSYNC) = 13", REPLY], False),
        ("a write without a sync", [f"10 {WRITE}0) = 13", REPLY], True),
        ("a write, a sync, the reply", [f"10 {WRITE}0) = 13", f"10 fdatasync({LOG}) = 0", REPLY], False),
        ("the reply between write and sync", [f"10 {WRITE}0) = 13", REPLY, f"10 fdatasync({LOG}) = 0"], True),
        (
            "the sync of another file",
            [f"10 {WRITE}0) = 13", f"10 fdatasync(8<{hexed(b'/data/wal/2')}>) = 0", REPLY],
            True,
        ),
        (
            "a sync that failed",
            [f"10 {WRITE}0) = 13", f"10 fdatasync({LOG}) = -1 EIO (Input/output error)", REPLY],
            True,
        ),
        (
            "a sync that began before the write returned",
            [f"11 fdatasync({LOG} <unfinished ...>", f"10 {WRITE}0) = 13", "11 <... fdatasync resumed>) = 0", REPLY],
            True,
        ),
        (
            "a synced write that has not returned",
            [f"11 {WRITE}RWF_DSYNC <unfinished ...>", REPLY, "11 <... pwritev2 resumed>) = 13"],
            True,
        ),
        (
            "a file opened with O_DSYNC",
            [
                f'10 openat(AT_FDCWD<{hexed(b"/")}>, "{hexed(b"/data/wal/1")}", O_RDWR|O_DSYNC) = {LOG}',
                f"10 {WRITE}0) = 13",
                REPLY,
            ],
            False,
        ),
        ("no write at all", [REPLY], True),
        ("no reply", [f"10 {WRITE}RWF_DSYNC) = 13"], True),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_the_checker_sees(name, lines, early):
    """Could break: a checker that finds nothing looks like a broker without faults."""
    report = Checker({1: b"token-1"}, PORT, lambda path: "/wal/" in path).check(lines)
    assert bool(report.violations) == early, (name, report)


def traced_produces(broker, topic, path, per_connection):
    """Runs four connections of pipelined produces under a trace; returns what the checker says."""
    tokens = {}
    failures = []

    def run(number):
        try:
            with raw.Connection(broker, timeout=60) as connection:
                for first in range(0, per_connection, 8):
                    sent = []
                    for i in range(first, first + 8):
                        token = b"token-%d-%06d-end" % (number, i)
                        acks = 1 if i % 3 == 0 else -1
                        body = {
                            "Acks": acks,
                            "TimeoutMs": 30_000,
                            "TopicData": [
                                {"Name": topic, "PartitionData": [{"Index": number % 2, "Records": raw.batch([token])}]}
                            ],
                        }
                        correlation_id = connection.send("Produce", 9, **body)
                        tokens[correlation_id] = token
                        sent.append(correlation_id)
                    for correlation_id in sent:
                        answer = connection.receive("Produce", 9, correlation_id)
                        assert answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0, answer
        except Exception as e:  # noqa: BLE001 - handed to the test's own thread
            failures.append(e)

    with Trace(broker, path) as trace:
        threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert failures == []
    inside = {"takhin": "/wal/", "kafka": f"/{topic}-"}[broker.kind]
    checker = Checker(
        tokens, broker.port, lambda p: p.startswith(str(broker.data_dir)) and inside in p, trace.synced_paths
    )
    return checker.check(trace.lines())


@pytest.mark.timeout(300)
def test_no_reply_is_written_before_its_sync_has_returned(start_broker, topic_name, tmp_path, long_form):
    """Could break: a reply released by the append, by another shard's sync, or by a sync that began too early."""
    # Apache Kafka answers before it syncs unless it is told to sync each message.
    settings = {"log.flush.interval.messages": 1}
    broker = start_broker(settings if start_broker.kind == "kafka" else {})
    topic = create(broker, topic_name(), partitions=2)
    per_connection = 800 if long_form else 120
    report = traced_produces(broker, topic, tmp_path / "trace", per_connection)
    assert report.violations == []
    assert report.replies == 4 * per_connection
    assert report.durable_writes > 0


@pytest.mark.timeout(300)
def test_the_checker_finds_a_broker_that_does_not_sync(start_broker, topic_name, tmp_path):
    """Could break: the checker itself; Apache Kafka at its defaults is the broker that it has to find."""
    if start_broker.kind != "kafka":
        pytest.skip("only Apache Kafka answers before it syncs")
    broker = start_broker()
    topic = create(broker, topic_name(), partitions=2)
    report = traced_produces(broker, topic, tmp_path / "trace", 40)
    assert report.replies == 160
    assert len(report.violations) == 160
