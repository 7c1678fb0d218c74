"""What merging leaves as it is: answers to old readers, Kafka's own tool, resends, what is not merged, and how long a producer waits."""

import itertools
import re
import time

import merging
import pytest
import raw
import watch
from aio import records_in
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from brokers import free_port
from clients import CODECS, JAVA, KAFKAJS
from desk import masked
from raw import BASE
from topics import create, wait_ready

pytestmark = pytest.mark.usefixtures("_only_ours")
OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH = 45, 47
ENCODE = [bytes, gzip_encode, snappy_encode, lz4_encode, zstd_encode]
QUICK_TAIL = {"batch.tail.max.ms": 200}


def tiny(i, codec=0, **marks):
    """A batch of one record, of which some have keys, headers and times before the first one's."""
    key = None if i % 3 == 0 else b"key %d" % i
    headers = [(b"header", b"%d" % i)] if i % 4 == 0 else []
    records = raw.record(0, key, b"value %d " % i * (i % 7), headers)
    stamp = BASE + (i * 37) % 11 * 100
    return raw.batch([None], records=ENCODE[codec](records), attributes=codec, timestamp=stamp, **marks)


def send(broker, topic, batches):
    """Produces each batch with a request of its own; the answers."""
    with raw.Connection(broker) as connection:
        answers = [raw.produce(connection, topic, batch) for batch in batches]
    assert [a["ErrorCode"] for a in answers] == [0] * len(answers)
    return answers


def answer_to(broker, topic, version):
    """A fetch's answer with the records read: (what else it says, codecs of its batches, records)."""
    with raw.Connection(broker) as connection:
        answer = raw.fetch(connection, topic, 0, version=version)
    data = bytes(answer.pop("Records"))
    return masked(answer), {b["attributes"] for b in raw.batches(data)}, records_in(data)


@pytest.mark.parametrize("whose", ["topic", "producers"])
@pytest.mark.parametrize("codec", CODECS)
def test_old_readers_get_of_merged_batches_what_kafka_gives_them(start_broker, kafka_peer, topic_name, codec, whose):
    """Could break: an error for a codec that is younger than the request. Kafka 4.3 serves zstd to Fetch 4 to 9 as well."""
    broker, topic = start_broker(QUICK_TAIL), topic_name()
    sent = [tiny(i, codec=CODECS.index(codec) if whose == "producers" else 0) for i in range(40)]
    configs = [("compression.type", codec.replace("none", "uncompressed"))] if whose == "topic" else []
    for b in (broker, kafka_peer):
        create(b, topic, configs=configs)
        send(b, topic, sent)
    assert len(merging.wait_stored(broker, topic, 40)) < 20
    for version in range(4, 13):
        theirs, ours = answer_to(kafka_peer, topic, version), answer_to(broker, topic, version)
        assert ours == theirs, version
        assert ours[1] == {CODECS.index(codec)}
        assert len(ours[2]) == 40
    assert KAFKAJS.consume(broker, topic, 40) == ours[2]


DUMPED_BATCH = re.compile(r"baseOffset: (\d+) lastOffset: (\d+) count: (\d+) .*isvalid: (\w+)")
DUMPED_RECORD = re.compile(r"\| offset: (\d+) .*CreateTime: (\d+) keySize: (-?\d+) valueSize: (-?\d+)")


def dumped(file):
    """(batches, records) that Kafka's own tool finds in a segment file."""
    arguments = ["--files", file, "--deep-iteration", "--print-data-log"]
    status, out, err = JAVA.tool("org.apache.kafka.tools.DumpLogSegments", *arguments)
    assert status == 0, err
    text = out.decode()
    batches = [(int(m[1]), int(m[2]), int(m[3]), m[4]) for m in DUMPED_BATCH.finditer(text)]
    return batches, [tuple(map(int, m.groups())) for m in DUMPED_RECORD.finditer(text)]


def size(data):
    return -1 if data is None else len(data)


