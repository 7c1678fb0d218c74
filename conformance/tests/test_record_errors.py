"""Batches of which some records break a rule of their topic: Apache Kafka's answers and ours, and what a client makes of them."""

import gzip

import confluent_kafka
import pytest
import raw
from desk import compare, masked, versions

DAY_MS = 86_400_000
RULES = [
    ("cleanup.policy", "compact"),
    ("message.timestamp.before.max.ms", str(DAY_MS)),
    ("message.timestamp.after.max.ms", str(DAY_MS)),
]
INVALID_TIMESTAMP, INVALID_RECORD = 32, 87
AHEAD, OLD = 2 * DAY_MS, -2 * DAY_MS
# Of each record its key and how far its timestamp is off; the code, and who is at fault.
BATCHES = {
    "without keys": ([(None, 0), (b"k", 0), (None, 0), (b"k", 0)], INVALID_RECORD, [0, 2]),
    "only one without a key": ([(b"k", 0), (None, 0)], INVALID_RECORD, [1]),
    "too old and ahead": ([(b"k", AHEAD), (b"k", 0), (b"k", OLD)], INVALID_TIMESTAMP, [0, 2]),
    "a timestamp and keys": ([(b"k", AHEAD), (None, 0), (b"k", 0), (None, OLD)], INVALID_TIMESTAMP, [0, 1, 3]),
    "a key and a timestamp": ([(None, 0), (b"k", OLD)], INVALID_TIMESTAMP, [0, 1]),
    "both in one record": ([(None, OLD), (b"k", 0)], INVALID_RECORD, [0]),
    "hundreds without a key": ([(None, 0)] * 700, INVALID_RECORD, list(range(700))),
    "none": ([(b"k", 0), (b"", 0)], 0, []),
}


def batch(records, is_compressed=False):
    whole = b"".join(raw.record(i, key, b"v", timestamp_delta=off) for i, (key, off) in enumerate(records))
    if is_compressed:
        whole = gzip.compress(whole, mtime=0)
    return raw.batch([None] * len(records), records=whole, attributes=int(is_compressed))


def produce(desk, topic, version, *batches):
    """The partitions' answers, in which only wording is masked."""
    named = {"TopicId": desk.topic_id(topic)} if version >= 13 else {"Name": topic}
    data = [{"Index": number, "Records": records} for number, records in enumerate(batches)]
    body = {"Acks": -1, "TimeoutMs": 5000, "TopicData": [{**named, "PartitionData": data}]}
    parts = desk.whole("Produce", version, **body)["Responses"][0]["PartitionResponses"]
    for part in parts:
        part["ErrorMessage"] = bool(part.get("ErrorMessage"))
        part["RecordErrors"] = [masked(error) for error in part.get("RecordErrors", ())]
    return sorted(parts, key=lambda part: part["Index"])


@versions(3, 13)
@pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("what", BATCHES)
def test_all_records_at_fault_are_named(desks, what, is_compressed, version):
    """Could break: a client blames the records that are not named for nothing, and one that is named alone for all of them."""
    records, code, at_fault = BATCHES[what]
    sent = batch(records, is_compressed)
    [told] = compare(desks, lambda desk: produce(desk, desk.fresh_topic(configs=RULES), version, sent))
    assert told["ErrorCode"] == code
    if version >= 8:
        assert [error["BatchIndex"] for error in told["RecordErrors"]] == at_fault


