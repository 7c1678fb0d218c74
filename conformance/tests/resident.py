"""Clients that run as resident processes, asked by lines of JSON: Java (java/Host.java), franz-go (franz/main.go), KafkaJS (kafkajs/host.js).

Starting a JVM for each use would be most of the time that the tests take.
"""

import base64
import json
import os
import subprocess
import threading

from brokers import PEER, ROOT
from model import Consumed, Refused


class Host:
    """A resident client process: one JSON object in, one out. Started at its first use."""

    def __init__(self, name, command, env=None):
        self.name, self.command, self.env = name, command, env
        self.child = None
        self.lock = threading.Lock()

    def ask(self, **question):
        with self.lock:
            if self.child is None:
                # What the clients say for humans goes to a file: a full pipe would stop them.
                with open(ROOT / ".cache" / f"{self.name}.log", "wb") as log:
                    self.child = subprocess.Popen(
                        self.command,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        env={**os.environ, **(self.env or {})},
                    )
            self.child.stdin.write(json.dumps(question).encode() + b"\n")
            self.child.stdin.flush()
            answer = json.loads(self.child.stdout.readline())
        if "failed" in answer:
            raise Refused(answer["failed"])
        return answer

    def close(self):
        if self.child is not None:
            self.child.stdin.close()
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
            self.child = None


def encoded(data):
    return None if data is None else base64.b64encode(data).decode()


def decoded(text):
    return None if text is None else base64.b64decode(text)


def as_json(record):
    return {
        "key": encoded(record.key),
        "value": encoded(record.value),
        "timestamp": record.timestamp,
        "headers": [{"key": k, "value": encoded(v)} for k, v in record.headers],
    }


def from_json(found):
    return Consumed(
        found["partition"],
        found["offset"],
        found["timestamp"],
        found["timestamp_type"],
        decoded(found["key"]),
        decoded(found["value"]),
        tuple((h["key"], decoded(h["value"])) for h in found["headers"]),
    )


def offsets_of(results):
    for result in results:
        if result.get("error"):
            raise Refused(result["error"])
    return [result["offset"] for result in results]


def produce_by(host, topic, partition, records, **how):
    """Has a host send `records`; the offset of each."""
    found = host.ask(op="produce", topic=topic, partition=partition, records=[as_json(r) for r in records], **how)
    return offsets_of(found["results"])


def consume_by(host, topic, partition, offset, count, timeout, **how):
    """The records that a host reads."""
    found = host.ask(
        op="consume",
        topic=topic,
        partition=partition,
        offset=offset,
        count=count,
        timeout_ms=timeout * 1000,
        **how,
    )
    return [from_json(r) for r in found["records"]]


class Java:
    def __init__(self, version):
        self.version = version
        self.name = f"java-{version}"
        self.host = Host(
            self.name,
            [PEER / "kafka-run", "Host"],
            {
                "KAFKA_VERSION": version,
                "EXTRA_CP": str(ROOT / ".cache" / f"java-{version}"),
                "TOOL_HEAP": "-Xmx384m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            },
        )

    @staticmethod
    def can(_record):
        return True

    def produce(
        self,
        broker,
        topic,
        records,
        *,
        partition=0,
        codec="none",
        acks="all",
        idempotent=False,
        config=(),
        alone=False,
    ):
        """`alone`: each record is sent when the one before is answered."""
        settings = {
            "bootstrap.servers": broker.address,
            "compression.type": codec,
            "acks": acks,
            "linger.ms": 5,
            "enable.idempotence": idempotent,
            **dict(s.split("=", 1) for s in config),
        }
        return produce_by(self.host, topic, partition, records, config=settings, alone=alone)

    def consume(self, broker, topic, count, *, partition=0, offset=0, timeout=30, config=()):
        """A partition of -1 reads all of the topic's."""
        settings = {
            "bootstrap.servers": broker.address,
            "auto.offset.reset": "none",
            "check.crcs": True,
            **dict(s.split("=", 1) for s in config),
        }
        return consume_by(self.host, topic, partition, offset, count, timeout, config=settings)

    def offsets(self, broker, topic, times, *, partition=0):
        """(offset, timestamp) for each time, as the consumer's offsetsForTimes, beginning (-2) and end (-1) give them."""
        found = self.host.ask(
            op="offsets", config={"bootstrap.servers": broker.address}, topic=topic, partition=partition, times=times
        )
        return [(r["offset"], r.get("timestamp")) for r in found["results"]]

    def tool(self, name, *args, stdin=b""):
        """Runs a command line tool's main; returns (exit status, standard output, standard error)."""
        done = self.host.ask(op="main", **{"class": name}, args=[str(a) for a in args], stdin=encoded(stdin))
        return done["status"], decoded(done["out"]), decoded(done["err"]).decode(errors="replace")


class Franz:
    name = "franz"

    def __init__(self):
        self.host = Host(self.name, [ROOT / ".cache" / "franz"])

    @staticmethod
    def can(_record):
        return True

    def produce(
        self,
        broker,
        topic,
        records,
        *,
        partition=0,
        codec="none",
        acks="all",
        idempotent=False,
        batch_bytes=0,
        alone=False,
    ):
        return produce_by(
            self.host,
            topic,
            partition,
            records,
            bootstrap=broker.address,
            codec=codec,
            acks=acks,
            idempotent=idempotent,
            batch_bytes=batch_bytes,
            alone=alone,
            timeout_ms=60_000,
        )

    def consume(self, broker, topic, count, *, partition=0, offset=0, timeout=30):
        return consume_by(self.host, topic, partition, offset, count, timeout, bootstrap=broker.address)


class KafkaJs:
    """KafkaJS sends a batch for each call; it reads below its consumer, which knows groups only."""

    name = "kafkajs"
    ACKS = {"0": 0, "1": 1, "all": -1}

    def __init__(self):
        self.host = Host(self.name, ["node", ROOT / "kafkajs" / "host.js"])

    @staticmethod
    def can(record):
        """It keeps headers in a map, and writes none that is null."""
        names = [key for key, _ in record.headers]
        return len(names) == len(set(names)) and all(value is not None for _, value in record.headers)

    def produce(self, broker, topic, records, *, partition=0, codec="none", acks="all", idempotent=False, alone=False):
        return produce_by(
            self.host,
            topic,
            partition,
            records,
            bootstrap=broker.address,
            codec=codec,
            acks=self.ACKS[acks],
            idempotent=idempotent,
            alone=alone,
        )

    def consume(self, broker, topic, count, *, partition=0, offset=0, timeout=30):
        return consume_by(self.host, topic, partition, offset, count, timeout, bootstrap=broker.address)
