"""Metrics and health of the binary under load: what is declared moves, and says what was done."""

import itertools
import re
import time

import pytest
import raw
import watch
from brokers import ROOT, Takhin, free_port
from clients import CONFLUENT, Record
from schema import API
from topics import create
from waiting import wait_for

pytestmark = pytest.mark.usefixtures("_only_ours")
COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR = 14, 16
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


def errors(found, api):
    """The errors of an API's answers by name."""
    counted = found.get("takhin_kafka_request_errors_total", [])
    return {labels["error_code"]: count for labels, count in counted if labels["api_key"] == api}


def test_errors_of_every_api_are_counted_as_they_were_answered(start_broker, topic_name):
    """Could break: errors of one level only, of one version, or counted where they are made and not where they are told."""
    broker = start_broker({"auto.create.topics.enable": "false"})
    topic = create(broker, topic_name(), partitions=1)
    with raw.Connection(broker) as connection:
        # Both errors of partitions, and one of a topic in every version.
        for version in (9, 12):
            names = [{"Name": name} for name in ("not-there", "nor-that", topic, "nor/there")]
            connection.ask("Metadata", version, Topics=names, AllowAutoTopicCreation=False)
        assert raw.fetch(connection, topic, 5)["ErrorCode"] == 1
        assert raw.fetch(connection, "not-there", 0)["ErrorCode"] == 3
        assert raw.fetch(connection, topic, 0, max_wait_ms=0)["ErrorCode"] == 0
        damaged = raw.batch([b"a"], crc=1)
        assert raw.produce(connection, topic, damaged)["ErrorCode"] == 2
        assert raw.produce(connection, topic, damaged, version=3)["ErrorCode"] == 2
        assert raw.produce(connection, topic, raw.batch([b"a"]))["ErrorCode"] == 0
        # Of the whole request.
        told = connection.ask("Heartbeat", 4, GroupId="", GenerationId=1, MemberId="m")
        assert told["ErrorCode"] == 24
        with raw.Connection(broker) as other:
            frame = bytes(API["Produce"].encode(9, produce_without_answer(topic, damaged), 1).bytes)
            other.send_frame(frame)
            with pytest.raises(raw.Closed):
                other.read_frame()
    found = watch.metrics(broker)
    assert errors(found, "Metadata") == {"UNKNOWN_TOPIC_OR_PARTITION": 4, "INVALID_TOPIC_EXCEPTION": 2}
    assert errors(found, "Fetch") == {"OFFSET_OUT_OF_RANGE": 1, "UNKNOWN_TOPIC_OR_PARTITION": 1}
    assert errors(found, "Produce") == {"CORRUPT_MESSAGE": 3}
    assert errors(found, "Heartbeat") == {"INVALID_GROUP_ID": 1}
    assert errors(found, "CreateTopics") == {}


def produce_without_answer(topic, records):
    data = [{"Name": topic, "PartitionData": [{"Index": 0, "Records": records}]}]
    return {"Acks": 0, "TimeoutMs": 5000, "TopicData": data}


def test_durations_of_requests_are_told_by_api(start_broker, topic_name):
    """Could break: a clock that begins or ends elsewhere, a request counted twice or for another API, buckets that do not add up."""
    broker = start_broker()
    topic = create(broker, topic_name(), partitions=1)
    before = watch.metrics(broker)
    with raw.Connection(broker) as connection:
        for _ in range(5):
            assert raw.produce(connection, topic, raw.batch([b"a"]))["ErrorCode"] == 0
        # Four that are sent at once, and one that is refused.
        sent = [
            connection.send("Produce", 9, **{**produce_without_answer(topic, raw.batch([b"a"])), "Acks": -1})
            for _ in range(4)
        ]
        for correlation_id in sent:
            connection.receive("Produce", 9, correlation_id)
        assert raw.produce(connection, topic, raw.batch([b"a"], crc=1))["ErrorCode"] == 2
        began = time.monotonic()
        raw.fetch(connection, topic, 9, max_wait_ms=700)
        waited = time.monotonic() - began
        raw.fetch(connection, topic, 0)
    after = watch.metrics(broker)
    name = "takhin_kafka_request_duration_seconds"

    def counted(found, api, ending, **labels):
        values = [v for has, v in found.get(name + ending, []) if has.items() >= {"api_key": api, **labels}.items()]
        return sum(values)

    assert counted(after, "Produce", "_count") - counted(before, "Produce", "_count") == 10
    assert 0 < counted(after, "Produce", "_sum") < 5
    assert counted(after, "Fetch", "_count") == 2
    assert 0.7 <= counted(after, "Fetch", "_sum") < waited + 0.2
    # The long poll took more than half a second, the other one less.
    assert counted(after, "Fetch", "_bucket", le="0.5") == 1
    assert counted(after, "Fetch", "_bucket", le="2.5") == counted(after, "Fetch", "_bucket", le="+Inf") == 2
    assert counted(after, "CreateTopics", "_count") == 1
    requests = {
        api: sum(n for has, n in after["takhin_kafka_requests_total"] if has["api_key"] == api)
        for api in ("Produce", "Fetch")
    }
    assert requests == {"Produce": 10, "Fetch": 2}


