"""Leaders, moves, the quorum and features, of one node: the same question to Apache Kafka and to us, answers compared."""

import time

import pytest
from desk import compare, shown, sorted_by, versions

# Of a topic with three partitions: (name, partitions) of each.
ELECTED = {
    "some": [("T", [0, 1]), ("T", [2])],
    "what is not there": [("T", [0, 3, -1]), ("nope", [0]), ("a/b", [1])],
    "one twice": [("T", [0, 0])],
    "no partitions": [("", []), ("T", [])],
    "nothing": [],
    "everything": None,
}


@versions(0, 2)
@pytest.mark.parametrize("kind", [0, 1, 2, -1])
@pytest.mark.parametrize("what", ELECTED)
def test_leaders_are_elected_as_in_kafka(desks, what, kind, version):
    """Could break: a tool that elects leaders after a restart, and takes anything but ELECTION_NOT_NEEDED for a failure."""
    if version == 0 and kind != 0:
        pytest.skip("version 0 has one type of election")

    def question(desk):
        topic = desk.fresh_topic(3)
        asked = ELECTED[what]
        if asked is not None:
            asked = [{"Topic": topic if name == "T" else name, "Partitions": p} for name, p in asked]
        body = {"ElectionType": kind} if version >= 1 else {}
        answer = desk.whole("ElectLeaders", version, TopicPartitions=asked, TimeoutMs=10_000, **body)
        if asked is None:
            # Other tests' topics are not the same on both.
            answer["ReplicaElectionResults"] = [r for r in answer["ReplicaElectionResults"] if r["Topic"] == topic]
        return shown(answer, topic)

    compare(desks, question)


# Of a topic with three partitions: (name, [(partition, replicas)...]) of each.
MOVED = {
    "to where it is": [("T", [(0, [1]), (1, [1])])],
    "to nobody": [("T", [(0, [])])],
    "to an unknown broker": [("T", [(0, [2])])],
    "to one broker twice": [("T", [(0, [1, 1])])],
    "to another broker, too": [("T", [(0, [1, 2])])],
    "to a broker below 0": [("T", [(0, [-1])])],
    "cancelled": [("T", [(0, None), (1, None)])],
    "what is not there": [("T", [(3, [1]), (-1, None), (3, [])]), ("nope", [(0, [1])]), ("", [(0, None)])],
    "one twice": [("T", [(0, [1]), (0, [2])]), ("T", [(0, None)])],
    "no partitions": [("T", [])],
    "nothing": [],
}


@pytest.mark.parametrize(("version", "more"), [(0, {}), (1, {}), (1, {"AllowReplicationFactorChange": False})], ids=str)
@pytest.mark.parametrize("what", MOVED)
def test_partitions_are_moved_as_in_kafka(desks, what, version, more):
    """Could break: kafka-reassign-partitions on one broker, which moves everything to where it is."""

    def question(desk):
        topic = desk.fresh_topic(3)
        asked = [
            {
                "Name": topic if name == "T" else name,
                "Partitions": [{"PartitionIndex": p, "Replicas": replicas} for p, replicas in partitions],
            }
            for name, partitions in MOVED[what]
        ]
        answer = desk.whole("AlterPartitionReassignments", version, TimeoutMs=10_000, Topics=asked, **more)
        return shown(answer, topic)

    compare(desks, question)


def test_no_moves_are_listed_as_in_kafka(desks):
    """Could break: a tool that waits until nothing is under way."""

    def question(desk):
        topic = desk.fresh_topic()
        some = [{"Name": name, "PartitionIndexes": [0, 9]} for name in (topic, "nope", "")]
        return [
            desk.whole("ListPartitionReassignments", 0, TimeoutMs=10_000, Topics=topics) for topics in (None, [], some)
        ]

    compare(desks, question)


# Of a topic with three partitions: (directory, [(name, partitions)...]) of each; HERE is the one that the broker has.
DIRECTORIES = {
    "to where they are": [("HERE", [("T", [0, 1])])],
    "to nowhere": [("/nowhere", [("T", [0]), ("nope", [0])])],
    "to a name that is no path": [("", [("T", [0])]), ("nowhere", [("T", [1])])],
    "written in another way": [("HERE/", [("T", [0])]), ("HERE/.", [("T", [1])])],
    "what is not there": [
        ("HERE", [("T", [0, 9, -1]), ("nope", [0]), ("a/b", [0]), ("", [0]), ("__cluster_metadata", [0])])
    ],
    "one twice": [("HERE", [("T", [0, 0]), ("T", [0, 1])]), ("HERE", [("T", [0])])],
    "one to here and there": [("HERE", [("T", [0])]), ("/nowhere", [("T", [0])])],
    "one to there and here": [("/nowhere", [("T", [0])]), ("HERE", [("T", [0])])],
    "no partitions": [("HERE", [("T", [])])],
    "no topics": [("HERE", [])],
    "nothing": [],
}


