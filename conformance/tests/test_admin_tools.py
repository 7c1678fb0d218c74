"""Kafka's own administration tools of 4.3.1: what they print of us, beside what they print of Apache Kafka."""

import re

import pytest
from clients import JAVA
from topics import create

TOOLS = "org.apache.kafka.tools."
CONFIGS = "kafka.admin.ConfigCommand"
# What a tool reads: the file's name and its text.
FILES = {
    "deleted.json": '{"version": 1, "partitions": [{"topic": "TOPIC", "partition": 0, "offset": 0}]}',
    "moves.json": '{"version": 1, "partitions": [{"topic": "TOPIC", "partition": 0, "replicas": [1], "log_dirs": ["any"]}]}',
}
# Run in this order, (main class, arguments): TOPIC has two partitions, SERVER is the option that says where the broker is,
# FILES the folder of those.
RUNS = {
    "a topic described": ("TopicCommand", "SERVER --describe --topic TOPIC --exclude-internal"),
    "a topic grown": ("TopicCommand", "SERVER --alter --topic TOPIC --partitions 4"),
    "a topic described again": ("TopicCommand", "SERVER --describe --topic TOPIC"),
    "a topic shrunk": ("TopicCommand", "SERVER --alter --topic TOPIC --partitions 1"),
    "a topic grown by assignment": (
        "TopicCommand",
        "SERVER --alter --topic TOPIC --partitions 5 --replica-assignment 1,1,1,1,1",
    ),
    "the cluster's id": ("ClusterTool", "cluster-id SERVER"),
    "the cluster's brokers": ("ClusterTool", "list-endpoints SERVER"),
    "the quorum": ("MetadataQuorumCommand", "SERVER describe --status"),
    "producers": ("TransactionsCommand", "SERVER describe-producers --topic TOPIC --partition 0"),
    "leaders elected": ("LeaderElectionCommand", "SERVER --election-type preferred --topic TOPIC --partition 0"),
    "all leaders elected": ("LeaderElectionCommand", "SERVER --election-type preferred --all-topic-partitions"),
    "moves made": ("reassign.ReassignPartitionsCommand", "SERVER --execute --reassignment-json-file FILES/moves.json"),
    "moves looked after": (
        "reassign.ReassignPartitionsCommand",
        "SERVER --verify --reassignment-json-file FILES/moves.json",
    ),
    "moves listed": ("reassign.ReassignPartitionsCommand", "SERVER --list"),
    "records deleted": ("DeleteRecordsCommand", "SERVER --offset-json-file FILES/deleted.json"),
    "directories": ("LogDirsCommand", "SERVER --describe --topic-list TOPIC"),
    "offsets": ("GetOffsetShell", "SERVER --topic TOPIC"),
    "a config set": (
        CONFIGS,
        "SERVER --alter --entity-type topics --entity-name TOPIC --add-config retention.ms=86400000",
    ),
    "configs": (CONFIGS, "SERVER --describe --entity-type topics --entity-name TOPIC"),
    "a config refused": (
        CONFIGS,
        "SERVER --alter --entity-type topics --entity-name TOPIC --add-config retention.ms=never",
    ),
    "a broker's config set": (
        CONFIGS,
        "SERVER --alter --entity-type brokers --entity-name 1 --add-config log.retention.ms=86400000",
    ),
    "a broker's configs": (CONFIGS, "SERVER --describe --entity-type brokers --entity-name 1"),
    "a broker's config taken back": (
        CONFIGS,
        "SERVER --alter --entity-type brokers --entity-name 1 --delete-config log.retention.ms",
    ),
    "a feature updated": ("FeatureCommand", "SERVER upgrade --feature no.such.feature=1"),
    "ACLs listed": ("AclCommand", "SERVER --list"),
    "a user's quota and password set": (
        CONFIGS,
        "SERVER --alter --add-config producer_byte_rate=1024,SCRAM-SHA-256=[iterations=8192,password=secret]"
        " --entity-type users --entity-name alice",
    ),
    "a client's quota set": (
        CONFIGS,
        "SERVER --alter --add-config request_percentage=1.5 --entity-type clients --entity-default",
    ),
    "an address's quota set": (
        CONFIGS,
        "SERVER --alter --add-config connection_creation_rate=9 --entity-type ips --entity-name 127.0.0.1",
    ),
    "a quota that is none": (
        CONFIGS,
        "SERVER --alter --add-config producer_byte_rate=-1 --entity-type users --entity-name alice",
    ),
    "too few iterations": (
        CONFIGS,
        "SERVER --alter --add-config SCRAM-SHA-512=[iterations=5,password=secret] --entity-type users --entity-name alice",
    ),
    "users described": (CONFIGS, "SERVER --describe --entity-type users"),
    "a user described": (CONFIGS, "SERVER --describe --entity-type users --entity-name alice"),
    "clients described": (CONFIGS, "SERVER --describe --entity-type clients"),
    "addresses described": (CONFIGS, "SERVER --describe --entity-type ips"),
    "a user's password taken away": (
        CONFIGS,
        "SERVER --alter --delete-config producer_byte_rate,SCRAM-SHA-256 --entity-type users --entity-name alice",
    ),
    "a client's quota taken away": (
        CONFIGS,
        "SERVER --alter --delete-config request_percentage --entity-type clients --entity-default",
    ),
    "an address's quota taken away": (
        CONFIGS,
        "SERVER --alter --delete-config connection_creation_rate --entity-type ips --entity-name 127.0.0.1",
    ),
    "an ACL added": ("AclCommand", "SERVER --add --allow-principal User:a --operation Read --topic TOPIC"),
}
# What differs from run to run, or from broker to broker.
DRAWN = [
    (r"TopicId: \S+", "TopicId: ID"),
    (r"Cluster ?[iI][dD]:\s+\S+", "cluster id"),
    (r"((?:Leader|High|Max)\w+:\s+)\d+", r"\1N"),
    # Takhin's controller has no listener of its own.
    (r', "endpoints": \[[^\]]*\]', ""),
    (r"Configs: .*", "Configs"),
]


def run(broker, topic, what, folder):
    """What a tool prints, its columns one space apart, without the traces of where it was."""
    name, arguments = RUNS[what]
    for word, meant in (("TOPIC", topic), ("SERVER", f"--bootstrap-server {broker.address}"), ("FILES", str(folder))):
        arguments = arguments.replace(word, meant)
    status, out, err = JAVA.tool(name if name == CONFIGS else TOOLS + name, *arguments.split())
    said = f"{status}\n{out.decode()}\n{err}"
    own = [(re.escape(topic), "TOPIC"), (re.escape(broker.address), "ADDRESS"), (str(broker.port), "PORT")]
    own += [(re.escape(str(broker.data_dir)), "DIRECTORY")]
    for drawn, mask in [*own, *DRAWN]:
        said = re.sub(drawn, mask, said)
    lines = [" ".join(line.split()) for line in said.splitlines()]
    return [line for line in lines if line and not line.startswith("at ")]


@pytest.mark.usefixtures("_only_ours")
def test_kafkas_tools_print_the_same_of_both_brokers(broker, kafka_peer, topic_name, tmp_path):
    """Could break: a tool that asks for one more thing than it shows, and gives up without it."""
    name = topic_name()
    for file, text in FILES.items():
        (tmp_path / file).write_text(text.replace("TOPIC", name))
    for b in (broker, kafka_peer):
        create(b, name, 2)
    for what in RUNS:
        kafkas, ours = [run(b, name, what, tmp_path) for b in (kafka_peer, broker)]
        assert ours == kafkas, what
