"""`takhin bench`: what it says that it sent is what a real client reads."""

import json
import time

import confluent_kafka
import pytest
from brokers import Takhin
from topics import create, end_offset


def bench(broker, *arguments, status=0):
    """The result of one run, from its JSON."""
    done = Takhin.tool("bench", *arguments, "--bootstrap-server", broker.address, "--output", "json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def read_all(broker, topic, partitions):
    """Every value of the topic, by a real client, up to the ends that the partitions have now."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": broker.address, "group.id": "none", "enable.auto.commit": False}
    )
    ends = [end_offset(broker, topic, p) for p in range(partitions)]
    consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in range(partitions)])
    values = []
    while len(values) < sum(ends):
        messages = consumer.consume(1000, timeout=20)
        assert messages, f"{len(values)} of {sum(ends)} records came"
        for message in messages:
            assert message.error() is None, message.error()
            values.append(message.value())
    consumer.close()
    return values


KINDS = {
    "one by one": ["--connections", "8"],
    "batches": ["--connections", "3", "--in-flight", "5", "--batch", "10", "--compression", "zstd"],
    "idempotent": ["--connections", "2", "--in-flight", "5", "--batch", "2", "--idempotent", "--payload", "random"],
    "open loop": ["--connections", "4", "--rate", "4000", "--acks", "1"],
    "unconfirmed": ["--connections", "2", "--acks", "0"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_produce_run_leaves_exactly_the_records_that_it_counts(broker, topic_name, kind):
    """Could break: records counted that were only sent, one request too many at the end, a patched batch refused."""
    topic = topic_name()
    arguments = ["--create", "--topic", topic, "--partitions", "3", "--records", "3000", "--record-bytes", "120"]
    result = bench(broker, "produce", *arguments, *KINDS[kind])
    assert result["errors"] == {} and result["unanswered"] == 0
    assert result["records"] == result["records_in_all"] == 3000
    assert result["latency_us"]["count"] == (0 if kind == "unconfirmed" else result["requests"])
    if kind == "open loop":
        # The last record is due after 2999 of 4000 parts of a second.
        assert result["seconds"] >= 0.7
    if kind == "unconfirmed":
        # Nobody has said that they arrived: the broker may still be reading its sockets.
        deadline = time.monotonic() + 20
        while sum(end_offset(broker, topic, p) for p in range(3)) < 3000 and time.monotonic() < deadline:
            time.sleep(0.01)
    values = read_all(broker, topic, 3)
    assert len(values) == 3000
    assert {len(value) for value in values} == {120}


def test_a_consume_run_counts_what_a_real_client_wrote(broker, topic_name):
    """Could break: records of a batch that begins below the position, a codec, the end of the last partition."""
    topic = create(broker, topic_name(), partitions=2)
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "compression.type": "lz4"})
    for i in range(5000):
        producer.produce(topic, value=b"x" * 10, partition=i % 2)
    assert producer.flush(30) == 0
    result = bench(broker, "consume", "--topic", topic, "--connections", "2")
    assert (result["records"], result["errors"]) == (5000, {})
    assert result["records_per_batch"] >= 1


def test_an_end_to_end_run_sees_every_record_that_it_sends_and_no_other(broker, topic_name):
    """Could break: records of somebody else taken for its own, the last ones lost at the end."""
    topic = topic_name()
    for _ in range(2):
        result = bench(
            broker, "e2e", "--create", "--topic", topic, "--partitions", "2", "--connections", "4",
            "--rate", "2000", "--records", "1000", "--compression", "snappy",
        )  # fmt: skip
        assert (result["records_in_all"], result["errors"]) == (1000, {})
        assert result["latency_us"]["p50"] > 0
    assert len(read_all(broker, topic, 2)) == 2000


def test_what_the_broker_refuses_is_counted_and_named(broker, topic_name):
    """Could break: a refusal counted as a record, or lost."""
    topic = create(broker, topic_name(), configs=[("max.message.bytes", "1000")])
    arguments = ["--topic", topic, "--records", "5", "--record-bytes", "5000"]
    result = bench(broker, "produce", *arguments, status=1)
    assert result["errors"] == {"MESSAGE_TOO_LARGE": 5}
    assert result["records_in_all"] == 0


def preset(name, work_dir, *arguments):
    """The runs of a preset that needs no broker."""
    done = Takhin.tool("bench", "preset", name, "--work-dir", work_dir, "--output", "json", *arguments)
    assert done.returncode == 0, done.stderr
    return {run["name"]: run for run in json.loads(done.stdout)["runs"]}


@pytest.mark.usefixtures("_only_ours")
def test_the_library_is_measured_by_itself(tmp_path):
    """Could break: records that are not counted, a ratio the wrong way round, or files that are left behind."""
    runs = preset("batcher", tmp_path, "--duration", "0.3", "--warm-up", "0.1")
    sizes = {name: run["records_per_flush"] for name, run in runs.items()}
    assert (sizes["small"], sizes["medium"]) == pytest.approx((10, 100), rel=0.01)
    assert sizes["large"] == pytest.approx(1000, rel=0.05) and sizes["adaptive"] == pytest.approx(1000, rel=0.05)
    assert sizes["adaptive, throughput"] == pytest.approx(16, rel=0.01), "it begins at adaptive.min.size"
    assert all(run["errors"] == {} for run in runs.values())
    runs = preset("versus-single", tmp_path, "--duration", "0.2", "--warm-up", "0.1")
    for how in ("durable", "not durable"):
        for records in (10, 100, 1000):
            single, batch = (runs[f"{records} x 1 KiB, {how}, one {what}"] for what in ("by one", "batch"))
            ratio = single["us_per_record"] / batch["us_per_record"]
            assert batch["times_as_fast_as_single"] == pytest.approx(ratio) and ratio > 1
            assert batch["records"] == records * batch["requests"] and single["records"] == single["requests"]
    assert runs["1000 x 1 KiB, durable, one batch"]["times_as_fast_as_single"] > 10
    assert list(tmp_path.iterdir()) == []
