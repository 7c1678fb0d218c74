"""`takhin group`, with our broker and with Apache Kafka: it says and does what kafka-consumer-groups says and does."""

import time

import confluent_kafka
import pytest
import raw
from group_tools import commit, fill, kafkas, members, rows, told, tool
from topics import create, delete

pytestmark = pytest.mark.usefixtures("_only_ours")


@pytest.fixture(params=["takhin", "kafka"])
def cluster(request):
    """Our broker, and Apache Kafka: the tools are for both."""
    return request.getfixturevalue("broker" if request.param == "takhin" else "kafka_peer")


def described(cluster, group):
    """By topic and partition: committed offset, end, lag, member, host and client, as we describe them."""
    (of,) = told(cluster, "group", "describe", group)
    fields = ["committedOffset", "logEndOffset", "lag", "memberId", "host", "clientId"]
    return {(p["topic"], p["partition"]): tuple(p[f] for f in fields) for p in of["partitions"]}


def described_by_kafka(cluster, group):
    """The same, as kafka-consumer-groups has it."""
    lines = rows(kafkas(cluster, "--describe", "--group", group), "GROUP")
    fields = ["CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID"]

    def value(text):
        return None if text == "-" else int(text) if text.isdigit() else text.removeprefix("/")

    return {(line["TOPIC"], int(line["PARTITION"])): tuple(value(line[f]) for f in fields) for line in lines}


def test_a_group_without_members_is_described_as_kafkas_tool_does(cluster, topic_name):
    """Could break: lag of the wrong partition, or an end taken for a committed offset."""
    topic, other, group = create(cluster, topic_name(), partitions=3), create(cluster, topic_name()), topic_name()
    fill(cluster, topic, [10, 20, 30])
    fill(cluster, other, [5])
    commit(cluster, group, topic, {0: 4, 1: 20})
    commit(cluster, group, other, {0: 1})
    assert described(cluster, group) == {
        (topic, 0): (4, 10, 6, None, None, None),
        (topic, 1): (20, 20, 0, None, None, None),
        (other, 0): (1, 5, 4, None, None, None),
    }
    assert described(cluster, group) == described_by_kafka(cluster, group)
    lines = tool(cluster, "group", "describe", group).splitlines()
    assert lines[0].startswith(f"group {group}: Empty") and lines[0].endswith("0 members, lag 10")
    assert lines[1].split() == ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER", "CLIENT", "HOST"]
    assert [topic, "0", "4", "10", "6", "-", "-", "-"] in [line.split() for line in lines]


def test_members_are_described_as_kafkas_tool_does(cluster, topic_name):
    """Could break: partitions shown for another member; assignments of librdkafka's that can't be read."""
    topic, group = create(cluster, topic_name(), partitions=3), topic_name()
    fill(cluster, topic, [10, 20, 30])
    with members(cluster, group, topic, 2) as consumers:
        offsets = [confluent_kafka.TopicPartition(topic, p, 7) for p in (0, 2)]
        consumers[0].commit(offsets=offsets[:1], asynchronous=False)
        ours = described(cluster, group)
        assert {key: of[:3] for key, of in ours.items()} == {
            (topic, 0): (7, 10, 3),
            (topic, 1): (None, 20, None),
            (topic, 2): (None, 30, None),
        }
        assert {of[5] for of in ours.values()} == {"member-0", "member-1"}
        assert ours == described_by_kafka(cluster, group)
        (of,) = told(cluster, "group", "describe", "--members", group)
        assert (of["state"], of["protocolType"], of["assignor"]) == ("Stable", "consumer", "range")
        assigned = {m["memberId"]: m["assignment"] for m in of["members"]}
        for one in consumers:
            assert assigned[one.memberid()] == {topic: [p.partition for p in one.assignment()]}
        text = tool(cluster, "group", "describe", "--members", group)
        assert f"{topic}:" in text and f"group {group}: Stable, protocol consumer, assignor range, 2 members" in text
        (state,) = rows(kafkas(cluster, "--describe", "--state", "--group", group), "GROUP")
        line = tool(cluster, "group", "describe", "--state", group).splitlines()[1].split()
        assert line[:5] == [group, "Stable", "consumer", "range", "2"]
        assert (state["STATE"], state["#MEMBERS"]) == ("Stable", "2")
        for arguments in [["reset", group, "--topic", topic, "--to-earliest", "--execute"], ["delete", group]]:
            complaint = tool(cluster, "group", *arguments, status=1)
            assert complaint.startswith("takhin: ") and complaint.count("\n") == 1, complaint
            assert group in complaint
        refused = tool(cluster, "group", "delete-offsets", group, "--topic", f"{topic}:0", status=1)
        assert "GROUP_SUBSCRIBED_TO_TOPIC" in refused
        assert described(cluster, group)[topic, 0][0] == 7


