"""Requests with lies in them: real ones for every API and version that a broker serves, and ways to spoil them."""

import struct

import raw
from schema import API, BY_KEY, FIXED, ZERO_UUID, Writer

# What a well-formed request of these would really do to the broker is not what is tested here.
HARMFUL = {
    "UnregisterBroker",
    "ControlledShutdown",
    "AlterConfigs",
    "IncrementalAlterConfigs",
    "UpdateFeatures",
    "AddRaftVoter",
    "RemoveRaftVoter",
    "DeleteTopics",
    "DeleteRecords",
    "ElectLeaders",
    "AlterPartitionReassignments",
    "CreateAcls",
    "DeleteAcls",
    "AlterUserScramCredentials",
    "AlterClientQuotas",
    "CreatePartitions",
}
LENGTHS = (0, -1, 2**31 - 1)
SIZE_FIELD = (0, -1, -(2**31), 2**31 - 1, 100 * 1024 * 1024 + 1)


def sample(field, version, topic, records, flexible):
    """A value for a field, with one element in every array."""
    if field.is_array:
        return [value_of(field, field.element, version, topic, records, flexible)]
    return value_of(field, field.type, version, topic, records, flexible)


def value_of(field, kind, version, topic, records, flexible):
    if field.struct:
        return body(field.struct, version, topic, records, flexible)
    if kind == "records" or (kind == "bytes" and field.name == "Records"):
        return records
    special = {
        "Acks": -1,
        "TimeoutMs": 1000,
        "ReplicaId": -1,
        "MaxWaitMs": 0,
        "MaxWaitTimeMs": 0,
        "MaxBytes": 1 << 20,
        "PartitionMaxBytes": 1 << 20,
        "ValidateOnly": True,
        "CurrentLeaderEpoch": -1,
        "SessionEpoch": -1,
        "TransactionalId": None,
        "AllowAutoTopicCreation": False,
        "ClientSoftwareName": "mutant",
        "ClientSoftwareVersion": "1",
        "NumPartitions": 1,
        "ReplicationFactor": 1,
        "LastFetchedEpoch": -1,
    }
    if field.name in special:
        return special[field.name]
    if kind in FIXED or kind == "bool":
        return 0
    return {"string": topic, "uuid": ZERO_UUID, "bytes": b"bytes"}[kind]


def body(struct_, version, topic, records, flexible):
    return {
        f.name: sample(f, version, topic, records, flexible)
        for f in struct_.fields
        if f.versions[0] <= version <= f.versions[1] and not f.tagged[0] <= version <= f.tagged[1]
    }


def requests(served, topic):
    """A Writer for every (API, version) in `served`, {key: (first, last)}: a request that is well-formed and does something."""
    records = raw.batch([b"some", b"records"])
    found = []
    for key, (first, last) in sorted(served.items()):
        api = BY_KEY.get(key)
        if api is None or api.name in HARMFUL:
            continue
        for version in range(max(first, api.request.versions[0]), last + 1):
            fields = body(api.request.root, version, topic, records, api.request.is_flexible(version))
            found.append((api.name, version, api.encode(version, fields, 7)))
    return found


def served(broker):
    """{key: (first, last)} as the broker lists it."""
    with raw.Connection(broker) as connection:
        answer = connection.ask("ApiVersions", 0)
        return {a["ApiKey"]: (a["MinVersion"], a["MaxVersion"]) for a in answer["ApiKeys"]}


def with_length(writer, at, width, compact, value):
    """The request with one of its length fields replaced."""
    if compact:
        out = Writer()
        out.uvarint((value + 1) & 0xFFFFFFFF)
        field = bytes(out.bytes)
    elif width == 2:
        field = struct.pack(">h", min(value, 32767))
    else:
        field = struct.pack(">i", value)
    return bytes(writer.bytes[:at]) + field + bytes(writer.bytes[at + width :])


def lies(writer):
    """The request once for each of its length fields and each of LENGTHS."""
    for at, width, compact in writer.lengths:
        for value in LENGTHS:
            yield with_length(writer, at, width, compact, value)


def framed(data):
    return struct.pack(">i", len(data)) + data


def mutate(chance, writer):
    """Bytes to send, made from a request: bit flips, truncation, wrong sizes, wrong lengths, noise."""
    data = bytearray(writer.bytes)
    kind = chance.randrange(8)
    if kind == 0:
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return framed(bytes(data))
    if kind == 1:
        return framed(bytes(data[: chance.randrange(len(data))]))
    if kind == 2:
        return framed(bytes(data))[: chance.randrange(len(data) + 4)]
    if kind == 3:
        return struct.pack(">i", chance.choice(SIZE_FIELD)) + bytes(data)
    if kind == 4 and writer.lengths:
        at, width, compact = chance.choice(writer.lengths)
        return framed(
            with_length(writer, at, width, compact, chance.choice([*LENGTHS, chance.randrange(1 << 16), 10**6]))
        )
    if kind == 5:
        return framed(bytes(data[:8]) + chance.randbytes(chance.randrange(200)))
    if kind == 6:
        return framed(bytes(data) + chance.randbytes(chance.randrange(1, 1000)))
    return framed(chance.randbytes(chance.randrange(2000)))


def core():
    """The APIs without which no client works."""
    names = [
        "Produce",
        "Fetch",
        "ListOffsets",
        "Metadata",
        "ApiVersions",
        "CreateTopics",
        "InitProducerId",
        "FindCoordinator",
    ]
    return {API[n].key for n in names}
