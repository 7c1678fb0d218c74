"""A client that lies, beside one that does not: errors or closed connections, and nobody else notices."""

import random
import struct
import threading
import time
from collections import Counter

import confluent_kafka
import mutations
import pytest
import raw
from clients import consumed
from topics import create

MIB = 1 << 20
# Beyond what the process had before, with tails and caches filling: ours; and a JVM's heap.
MEMORY_BYTES_MAX = {"takhin": 128 * MIB, "kafka": 1200 * MIB}


class GoodClient(threading.Thread):
    """Produces a record every 10 ms and reads it back, until told to stop; then says what it saw."""

    def __init__(self, broker, topic):
        super().__init__()
        self.topic = topic
        self.stopping = threading.Event()
        self.failures = []
        self.latencies = []
        self.sent_at = []
        settings = {
            "bootstrap.servers": broker.address,
            "error_cb": lambda e: self.failures.append(str(e)),
            "log_level": 0,
        }
        self.producer = confluent_kafka.Producer({**settings, "enable.idempotence": True, "linger.ms": 0})
        self.consumer = confluent_kafka.Consumer(
            {**settings, "group.id": "good", "enable.auto.commit": False, "auto.offset.reset": "error"}
        )

    def wait_for(self, count, seconds=30):
        """Waits until `count` records have come back, or are overdue: the end says so then."""
        deadline = time.monotonic() + seconds
        while len(self.latencies) < count and time.monotonic() < deadline:
            time.sleep(0.01)

    def _delivered(self, error, _message):
        if error is not None:
            self.failures.append(str(error))

    def run(self):
        self.consumer.assign([confluent_kafka.TopicPartition(self.topic, 0, 0)])
        got = []
        while not self.stopping.is_set() or (len(got) < len(self.sent_at) and time.monotonic() < self.sent_at[-1] + 20):
            if not self.stopping.is_set():
                self.sent_at.append(time.monotonic())
                self.producer.produce(
                    self.topic, b"good %d" % (len(self.sent_at) - 1), partition=0, on_delivery=self._delivered
                )
            self.producer.poll(0)
            for message in self.consumer.consume(100, 0.01):
                read = consumed(message)
                self.latencies.append(time.monotonic() - self.sent_at[read.offset])
                got.append((read.offset, read.value))
        self.producer.flush(10)
        self.consumer.close()
        # The callbacks hold this object: let go of the client, or it goes on connecting.
        self.producer = self.consumer = None
        if got != [(i, b"good %d" % i) for i in range(len(self.sent_at))]:
            self.failures.append(f"{len(got)} of {len(self.sent_at)} records came back, or others")


class Undisturbed:
    """While this is open, a good client works and the broker's memory is watched; at its end both have to be well."""

    def __init__(self, broker, topic):
        self.broker = broker
        self.good = GoodClient(broker, topic)
        self.before = broker.memory_bytes()
        self.peak = self.before

    def watch(self):
        assert self.broker.alive(), "the broker is gone"
        self.peak = max(self.peak, self.broker.memory_bytes())

    def __enter__(self):
        self.good.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            # A broker that is through with the lies in a blink still has to show that it serves others.
            self.good.wait_for(101)
        self.good.stopping.set()
        self.good.join()
        if kind is not None:
            return
        self.watch()
        assert self.good.failures == []
        assert len(self.good.latencies) > 100
        assert max(self.good.latencies) < 5, sorted(self.good.latencies)[-5:]
        grown = self.peak - self.before
        print(
            f"memory grew by {grown / MIB:.1f} MiB; worst latency of the good client {max(self.good.latencies):.3f} s"
        )
        assert grown < MEMORY_BYTES_MAX[self.broker.kind], f"memory grew by {grown / MIB:.0f} MiB"


@pytest.fixture
def target(start_broker):
    """A broker of the test's own, with a topic for the liar and one for the good client."""
    broker = start_broker({"num.partitions": 1})
    create(broker, "good")
    create(broker, "lies")
    return broker


PROBE = struct.pack(">ihhih", 10, 18, 0, 4242, -1)


# Apache Kafka never answers a produce whose records are null, nor what comes behind it.
SILENCE = {"takhin": 10, "kafka": 1}


def ask_behind(broker, connection, data):
    """Sends `data` and a good request behind it: (connection, "answered", "closed" or "silent")."""
    try:
        connection.socket.sendall(data + PROBE)
        while True:
            if connection.read_frame()[:4] == struct.pack(">i", 4242):
                return connection, "answered"
    except (raw.Closed, ConnectionResetError, BrokenPipeError):
        end = "closed"
    except TimeoutError:
        end = "silent"
    connection.socket.close()
    return raw.Connection(broker, timeout=SILENCE[broker.kind]), end


@pytest.mark.timeout(600)
def test_every_length_field_of_every_request_lies(target):
    """Could break: each length at 0, -1 and 2^31-1, in every API and version: an allocation of that size, or a wait for it."""
    listed = mutations.served(target)
    # Apache Kafka's other APIs wait for coordinators and controllers; ours are all asked.
    asked = listed if target.kind == "takhin" else {k: v for k, v in listed.items() if k in mutations.core()}
    with Undisturbed(target, "good") as watched:
        connection = raw.Connection(target, timeout=SILENCE[target.kind])
        ends = Counter()
        for name, version, writer in mutations.requests(asked, "lies"):
            for data in mutations.lies(writer):
                connection, end = ask_behind(target, connection, mutations.framed(data))
                ends[end] += 1
                assert end != "silent" or target.kind == "kafka", (
                    f"{name} {version}: neither an answer nor an end: {data.hex()}"
                )
            watched.watch()
        connection.socket.close()
    print(ends)
    assert ends.total() > 500


@pytest.mark.timeout(300)
def test_a_mutating_client_disturbs_nobody(target, long_form):
    """Could break: a panic in one connection's task, memory asked for by a length, a listener that stops."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    listed = mutations.served(target)
    if target.kind == "kafka":
        listed = {k: v for k, v in listed.items() if k in mutations.core()}
    known = [writer for _, _, writer in mutations.requests(listed, "lies")]
    seconds = 60 if long_form else 5
    count = 0
    with Undisturbed(target, "good") as watched:
        held = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            connection = raw.Connection(target, timeout=10)
            try:
                for _ in range(chance.randint(1, 20)):
                    connection.socket.sendall(mutations.mutate(chance, chance.choice(known)))
                    count += 1
            except (ConnectionResetError, BrokenPipeError):
                pass
            # Some stay open with half a frame sent, as many as a bound on connections would let in.
            held.append(connection.socket)
            if len(held) > 50:
                held.pop(chance.randrange(len(held))).close()
            watched.watch()
        for s in held:
            s.close()
    print(f"{count} mutated requests in {seconds} s")
    assert count > 100


def test_a_frame_longer_than_allowed_is_not_waited_for(target):
    """Could break: a buffer of the announced size; a connection that is kept although nothing good can follow."""
    with Undisturbed(target, "good") as watched:
        for size in (2**31 - 1, -1, -(2**31), 1 << 30):
            with raw.Connection(target, timeout=5) as connection:
                connection.socket.sendall(struct.pack(">i", size) + b"\0" * 1000)
                with pytest.raises(raw.Closed):
                    connection.read_frame()
            watched.watch()
        # Announced, allowed and never sent: a thousand of them must not cost their size.
        held = [raw.Connection(target) for _ in range(300)]
        for connection in held:
            connection.socket.sendall(struct.pack(">i", 400 * 1024) + b"\0\3\0\1")
        time.sleep(1)
        watched.watch()
        for connection in held:
            connection.socket.close()
        time.sleep(0.3)
