"""IncrementalAlterConfigs and DescribeConfigs of topics: the same question to Apache Kafka and to us, answers compared to the last letter."""

import time

import pytest
from desk import compare

TOPIC = 2
SET, DELETE, APPEND, SUBTRACT = range(4)

# Of a topic with `retention.ms=5000`, `cleanup.policy=compact`: (name, operation, value) of each change.
CHANGES = {
    "set": [("retention.ms", SET, "7")],
    "set with spaces": [("retention.ms", SET, " 7 ")],
    "set several": [("retention.ms", SET, "7"), ("segment.ms", SET, "9"), ("max.message.bytes", SET, "2000")],
    "set to what it is": [("retention.ms", SET, "5000")],
    "delete": [("retention.ms", DELETE, None)],
    "delete with a value": [("retention.ms", DELETE, "5000")],
    "delete what is not set": [("segment.ms", DELETE, None)],
    "append": [("cleanup.policy", APPEND, "delete")],
    "append what is there": [("cleanup.policy", APPEND, "compact")],
    "append two": [("cleanup.policy", APPEND, "compact,delete")],
    "append what is none": [("cleanup.policy", APPEND, "burn")],
    "append nothing": [("cleanup.policy", APPEND, "")],
    "append to no list": [("retention.ms", APPEND, "1")],
    "append to what is unknown": [("no.such.config", APPEND, "1")],
    "append to a list that is not set": [("follower.replication.throttled.replicas", APPEND, "1:1")],
    "subtract": [("cleanup.policy", SUBTRACT, "compact")],
    "subtract what is not there": [("cleanup.policy", SUBTRACT, "delete")],
    "subtract from no list": [("retention.ms", SUBTRACT, "1")],
    "no number": [("retention.ms", SET, "x")],
    "no number but a fraction": [("retention.ms", SET, "1.5")],
    "a number too low": [("retention.ms", SET, "-2")],
    "a number too large": [("segment.bytes", SET, "3000000000")],
    "a share too high": [("min.cleanable.dirty.ratio", SET, "1.5")],
    "no share": [("min.cleanable.dirty.ratio", SET, "half")],
    "no choice": [("compression.type", SET, "zip")],
    "no time stamp type": [("message.timestamp.type", SET, "Tomorrow")],
    "no boolean": [("preallocate", SET, "maybe")],
    "an empty number": [("retention.ms", SET, "")],
    "an empty choice": [("compression.type", SET, "")],
    "an empty list": [("cleanup.policy", SET, "")],
    "an empty boolean": [("preallocate", SET, "")],
    "a level too high": [("compression.zstd.level", SET, "99")],
    "a level of 0": [("compression.gzip.level", SET, "0")],
    "null": [("retention.ms", SET, None)],
    "two nulls": [("retention.ms", SET, None), ("segment.ms", APPEND, None)],
    "unknown": [("no.such.config", SET, "1")],
    "unknown, deleted": [("no.such.config", DELETE, None)],
    "operation 9": [("retention.ms", 9, "1")],
    "operation -1": [("retention.ms", -1, "1")],
    "twice": [("retention.ms", SET, "1"), ("retention.ms", SET, "2")],
    "one good, one bad": [("segment.ms", SET, "9"), ("retention.ms", SET, "x")],
    "lags that contradict": [("min.compaction.lag.ms", SET, "9"), ("max.compaction.lag.ms", SET, "3")],
    "nothing": [],
    "tiered storage": [("remote.storage.enable", SET, "true")],
    "replicas below 1": [("min.insync.replicas", SET, "0")],
}

# Apache Kafka stumbles (UNKNOWN_SERVER_ERROR, no text); an error that says what is wrong is better.
STUMBLES = {"operation 9", "operation -1"}


def alter(resources, version=1, validate_only=False):
    """`resources`: (type, name, changes)."""
    return {
        "api": "IncrementalAlterConfigs",
        "version": version,
        "Resources": [
            {
                "ResourceType": kind,
                "ResourceName": name,
                "Configs": [{"Name": n, "ConfigOperation": operation, "Value": v} for n, operation, v in changes],
            }
            for kind, name, changes in resources
        ],
        "ValidateOnly": validate_only,
    }


def describe(resources, version=4):
    """`resources`: (type, name, keys)."""
    return {
        "api": "DescribeConfigs",
        "version": version,
        "Resources": [
            {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys} for kind, name, keys in resources
        ],
        "IncludeSynonyms": False,
        "IncludeDocumentation": False,
    }


def own_configs(desk, topic):
    """What the topic itself is set to, by name."""
    [result] = desk.whole(**describe([(TOPIC, topic, None)]))["Results"]
    return sorted((c["Name"], c["Value"]) for c in result["Configs"] if c["ConfigSource"] == 1)