def test_groups_are_listed_and_chosen(cluster, topic_name):
    """Could break: a filter that lets all through, or none; and groups of one of several kinds left out."""
    topic, empty, busy = create(cluster, topic_name(), partitions=2), topic_name(), topic_name()
    commit(cluster, empty, topic, {0: 0})

    def listed(*arguments):
        groups = told(cluster, "group", "list", *arguments)
        return {g["groupId"]: (g["type"], g["state"]) for g in groups if g["groupId"] in (empty, busy)}

    with members(cluster, busy, topic, 1):
        assert listed() == {empty: ("classic", "Empty"), busy: ("classic", "Stable")}
        assert list(listed("--state", "empty")) == [empty]
        assert list(listed("--state", "Stable", "--type", "Classic")) == [busy]
        assert listed("--type", "consumer") == {}
        assert set(listed("--state", "Stable,Empty")) == {empty, busy}
        table = [line.split() for line in tool(cluster, "group", "list").splitlines()]
        assert table[0] == ["GROUP", "TYPE", "PROTOCOL", "STATE", "COORDINATOR"]
        assert [line[0] for line in table[1:]] == sorted(line[0] for line in table[1:])
        assert {line[0] for line in table[1:]} == set(kafkas(cluster, "--list").split())
        everything = told(cluster, "group", "describe", "--all", "--state")
        assert {empty, busy} <= {g["groupId"] for g in everything}
    assert "GROUP_ID_NOT_FOUND" in tool(cluster, "group", "describe", topic_name(), status=1)


def test_groups_and_offsets_are_deleted(cluster, topic_name):
    """Could break: more is deleted than was said, or success is told of what was not there."""
    topic, other, group = create(cluster, topic_name(), partitions=3), create(cluster, topic_name()), topic_name()
    commit(cluster, group, topic, {0: 0, 1: 0, 2: 0})
    commit(cluster, group, other, {0: 0})
    done = tool(cluster, "group", "delete-offsets", group, "--topic", f"{topic}:0,2")
    assert done == f"group {group}: 2 offsets deleted\n"
    assert set(described(cluster, group)) == {(topic, 1), (other, 0)} == set(described_by_kafka(cluster, group))
    again = tool(cluster, "group", "delete-offsets", group, "--topic", f"{topic}:0", status=1)
    assert f"has no offset of partition {topic}-0" in again
    tool(cluster, "group", "delete-offsets", group, "--topic", topic)
    assert set(described(cluster, group)) == {(other, 0)}
    unknown = topic_name()
    done = tool(cluster, "group", "delete", group, unknown, status=1)
    assert f"group {unknown}: GROUP_ID_NOT_FOUND" in done
    assert group not in kafkas(cluster, "--list").split(), "the one that could be deleted was"