def test_beside_a_refusal_stands_where_the_log_begins(desks):
    """Could break: a producer that looks whether the log has been truncated under it reads -1."""
    refused = {
        "without a key": (batch([(None, 0)]), 3),
        "count 0": (raw.batch([b"a"], count=0), 3),
        "control": (raw.batch([b"a"], attributes=32), 3),
        "a base offset": (raw.batch([b"a"], base_offset=5), 3),
        "damaged": (raw.batch([b"a"], crc=1), -1),
        "of an old format": (raw.batch([b"a"], magic=1), -1),
        "two": (batch([(b"k", 0)]) * 2, -1),
        "cut off": (batch([(b"k", 0)])[:-1], -1),
    }

    def question(desk):
        # Kafka deletes no records of a topic that is only compacted.
        topic = desk.fresh_topic(configs=[("cleanup.policy", "compact,delete")])
        produce(desk, topic, 9, batch([(b"k", 0)] * 5))
        assert raw.delete_records(desk.connection, topic, 3)["LowWatermark"] == 3
        answers = {what: produce(desk, topic, 9, sent)[0] for what, (sent, _) in refused.items()}
        return {what: (answer["ErrorCode"], answer["LogStartOffset"]) for what, answer in answers.items()}

    told = compare(desks, question)
    assert {what: start for what, (_, start) in told.items()} == {what: start for what, (_, start) in refused.items()}


@pytest.mark.usefixtures("_only_ours")
def test_an_answer_names_a_thousand_records_at_most(desks):
    """Could break: a request of some kilobytes with millions of records has an answer of gigabytes. Kafka has no bound."""
    _, desk = desks
    sent = batch([(None, 0)] * 600, is_compressed=True)
    topic = desk.fresh_topic(partitions=3, configs=RULES)
    answers = produce(desk, topic, 9, sent, sent, sent)
    assert [len(answer["RecordErrors"]) for answer in answers] == [600, 400, 0]
    assert [answer["ErrorCode"] for answer in answers] == [INVALID_RECORD] * 3
    # A batch that is checked beside the other connections: its records take megabytes.
    large = raw.record(0, None, bytes(2 << 20))
    records = [large] + [raw.record(i, None, b"") for i in range(1, 1500)]
    whole = gzip.compress(b"".join(records), mtime=0)
    heavy = raw.batch([None] * 1500, records=whole, attributes=1)
    first, second, third = produce(desk, topic, 9, heavy, sent, batch([(b"k", 0)]))
    assert (len(first["RecordErrors"]), len(second["RecordErrors"])) == (1000, 0)
    assert (first["ErrorCode"], second["ErrorCode"], third["ErrorCode"]) == (INVALID_RECORD, INVALID_RECORD, 0)


def test_librdkafka_tells_the_records_at_fault_from_the_others(desks):
    """Could break: the application throws away records that were good, or sends those again that can't be."""

    def question(desk):
        topic = desk.fresh_topic(configs=RULES)
        settings = {"bootstrap.servers": desk.broker.address, "linger.ms": 2000, "acks": "all"}
        producer = confluent_kafka.Producer(settings)
        told = {}
        for number in range(4):
            key = b"k" if number % 2 else None
            report = lambda error, _, number=number: told.update({number: error and error.name()})  # noqa: E731
            producer.produce(topic, b"v", key, partition=0, on_delivery=report)
        assert producer.flush(30) == 0
        return told

    told = compare(desks, question)
    assert told == {
        0: "INVALID_RECORD",
        1: "_INVALID_DIFFERENT_RECORD",
        2: "INVALID_RECORD",
        3: "_INVALID_DIFFERENT_RECORD",
    }


def test_the_words_say_which_rule(desks):
    """Could break: a person reads that something is wrong, and not what."""
    _, desk = desks
    topic = desk.fresh_topic(configs=RULES)
    data = [{"Index": 0, "Records": batch([(None, 0), (b"k", OLD)])}]
    frame = {"Acks": -1, "TimeoutMs": 5000, "TopicData": [{"Name": topic, "PartitionData": data}]}
    [answer] = desk.whole("Produce", 9, **frame)["Responses"][0]["PartitionResponses"]
    assert "2 records are at fault, the first is record 0: a compacted topic" in answer["ErrorMessage"]
    first, second = [error["BatchIndexErrorMessage"] for error in answer["RecordErrors"]]
    assert "without key" in first and "is out of range" in second