@pytest.mark.parametrize("codec", CODECS)
def test_kafkas_own_tool_reads_segments_of_merged_batches(start_broker, topic_name, codec):
    """Could break: a checksum, a count or a delta that clients don't look at."""
    broker = start_broker({"batch.compression.type": codec, **QUICK_TAIL})
    topic = create(broker, topic_name(), configs=[("segment.ms", "60000")])
    later = [raw.batch([b"later"], timestamp=BASE + 120_000 + i) for i in range(20)]
    send(broker, topic, [*[tiny(i) for i in range(60)], *later])
    stored = merging.wait_stored(broker, topic, 80)
    files = merging.segments(broker, topic)
    assert [file.name for file in files] == [f"{0:020}.log", f"{60:020}.log"]
    (batches, records), (later_batches, later_records) = map(dumped, files)
    assert batches + later_batches == [
        (b["base_offset"], b["base_offset"] + b["count"] - 1, b["count"], "true") for b in stored
    ]
    assert len(stored) < 40
    read = records_in(merging.fetched(broker, topic))
    assert records + later_records == [(r.offset, r.timestamp, size(r.key), size(r.value)) for r in read]
    assert len(read) == 80


def check_resends(broker, topic, producers, told):
    """The last five batches of each producer get their first offsets again; gaps and what is older are refused."""
    with raw.Connection(broker) as connection:

        def resend(producer, sequence):
            return raw.produce(connection, topic, marked(producer, sequence))

        for producer in producers:
            count = len(told[producer])
            again = [resend(producer, sequence) for sequence in range(count - 5, count)]
            assert [(a["ErrorCode"], a["BaseOffset"]) for a in again] == [(0, o) for o in told[producer][-5:]]
            assert resend(producer, count + 1)["ErrorCode"] == OUT_OF_ORDER_SEQUENCE_NUMBER
            assert resend(producer, 3)["ErrorCode"] == OUT_OF_ORDER_SEQUENCE_NUMBER


def marked(producer, sequence):
    """One record of an idempotent producer: (producer id, epoch)."""
    return tiny(sequence, producer_id=producer[0], producer_epoch=producer[1], base_sequence=sequence)


def test_a_resend_after_its_batch_was_merged_gets_its_first_offset(start_broker, topic_name):
    """Could break: a merged batch names no producer; what was sent has to be known from elsewhere, also after SIGKILL."""
    broker = start_broker(QUICK_TAIL, port=free_port())
    topic = create(broker, topic_name())
    with raw.Connection(broker) as connection:
        producers = [raw.producer_id(connection) for _ in range(3)]
    sent = [marked(producer, sequence) for sequence in range(20) for producer in producers]
    offsets = [a["BaseOffset"] for a in send(broker, topic, sent)]
    assert offsets == list(range(60))
    told = {p: offsets[i::3] for i, p in enumerate(producers)}
    stored = merging.wait_stored(broker, topic, 60)
    assert len(stored) < 30
    assert {b["producer_id"] for b in stored if b["count"] > 1} == {-1}
    before = merging.fetched(broker, topic)
    check_resends(broker, topic, producers, told)
    broker.kill()
    broker.start()
    with raw.Connection(broker) as connection:
        wait_ready(connection, topic, 1)
    check_resends(broker, topic, producers, told)
    assert records_in(merging.fetched(broker, topic)) == records_in(before)
    pid, epoch = producers[0]
    going_on = [*[marked(producer, 20) for producer in producers], marked((pid, epoch + 1), 0)]
    assert [a["BaseOffset"] for a in send(broker, topic, going_on)] == [60, 61, 62, 63]
    with raw.Connection(broker) as connection:
        assert raw.produce(connection, topic, marked((pid, epoch), 21))["ErrorCode"] == INVALID_PRODUCER_EPOCH


def as_they_come(producer):
    """Batches of every codec, with and without a producer's marks, of one record, of several, and a large one."""
    plain = [tiny(i) for i in range(10)]
    idempotent = [marked(producer, sequence) for sequence in range(10)]
    records = b"".join(raw.record(i, b"k", b"v" * i, [(b"h", None)], timestamp_delta=i) for i in range(4))
    coded = [
        raw.batch([None] * 4, records=encode(records), attributes=codec, max_timestamp=BASE + 3)
        for codec, encode in enumerate(ENCODE)
    ]
    return [*plain, *idempotent, *coded, raw.batch([b"large " * 5000]), *plain]


