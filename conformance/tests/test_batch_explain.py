"""`takhin batch explain` and what stands behind it: counts by client and topic agree with what was sent and with the files."""

import json
import re

import confluent_kafka
import pytest
import raw
import watch
from brokers import Takhin
from topics import create

COUNT = 400


def explain(*arguments, status=0):
    done = Takhin.tool("batch", "explain", *arguments, timeout=60)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def value_of(number):
    return json.dumps({"order": number, "state": "paid", "amount": number * 7, "currency": "EUR", "note": "n/a " * 8}).encode()


def one_by_one(broker, topic, client_id, count, partitions=1, **settings):
    """Sends records as most applications do that wait for each answer."""
    settings = {"bootstrap.servers": broker.address, "client.id": client_id, "linger.ms": 0, **settings}
    producer = confluent_kafka.Producer(settings)
    for number in range(count):
        producer.produce(topic, value_of(number), partition=number % partitions)
        producer.flush()


def segment_bytes(broker):
    files = broker.data_dir.rglob("*.log")
    return sum(file.stat().st_size for file in files if re.fullmatch(r"\d{20}\.log", file.name))


@pytest.mark.usefixtures("_only_ours")
def test_counts_agree_with_what_was_sent_and_with_the_files(start_broker, topic_name):
    """Could break: a client's batches counted for another, twice, or not; bytes saved that no file shows."""
    broker = start_broker()
    topic, other = create(broker, topic_name()), create(broker, topic_name())
    one_by_one(broker, topic, "checkout", COUNT, **{"enable.idempotence": True})
    one_by_one(broker, other, "checkout", 3, **{"compression.type": "gzip"})
    sent = [raw.batch([value_of(n)]) for n in range(50)]
    with raw.Connection(broker) as connection:
        for batch in sent:
            raw.produce(connection, topic, batch)
        # What the log refuses is not counted: here a sequence is missing.
        producer, epoch = raw.producer_id(connection)
        for sequence, error in [(0, 0), (5, 45)]:
            batch = raw.batch([b"v"], producer_id=producer, producer_epoch=epoch, base_sequence=sequence)
            assert raw.produce(connection, other, batch)["ErrorCode"] == error
        assert raw.fetch(connection, topic, 0, version=4)["ErrorCode"] == 0
    watch.wait_stored(broker)
    status, body = watch.ask(broker.metrics_address, "/batching")
    assert status == 200
    counted = {of["topic"]: of for of in json.loads(body)["topics"]}
    assert list(counted) == [topic, other], "most batches first"
    clients = {client["clientId"]: client for client in counted[topic]["clients"]}
    checkout = clients.pop("checkout")
    assert checkout["sent"]["batches"] == checkout["sent"]["records"] == COUNT
    assert checkout["sent"]["idempotentBatches"] == COUNT
    assert "rdkafka" in checkout["software"]
    # One at a time: each has a commit of its own.
    assert checkout["sent"]["commits"] == checkout["sent"]["commitRecords"] == COUNT
    (ours,) = clients.values()
    assert ours["sent"]["batches"] == 50 and ours["sent"]["bytes"] == sum(map(len, sent))
    assert ours["sent"]["codecs"] == ["none"] and ours["software"] is None
    whole = counted[topic]
    assert whole["sent"]["batches"] == COUNT + 50 == whole["stored"]["sentBatches"]
    assert whole["sent"]["bytes"] == whole["stored"]["sentBytes"]
    assert whole["stored"]["storedBatches"] < COUNT / 10
    assert whole["others"]["batches"] == 0
    assert [client["sent"]["batches"] for client in counted[other]["clients"]] == [3, 1]
    assert counted[other]["clients"][0]["sent"]["codecs"] == ["gzip"]
    assert sum(of["stored"]["storedBytes"] for of in counted.values()) == segment_bytes(broker)
    readers = json.loads(body)["oldReaders"]
    assert [(reader["topic"], reader["fetchVersion"]) for reader in readers] == [(topic, 4)]
    metrics = watch.metrics(broker)
    assert watch.value(metrics, "takhin_batch_topic_sent_total", topic=topic) == COUNT + 50
    assert watch.value(metrics, "takhin_batch_client_sent_total", client_id="checkout", topic=other) == 3
    stored = sum(value for _, value in metrics["takhin_batch_topic_stored_bytes_total"])
    assert stored == watch.value(metrics, "takhin_batch_stored_bytes_total")
    text = explain("--metrics", broker.metrics_address)
    assert re.search(rf"checkout +{COUNT} +89 % +1\.0 \(tiny\)", text), text
    assert "has read it with Fetch 4 within the hour: it may not know zstd" in text


