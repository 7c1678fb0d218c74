"""aiokafka, a client written in Python, behind `produce` and `consume`; and its reading of record batches from bytes."""

import asyncio
import time

import aiokafka
from aiokafka.record import MemoryRecords
from model import CREATE_TIME, Consumed


class AioKafka:
    name = "aiokafka"
    ACKS = {"0": 0, "1": 1, "all": "all"}

    @staticmethod
    def can(_record):
        return True

    def produce(self, broker, topic, records, *, partition=0, codec="none", acks="all", idempotent=False, alone=False):
        """Returns the offset of each record; `alone`: each record is sent when the one before is answered."""
        settings = {
            "bootstrap_servers": broker.address,
            "compression_type": None if codec == "none" else codec,
            "acks": self.ACKS[acks],
            "enable_idempotence": idempotent,
        }
        return asyncio.run(self._produce(settings, topic, partition, records, alone))

    @staticmethod
    async def _produce(settings, topic, partition, records, alone):
        async with aiokafka.AIOKafkaProducer(**settings) as producer:
            sent = []
            for r in records:
                headers = list(r.headers) or None
                sent.append(await producer.send(topic, r.value, r.key, partition, r.timestamp, headers))
                if alone:
                    await sent[-1]
            return [(await s).offset for s in sent]

    def consume(self, broker, topic, count, *, partition=0, offset=0, timeout=30):
        return asyncio.run(self._consume(broker, topic, count, partition, offset, timeout))

    @staticmethod
    async def _consume(broker, topic, count, partition, offset, timeout):
        one = aiokafka.TopicPartition(topic, partition)
        settings = {"bootstrap_servers": broker.address, "auto_offset_reset": "none", "check_crcs": True}
        async with aiokafka.AIOKafkaConsumer(**settings, enable_auto_commit=False) as consumer:
            consumer.assign([one])
            consumer.seek(one, offset)
            found, deadline = [], time.monotonic() + timeout
            while len(found) < count and time.monotonic() < deadline:
                for records in (await consumer.getmany(one, timeout_ms=200)).values():
                    found += [consumed(r, partition) for r in records]
            return found


def consumed(found, partition=0):
    """A record of aiokafka's as Consumed."""
    headers = tuple((k, None if v is None else bytes(v)) for k, v in found.headers)
    return Consumed(
        partition, found.offset, found.timestamp, found.timestamp_type or CREATE_TIME, found.key, found.value, headers
    )


def records_in(data):
    """The records of the batches in `data`, of any codec, as Consumed."""
    batches, found = MemoryRecords(data), []
    while (batch := batches.next_batch()) is not None:
        assert batch.validate_crc()
        found += [consumed(r) for r in batch]
    return found
