"""AlterConfigs and ListConfigResources: the same question to Apache Kafka and to us, answers compared to the last letter."""

import time

import pytest
from desk import compare, shown, sorted_by, versions

TOPIC = 2

# Of a topic with `retention.ms=5000`, `cleanup.policy=compact`: what replaces both.
REPLACED = {
    "one": [("retention.ms", "7")],
    "another": [("segment.ms", "7")],
    "with spaces": [("retention.ms", " 7 ")],
    "the same": [("retention.ms", "5000"), ("cleanup.policy", "compact")],
    "nothing": [],
    "null": [("retention.ms", None)],
    "two nulls": [("retention.ms", None), ("segment.ms", None), ("cleanup.policy", "delete")],
    "one twice": [("retention.ms", "1"), ("retention.ms", "2")],
    "unknown": [("no.such.config", "1")],
    "no number": [("retention.ms", "x")],
    "one good, one bad": [("segment.ms", "9"), ("retention.ms", "x")],
    "lags that contradict": [("min.compaction.lag.ms", "9"), ("max.compaction.lag.ms", "3")],
    "tiered storage": [("remote.storage.enable", "true")],
    "an empty list": [("cleanup.policy", "")],
}


def replace_configs(desk, version, resources, validate_only=False):
    return desk.whole(
        "AlterConfigs",
        version,
        Resources=[
            {"ResourceType": kind, "ResourceName": name, "Configs": [{"Name": n, "Value": v} for n, v in configs]}
            for kind, name, configs in resources
        ],
        ValidateOnly=validate_only,
    )


def own_configs(desk, topic):
    asked = [{"ResourceType": TOPIC, "ResourceName": topic, "ConfigurationKeys": None}]
    [result] = desk.whole("DescribeConfigs", 4, Resources=asked)["Results"]
    return sorted((c["Name"], c["Value"]) for c in result["Configs"] if c["ConfigSource"] == 1)


def settled_configs(desk, topic, before):
    deadline = time.monotonic() + 0.5
    while (now := own_configs(desk, topic)) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    return now


def topic_with_configs(desk):
    topic = desk.fresh_topic(configs=[("retention.ms", "5000"), ("cleanup.policy", "compact")])
    assert len(own_configs(desk, topic)) == 2
    return topic


@versions(0, 2)
@pytest.mark.parametrize("validate_only", [False, True], ids=["done", "only validated"])
@pytest.mark.parametrize("what", REPLACED)
def test_configs_are_replaced_as_in_kafka(desks, what, validate_only, version):
    """Could break: older tools send all configs that a topic is to keep; what they leave out has to go."""

    def question(desk):
        topic = topic_with_configs(desk)
        before = own_configs(desk, topic)
        answer = replace_configs(desk, version, [(TOPIC, topic, REPLACED[what])], validate_only)
        is_done = answer["Responses"][0]["ErrorCode"] == 0 and not validate_only
        after = settled_configs(desk, topic, before) if is_done else own_configs(desk, topic)
        return shown((answer, after), topic)

    compare(desks, question)


REPLACED_IN = {
    "an unknown topic": lambda _: [(TOPIC, "no-such-topic", [("retention.ms", "1")])],
    "an unknown topic without configs": lambda _: [(TOPIC, "no-such-topic", [])],
    "an unknown topic and an unknown config": lambda _: [(TOPIC, "no-such-topic", [("no.such.config", "1")])],
    "a bad topic name": lambda _: [(TOPIC, "a/b", [("retention.ms", "1")])],
    "no topic name": lambda _: [(TOPIC, "", [("retention.ms", "1")])],
    "no topic name and one config twice": lambda _: [(TOPIC, "", [("retention.ms", "1"), ("retention.ms", "1")])],
    "type 0": lambda t: [(0, t, [("retention.ms", "1")])],
    "type 3": lambda t: [(3, t, [])],
    "type 3 with null": lambda t: [(3, t, [("retention.ms", None)])],
    "one of two that is not there": lambda t: [(TOPIC, "no-such-topic", []), (TOPIC, t, [("retention.ms", "1")])],
    "nothing": lambda _: [],
}


@versions(0, 2)
@pytest.mark.parametrize("what", REPLACED_IN)
def test_a_resource_to_be_replaced_is_judged_as_in_kafka(desks, what, version):
    """Could break: one bad resource that takes the others with it."""

    def question(desk):
        topic = topic_with_configs(desk)
        answer = replace_configs(desk, version, REPLACED_IN[what](topic))
        return shown(sorted_by(answer, "Responses", "ResourceName"), topic)

    compare(desks, question)


def test_a_resource_that_is_named_twice_is_refused(desks):
    """Could break: Apache Kafka never answers such an AlterConfigs request."""
    ours = desks[1]
    topic = topic_with_configs(ours)
    answer = replace_configs(ours, 2, [(TOPIC, topic, [("segment.ms", "1")]), (TOPIC, topic, [])])
    said = [(r["ErrorCode"], r["ErrorMessage"]) for r in answer["Responses"]]
    assert said == [(42, "Each resource must appear at most once.")] * 2
    assert len(own_configs(ours, topic)) == 2


@versions(0, 1)
@pytest.mark.parametrize(
    "types", [[], [0], [1], [2], [4], [16], [32], [64], [3], [-1], [2, 4, 16, 32], [2, 2, 4], [2, 3]], ids=str
)
def test_resources_with_configs_are_listed_as_in_kafka(desks, version, types):
    """Could break: kafka-configs without a name; an unknown type is the whole answer's error."""
    if version == 0 and types:
        pytest.skip("version 0 asks for client metrics and nothing else")

    def question(desk):
        topic = desk.fresh_topic()
        answer = desk.whole("ListConfigResources", version, **({"ResourceTypes": types} if version >= 1 else {}))
        listed = [(r.get("ResourceType"), r["ResourceName"]) for r in answer.pop("ConfigResources")]
        # Other tests' topics are not the same on both.
        kept = [(kind, name) for kind, name in listed if name == topic or kind != TOPIC]
        return shown((answer, kept), topic)

    compare(desks, question)