def test_requests_are_counted_by_topic(start_broker, topic_name):
    """Could break: a topic's count that is another's, a request that counts for each of its partitions, a clock without the wait."""
    broker = start_broker()
    first, second = (create(broker, topic_name(), partitions=2) for _ in range(2))
    batch = raw.batch([b"a", b"b", b"c"])
    with raw.Connection(broker) as connection:
        for _ in range(4):
            assert raw.produce(connection, first, batch)["ErrorCode"] == 0
        assert raw.produce(connection, first, raw.batch([b"a"], crc=1))["ErrorCode"] == 2
        both = [{"Index": index, "Records": batch} for index in range(2)]
        topics = [{"Name": second, "PartitionData": both}]
        connection.ask("Produce", 9, Acks=-1, TimeoutMs=5000, TopicData=topics)
        answered = raw.fetch(connection, first, 0)["Records"]
        raw.fetch(connection, first, 12, max_wait_ms=700)
    found = watch.metrics(broker)

    def counted(name):
        names = {labels["topic"]: count for labels, count in found[f"takhin_{name}"]}
        return names.get(first, 0), names.get(second, 0)

    assert counted("produce_requests_total") == (5, 1)
    assert counted("produce_messages_total") == (12, 6)
    assert counted("produce_bytes_total") == (4 * len(batch), 2 * len(batch))
    assert counted("produce_latency_seconds_count") == (5, 1)
    assert counted("fetch_requests_total") == (2, 0)
    assert counted("fetch_latency_seconds_count") == (2, 0)
    assert 0.7 <= counted("fetch_latency_seconds_sum")[0] < 5
    assert counted("fetch_messages_total") == (12, 0)
    assert counted("fetch_bytes_total") == (len(answered), 0) != (0, 0)
    assert watch.value(found, "takhin_metrics_topics_left_out") == 0
    assert watch.value(found, "takhin_storage_io_writes_total") > 0
    assert watch.value(found, "takhin_storage_io_errors_total") == 0


@pytest.mark.parametrize("partitions_max", [0, 3])
def test_series_by_partition_are_bounded(start_broker, topic_name, partitions_max):
    """Could break: a bound that holds for some metrics only, or leaves out without saying so."""
    broker = start_broker({"metrics.partitions.max": partitions_max})
    create(broker, topic_name(), partitions=5)
    found = watch.metrics(broker)
    by_partition = {name for name, values in found.items() if any("partition" in labels for labels, _ in values)}
    assert all(len(found[name]) == partitions_max for name in by_partition)
    assert bool(by_partition) == bool(partitions_max)
    assert watch.value(found, "takhin_storage_partitions") == 5
    assert watch.value(found, "takhin_metrics_partitions_left_out") == 5 - partitions_max


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


def groups_of_one_coordinator(count, partition=0):
    """Names of groups that are kept in this partition of `__consumer_offsets`: Java's hash, modulo 50."""

    def place(name):
        code = 0
        for letter in name:
            code = (31 * code + ord(letter)) & 0x7FFFFFFF
        return code % 50

    names = (f"ready-{number}" for number in itertools.count())
    return list(itertools.islice((name for name in names if place(name) == partition), count))


