"""Groups of the consumer protocol (KIP-848): the same stories told to Apache Kafka and to us, in both versions."""

import re
import time
import uuid

import pytest
from test_groups_side_by_side import DELETE, DESCRIBE, LIST, Story, both

BEAT, TELL = "ConsumerGroupHeartbeat", "ConsumerGroupDescribe"


class Members(Story):
    """Members are named by the test; version 0 would have the broker draw their ids."""

    def beat_as(self, member, epoch, owned=None, version=1, **more):
        """`owned`: partitions of groups-t."""
        body = {"GroupId": self.group, "MemberId": member, "MemberEpoch": epoch}
        if epoch == 0:
            body |= {"RebalanceTimeoutMs": 60_000, "SubscribedTopicNames": ["groups-t"], "TopicPartitions": []}
        if owned is not None:
            topic = self.named("groups-t", 12, 12)["TopicId"]
            body["TopicPartitions"] = [{"TopicId": topic, "Partitions": owned}] if owned else []
        return self.ask(BEAT, version, **{**body, **more})

    def quietly(self, member, epoch, owned, version):
        """A heartbeat that is not compared."""
        told = list(self.told)
        answer = self.beat_as(member, epoch, owned, version)
        self.told = told
        return answer

    def tell(self, version=1, *groups):
        return self.ask(TELL, version, GroupIds=list(groups) or [self.group])


def tell_both(peers, story):
    return both(peers, story, Members)


def given(answer):
    """The partitions of an answer that tells any."""
    return sorted(p for of_topic in answer["Assignment"]["TopicPartitions"] for p in of_topic["Partitions"])


def test_a_member_stays_in_its_epoch_until_all_is_given_up(peers):
    """Could break: a target that is computed anew while a member gives up what the one before took from it."""

    def story(it):
        it.beat_as("a", 0)
        time.sleep(1.1)
        it.beat_as("b", 0)
        two = given(it.beat_as("a", 2, [0, 1, 2]))
        time.sleep(1.1)
        it.beat_as("c", 0)
        one = given(it.beat_as("a", 2, two))
        it.beat_as("a", 2, two)
        it.beat_as("a", 2, one)
        it.tell()
        it.beat_as("a", 2, one)
        beats = len(it.told)
        for epoch in (4, 2, 1, 5):
            it.commit(9, generation=epoch, member="a", offsets=[(one[0], 5)])
        gone = min(set(two) - set(one))
        it.commit(9, generation=2, member="a", offsets=[(one[0], 6), (gone, 6)])
        it.commit(9, generation=4, member="a", offsets=[(one[0], 6), (gone, 6)])
        it.commit(9, generation=2, member="a", offsets=[(gone, 6)], metadata="m" * 5000)
        it.commit(9, generation=3, member="b", offsets=[(one[0], 6)])

        # Which partition it is, is the assignor's.
        commits = [re.sub(r"'PartitionIndex': \d+", "'PartitionIndex': P", str(told)) for told in it.told[beats:]]
        it.told[beats:] = commits

    tell_both(peers, count_only(story))


def test_a_member_that_reads_less_while_it_gives_up(peers):
    """Could break: what it no longer reads is given up at once, whatever else it has still to give up."""

    def story(it):
        it.beat_as("a", 0, SubscribedTopicNames=["groups-t", "groups-u"])
        time.sleep(1.1)
        it.beat_as("b", 0)
        time.sleep(1.1)
        ids = [it.named(name, 12, 12)["TopicId"] for name in ("groups-t", "groups-u")]

        def owning(*numbers, **more):
            topics = [{"TopicId": i, "Partitions": of} for i, of in zip(ids, numbers, strict=False) if of]
            return it.beat_as("a", 2, TopicPartitions=topics, **more)

        kept = owning([0, 1, 2], [0])["Assignment"]["TopicPartitions"]
        kept = next(of["Partitions"] for of in kept if of["TopicId"] == ids[0])
        owning([0, 1, 2], [0], SubscribedTopicNames=["groups-t"])
        it.tell()
        owning([0, 1, 2], [0])
        owning(kept, [0])
        time.sleep(1.1)
        owning(kept)
        it.tell()

    tell_both(peers, count_only(story))