TARGETS = [
    (["--to-earliest"], {0: 0, 1: 0}),
    (["--to-latest"], {0: 10, 1: 20}),
    (["--to-offset", 15], {0: 10, 1: 15}),
    (["--to-time", "2020-09-13T12:26:45.500Z"], {0: 6, 1: 6}),
    (["--to-time", 1_600_000_012_000], {0: 10, 1: 12}),
    (["--shift-by", -2], {0: 2, 1: 5}),
    (["--shift-by", 8], {0: 10, 1: 15}),
    (["--to-current"], {0: 4, 1: 7}),
]


@pytest.mark.parametrize(("target", "offsets"), TARGETS, ids=["".join(map(str, target)) for target, _ in TARGETS])
def test_a_reset_goes_where_kafkas_tool_goes(cluster, topic_name, target, offsets):
    """Could break: a dry run that commits, an execution that does something else, bounds that are off by one."""
    topic, group, other = create(cluster, topic_name(), partitions=2), topic_name(), topic_name()
    fill(cluster, topic, [10, 20])
    commit(cluster, group, topic, {0: 4, 1: 7})
    commit(cluster, other, topic, {0: 4, 1: 7})
    plan = told(cluster, "group", "reset", group, "--topic", topic, *target)
    assert not plan["executed"]
    assert {p["partition"]: p["newOffset"] for p in plan["partitions"]} == offsets
    assert {p["partition"]: p["oldOffset"] for p in plan["partitions"]} == {0: 4, 1: 7}
    text = tool(cluster, "group", "reset", group, "--topic", topic, *target)
    assert text.endswith(f"group {group}: nothing was changed, --execute does it\n")
    assert {key[1]: of[0] for key, of in described(cluster, group).items()} == {0: 4, 1: 7}
    done = told(cluster, "group", "reset", group, "--all-topics", *target, "--execute")
    assert done == {**plan, "executed": True}
    if target[0] == "--to-time":
        # Kafka's has it under another name, and in one form only.
        time_text = "2020-09-13T12:26:45.500" if isinstance(target[1], str) else "2020-09-13T12:26:52.000"
        target = ["--to-datetime", time_text]
    kafkas(cluster, "--reset-offsets", "--group", other, "--topic", topic, *target, "--execute")
    assert described(cluster, group) == described(cluster, other) == described_by_kafka(cluster, group)


def test_a_reset_is_about_the_partitions_that_were_named(cluster, topic_name):
    """Could break: other partitions, or a group that did not exist."""
    topic, gone, group = create(cluster, topic_name(), partitions=3), create(cluster, topic_name()), topic_name()
    fill(cluster, topic, [10, 20, 30])
    tool(cluster, "group", "reset", group, "--topic", f"{topic}:0,2", "--to-latest", "--execute")
    assert {key: of[0] for key, of in described(cluster, group).items()} == {(topic, 0): 10, (topic, 2): 30}
    assert "shift from" in tool(cluster, "group", "reset", group, "--topic", topic, "--shift-by", 1, status=1)
    assert "not 3" in tool(cluster, "group", "reset", group, "--topic", f"{topic}:3", "--to-latest", status=1)
    assert "UNKNOWN_TOPIC" in tool(cluster, "group", "reset", group, "--topic", topic_name(), "--to-latest", status=1)
    plan = told(cluster, "group", "reset", group, "--topic", topic, "--to-current")
    assert [(p["newOffset"], p["note"] is None) for p in plan["partitions"]] == [(10, True), (20, False), (30, True)]
    commit(cluster, group, gone, {0: 0})
    delete(cluster, gone)
    tool(cluster, "group", "reset", group, "--all-topics", "--to-earliest", "--execute")
    assert {of[0] for key, of in described(cluster, group).items() if key[0] == topic} == {0}


