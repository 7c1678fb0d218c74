"""Requests as bytes on a socket, for what no client sends: hand-made frames, and record batches that lie."""

import itertools
import socket
import struct
import time

from schema import API, Writer

# An hour ago: records that are years old are deleted by retention while a test looks at them.
BASE = int(time.time()) * 1000 - 3_600_000
COORDINATOR_LOAD_IN_PROGRESS = 14
TABLE = []
for _n in range(256):
    for _ in range(8):
        _n = (_n >> 1) ^ 0x82F63B78 if _n & 1 else _n >> 1
    TABLE.append(_n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


class Closed(Exception):
    """The broker closed the connection."""


class Connection:
    """One connection; `ask` sends a request of an API and returns its answer as a dictionary."""

    _ids = itertools.count(1)

    def __init__(self, broker, timeout=15, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", broker.port), timeout, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send_frame(self, frame):
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)

    def read_frame(self):
        """The next answer without its size; raises Closed at the end of the stream."""
        size = struct.unpack(">i", self._exactly(4))[0]
        return self._exactly(size)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except (ConnectionResetError, BrokenPipeError):
                raise Closed from None
            if not part:
                raise Closed
            data += part
        return data

    def send(self, api, version, **body):
        correlation_id = next(self._ids)
        self.send_frame(bytes(API[api].encode(version, body, correlation_id).bytes))
        return correlation_id

    def receive(self, api, version, correlation_id):
        got, answer = API[api].decode(version, self.read_frame())
        assert got == correlation_id, f"answer {got} came, {correlation_id} was due"
        return answer

    def ask(self, api, version, **body):
        return self.receive(api, version, self.send(api, version, **body))


def varint(value):
    """A zigzag varint, as records use them."""
    out = Writer()
    out.uvarint((value << 1) ^ (value >> 63))
    return bytes(out.bytes)


def varint_bytes(data):
    return varint(-1) if data is None else varint(len(data)) + data


def record(offset_delta, key, value, headers=(), timestamp_delta=0):
    """One record of a v2 batch."""
    body = b"\0" + varint(timestamp_delta) + varint(offset_delta) + varint_bytes(key) + varint_bytes(value)
    body += varint(len(headers)) + b"".join(varint_bytes(k) + varint_bytes(v) for k, v in headers)
    return varint(len(body)) + body


def batch(
    values,
    *,
    timestamp=BASE,
    producer_id=-1,
    producer_epoch=-1,
    base_sequence=-1,
    attributes=0,
    magic=2,
    crc=None,
    count=None,
    last_offset_delta=None,
    length=None,
    records=None,
    base_offset=0,
    max_timestamp=None,
):
    """A record batch; every keyword makes it lie about one thing. `records` replaces the record bytes."""
    if records is None:
        records = b"".join(record(i, None, v) for i, v in enumerate(values))
    real_count = len(values)
    tail = (
        struct.pack(
            ">hiqqqhii",
            attributes,
            real_count - 1 if last_offset_delta is None else last_offset_delta,
            timestamp,
            timestamp if max_timestamp is None else max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            real_count if count is None else count,
        )
        + records
    )
    real_crc = crc32c(tail)
    head = struct.pack(
        ">qiibI", base_offset, 9 + len(tail) if length is None else length, -1, magic, real_crc if crc is None else crc
    )
    return head + tail


def produce(connection, topic, records, *, version=9, partition=0, acks=-1):
    """Produces `records` (bytes) by topic name and returns the partition's answer."""
    answer = connection.ask(
        "Produce",
        version,
        Acks=acks,
        TimeoutMs=10_000,
        TopicData=[{"Name": topic, "PartitionData": [{"Index": partition, "Records": records}]}],
    )
    return answer["Responses"][0]["PartitionResponses"][0]


def create_topic(connection, name, partitions=1, replication=1, configs=(), version=7):
    """Creates a topic and returns its answer."""
    return connection.ask(
        "CreateTopics",
        version,
        TimeoutMs=10_000,
        Topics=[
            {
                "Name": name,
                "NumPartitions": partitions,
                "ReplicationFactor": replication,
                "Configs": [{"Name": k, "Value": v} for k, v in configs],
            }
        ],
    )["Topics"][0]


def producer_id(connection):
    """(producer id, epoch) from InitProducerId, without a transactional id; asked again while Kafka fetches ids."""
    for _ in range(100):
        answer = connection.ask(
            "InitProducerId", 4, TransactionTimeoutMs=60_000, ProducerId=-1, ProducerEpoch=-1, TransactionalId=None
        )
        if answer["ErrorCode"] != COORDINATOR_LOAD_IN_PROGRESS:
            break
        time.sleep(0.05)
    assert answer["ErrorCode"] == 0, answer
    return answer["ProducerId"], answer["ProducerEpoch"]


def wait_for_coordinator(broker):
    """Makes sure that there are coordinators of groups: Kafka makes its topic of offsets first, and they read it."""
    with Connection(broker) as connection:
        for _ in range(200):
            listed = connection.ask("ListGroups", 0)
            found = connection.ask("FindCoordinator", 4, KeyType=0, CoordinatorKeys=["any"])
            told = connection.ask("OffsetFetch", 8, Groups=[{"GroupId": "any", "Topics": None}])
            if not any(a["ErrorCode"] for a in (listed, found["Coordinators"][0], told["Groups"][0])):
                return
            time.sleep(0.05)
    raise AssertionError("no coordinator of groups")


def beats(connection, members, **more):
    """A heartbeat of each member (KIP-848), a hundred on their way at a time. `members` has, by group and member id, its epoch and what
    it was told to have, which it says that it has."""
    names = list(members)
    for at in range(0, len(names), 100):
        sent = []
        for group, name in names[at : at + 100]:
            epoch, has = members[group, name]
            body = {"GroupId": group, "MemberId": name, "MemberEpoch": epoch, "TopicPartitions": has, **more}
            sent.append((group, name, connection.send("ConsumerGroupHeartbeat", 1, **body)))
        for group, name, correlation_id in sent:
            answer = connection.receive("ConsumerGroupHeartbeat", 1, correlation_id)
            assert answer["ErrorCode"] == 0, answer
            told = answer["Assignment"]
            members[group, name] = (answer["MemberEpoch"], told["TopicPartitions"] if told else members[group, name][1])


def partitions_of(members):
    """The partitions' numbers that each of the members of `beats` has."""
    return [[p for topic in has for p in topic["Partitions"]] for _, has in members.values()]


def fetch(
    connection,
    topic,
    offset,
    *,
    partition=0,
    max_wait_ms=500,
    min_bytes=1,
    max_bytes=50 << 20,
    partition_bytes=50 << 20,
    version=12,
):
    """Fetches by topic name, without a session, and returns the partition's answer."""
    answer = connection.ask(
        "Fetch",
        version,
        ReplicaId=-1,
        MaxWaitMs=max_wait_ms,
        MinBytes=min_bytes,
        MaxBytes=max_bytes,
        SessionEpoch=-1,
        Topics=[
            {
                "Topic": topic,
                "Partitions": [
                    {
                        "Partition": partition,
                        "FetchOffset": offset,
                        "PartitionMaxBytes": partition_bytes,
                        "CurrentLeaderEpoch": -1,
                        "LastFetchedEpoch": -1,
                        "LogStartOffset": -1,
                    }
                ],
            }
        ],
    )
    return answer["Responses"][0]["Partitions"][0]


BATCH_FIELDS = [
    "base_offset",
    "length",
    "leader_epoch",
    "magic",
    "crc",
    "attributes",
    "last_offset_delta",
    "base_timestamp",
    "max_timestamp",
    "producer_id",
    "producer_epoch",
    "base_sequence",
    "count",
]
BATCH_FORM = struct.Struct(">qiibIhiqqqhii")


def batches(data, *, checked=True):
    """The headers of the whole record batches in `data`; each one's checksum has to be right, if it is to be `checked`."""
    found, at = [], 0
    while at + BATCH_FORM.size <= len(data):
        header = dict(zip(BATCH_FIELDS, BATCH_FORM.unpack_from(data, at), strict=True))
        end = at + 12 + header["length"]
        if end > len(data):
            break
        right = not checked or header["crc"] == crc32c(data[at + 21 : end])
        assert right, f"wrong checksum at offset {header['base_offset']}"
        found.append(header)
        at = end
    return found


def _varint(data, at):
    """A zigzag varint and the position behind it."""
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7


def records(data, *, checked=True):
    """[(offset, value)...] of the whole, uncompressed record batches in `data`; `checked` as in `batches`."""
    found, at = [], 0
    for header in batches(data, checked=checked):
        assert header["attributes"] & 7 == 0, "a compressed batch"
        record_at = at + BATCH_FORM.size
        for _ in range(header["count"]):
            length, body = _varint(data, record_at)
            record_at = body + length
            _, body = _varint(data, body + 1)
            offset_delta, body = _varint(data, body)
            key_bytes, body = _varint(data, body)
            value_bytes, body = _varint(data, body + max(key_bytes, 0))
            found.append((header["base_offset"] + offset_delta, bytes(data[body : body + value_bytes])))
        at += 12 + header["length"]
    return found


def delete_records(connection, topic, offset, partition=0):
    """Deletes what lies before `offset`, and returns the partition's answer."""
    asked = [{"Name": topic, "Partitions": [{"PartitionIndex": partition, "Offset": offset}]}]
    answer = connection.ask("DeleteRecords", 2, TimeoutMs=10_000, Topics=asked)
    return answer["Topics"][0]["Partitions"][0]