def settle(it, version, **epochs):
    """Members do what they are told until everybody has what is theirs; Kafka computes that once a second at most."""
    owned = dict.fromkeys(epochs, [])
    for _ in range(200):
        for member, epoch in epochs.items():
            answer = it.quietly(member, epoch, owned[member], version)
            epochs[member] = answer["MemberEpoch"]
            if answer["Assignment"] is not None:
                parts = [t["Partitions"] for t in answer["Assignment"]["TopicPartitions"]]
                owned[member] = sorted(p for of_topic in parts for p in of_topic)
        if len(set(epochs.values())) == 1 and sorted(p for of in owned.values() for p in of) == [0, 1, 2]:
            it.told.append({member: len(of) for member, of in owned.items()})
            return epochs, owned
        time.sleep(0.05)
    raise AssertionError(f"not settled: {epochs}, {owned}")


@pytest.mark.parametrize("version", [0, 1])
def test_a_group_from_its_first_to_its_last_member(peers, version):
    """Could break: epochs, when an assignment is told, who waits for whom."""

    def story(it):
        it.tell(version)
        first = it.beat_as("a", 0, version=version)["MemberEpoch"]
        it.tell(version)
        it.beat_as("a", first, version=version)
        it.beat_as("a", first, [0, 1, 2], version=version)
        it.quietly("b", 0, None, version)
        epochs, owned = settle(it, version, a=first, b=0)
        it.tell(version)
        it.ask(LIST, 5, TypesFilter=["nothing"])
        it.ask(DESCRIBE, 6, Groups=[it.group])
        it.ask(DELETE, 2, GroupsNames=[it.group])
        it.beat_as("b", -1, version=version)
        it.beat_as("b", epochs["b"], version=version)
        settle(it, version, a=epochs["a"])
        it.beat_as("a", -1, version=version)
        it.tell(version)
        it.ask(DELETE, 2, GroupsNames=[it.group])
        it.tell(version)

    tell_both(peers, count_only(story))


def count_only(story):
    """Who gets which partitions is the assignor's; how many is not."""

    def told(it):
        story(it)
        it.told = [counted(entry) for entry in it.told]

    return told


def counted(entry):
    if not (isinstance(entry, tuple) and entry[0] in (BEAT, TELL)):
        return entry
    return (
        entry[0],
        entry[1],
        re.sub(r"'Partitions': \[([\d, ]*)\]", lambda m: f"{len(m[1].split())} of them", entry[2]),
    )


@pytest.mark.parametrize(
    "more",
    [
        {"GroupId": ""},
        {"GroupId": "  "},
        {"MemberId": ""},
        {"InstanceId": ""},
        {"RackId": ""},
        {"RebalanceTimeoutMs": -1},
        {"TopicPartitions": None},
        {"TopicPartitions": [{"TopicId": uuid.UUID(int=1), "Partitions": [0]}]},
        {"SubscribedTopicNames": None},
        {"SubscribedTopicNames": []},
        {"SubscribedTopicNames": ["no-such-topic"]},
        {"ServerAssignor": "sticky"},
        {"ServerAssignor": "range"},
        {"MemberEpoch": -3},
        {"MemberEpoch": 5},
        {"MemberEpoch": -1},
        {"MemberEpoch": -2},
        {"MemberEpoch": -2, "InstanceId": "i"},
        {"SubscribedTopicNames": None, "SubscribedTopicRegex": None},
        {"SubscribedTopicRegex": "", "SubscribedTopicNames": None},
    ],
    ids=str,
)
def test_a_first_heartbeat_that_is_odd(peers, more):
    """Could break: the error by which a client knows what is wrong with its settings."""

    def story(it):
        answer = it.beat_as("a", 0, **more)
        # Texts are for people, and the same.
        it.told.append((answer["ErrorCode"], (answer["ErrorMessage"] or "").replace(it.group, "GROUP")))

    tell_both(peers, count_only(story))


def test_what_a_group_is_set_to_reaches_its_members(peers):
    """Could break: a group that is set to be asked less, and whose members beat as before."""

    def story(it):
        epoch = it.beat_as("a", 0)["MemberEpoch"]
        for value in ("7000", "14000", None):
            set_to = {"Name": "consumer.heartbeat.interval.ms", "ConfigOperation": 0 if value else 1, "Value": value}
            group = {"ResourceType": 32, "ResourceName": it.group, "Configs": [set_to]}
            it.ask("IncrementalAlterConfigs", 1, Resources=[group], ValidateOnly=False)
            for _ in range(200):
                interval = it.quietly("a", epoch, None, 1)["HeartbeatIntervalMs"]
                # Kafka's coordinator hears of it a moment later.
                if interval == int(value or 5000):
                    break
                time.sleep(0.05)
            it.told.append(interval)

    tell_both(peers, count_only(story))


