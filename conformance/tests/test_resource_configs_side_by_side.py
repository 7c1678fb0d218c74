"""Configs of brokers, groups, client metrics and loggers: the same question to Apache Kafka and to us, answers compared.

What a test sets it takes back: brokers are shared.
"""

import time

import pytest
from desk import compare, versions

BROKER, LOGGER, CLIENT_METRICS, GROUP = 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)
DYNAMIC_SOURCES = (2, 3, 7, 8)

# Kafka 4.3.1 keeps `min.insync.replicas` of the cluster while eligible leader replicas are a feature of it; here they are none.
OF_ELR = "min.insync.replicas"
OVERRIDES = "max.connections.per.ip.overrides"
# Defaults of ours that differ from Kafka's: without bounds there.
OUR_DEFAULTS = ("max.connections", "queued.max.request.bytes")


def describe(desk, kind, name, keys=None, version=4, synonyms=True):
    asked = [{"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys}]
    answer = desk.whole("DescribeConfigs", version, Resources=asked, IncludeSynonyms=synonyms)
    [result] = answer["Results"]
    return result


def told(result, sources=None):
    """Of each config what tools show, without what differs by its nature: documentation."""
    shown = [
        {k: v for k, v in config.items() if k != "Documentation"}
        for config in result["Configs"]
        if config["Name"] != OF_ELR and (sources is None or config["ConfigSource"] in sources)
    ]
    return sorted(shown, key=lambda config: config["Name"])


def without_our_defaults(configs):
    for config in configs:
        if config["Name"] in OUR_DEFAULTS:
            config["Synonyms"] = [synonym for synonym in config["Synonyms"] if synonym["Source"] != 5]
    return configs


def judged(result):
    return result["ErrorCode"], result["ErrorMessage"]


def alter(desk, kind, name, changes, validate_only=False):
    configs = [{"Name": n, "ConfigOperation": operation, "Value": v} for n, operation, v in changes]
    answer = desk.whole(
        "IncrementalAlterConfigs",
        1,
        Resources=[{"ResourceType": kind, "ResourceName": name, "Configs": configs}],
        ValidateOnly=validate_only,
    )
    return judged(answer["Responses"][0])


def replace(desk, kind, name, configs, version=2):
    answer = desk.whole(
        "AlterConfigs",
        version,
        Resources=[
            {"ResourceType": kind, "ResourceName": name, "Configs": [{"Name": n, "Value": v} for n, v in configs]}
        ],
        ValidateOnly=False,
    )
    return judged(answer["Responses"][0])


def own(desk, kind, name):
    """What it is set to."""
    return told(describe(desk, kind, name), DYNAMIC_SOURCES)


def is_whole(configs):
    """Kafka shows a new value among the synonyms before it holds."""
    shown = [(config["Value"], synonyms[0]["Value"]) for config in configs if (synonyms := config["Synonyms"])]
    return all(value == first or (value and first and value == first.strip()) for value, first in shown)


def settled(desk, kind, name, names):
    """What it is set to, once these are all: Kafka's controller answers, and its broker hears of it a moment later, one by one."""
    deadline = time.monotonic() + 5
    while True:
        now = own(desk, kind, name)
        if ({config["Name"] for config in now} == set(names) and is_whole(now)) or time.monotonic() > deadline:
            return now
        time.sleep(0.02)


def changed(desk, kind, name, changes, validate_only=False):
    """How a change is judged, what is in force after it, and again when it was taken back."""
    assert not own(desk, kind, name)
    verdict = alter(desk, kind, name, changes, validate_only)
    is_done = verdict[0] == 0 and not validate_only
    after = settled(desk, kind, name, [n for n, operation, _ in changes if is_done and operation != DELETE])
    taken_back = alter(desk, kind, name, [(n, DELETE, None) for n in {n for n, _, _ in changes}])
    assert not settled(desk, kind, name, [])
    return verdict, without_our_defaults(after), taken_back[0]


BROKER_CHANGES = {
    "a topic's default": [("log.retention.ms", SET, "60000")],
    "for ever": [("log.retention.ms", SET, "-2")],
    "with spaces": [("log.retention.ms", SET, " 7 ")],
    "several": [("message.max.bytes", SET, "2000000"), ("compression.type", SET, "lz4"), ("log.roll.ms", SET, "9")],
    "connections": [("max.connections", SET, "5000")],
    "too few connections": [("max.connections", SET, "-1")],
    "connections of an address": [("max.connections.per.ip", SET, "1000")],
    "too few of an address": [("max.connections.per.ip", SET, "-1")],
    "nobody but those who are named": [("max.connections.per.ip", SET, "0"), (OVERRIDES, SET, "127.0.0.1:1000")],
    "nobody at all": [("max.connections.per.ip", SET, "0")],
    "nobody, and bad names": [("max.connections.per.ip", SET, "0"), (OVERRIDES, SET, "a!:9")],
    "connections of hosts": [(OVERRIDES, SET, " 127.0.0.1 : 1000 , ::1:+7,localhost:1000")],
    "a comma at the end": [(OVERRIDES, SET, "127.0.0.1:1000,")],
    "a comma at the beginning": [(OVERRIDES, SET, ",127.0.0.1:1000")],
    "nothing for hosts": [(OVERRIDES, SET, "")],
    "a host without a number": [(OVERRIDES, SET, "10.0.0.1:5,10.0.0.2")],
    "no number for a host": [(OVERRIDES, SET, "c!:1,10.0.0.1:x")],
    "too large a number for a host": [(OVERRIDES, SET, "10.0.0.1:99999999999")],
    "no host": [(OVERRIDES, SET, "a b:5,b:6,[::1]:7")],
    "connections appended": [(OVERRIDES, APPEND, "10.0.0.1:5")],
    "a rack": [("broker.rack", SET, "r")],
    "a producer's time": [("producer.id.expiration.ms", SET, "90000000")],
    "too short a producer's time": [("producer.id.expiration.ms", SET, "0")],
    "what is read only": [("log.retention.hours", SET, "1")],
    "what is read only and means nothing here": [("log.cleaner.enable", SET, "false")],
    "what is read only, and more": [
        ("num.partitions", SET, "1"),
        ("log.retention.ms", SET, "1"),
    ],
    "what there is not": [("no.such", SET, "1")],
    "a topic's own name": [("retention.ms", SET, "1")],
    "what there is not, deleted": [("no.such", DELETE, None)],
    "no number": [("log.retention.ms", SET, "x")],
    "nothing for a number": [("log.retention.ms", SET, "")],
    "null": [("log.retention.ms", SET, None)],
    "too low": [("log.segment.bytes", SET, "5")],
    "too low a size": [("message.max.bytes", SET, "-1")],
    "no policy": [("log.cleanup.policy", SET, "burn")],
    "no codec": [("compression.type", SET, "zip")],
    "no boolean": [("unclean.leader.election.enable", SET, "maybe")],
    "no type of timestamps": [("log.message.timestamp.type", SET, "Tomorrow")],
    "appended": [("log.cleanup.policy", APPEND, "compact")],
    "subtracted": [("log.cleanup.policy", SUBTRACT, "delete")],
    "appended to no list": [("log.retention.ms", APPEND, "1")],
    "subtracted from no list": [("log.retention.ms", SUBTRACT, "1")],
    "operation 9": [("log.retention.ms", 9, "1")],
    "twice": [("log.retention.ms", SET, "1"), ("log.retention.ms", SET, "2")],
    "nothing": [],
    "a rate": [("follower.replication.throttled.rate", SET, "5")],
    "no rate": [("leader.replication.throttled.rate", SET, "x")],
    "lags that contradict": [
        ("log.cleaner.min.compaction.lag.ms", SET, "50"),
        ("log.cleaner.max.compaction.lag.ms", SET, "5"),
    ],
    "threads that are not used": [("background.threads", SET, "12")],
    "half of them": [("background.threads", SET, "5")],
    "less than half of them": [("background.threads", SET, "4")],
    "more than double": [("background.threads", SET, "21")],
    "no thread": [("background.threads", SET, "0")],
    "no number of threads": [("num.network.threads", SET, "x")],
    "a listener's key store": [("ssl.keystore.location", SET, "/none")],
    "verification": [("transaction.partition.verification.enable", SET, "false")],
    "no verification": [("transaction.partition.verification.enable", SET, "maybe")],
    "tiered storage": [("remote.fetch.max.wait.ms", SET, "600")],
    "too short a wait for tiered storage": [("remote.fetch.max.wait.ms", SET, "0")],
    "too few threads of tiered storage": [("remote.log.reader.threads", SET, "1")],
    "too few connections a second": [("max.connection.creation.rate", SET, "-1")],
    "a cleaner's pause": [("log.cleaner.backoff.ms", SET, "100")],
    "cleaning": [("log.cleaner.min.cleanable.ratio", SET, "0.1"), ("log.preallocate", SET, "true")],
}


@pytest.mark.parametrize("name", ["1", ""], ids=["this broker", "all brokers"])
@pytest.mark.parametrize("what", BROKER_CHANGES)
def test_a_change_of_a_broker_is_judged_as_kafka_judges_it(desks, what, name):
    """Could break: a default that all topics get although nobody could have meant it."""
    compare(desks, lambda desk: changed(desk, BROKER, name, BROKER_CHANGES[what]))


@pytest.mark.parametrize("what", ["several", "what is read only", "no number", "appended"])
def test_a_change_of_a_broker_that_is_only_validated_changes_nothing(desks, what):
    said = compare(desks, lambda desk: changed(desk, BROKER, "1", BROKER_CHANGES[what], validate_only=True))
    assert said[1] == []


GROUP_CHANGES = {
    "a session": [("consumer.session.timeout.ms", SET, "50000")],
    "both": [("consumer.session.timeout.ms", SET, "60000"), ("consumer.heartbeat.interval.ms", SET, "15000")],
    "too short a session": [("consumer.session.timeout.ms", SET, "5")],
    "too long a session": [("consumer.session.timeout.ms", SET, "50000000")],
    "no number": [("consumer.session.timeout.ms", SET, "x")],
    "zero": [("consumer.session.timeout.ms", SET, "0")],
    "too short an interval": [("consumer.heartbeat.interval.ms", SET, "1")],
    "too long an interval": [("consumer.heartbeat.interval.ms", SET, "16000")],
    "what there is not": [("no.such", SET, "1")],
    "what there is not, deleted": [("no.such", DELETE, None)],
    "appended": [("consumer.session.timeout.ms", APPEND, "1")],
    "null": [("consumer.session.timeout.ms", SET, None)],
    "nothing": [],
}


def of_consumers(told):
    """Groups of share and of streams consumers are not served, nor is there an interval of assignments."""
    kinds = ("consumer.session", "consumer.heartbeat")
    return [config for config in told if config["Name"].startswith(kinds)]


@pytest.mark.parametrize("what", GROUP_CHANGES)
def test_a_change_of_a_group_is_judged_as_kafka_judges_it(desks, what):
    """Could break: a group whose members are thrown out, or never."""

    def question(desk):
        verdict, after, taken_back = changed(desk, GROUP, "some-group", GROUP_CHANGES[what])
        return verdict, of_consumers(after), taken_back

    compare(desks, question)


METRICS_CHANGES = {
    "all": [
        ("interval.ms", SET, "1000"),
        ("metrics", SET, "org.a,org.b"),
        ("match", SET, "client_id=a.*,client_software_name=x"),
    ],
    "every metric": [("metrics", SET, "*")],
    "appended": [("metrics", APPEND, "org.c")],
    "subtracted": [("metrics", SUBTRACT, "org.a")],
    "too often": [("interval.ms", SET, "1")],
    "too seldom": [("interval.ms", SET, "10000000")],
    "no number": [("interval.ms", SET, "x")],
    "no pair": [("match", SET, "x")],
    "nobody knows": [("match", SET, "foo=x")],
    "no expression": [("match", SET, "client_id=[")],
    "what there is not": [("no.such", SET, "1")],
    "nothing": [],
}


@pytest.mark.parametrize("what", METRICS_CHANGES)
def test_a_change_of_a_subscription_is_judged_as_kafka_judges_it(desks, what):
    """Could break: tools that manage client metrics."""
    compare(desks, lambda desk: changed(desk, CLIENT_METRICS, "some-subscription", METRICS_CHANGES[what]))


@pytest.mark.parametrize("kind", [BROKER, CLIENT_METRICS, GROUP, 64])
@pytest.mark.parametrize("name", ["", "2", "x"])
def test_names_that_can_not_be_changed_are_refused_as_in_kafka(desks, kind, name):
    if (kind, name) == (BROKER, "") or (kind in (CLIENT_METRICS, GROUP) and name):
        pytest.skip("may be changed")

    def question(desk):
        # An own name in the old form, which takes everything away.
        return alter(desk, kind, name, [("log.retention.ms", SET, "1")]), replace(desk, kind, name, [])

    compare(desks, question)


@pytest.mark.parametrize("kind", [BROKER, LOGGER, CLIENT_METRICS, GROUP])
@pytest.mark.parametrize("name", ["", "2", "x", "no-such"])
def test_names_are_described_or_refused_as_in_kafka(desks, kind, name):
    """Could break: a tool that asks for all brokers' configs, or for a group that nobody has configured."""

    def question(desk):
        result = describe(desk, kind, name)
        told_of = told(result)
        return judged(result), of_consumers(told_of) if kind == GROUP else told_of

    compare(desks, question)


@versions(0, 2)
def test_configs_of_others_than_topics_are_replaced_as_in_kafka(desks, version):
    def question(desk):
        said, names = [], {}
        for kind, name, configs in [
            (BROKER, "1", [("log.retention.ms", "5"), ("message.max.bytes", "2000000")]),
            (BROKER, "1", [("log.roll.ms", "5")]),
            (BROKER, "1", [("num.partitions", "5")]),
            (BROKER, "1", []),
            (GROUP, "some-group", [("consumer.session.timeout.ms", "50000")]),
            (GROUP, "some-group", []),
            (CLIENT_METRICS, "some-subscription", [("interval.ms", "1000")]),
            (CLIENT_METRICS, "some-subscription", []),
            (LOGGER, "1", [("root", "INFO")]),
        ]:
            verdict = replace(desk, kind, name, configs, version)
            if verdict[0] == 0:
                names[kind] = [n for n, _ in configs]
            said.append((verdict, [] if kind == LOGGER else settled(desk, kind, name, names[kind])))
        return said

    compare(desks, question)


def test_what_has_configs_is_listed(desks):
    def question(desk):
        for kind, name, change in [
            (GROUP, "some-group", ("consumer.session.timeout.ms", SET, "50000")),
            (CLIENT_METRICS, "some-subscription", ("interval.ms", SET, "1000")),
        ]:
            assert alter(desk, kind, name, [change])[0] == 0
            assert settled(desk, kind, name, [change[0]])
        kinds = [BROKER, LOGGER, CLIENT_METRICS, GROUP]
        listed = desk.whole("ListConfigResources", 1, ResourceTypes=kinds)["ConfigResources"]
        old = desk.whole("ListConfigResources", 0)["ConfigResources"]
        replace(desk, GROUP, "some-group", [])
        replace(desk, CLIENT_METRICS, "some-subscription", [])
        names = sorted((resource["ResourceType"], resource["ResourceName"]) for resource in listed)
        return names, [resource["ResourceName"] for resource in old]

    compare(desks, question)


LEVEL_CHANGES = {
    "no level": [("root", SET, "LOUD")],
    "in small letters": [("root", SET, "info")],
    "no logger": [("no.such.logger", SET, "INFO")],
    "the root's, taken away": [("root", DELETE, None)],
    "appended": [("root", APPEND, "INFO")],
    "null": [("root", SET, None)],
    "root": [("root", SET, "INFO")],
    "one good, one bad": [("root", SET, "WARN"), ("no.such.logger", SET, "INFO")],
}


@pytest.mark.parametrize("name", ["1", "", "2", "x"])
@pytest.mark.parametrize("what", LEVEL_CHANGES)
def test_a_change_of_a_level_is_judged_as_kafka_judges_it(desks, what, name):
    compare(desks, lambda desk: alter(desk, LOGGER, name, LEVEL_CHANGES[what]))


def test_levels_of_ours_are_set_and_taken_back(broker, desks):
    """Could break: a broker that nobody can have speak without a restart."""
    ours = desks[1]

    def level(logger):
        [config] = describe(ours, LOGGER, "1", [logger])["Configs"]
        return config["Value"]

    assert level("root") == "INFO" and level("openraft") == "WARN"
    assert alter(ours, LOGGER, "1", [("broker", SET, "DEBUG")]) == (0, None)
    assert (level("broker"), level("storage")) == ("DEBUG", "INFO")
    assert alter(ours, LOGGER, "1", [("broker", DELETE, None)]) == (0, None)
    assert level("broker") == "INFO"


def test_the_broker_tells_its_configs_as_kafka_does(desks):
    """Could break: kafka-configs and every console that shows a broker's page."""
    kafkas, ours = [{c["Name"]: c for c in told(describe(desk, BROKER, "1"))} for desk in desks]
    both = kafkas.keys() & ours.keys()
    assert len(both) > 55
    wrong = []
    for name in sorted(both):
        theirs, mine = kafkas[name], ours[name]
        # Listeners are opened at the start.
        same = ["ReadOnly", "IsSensitive", "ConfigType"] if name != "listeners" else ["IsSensitive", "ConfigType"]
        if theirs["ConfigSource"] == mine["ConfigSource"] == 5 and name not in OUR_DEFAULTS:
            same += ["Value", "Synonyms"]
        wrong += [(name, field, theirs[field], mine[field]) for field in same if theirs[field] != mine[field]]
    assert not wrong, wrong


def test_documentation_comes_where_it_is_asked_for(desks):
    ours = desks[1]
    for kind, name, count in [(BROKER, "1", 60), (GROUP, "g", 2), (CLIENT_METRICS, "m", 3)]:
        asked = [{"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": None}]
        answer = ours.whole("DescribeConfigs", 4, Resources=asked, IncludeDocumentation=True)
        configs = answer["Results"][0]["Configs"]
        assert len(configs) >= count
        assert all(config["Documentation"] for config in configs)


def test_a_topic_tells_where_its_configs_come_from_as_kafka_does(desks):
    """Could break: `kafka-configs --describe --all` and what it says of synonyms, after brokers were set to something else."""

    def question(desk):
        topic = desk.fresh_topic(configs=[("cleanup.policy", "delete")])
        stages = [told(describe(desk, 2, topic))]
        are_set = set()
        for name, change in [
            ("", ("log.retention.ms", SET, "77000")),
            ("", ("log.cleanup.policy", SET, "compact,delete")),
            ("1", ("log.retention.ms", SET, "99000")),
            ("1", ("log.roll.ms", SET, "3000000")),
        ]:
            assert alter(desk, BROKER, name, [change])[0] == 0
            # What all brokers are set to is shown of each one, too.
            are_set.add(change[0])
            assert settled(desk, BROKER, name, are_set)
        stages.append(told(describe(desk, 2, topic)))
        for name in ["", "1"]:
            alter(desk, BROKER, name, [(n, DELETE, None) for n in are_set])
            assert not settled(desk, BROKER, name, [])
        stages.append(told(describe(desk, 2, topic)))
        return [[config for config in stage if not config["Name"].startswith("batch.")] for stage in stages]

    compare(desks, question)
