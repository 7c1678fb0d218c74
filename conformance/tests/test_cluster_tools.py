"""`takhin cluster describe` and `takhin topic config`, with our broker and with Apache Kafka."""

import pytest
import raw
from group_tools import told, tool
from topics import create

pytestmark = pytest.mark.usefixtures("_only_ours")


@pytest.fixture(params=["takhin", "kafka"])
def cluster(request):
    """Our broker, and Apache Kafka: the tools are for both."""
    return request.getfixturevalue("broker" if request.param == "takhin" else "kafka_peer")


def test_a_cluster_is_described_as_its_metadata_has_it(cluster, topic_name):
    """Could break: topics or partitions counted twice, or internal ones left out of one count only."""
    create(cluster, topic_name(), partitions=5)
    of = told(cluster, "cluster", "describe")
    with raw.Connection(cluster) as connection:
        metadata = connection.ask("Metadata", 12, Topics=None)
    assert (of["clusterId"], of["controller"]) == (metadata["ClusterId"], metadata["ControllerId"])
    brokers = [{k: b[k] for k in ("id", "host", "port", "rack")} for b in of["brokers"]]
    assert brokers == [
        {"id": b["NodeId"], "host": b["Host"], "port": b["Port"], "rack": b["Rack"]} for b in metadata["Brokers"]
    ]
    counts = [len(t["Partitions"]) for t in metadata["Topics"]]
    assert (of["topicCount"], of["partitionCount"], of["leaderlessPartitionCount"]) == (len(counts), sum(counts), 0)
    assert of["brokers"][0]["leads"] == sum(counts)
    lines = tool(cluster, "cluster", "describe").splitlines()
    assert lines[0].startswith(f"cluster {metadata['ClusterId']}, controller ")
    assert lines[1] == f"{len(counts)} topics, {sum(counts)} partitions, 0 without a leader"
    assert lines[3].split() == ["1", "127.0.0.1", str(cluster.port), "-", str(sum(counts))]


def test_configs_of_a_topic_are_shown_with_where_they_come_from(cluster, topic_name):
    """Could break: a default shown as if somebody had set it."""
    topic = create(cluster, topic_name(), configs=[("retention.ms", "123456")])
    configs = {c["key"]: (c["value"], c["from"]) for c in told(cluster, "topic", "config", "list", topic)}
    assert configs["retention.ms"] == ("123456", "topic")
    assert configs["cleanup.policy"] == ("delete", "default")
    assert tool(cluster, "topic", "config", "get", topic, "retention.ms") == "123456\n"
    assert told(cluster, "topic", "config", "get", topic, "cleanup.policy")["value"] == "delete"
    assert "has no config no.such" in tool(cluster, "topic", "config", "get", topic, "no.such", status=1)
    # A refusal to which the broker has nothing to add.
    refused = tool(cluster, "topic", "config", "get", f"{topic}-none", "retention.ms", status=1)
    assert refused.endswith("UNKNOWN_TOPIC_OR_PARTITION (3)\n"), refused
    tool(cluster, "topic", "alter", topic, "--delete-config", "retention.ms")
    changed = told(cluster, "topic", "config", "get", topic, "retention.ms")
    assert (changed["value"], changed["from"]) == ("604800000", "default")