def test_epochs_that_are_not_the_members(peers):
    """Could break: a member that was put out must hear so, one whose answer was lost must not."""

    def story(it):
        def said(answer):
            it.told.append((answer["ErrorCode"], (answer["ErrorMessage"] or "").replace(it.group, "GROUP")))

        now = it.beat_as("a", 0)["MemberEpoch"]
        said(it.beat_as("a", now + 1))
        said(it.beat_as("a", 7))
        said(it.beat_as("nobody", 1))
        said(it.beat_as("nobody", -1))
        it.beat_as("a", 0)
        it.beat_as("a", now, [0, 1, 2])
        it.commit(9, generation=now, member="a")
        it.commit(9, generation=0, member="a")
        it.commit(9, generation=now, member="nobody")
        it.commit(9, generation=-1)
        it.commit(8, generation=now, member="a")
        for member, epoch in (("a", now), ("a", 0), ("nobody", now)):
            topics = [{"Name": "groups-t", "PartitionIndexes": [0]}]
            group = {"GroupId": it.group, "MemberId": member, "MemberEpoch": epoch, "Topics": topics}
            it.ask("OffsetFetch", 9, Groups=[group])
        it.ask("JoinGroup", 9, GroupId=it.group, SessionTimeoutMs=10_000, ProtocolType="connect", Protocols=[])
        it.ask("Heartbeat", 4, GroupId=it.group, GenerationId=1, MemberId="a")
        it.ask("SyncGroup", 4, GroupId=it.group, GenerationId=1, MemberId="nobody")
        it.ask("LeaveGroup", 3, GroupId=it.group, Members=[{"MemberId": "nobody", "GroupInstanceId": None}])
        it.beat_as("a", -1)

    tell_both(peers, count_only(story))


def test_static_members(peers):
    """Could break: a static member that goes for a while keeps what it has; another process may not take it before."""

    def story(it):
        it.beat_as("a", 0, InstanceId="i")
        it.beat_as("b", 0, InstanceId="i")
        it.beat_as("b", 2, InstanceId="i")
        it.beat_as("a", 2, InstanceId="other")
        it.beat_as("a", -2, InstanceId="i")
        it.tell()
        it.beat_as("b", 0, InstanceId="i")
        it.beat_as("a", 2, InstanceId="i")
        it.tell()
        it.beat_as("b", -1, InstanceId="i")
        it.tell()

    tell_both(peers, count_only(story))


def test_racks_are_kept_and_described(peers):
    """Could break: a member's rack, which it says once, and may change; no assignor of Kafka's asks for it."""

    def story(it):
        it.beat_as("a", 0, RackId="r1")
        it.tell()
        it.beat_as("a", 2, [0, 1, 2])
        it.tell()
        it.beat_as("a", 2, [0, 1, 2], RackId="r2")
        it.tell()

    tell_both(peers, count_only(story))


def test_an_empty_group_changes_its_protocol(peers):
    """Could break: a group whose last member has left may be used with the other protocol, and keeps its offsets."""

    def story(it):
        joined = it.alone()
        it.beat_as("a", 0)
        it.ask("LeaveGroup", 0, GroupId=it.group, MemberId=joined["MemberId"])
        it.commit()
        it.beat_as("a", 0)
        it.tell()
        it.fetch()
        it.beat_as("a", -1)
        it.alone()
        it.fetch()
        it.tell()

    tell_both(peers, count_only(story))


def test_an_expression_stands_for_the_topics_that_match(peers):
    """Could break: a consumer that subscribes by a pattern. Kafka looks for topics beside its answers, so that it tells later."""

    def story(it):
        answer = it.beat_as("a", 0, SubscribedTopicRegex="groups-[tu]", SubscribedTopicNames=None)
        for _ in range(100):
            if answer["Assignment"] and len(answer["Assignment"]["TopicPartitions"]) == 2:
                break
            answer = it.beat_as("a", answer["MemberEpoch"], SubscribedTopicRegex="groups-[tu]")
        refused = it.beat_as("b", 0, SubscribedTopicRegex="(")
        sizes = sorted(len(t["Partitions"]) for t in answer["Assignment"]["TopicPartitions"])
        it.told = [sizes, refused["ErrorCode"]]

    tell_both(peers, story)
