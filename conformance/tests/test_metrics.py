"""Metrics and health of the binary under load: what is declared moves, and says what was done."""

import re
import time

import pytest
import watch
from brokers import ROOT, Takhin, free_port
from clients import CONFLUENT, Record
from topics import create

pytestmark = pytest.mark.usefixtures("_only_ours")
# These are written only where there is something to count; a test below has something.
ONLY_WHEN = {
    "takhin_kafka_request_errors_total",
    "takhin_batch_target_records",
    "takhin_consumer_group_lag_offsets",
    "takhin_consumer_group_members",
    "takhin_consumer_group_state",
}


def explained():
    """Names of docs/operating.md."""
    document = (ROOT.parent / "docs" / "operating.md").read_text()
    return set(re.findall(r"^\| `((?:takhin|process)_[a-z_]+)", document, re.MULTILINE))


def wait_for(what, seconds=20):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.05)


def test_metrics_say_what_was_done(start_broker, topic_name):
    """Could break: a metric that is declared and never set, counted twice, or of something else."""
    broker = start_broker()
    topic = create(broker, topic_name(), partitions=2)
    before = watch.metrics(broker)
    records = [Record(None, b"x" * 100) for _ in range(300)]
    CONFLUENT.produce(broker, topic, records, partition=0)
    assert len(CONFLUENT.consume(broker, topic, 300)) == 300
    watch.wait_stored(broker)
    after = watch.metrics(broker)

    def moved(name, **labels):
        return watch.value(after, name, **labels) - watch.value(before, name, **labels)

    assert moved("takhin_wal_records_per_fsync_sum") == 300
    assert 0 < moved("takhin_wal_records_per_fsync_count") <= moved("takhin_wal_fsyncs_total")
    assert moved("takhin_wal_fsync_seconds_count") == moved("takhin_wal_fsyncs_total")
    assert 0 < moved("takhin_wal_fsync_seconds_sum") < 60
    assert moved("takhin_wal_bytes_total") > 300 * 100
    assert moved("takhin_bytes_received_total") > 300 * 100
    assert moved("takhin_bytes_sent_total") > 300 * 100
    assert moved("takhin_storage_cut_bytes_total") > 300 * 100
    assert moved("takhin_storage_checkpoints_total") >= 1
    segments = broker.data_dir.rglob("*.log")
    in_files = sum(file.stat().st_size for file in segments if re.fullmatch(r"\d{20}\.log", file.name))
    assert watch.value(after, "takhin_batch_stored_bytes_total") == in_files > 0
    assert 0 < moved("takhin_batch_stored_total") <= moved("takhin_storage_cut_batches_total")
    assert moved("takhin_batch_saved_bytes_total") == (
        moved("takhin_storage_cut_bytes_total") - moved("takhin_batch_stored_bytes_total")
    )
    assert watch.value(after, "takhin_batch_merge_failures_total") == 0
    assert watch.value(after, "takhin_wal_file_bytes", state="live") >= 64 << 20
    assert watch.value(after, "takhin_storage_log_end_offset", topic=topic, partition="0") == 300
    # Bulk, as the records above are, waits for nobody.
    CONFLUENT.produce(broker, topic, records[:1], partition=1)
    assert 0 < watch.value(watch.metrics(broker), "takhin_batch_wait_seconds") < 1
    assert watch.value(after, "takhin_storage_log_end_offset", topic=topic, partition="1") == 0
    stored = watch.value(after, "takhin_storage_disk_usage_bytes", topic=topic, partition="0")
    # What came in small batches may have been merged meanwhile.
    assert stored == moved("takhin_batch_stored_bytes_total")
    assert watch.value(after, "takhin_storage_log_segments", topic=topic, partition="0") == 1
    assert watch.value(after, "takhin_storage_tail_pinned_bytes") == 0
    produced = [n for labels, n in after["takhin_kafka_requests_total"] if labels["api_key"] == "Produce"]
    assert produced and sum(produced) >= moved("takhin_wal_records_per_fsync_count")
    assert moved("takhin_connections_total") >= 2
    assert watch.value(after, "process_resident_memory_bytes") > 1 << 20
    bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in after} | set(after)
    assert explained() - bases == ONLY_WHEN


def test_a_scrape_of_many_partitions_holds_nobody_up(start_broker, topic_name):
    """Could break: the thread of all connections walks over every partition, or writes the text."""
    broker = start_broker()
    partitions = 2000
    topic = create(broker, topic_name(), partitions=partitions)
    begin = time.monotonic()
    found = watch.metrics(broker)
    assert time.monotonic() - begin < 5
    ends = [labels for labels, _ in found["takhin_storage_log_end_offset"] if labels["topic"] == topic]
    assert {int(labels["partition"]) for labels in ends} == set(range(partitions))


def test_health_is_told_and_other_paths_are_not_there(start_broker):
    """Could break: a door that answers for the other one, or yes to everything."""
    broker = start_broker()
    for path, key, good in (("", "status", "healthy"), ("/ready", "ready", True), ("/live", "live", True)):
        status, answer = watch.health(broker, path)
        assert (status, answer[key]) == (200, good)
    assert watch.ask(broker.health_address, "/metrics")[0] == 404
    assert watch.ask(broker.metrics_address, "/health")[0] == 404


def test_a_port_that_is_taken_is_one_line_that_names_the_setting(start_broker, tmp_path):
    """Could break: a broker that serves without metrics, or says only 'address in use'."""
    taken = start_broker().metrics_address.rsplit(":", 1)[1]
    second = Takhin(tmp_path / "second", {"metrics.port": taken}, free_port())
    with pytest.raises(AssertionError, match="exited with 1"):
        second.start()
    lines = [line for line in second.log().splitlines() if line.startswith("takhin: ")]
    assert len(lines) == 1 and f"metrics.port: cannot listen on 127.0.0.1:{taken}" in lines[0], lines