@pytest.mark.usefixtures("_only_ours")
def test_the_sample_is_the_newest_part(start_broker, topic_name):
    """Could break: of large records the oldest of the last hundred thousand are looked at, until there are bytes enough."""
    broker = start_broker()
    topic = create(broker, topic_name())
    with raw.Connection(broker) as connection:
        for number in range(200):
            values = [bytes([number]) * 100_000] * 2
            large = raw.batch(values)
            assert raw.produce(connection, topic, raw.batch([b"old"]) if number < 100 else large)["ErrorCode"] == 0
    sample = json.loads(explain("--bootstrap-server", broker.address, "--topic", topic, "--output", "json"))["sample"]
    assert sample["stored"]["singleRecordBatches"] == 0
    assert 15_000_000 < sample["stored"]["bytes"] < 18_000_000


@pytest.mark.usefixtures("_only_ours")
def test_what_is_promised_for_a_kafka_broker_is_what_comes(kafka_peer, start_broker, topic_name):
    """Could break: promises that storing the same records does not keep."""
    topic, partitions = create(kafka_peer, topic_name(), partitions=2), 2
    one_by_one(kafka_peer, topic, "checkout", COUNT, partitions)
    said = json.loads(explain("--bootstrap-server", kafka_peer.address, "--topic", topic, "--output", "json"))
    stored, tried = said["sample"]["stored"], {a["settings"]: a for a in said["sample"]["alternatives"]}
    assert (stored["batches"], stored["records"], stored["singleRecordBatches"]) == (COUNT, COUNT, COUNT)
    assert stored["codecs"] == ["none"]
    assert tried["Takhin's defaults"]["bytes"] < 0.7 * stored["bytes"]
    zstd = tried["compression.type=zstd"]["bytes"]
    assert zstd < 0.35 * stored["bytes"]
    broker = start_broker()
    create(broker, topic, partitions=partitions, configs=[("compression.type", "zstd")])
    one_by_one(broker, topic, "checkout", COUNT, partitions)
    watch.wait_stored(broker)
    assert segment_bytes(broker) == pytest.approx(zstd, rel=0.25)
    text = explain("--bootstrap-server", kafka_peer.address, "--topic", topic)
    assert "100 % of the batches of one record" in text and "compression.type=zstd" in text


@pytest.mark.usefixtures("_only_ours")
def test_what_cannot_be_explained_is_said_in_a_line(broker, topic_name):
    """Could break: a panic or a hang where an address, a topic or a number is wrong."""
    silent = create(broker, topic_name())
    for arguments, status, why in [
        (["--metrics", broker.metrics_address, "--topic", silent], 1, f"topic {silent} has no counts: nothing was sent to it"),
        (["--metrics", broker.metrics_address, "-b", broker.address, "--topic", silent], 2, "cannot be used with"),
        (["--metrics", broker.address], 1, "is this the metrics' address of a Takhin broker?"),
        (["--metrics", broker.health_address], 1, "404 Not Found"),
        (["--metrics", "127.0.0.1:1"], 1, "127.0.0.1:1: "),
        (["--bootstrap-server", broker.address], 2, "--topic <TOPIC>"),
        (["--bootstrap-server", broker.address, "--topic", "no-such"], 1, "there is no topic no-such"),
        (["--tail-ms", "9999999"], 2, "0..=3600000"),
    ]:
        said = explain(*arguments, status=status)
        assert why in said, said
    # The counts are worth knowing also where nothing can be read.
    with raw.Connection(broker) as connection:
        assert raw.produce(connection, silent, raw.batch([b"v"]))["ErrorCode"] == 0
        raw.delete_records(connection, silent, 1)
    text = explain("--metrics", broker.metrics_address, "--topic", silent)
    assert "nothing is stored in it" in text and "1.0 (tiny)" in text
    assert "nothing is stored in it" in explain("--bootstrap-server", broker.address, "--topic", silent)
