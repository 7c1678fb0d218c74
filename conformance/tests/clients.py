"""The clients that drive a broker, each behind `produce` and `consume` on one partition.

kcat (Debian's librdkafka), confluent-kafka (a newer librdkafka), the Java client of 4.3.1 and of 2.8.2, franz-go, KafkaJS and
aiokafka.
"""

import subprocess
import time
from itertools import groupby

import confluent_kafka
import topics
from aio import AioKafka
from model import ACKS, CODECS, CREATE_TIME, LOG_APPEND_TIME, Consumed, Record, Refused
from resident import Franz, Java, KafkaJs

__all__ = ["ACKS", "CODECS", "CREATE_TIME", "LOG_APPEND_TIME", "Consumed", "Record", "Refused"]


class Kcat:
    name = "kcat"
    # Separators that do not occur in any record of the suite.
    KEY_END, RECORD_END = b"\x01\x02key-end\x03\x01", b"\x01\x02record-end\x03\x01"

    def __init__(self, path="kcat"):
        self.path = path

    def produce(self, broker, topic, records, *, partition=0, codec="none", acks="all", idempotent=False, config=()):
        """One run for each stretch of records that share headers and the way empty and null are told apart.

        Without acknowledgements each run is waited for: the next one's connection could overtake it.
        """
        due = topics.end_offset(broker, topic, partition) if acks == "0" else 0
        for (headers, has_null, has_key), stretch in groupby(records, self._mode):
            command = [
                self.path,
                "-P",
                "-b",
                broker.address,
                "-t",
                topic,
                "-p",
                str(partition),
                "-z",
                codec,
                "-X",
                f"acks={acks}",
                "-X",
                f"enable.idempotence={str(idempotent).lower()}",
                "-D",
                self._escaped(self.RECORD_END),
            ]
            command += ["-K", self._escaped(self.KEY_END)] if has_key else []
            command += ["-Z"] if has_null else []
            for key, value in headers:
                command += ["-H", key if value is None else f"{key}={value.decode()}"]
            for setting in config:
                command += ["-X", setting]
            stretch = list(stretch)
            lines = [(r.key + self.KEY_END if has_key else b"") + (r.value or b"") for r in stretch]
            done = subprocess.run(
                command, input=self.RECORD_END.join(lines), capture_output=True, timeout=60, check=False
            )
            if done.returncode != 0:
                raise Refused(done.stderr.decode(errors="replace"))
            if acks == "0":
                due += len(stretch)
                topics.wait_end_offset(broker, topic, partition, due)

    @staticmethod
    def _mode(record):
        return record.headers, record.value is None, record.key is not None

    @staticmethod
    def _escaped(separator):
        return "".join(f"\\x{b:02x}" for b in separator)

    @staticmethod
    def can(record):
        """kcat takes a key only if it is not empty, empty values only without -Z, and header values as text."""
        return (
            record.timestamp is None
            and record.key != b""
            and (record.value != b"" or record.key is not None)
            and (record.value is not None or record.key is not None)
            and all(v is not None and v.isascii() and v.decode().isprintable() for _, v in record.headers)
        )

    def consume(self, broker, topic, count, *, partition=0, offset=0, timeout=30):
        form = "%p %o %T %K %S %k%s%h" + self._escaped(self.RECORD_END)
        command = [
            self.path,
            "-C",
            "-q",
            "-u",
            "-b",
            broker.address,
            "-t",
            topic,
            "-p",
            str(partition),
            "-o",
            str(offset),
            "-c",
            str(count),
            "-f",
            form,
            "-X",
            "check.crcs=true",
        ]
        if count == 0:
            return []
        done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return self._parse(done.stdout)

    @staticmethod
    def _parse(out):
        records = []
        at = 0
        while at < len(out):
            numbers = []
            for _ in range(5):
                end = out.index(b" ", at)
                numbers.append(int(out[at:end]))
                at = end + 1
            partition, offset, timestamp, key_size, value_size = numbers
            key = None if key_size < 0 else out[at : at + key_size]
            at += max(key_size, 0)
            value = None if value_size < 0 else out[at : at + value_size]
            at += max(value_size, 0)
            end = out.index(Kcat.RECORD_END, at)
            headers = tuple(Kcat._header(h) for h in out[at:end].split(b",") if h)
            at = end + len(Kcat.RECORD_END)
            records.append(Consumed(partition, offset, timestamp, CREATE_TIME, key, value, headers))
        return records

    @staticmethod
    def _header(text):
        key, _, value = text.partition(b"=")
        return key.decode(), None if value == b"NULL" else value


class Confluent:
    name = "confluent"

    @staticmethod
    def can(_record):
        return True

    def produce(self, broker, topic, records, *, partition=0, codec="none", acks="all", idempotent=False, config=()):
        """Returns the offset of each record (-1 with acks 0)."""
        offsets, errors = [None] * len(records), []

        def done(index):
            def report(error, message):
                if error is not None:
                    errors.append(error.name())
                else:
                    offsets[index] = message.offset()

            return report

        settings = dict(s.split("=", 1) for s in config)
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": broker.address,
                "compression.type": codec,
                "acks": acks,
                "enable.idempotence": idempotent,
                "linger.ms": 5,
                **settings,
            }
        )
        for i, r in enumerate(records):
            stamp = {} if r.timestamp is None else {"timestamp": r.timestamp}
            producer.produce(topic, r.value, r.key, partition, on_delivery=done(i), headers=list(r.headers), **stamp)
            producer.poll(0)
        left = producer.flush(60)
        assert left == 0, f"{left} records are still without an answer"
        if errors:
            raise Refused(errors[0])
        return offsets

    def consume(self, broker, topic, count, *, partition=0, offset=0, timeout=30):
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": broker.address,
                "group.id": "conformance",
                "enable.auto.commit": False,
                "check.crcs": True,
                "auto.offset.reset": "error",
            }
        )
        try:
            consumer.assign([confluent_kafka.TopicPartition(topic, partition, offset)])
            records = []
            deadline = time.monotonic() + timeout
            while len(records) < count and time.monotonic() < deadline:
                for message in consumer.consume(count - len(records), 0.2):
                    assert message.error() is None, message.error()
                    records.append(consumed(message))
            return records
        finally:
            consumer.close()


def consumed(message):
    """A confluent-kafka message as Consumed."""
    kind, timestamp = message.timestamp()
    kinds = {
        confluent_kafka.TIMESTAMP_CREATE_TIME: CREATE_TIME,
        confluent_kafka.TIMESTAMP_LOG_APPEND_TIME: LOG_APPEND_TIME,
    }
    return Consumed(
        message.partition(),
        message.offset(),
        timestamp,
        kinds[kind],
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
    )


KCAT, CONFLUENT, JAVA, JAVA_OLD, FRANZ = Kcat(), Confluent(), Java("4.3.1"), Java("2.8.2"), Franz()
ALL = [KCAT, CONFLUENT, JAVA, JAVA_OLD, FRANZ]
KAFKAJS, AIOKAFKA = KafkaJs(), AioKafka()
FAMILIES = [*ALL, KAFKAJS, AIOKAFKA]


def close_hosts():
    for client in FAMILIES:
        if hasattr(client, "host"):
            client.host.close()
