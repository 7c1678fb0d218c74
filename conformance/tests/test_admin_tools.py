"""Kafka's own administration tools of 4.3.1: what they print of us, beside what they print of Apache Kafka."""

import re

import pytest
from clients import JAVA
from topics import create

TOOLS = "org.apache.kafka.tools."
# Run in this order, (main class, arguments): TOPIC has two partitions, SERVER is the option that says where the broker is.
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
    "moves listed": ("reassign.ReassignPartitionsCommand", "SERVER --list"),
    "a feature updated": ("FeatureCommand", "SERVER upgrade --feature no.such.feature=1"),
    "ACLs listed": ("AclCommand", "SERVER --list"),
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


def run(broker, topic, what):
    """What a tool prints, its columns one space apart, without the traces of where it was."""
    name, arguments = RUNS[what]
    arguments = arguments.replace("TOPIC", topic).replace("SERVER", f"--bootstrap-server {broker.address}").split()
    status, out, err = JAVA.tool(TOOLS + name, *arguments)
    said = f"{status}\n{out.decode()}\n{err}"
    own = [(re.escape(topic), "TOPIC"), (re.escape(broker.address), "ADDRESS"), (str(broker.port), "PORT")]
    for drawn, mask in [*own, *DRAWN]:
        said = re.sub(drawn, mask, said)
    lines = [" ".join(line.split()) for line in said.splitlines()]
    return [line for line in lines if line and not line.startswith("at ")]


@pytest.mark.usefixtures("_only_ours")
def test_kafkas_tools_print_the_same_of_both_brokers(broker, kafka_peer, topic_name):
    """Could break: a tool that asks for one more thing than it shows, and gives up without it."""
    name = topic_name()
    for b in (broker, kafka_peer):
        create(b, name, 2)
    for what in RUNS:
        kafkas, ours = [run(b, name, what) for b in (kafka_peer, broker)]
        assert ours == kafkas, what