def with_kafkas_fields(batches, leader_epoch):
    """`batches` as Kafka stores them: the base offset and the leader epoch are the broker's, the rest is the producer's."""
    offset, stored = 0, b""
    for batch in batches:
        stored += offset.to_bytes(8, "big") + batch[8:12] + leader_epoch.to_bytes(4, "big") + batch[16:]
        offset += raw.batches(batch)[0]["count"]
    return stored


OFF = {
    "by the topic": (QUICK_TAIL, [("batch.merge.enable", "false")]),
    "by the broker": (
        {**QUICK_TAIL, "batch.adaptive.enabled": "false", "batch.linger.ms": 0, "batch.max.size": 1},
        [],
    ),
    "by the topic, with a codec for merged batches": (
        {**QUICK_TAIL, "batch.compression.type": "zstd"},
        [("batch.merge.enable", "false")],
    ),
}


@pytest.mark.parametrize("how", OFF)
def test_what_is_not_merged_is_kept_byte_for_byte(start_broker, topic_name, how):
    """Could break: a batch that is taken apart and put together again, though nobody joins it."""
    settings, configs = OFF[how]
    broker = start_broker(settings, port=free_port())
    topic = create(broker, topic_name(), configs=configs)
    with raw.Connection(broker) as connection:
        sent = as_they_come(raw.producer_id(connection))
    send(broker, topic, sent)
    _, leader_epoch = merging.partition(broker, topic)
    expected = with_kafkas_fields(sent, leader_epoch)
    assert merging.fetched(broker, topic) == expected, "from memory"
    merging.wait_stored(broker, topic, len(sent))
    assert merging.fetched(broker, topic) == expected, "from the segment"
    assert b"".join(file.read_bytes() for file in merging.segments(broker, topic)) == expected
    broker.kill()
    broker.start()
    with raw.Connection(broker) as connection:
        wait_ready(connection, topic, 1)
    assert merging.fetched(broker, topic) == expected, "after SIGKILL"


def shortest_produce(broker, topic, tries=5):
    """Seconds in which one tiny batch is acknowledged on a quiet broker: the least of some tries, for a busy machine."""
    taken = []
    with raw.Connection(broker) as connection:
        for i in range(tries):
            begin = time.monotonic()
            assert raw.produce(connection, topic, tiny(i))["ErrorCode"] == 0
            taken.append(time.monotonic() - begin)
    return min(taken)


def test_a_fixed_wait_is_waited_and_an_adaptive_one_only_where_it_pays(start_broker, topic_name):
    """Could break: a setting that is read and not acted upon, or a producer that is alone and waits for nobody."""
    fixed = start_broker({"batch.adaptive.enabled": "false", "batch.linger.ms": 200})
    topic = create(fixed, topic_name())
    assert shortest_produce(fixed, topic) > 0.19
    hurried = create(fixed, topic_name(), configs=[("batch.linger.ms", "0")])
    assert shortest_produce(fixed, hurried) < 0.19, "a topic's own wait wins"
    adaptive = start_broker({"batch.linger.ms": 200})
    assert shortest_produce(adaptive, create(adaptive, topic_name())) < 0.19


def test_policy_throughput_moves_the_size_of_merged_batches(start_broker, topic_name, long_form):
    """Could break: a policy that is chosen and not asked, or one that never takes a step."""
    broker = start_broker({"batch.adaptive.policy": "throughput", **QUICK_TAIL})
    topic = create(broker, topic_name())

    def target():
        return watch.value(watch.metrics(broker), "takhin_batch_target_records")

    assert target() == 16, "it begins at adaptive.min.size"
    begin, sent, targets = time.monotonic(), 0, [16]
    # It takes a step every five seconds.
    steps, deadline = (2, begin + 90) if long_form else (1, begin + 30)
    while len(targets) <= steps:
        assert time.monotonic() < deadline, targets
        sent += len(send(broker, topic, [tiny(i) for i in range(100)]))
        if target() != targets[-1]:
            targets.append(target())
        time.sleep(0.3)
    sent += len(send(broker, topic, [tiny(i) for i in range(100)]))
    sizes = {batch["count"] for batch in merging.wait_stored(broker, topic, sent)}
    assert max(sizes) == max(targets), (sizes, targets)
    # Each step is a tenth, and one record at least, up or down.
    assert {abs(a - b) for a, b in itertools.pairwise(targets)} == {1}, targets