def test_what_one_tool_exports_the_other_imports(cluster, topic_name, tmp_path):
    """Could break: quotes that Java's writer puts around long names, headings, and offsets outside of the log."""
    topic, group, copy = create(cluster, topic_name(), partitions=3), topic_name(), topic_name()
    fill(cluster, topic, [10, 20, 30])
    commit(cluster, group, topic, {0: 4, 1: 7, 2: 9})
    ours = tool(cluster, "group", "export", group)
    assert ours.splitlines() == [f"{topic},0,4", f"{topic},1,7", f"{topic},2,9"]
    to_current = ["--reset-offsets", "--topic", topic, "--to-current", "--dry-run"]
    theirs = kafkas(cluster, "--export", "--group", group, *to_current)
    file = tmp_path / "offsets.csv"
    file.write_text(theirs)
    tool(cluster, "group", "reset", copy, "--from-file", file, "--execute")
    assert tool(cluster, "group", "export", copy) == ours
    file.write_text(ours.replace(",7", ",17"))
    kafkas(cluster, "--reset-offsets", "--group", copy, "--from-file", file, "--execute")
    assert tool(cluster, "group", "export", copy) == ours.replace(",7", ",17")
    file.write_text(f"{topic},0,99\n")
    plan = told(cluster, "group", "reset", copy, "--from-file", file)
    assert [(p["partition"], p["newOffset"]) for p in plan["partitions"]] == [(0, 10)]
    file.write_text(f"{topic},0\n")
    assert f"{file}: line 1: " in tool(cluster, "group", "reset", copy, "--from-file", file, status=1)


def test_groups_of_the_newer_protocol_are_described_and_reset(kafka_peer, topic_name):
    """Could break: DescribeGroups knows nothing of them; their members speak another protocol (KIP-848)."""
    topic, group = create(kafka_peer, topic_name(), partitions=2), topic_name()
    fill(kafka_peer, topic, [10, 20])
    newer = {"group.protocol": "consumer", "session.timeout.ms": None}
    with members(kafka_peer, group, topic, 2, **newer) as consumers:
        offsets = [confluent_kafka.TopicPartition(topic, p.partition, 3) for p in consumers[0].assignment()]
        consumers[0].commit(offsets=offsets, asynchronous=False)
        ours = described(kafka_peer, group)
        assert ours == described_by_kafka(kafka_peer, group)
        assert sorted(of[0] or 0 for of in ours.values()) == [0, 3]
        (of,) = told(kafka_peer, "group", "describe", "--members", group)
        assert (of["state"], of["protocolType"], of["memberCount"]) == ("Stable", "consumer", 2)
        assert sorted(m["assignment"][topic] for m in of["members"]) == [[0], [1]]
        assert group in {g["groupId"] for g in told(kafka_peer, "group", "list", "--type", "consumer")}
        assert "has 2 members" in tool(kafka_peer, "group", "reset", group, "--all-topics", "--to-latest", status=1)
    tool(kafka_peer, "group", "reset", group, "--topic", topic, "--to-latest", "--execute")
    assert {key[1]: of[0] for key, of in described(kafka_peer, group).items()} == {0: 10, 1: 20}


def test_a_thousand_groups_are_described_within_a_second(broker, topic_name):
    """Could break: a request for each group."""
    topic, stem = create(broker, topic_name(), partitions=10), topic_name()
    fill(broker, topic, [3] * 10)
    groups = [f"{stem}-{i:04}" for i in range(1000)]
    # By bare requests: a thousand clients would take minutes.
    partitions = [{"PartitionIndex": p, "CommittedOffset": 1, "CommittedMetadata": ""} for p in range(10)]
    topics = [{"Name": topic, "Partitions": partitions}]
    with raw.Connection(broker) as connection:
        for group in groups:
            body = {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": topics}
            answer = connection.ask("OffsetCommit", 5, **body)
            assert not any(p["ErrorCode"] for t in answer["Topics"] for p in t["Partitions"])
    began = time.monotonic()
    everything = {g["groupId"]: g for g in told(broker, "group", "describe", "--all")}
    took = time.monotonic() - began
    for group in groups:
        assert [(p["committedOffset"], p["lag"]) for p in everything[group]["partitions"]] == [(1, 2)] * 10
    assert took < 1, f"{took:.2f} s"