def settled(desk, topic, before):
    """Kafka's controller answers, and its broker hears of the change a moment later."""
    deadline = time.monotonic() + 0.5
    while (now := own_configs(desk, topic)) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    return now


def fresh(desk):
    topic = desk.fresh_topic()
    first = [("retention.ms", SET, "5000"), ("cleanup.policy", SET, "compact")]
    [answer] = desk.whole(**alter([(TOPIC, topic, first)]))["Responses"]
    assert answer["ErrorCode"] == 0, answer
    assert len(settled(desk, topic, [])) == 2
    return topic


@pytest.mark.parametrize("validate_only", [False, True], ids=["done", "only validated"])
@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_judged_as_kafka_judges_it(desks, what, validate_only):
    """Could break: what a tool shows of a refusal, and a list that another tool takes apart otherwise."""

    def question(desk):
        topic = fresh(desk)
        before = own_configs(desk, topic)
        answer = desk.whole(**alter([(TOPIC, topic, CHANGES[what])], validate_only=validate_only))
        is_done = answer["Responses"][0]["ErrorCode"] == 0 and not validate_only
        after = settled(desk, topic, before) if is_done else own_configs(desk, topic)
        return str((answer, after)).replace(topic, "TOPIC")

    if what in STUMBLES:
        kafkas, ours = [question(desk) for desk in desks]
        assert "'ErrorCode': -1" in kafkas
        assert "Unknown operations type" in ours
        assert ours[ours.index("}]}") :] == kafkas[kafkas.index("}]}") :]
    else:
        compare(desks, question)


RESOURCES = {
    "an unknown topic": lambda _: [(TOPIC, "no-such-topic", [("retention.ms", SET, "1")])],
    "a bad topic name": lambda _: [(TOPIC, "a/b", [("retention.ms", SET, "1")])],
    "no topic name": lambda _: [(TOPIC, "", [("retention.ms", SET, "1")])],
    "type 0": lambda t: [(0, t, [("retention.ms", SET, "1")])],
    "type 3": lambda t: [(3, t, [("retention.ms", SET, "1")])],
    "the same topic twice": lambda t: [(TOPIC, t, [("retention.ms", SET, "1")]), (TOPIC, t, [("segment.ms", SET, "1")])],
    "one of two that is not there": lambda t: [
        (TOPIC, "no-such-topic", [("retention.ms", SET, "1")]),
        (TOPIC, t, [("retention.ms", SET, "1")]),
    ],
    "an unknown topic and an unknown config": lambda _: [(TOPIC, "no-such-topic", [("no.such.config", SET, "1")])],
}


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("what", RESOURCES)
def test_a_resource_is_judged_as_kafka_judges_it(desks, what, version):
    """Could break: one bad resource that takes the others with it."""

    def question(desk):
        topic = fresh(desk)
        answer = desk.whole(**alter(RESOURCES[what](topic), version=version))
        answer["Responses"].sort(key=str)
        return str(answer).replace(topic, "TOPIC")

    compare(desks, question)


# In both, with the same default on both.
COMMON = [
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "max.message.bytes",
    "message.timestamp.type",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.ms",
]
DESCRIBED = {
    "some": lambda t: [(TOPIC, t, ["retention.ms", "cleanup.policy"])],
    "common ones": lambda t: [(TOPIC, t, COMMON)],
    "none": lambda t: [(TOPIC, t, [])],
    "unknown ones": lambda t: [(TOPIC, t, ["no.such.config", "retention.ms"])],
    "one twice": lambda t: [(TOPIC, t, ["retention.ms", "retention.ms"])],
    "an unknown topic": lambda _: [(TOPIC, "no-such-topic", ["retention.ms"])],
    "a bad topic name": lambda _: [(TOPIC, "a/b", ["retention.ms"])],
    "no topic name": lambda _: [(TOPIC, "", ["retention.ms"])],
    "type 0": lambda t: [(0, t, ["retention.ms"])],
    "type 3": lambda t: [(3, t, ["retention.ms"])],
    "one of two that is not there": lambda t: [(TOPIC, "no-such-topic", []), (TOPIC, t, ["retention.ms"])],
}


@pytest.mark.parametrize("version", [1, 2, 3, 4])
@pytest.mark.parametrize("what", DESCRIBED)
def test_configs_are_described_as_kafka_describes_them(desks, what, version):
    """Could break: a value, its source or its type, which tools decide by."""

    def question(desk):
        topic = fresh(desk)
        answer = desk.whole(**describe(DESCRIBED[what](topic), version=version))
        for result in answer["Results"]:
            if what.startswith("type"):
                # Kafka's text says that something is malformed, and not what.
                result["ErrorMessage"] = result["ErrorMessage"] != ""
            common = [config for config in result["Configs"] if config["Name"] in COMMON]
            result["Configs"] = sorted(common, key=lambda config: config["Name"])
        return str(answer).replace(topic, "TOPIC")

    compare(desks, question)