def test_a_broker_is_ready_once_its_coordinators_have_read_what_they_keep(start_broker, topic_name):
    """Could break: consumers that are sent to a broker which can't tell them where they were."""
    partitions, groups = 1000, groups_of_one_coordinator(100)
    broker = start_broker()
    topic = create(broker, topic_name(), partitions=partitions)
    with raw.Connection(broker) as connection:
        connection.ask("FindCoordinator", 4, KeyType=0, CoordinatorKeys=groups[:1])
        offsets = [{"PartitionIndex": p, "CommittedOffset": p, "CommittedMetadata": ""} for p in range(partitions)]
        for group in groups:
            body = {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": ""}
            answer = connection.ask("OffsetCommit", 8, **body, Topics=[{"Name": topic, "Partitions": offsets}])
            assert not any(p["ErrorCode"] for t in answer["Topics"] for p in t["Partitions"])
    broker.kill()
    broker.start()
    # Asked in this order: a coordinator that has read everything goes on to have.
    said, errors = [], []
    with raw.Connection(broker) as connection:
        while not (said and said[-1]):
            said.append(watch.health(broker, "/ready")[1]["ready"])
            asked = [{"GroupId": groups[0], "Topics": None}]
            errors.append(connection.ask("OffsetFetch", 8, Groups=asked)["Groups"][0]["ErrorCode"])
    assert said[0] is False, "it was ready before anybody could look"
    assert errors[0] == COORDINATOR_LOAD_IN_PROGRESS and errors[-1] == 0, errors


def test_groups_that_can_not_be_read_keep_nobody_from_the_others(start_broker, topic_name):
    """Could break: one byte that the disk lost takes all groups away, and the broker from its clients. Kafka leaves such
    groups out, and says NOT_COORDINATOR to whoever asks for one."""
    lost, kept = (groups_of_one_coordinator(1, partition)[0] for partition in (0, 1))
    broker = start_broker()
    topic = create(broker, topic_name())
    offsets = [{"Name": topic, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 7, "CommittedMetadata": ""}]}]
    with raw.Connection(broker) as connection:
        connection.ask("FindCoordinator", 4, KeyType=0, CoordinatorKeys=[lost])
        for group in (lost, kept):
            body = {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": offsets}
            # Its coordinator may not have begun yet.
            wait_for(
                lambda body=body: (
                    connection.ask("OffsetCommit", 8, **body)["Topics"][0]["Partitions"][0]["ErrorCode"] == 0
                )
            )
    watch.wait_stored(broker)
    broker.stop()
    segments = (broker.data_dir / "partitions").rglob("*.log")
    (segment,) = (path for path in segments if lost.encode() in path.read_bytes())
    damaged = bytearray(segment.read_bytes())
    damaged[-1] ^= 0xFF
    segment.write_bytes(damaged)
    broker.start()
    wait_for(lambda: watch.health(broker, "/ready")[1]["ready"])
    status, answer = watch.health(broker)
    assert (status, answer["status"], answer["groups"]) == (
        503,
        "degraded",
        "1 partitions of __consumer_offsets can't be read",
    )
    with raw.Connection(broker) as connection:
        listed = connection.ask("ListGroups", 4, StatesFilter=[])
        assert (listed["ErrorCode"], [g["GroupId"] for g in listed["Groups"]]) == (0, [kept])
        asked = [{"GroupId": group, "Topics": None} for group in (lost, kept)]
        fetched = connection.ask("OffsetFetch", 8, Groups=asked)["Groups"]
        assert {g["GroupId"]: g["ErrorCode"] for g in fetched} == {lost: NOT_COORDINATOR, kept: 0}


def test_a_port_that_is_taken_is_one_line_that_names_the_setting(start_broker, tmp_path):
    """Could break: a broker that serves without metrics, or says only 'address in use'."""
    taken = start_broker().metrics_address.rsplit(":", 1)[1]
    second = Takhin(tmp_path / "second", {"metrics.port": taken}, free_port())
    with pytest.raises(AssertionError, match="exited with 1"):
        second.start()
    lines = [line for line in second.log().splitlines() if line.startswith("takhin: ")]
    assert len(lines) == 1 and f"metrics.port: cannot listen on 127.0.0.1:{taken}" in lines[0], lines
