"""Topics' configs: changed through the protocol and our own command line, shown, kept, and acted upon."""

import json

import pytest
import watch
from brokers import Takhin
from clients import CONFLUENT, JAVA, JAVA_OLD, Record
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from topics import create
from waiting import wait_for

pytestmark = pytest.mark.usefixtures("_only_ours")


def alter(broker, topic, *changes, operation=AlterConfigOpType.SET):
    entries = [ConfigEntry(name, value, incremental_operation=operation) for name, value in changes]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": broker.address})
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result(20)


def described(broker, topic):
    admin = AdminClient({"bootstrap.servers": broker.address})
    [answer] = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return answer.result(20)


def own(broker, topic):
    return {name: entry.value for name, entry in described(broker, topic).items() if entry.source == 1}


def stored_batches(broker):
    """How many record batches became of those sent, once all are stored."""
    values = watch.metrics(broker)
    lag = watch.value(values, "takhin_storage_checkpoint_lag_entries", shard="1")
    return watch.value(values, "takhin_batch_stored_total") if lag == 0 else None


def send_alone(broker, topic, count):
    """Each record in a batch of its own, and how many batches are stored for them."""
    wait_for(lambda: stored_batches(broker) is not None)
    before = stored_batches(broker)
    for _ in range(count):
        CONFLUENT.produce(broker, topic, [Record(None, b"x" * 50)])
    wait_for(lambda: (stored_batches(broker) or 0) > before)
    return stored_batches(broker) - before


def test_what_is_changed_is_shown_and_survives_a_restart(start_broker, topic_name):
    """Could break: a change that is answered and lost, or that takes another one back."""
    broker = start_broker()
    topic = create(broker, topic_name(), configs=[("retention.ms", "5000")])
    alter(broker, topic, ("batch.linger.ms", "3"), ("batch.target.p99.ms", "50"), ("compression.type", "zstd"))
    alter(broker, topic, ("compression.zstd.level", "7"))
    alter(broker, topic, ("retention.ms", ""), operation=AlterConfigOpType.DELETE)
    alter(broker, topic, ("cleanup.policy", "compact"), operation=AlterConfigOpType.APPEND)
    expected = {
        "batch.linger.ms": "3",
        "batch.target.p99.ms": "50",
        "compression.type": "zstd",
        "compression.zstd.level": "7",
        "cleanup.policy": "delete,compact",
    }
    assert own(broker, topic) == expected
    broker.kill()
    broker.start()
    assert own(broker, topic) == expected
    assert described(broker, topic)["retention.ms"].value == "604800000"


@pytest.mark.parametrize(
    ("change", "operation", "why"),
    [
        (("no.such.config", "1"), AlterConfigOpType.SET, "Unknown topic config name: no.such.config"),
        (("batch.linger.ms", "-2"), AlterConfigOpType.SET, "Value must be at least -1"),
        (("compression.type", "zip"), AlterConfigOpType.SET, "String must be one of"),
        (("retention.ms", "1"), AlterConfigOpType.APPEND, "its type is not LIST"),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(broker, topic_name, change, operation, why):
    """Could break: a bad value that is kept, or a refusal that does not say why."""
    topic = create(broker, topic_name())
    with pytest.raises(KafkaException, match="INVALID_CONFIG|configuration is invalid") as refused:
        alter(broker, topic, ("segment.ms", "7"), change, operation=operation)
    assert why in str(refused.value)
    assert own(broker, topic) == {}


def test_a_topic_that_is_not_there(broker, topic_name):
    """Could break: a change of nothing that succeeds."""
    with pytest.raises(KafkaException, match="does not exist"):
        alter(broker, topic_name(), ("retention.ms", "7"))
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
        described(broker, topic_name())


def test_merging_is_switched_while_it_runs(start_broker, topic_name):
    """Could break: a config that is shown and not acted upon."""
    broker = start_broker({"batch.tail.max.ms": 400})
    topic = create(broker, topic_name())
    assert send_alone(broker, topic, 10) <= 3
    alter(broker, topic, ("batch.merge.enable", "false"))
    assert send_alone(broker, topic, 10) == 10


def test_old_records_go_when_their_time_is_shortened(start_broker, topic_name):
    """Could break: the retention keeper sleeps on because nobody writes."""
    broker = start_broker({"storage.log.cleanup.interval.ms": 100})
    topic = create(broker, topic_name())
    CONFLUENT.produce(broker, topic, [Record(None, b"x")])
    end = lambda name: watch.value(watch.metrics(broker), name, topic=topic, partition="0")  # noqa: E731
    wait_for(lambda: stored_batches(broker) is not None)
    assert end("takhin_storage_log_start_offset") == 0
    alter(broker, topic, ("retention.ms", "1"))
    wait_for(lambda: end("takhin_storage_log_start_offset") == 1)


def test_the_command_line(broker, topic_name):
    """Could break: our own tool."""
    topic = create(broker, topic_name())

    def run(*arguments):
        return Takhin.tool("topic", *arguments, "-b", broker.address, timeout=60)

    done = run("alter", topic, "--config", "batch.merge.enable=false", "--config", "retention.ms=9")
    assert (done.returncode, done.stdout) == (0, f"topic {topic}: batch.merge.enable=false retention.ms=9\n")
    done = run("alter", topic, "--delete-config", "retention.ms", "--output", "json")
    assert json.loads(done.stdout)["configs"] == {"batch.merge.enable": "false"}
    assert "batch.merge.enable=false" in run("describe", topic).stdout
    refused = run("alter", topic, "--config", "retention.ms=x")
    assert refused.returncode == 1
    assert "Invalid value x for configuration retention.ms" in refused.stderr


@pytest.mark.parametrize("java", [JAVA, JAVA_OLD], ids=lambda java: java.version)
def test_kafka_configs_changes_and_shows_them(broker, topic_name, java):
    """Could break: the tool that everybody has refuses our names, or reads something else than it wrote."""
    topic = create(broker, topic_name())

    def configs(*arguments, status=0):
        entity = ["--bootstrap-server", broker.address, "--entity-type", "topics", "--entity-name", topic]
        got, out, err = java.tool("kafka.admin.ConfigCommand", *entity, *arguments)
        assert got == status, out.decode() + err
        return out.decode() + err

    added = "retention.ms=5000,batch.merge.enable=false,compression.type=zstd,batch.linger.ms=3"
    assert "Completed updating config" in configs("--alter", "--add-config", added)
    shown = configs("--describe")
    for config in added.split(","):
        assert config in shown, shown
    assert own(broker, topic) == dict(config.split("=") for config in added.split(","))
    configs("--alter", "--delete-config", "retention.ms,batch.merge.enable,batch.linger.ms")
    assert own(broker, topic) == {"compression.type": "zstd"}
    everything = configs("--describe", "--all")
    assert "batch.target.p99.ms=0" in everything and "min.insync.replicas=1" in everything
    refused = configs("--alter", "--add-config", "batch.linger.ms=-2", status=1)
    assert "batch.linger.ms" in refused and "-2" in refused
    assert own(broker, topic) == {"compression.type": "zstd"}