@versions(1, 2)
@pytest.mark.parametrize("what", DIRECTORIES)
def test_replicas_are_moved_between_directories_as_in_kafka(desks, what, version):
    """Could break: a tool that puts everything into the only directory there is, and takes a refusal for a failure."""

    def question(desk):
        topic = desk.fresh_topic(3)
        here = desk.whole("DescribeLogDirs", 5, Topics=[])["Results"][0]["LogDir"]
        asked = [
            {
                "Path": path.replace("HERE", here),
                "Topics": [{"Name": topic if name == "T" else name, "Partitions": p} for name, p in topics],
            }
            for path, topics in DIRECTORIES[what]
        ]
        answer = desk.whole("AlterReplicaLogDirs", version, Dirs=asked)
        for result in answer["Results"]:
            sorted_by(result, "Partitions", "PartitionIndex")
        return shown(sorted_by(answer, "Results", "TopicName"), topic)

    compare(desks, question)


METADATA = "__cluster_metadata"
QUORUMS = {
    "the metadata's": [(METADATA, [0])],
    "nothing": [],
    "no partition": [(METADATA, [])],
    "another partition": [(METADATA, [1])],
    "another partition, too": [(METADATA, [0, 1])],
    "the metadata's twice": [(METADATA, [0]), (METADATA, [0])],
    "another topic's": [("nope", [0])],
    "another topic's, too": [(METADATA, [0]), ("nope", [0])],
}


@versions(0, 2)
@pytest.mark.parametrize("what", QUORUMS)
def test_the_quorum_is_described_as_in_kafka(desks, what, version):
    """Could break: kafka-metadata-quorum, and health checks that ask who leads."""

    def question(desk):
        asked = [
            {"TopicName": name, "Partitions": [{"PartitionIndex": p} for p in partitions]}
            for name, partitions in QUORUMS[what]
        ]
        answer = desk.whole("DescribeQuorum", version, Topics=asked)
        for partition in [p for t in answer["Topics"] for p in t["Partitions"] if p["ErrorCode"] == 0]:
            for voter in partition["CurrentVoters"]:
                assert voter["LogEndOffset"] >= partition["HighWatermark"] > 0, partition
                for time_ms in {"LastFetchTimestamp", "LastCaughtUpTimestamp"} & voter.keys():
                    assert abs(voter.pop(time_ms) / 1000 - time.time()) < 60
                voter.pop("LogEndOffset")
            assert partition.pop("LeaderEpoch") > 0
            partition.pop("HighWatermark")
        for node in answer.get("Nodes", []):
            # Only Kafka has a listener for its controllers.
            node.pop("Listeners")
        return answer

    compare(desks, question)


# Features that no broker has: (name, level, upgrade type) of each.
UPDATED = {
    "one": [("no.such.feature", 1, 1)],
    "one to 0": [("no.such.feature", 0, 1)],
    "one below 0": [("no.such.feature", -1, 1)],
    "one without a name": [("", 1, 1)],
    "one down": [("no.such.feature", 1, 2)],
    "one down to 0": [("no.such.feature", 0, 3)],
    "of no type": [("no.such.feature", 1, 0)],
    "of an unknown type": [("no.such.feature", -1, 4)],
    "nothing": [],
}


@versions(0, 2)
@pytest.mark.parametrize("what", UPDATED)
def test_unknown_features_are_updated_as_in_kafka(desks, what, version):
    """Could break: kafka-features, which shows the text."""
    updates = [
        {"Feature": name, "MaxVersionLevel": level, **({"UpgradeType": kind} if version >= 1 else {})}
        for name, level, kind in UPDATED[what]
    ]
    compare(desks, lambda desk: desk.whole("UpdateFeatures", version, TimeoutMs=10_000, FeatureUpdates=updates))


def test_what_is_finalized_stands_for_what_is_served(desks):
    """Could break: a client that uses what a feature promises and is not served here."""
    kafkas, ours = [
        desk.whole("ApiVersions", 4, ClientSoftwareName="conformance", ClientSoftwareVersion="1") for desk in desks
    ]
    levels = [{f["Name"]: f["MaxVersionLevel"] for f in a["FinalizedFeatures"]} for a in (kafkas, ours)]
    assert levels[1].items() <= levels[0].items()
