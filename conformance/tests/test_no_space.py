"""A disk that fills, on a small file system of its own: errors, reads that go on, and writes that come back by themselves.

Needs to mount: as root, in a container that may. Elsewhere these are skipped, and say so.
"""

import os
import random
import subprocess

import confluent_kafka
import pytest
import watch
from brokers import Takhin
from clients import CONFLUENT
from topics import create, delete
from waiting import wait_for

MIB = 1 << 20
DISK_BYTES = 512 * MIB
# Wide enough that nobody gets through it between two looks: a file of the log is taken at once, and segments grow fast.
FREE_BYTES_MIN = 192 * MIB
NOISE = random.Random(5).randbytes(MIB)
VALUE_BYTES = 100_000
NO_SPACE = confluent_kafka.KafkaError.KAFKA_STORAGE_ERROR


@pytest.fixture
def small_disk(tmp_path, broker_kind):
    if broker_kind != "takhin":
        pytest.skip("Kafka ends when its disk is full")
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "takhin-test", path], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"NOT TESTED: no file system may be mounted here ({mounted.stderr.strip()})")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def broker_on(small_disk, tmp_path):
    """Starts a broker whose data, and nothing else of it, is on the small disk."""
    started = []

    def start(settings=None):
        broker = Takhin(tmp_path / "broker", settings)
        broker.data_dir = small_disk / "data"
        started.append(broker)
        return broker.start()

    yield start
    for broker in started:
        broker.kill()


class Writer:
    """Writes numbered records one after the other; keeps what was acknowledged, and each error's code."""

    def __init__(self, broker, topic):
        self.topic, self.acknowledged, self.number, self.answer = topic, {}, 0, None
        self.client = confluent_kafka.Producer(
            {"bootstrap.servers": broker.address, "acks": "all", "retries": 0, "message.timeout.ms": 20_000, "log_level": 0}
        )

    def write(self):
        """Sends one; None, or the error's code."""
        number, self.number = self.number, self.number + 1
        value = b"%d:" % number + NOISE[number : number + VALUE_BYTES]
        self.client.produce(self.topic, value, partition=0, on_delivery=self._told)
        self.client.flush(30)
        error, offset = self.answer
        if error is None:
            self.acknowledged[offset] = value
            return None
        return error.code()

    def _told(self, error, message):
        self.answer = (error, message.offset())

    def write_until(self, code, most=5000):
        for _ in range(most):
            found = self.write()
            if found == code:
                return
            assert found is None, found
        raise AssertionError(f"{most} records were taken, and the disk has {DISK_BYTES} bytes")

    def check(self, broker):
        """Everything acknowledged is there."""
        end = max(self.acknowledged) + 1
        found = {record.offset: record.value for record in CONFLUENT.consume(broker, self.topic, end)}
        missing = [offset for offset, value in self.acknowledged.items() if found.get(offset) != value]
        assert missing == []


def fill(path):
    """Takes every byte that is left."""
    filler = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for piece in (MIB, 4096):
            try:
                while os.write(filler, bytes(piece)):
                    pass
            except OSError:
                continue
    finally:
        os.close(filler)


def lines_with(broker, text):
    return [line for line in broker.log().splitlines() if text in line]


@pytest.mark.timeout(300)
def test_below_the_bound_writes_are_refused_and_deletion_brings_them_back(broker_on, topic_name):
    """Could break: a broker that ends, or serves nothing; topics that can't be deleted because that is a write, too."""
    broker = broker_on({"storage.free.space.min.bytes": FREE_BYTES_MIN})
    kept, gone = Writer(broker, create(broker, topic_name())), Writer(broker, create(broker, topic_name()))
    for _ in range(100):
        assert kept.write() is None
    gone.write_until(NO_SPACE)
    found = watch.metrics(broker)
    assert watch.value(found, "takhin_storage_writes_refused", reason="segments_no_space") == 1
    assert watch.value(found, "takhin_kafka_request_errors_total", error_code="KAFKA_STORAGE_ERROR") >= 1
    free, least = (watch.value(found, f"takhin_storage_free_bytes{end}") for end in ("", "_min"))
    assert least == FREE_BYTES_MIN and free < least
    status, answer = watch.health(broker)
    assert (status, answer["status"]) == (503, "degraded") and "to stay free" in answer["writes"], answer
    assert watch.health(broker, "/ready")[0] == watch.health(broker, "/live")[0] == 200
    kept.check(broker)
    gone.check(broker)
    assert len(lines_with(broker, "writes are refused")) == 1
    delete(broker, gone.topic)
    wait_for(lambda: kept.write() is None)
    assert len(lines_with(broker, "writes are refused")) == len(lines_with(broker, "writes go on")) == 1
    assert watch.health(broker)[0] == 200
    kept.check(broker)
    broker.kill()
    broker.start()
    kept.check(broker)


@pytest.mark.timeout(300)
def test_a_disk_that_is_full_all_the_same_loses_nothing(broker_on, small_disk, topic_name):
    """Could break: ENOSPC of a segment, the log's next file or a checkpoint taken for a broken disk, or half a cut kept."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(340 * MIB))
    broker = broker_on({"storage.free.space.min.bytes": 0})
    writer = Writer(broker, create(broker, topic_name()))
    for _ in range(2):
        writer.write_until(NO_SPACE)
        # The rest goes, too: not a byte for a segment or the checkpoint.
        fill(small_disk / "filler")
        writer.check(broker)
        assert broker.alive()
        (small_disk / "filler").unlink()
        with open(ballast, "r+b") as f:
            # A whole file of the write-ahead log, which has 64 MiB, and some.
            f.truncate(ballast.stat().st_size - 72 * MIB)
        wait_for(lambda: writer.write() is None)
        writer.check(broker)
    assert lines_with(broker, " ERROR ") == []
    broker.kill()
    broker.start()
    writer.check(broker)
    assert writer.write() is None
