"""The APIs of groups: the same stories told to Apache Kafka and to us, request by request, in every version.

A story asks several times, over several connections, and remembers what it was told: ids of members are masked in the order
in which they came, so that answers can be compared although ids are drawn.
"""

import re
import struct

import pytest
import raw
from desk import masked
from schema import API

JOIN, SYNC, BEAT, LEAVE, COMMIT, FETCH = (
    "JoinGroup",
    "SyncGroup",
    "Heartbeat",
    "LeaveGroup",
    "OffsetCommit",
    "OffsetFetch",
)
DELETE_OFFSETS, DESCRIBE, LIST, DELETE = "OffsetDelete", "DescribeGroups", "ListGroups", "DeleteGroups"
FIND = "FindCoordinator"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Story:
    """What one broker is asked, and what it has said."""

    def __init__(self, broker, group):
        self.broker, self.group = broker, group
        self.connections = {}
        self.waiting = {}
        self.told = []
        self.ids = []

    def line(self, name):
        if name not in self.connections:
            self.connections[name] = raw.Connection(self.broker)
        return self.connections[name]

    def ask(self, api, version, line="main", **body):
        """Asks and waits; what is told is remembered, and returned unmasked."""
        self.send(api, version, line, **body)
        return self.hear(line)

    def send(self, api, version, line="main", **body):
        self.waiting[line] = (api, version, self.line(line).send(api, version, **body))

    def hear(self, line="main"):
        api, version, correlation_id = self.waiting.pop(line)
        answer = self.line(line).receive(api, version, correlation_id)
        self.told.append((api, version, self.mask(answer)))
        return answer

    def mask(self, answer):
        text = str(self.ordered(masked(answer))).replace(self.group, "GROUP")
        for drawn in UUID.findall(text):
            if drawn not in self.ids:
                self.ids.append(drawn)
        for number, drawn in enumerate(self.ids):
            text = text.replace(drawn, f"ID{number}")
        return text

    def ordered(self, value):
        """`value` with its lists in an order that does not depend on what was drawn: Kafka's is that of its hash maps."""
        if isinstance(value, dict):
            return {k: self.ordered(v) for k, v in value.items()}
        if not isinstance(value, list):
            return value
        places = {drawn: number for number, drawn in enumerate(self.ids)}

        def key(one):
            drawn = UUID.findall(str(one))
            return UUID.sub("", str(one)), [places.get(d, len(places)) for d in drawn]

        return sorted((self.ordered(v) for v in value), key=key)

    def close(self):
        for connection in self.connections.values():
            connection.socket.close()

    # What members do.

    def join(self, member="", version=9, line="main", wait=True, instance=None, protocols=("range",), **more):
        body = {
            "GroupId": self.group,
            "SessionTimeoutMs": 10_000,
            "RebalanceTimeoutMs": 5_000,
            "MemberId": member,
            "ProtocolType": "consumer",
            "Protocols": [{"Name": name, "Metadata": subscription()} for name in protocols],
            **({"GroupInstanceId": instance} if instance and version >= 5 else {}),
            **more,
        }
        self.send(JOIN, version, line, **body)
        return self.hear(line) if wait else None

    def member(self, version=9, line="main", **more):
        """Joins as a client does: it may have to come twice. The answer may have to be waited for."""
        told = self.join(version=version, line=line, **more)
        if told["ErrorCode"] == 79:
            told = self.join(told["MemberId"], version, line, **more)
        return told

    def sync(self, joined, version=5, line="main", assignments=(), wait=True, **more):
        body = {
            "GroupId": self.group,
            "GenerationId": joined["GenerationId"],
            "MemberId": joined["MemberId"],
            "Assignments": [{"MemberId": m, "Assignment": a} for m, a in assignments],
            **({"ProtocolType": "consumer", "ProtocolName": "range"} if version >= 5 else {}),
            **more,
        }
        self.send(SYNC, version, line, **body)
        return self.hear(line) if wait else None

    def beat(self, joined, version=4, line="main", **more):
        body = {"GroupId": self.group, "GenerationId": joined["GenerationId"], "MemberId": joined["MemberId"], **more}
        return self.ask(BEAT, version, line, **body)

    def alone(self, version=9):
        """A group of one member, stable."""
        joined = self.member(version)
        self.sync(joined, assignments=[(joined["MemberId"], b"all")])
        return joined

    def commit(self, version=8, topic="groups-t", offsets=((0, 5),), generation=-1, member="", metadata="m", **more):
        partitions = [
            {"PartitionIndex": p, "CommittedOffset": o, "CommittedMetadata": metadata}
            | ({"CommittedLeaderEpoch": 0} if version >= 6 else {})
            for p, o in offsets
        ]
        body = {
            "GroupId": self.group,
            "GenerationIdOrMemberEpoch": generation,
            "MemberId": member,
            "Topics": [{**self.named(topic, version, 10), "Partitions": partitions}],
            **more,
        }
        return self.ask(COMMIT, version, **body)

    def named(self, topic, version, ids_since):
        if version < ids_since:
            return {"Name": topic}
        answer = self.line("ids").ask("Metadata", 12, Topics=[{"Name": topic}], AllowAutoTopicCreation=False)
        return {"TopicId": answer["Topics"][0]["TopicId"]}

    def fetch(self, version=8, topics=(("groups-t", (0, 1, 9)),)):
        """`None` for all of the group."""
        asked = None
        if topics is not None:
            asked = [{**self.named(t, version, 10), "PartitionIndexes": list(p)} for t, p in topics]
        if version < 8:
            return self.ask(FETCH, version, GroupId=self.group, Topics=asked)
        return self.ask(FETCH, version, Groups=[{"GroupId": self.group, "Topics": asked}])


def subscription(topics=("groups-t",)):
    """The metadata of a consumer that reads these topics."""
    names = b"".join(struct.pack(">h", len(t)) + t.encode() for t in topics)
    return struct.pack(">hi", 0, len(topics)) + names + struct.pack(">i", -1)


_STORIES = iter(range(10**6))


def both(peers, story, kind=Story):
    """Tells the story to both; they have to have said the same."""
    group = f"side-{next(_STORIES)}"

    def tell(broker):
        it = kind(broker, group)
        try:
            story(it)
        finally:
            it.close()
        return it.told

    kafkas, ours = [tell(broker) for broker in peers]
    assert kafkas, "a story in which nothing is said"
    for number, (theirs, mine) in enumerate(zip(kafkas, ours, strict=True)):
        assert mine == theirs, f"\nanswer {number}, Apache Kafka: {theirs}\n    this one: {mine}"


@pytest.mark.parametrize("version", API[JOIN].versions)
def test_a_group_from_its_first_to_its_last_member(peers, version):
    """Could break: a version's fields, the order of states, which error a member hears in which state."""

    def story(it):
        first = it.member(version)
        it.beat(first)
        it.sync(first, assignments=[(first["MemberId"], b"one")])
        it.beat(first)
        it.ask(DESCRIBE, 5, Groups=[it.group])
        # A second member: the first one hears of it by its heartbeat.
        second = it.join(version=version, line="second", wait=version >= 4)
        if version >= 4:
            it.join(second["MemberId"], version, "second", wait=False)
        while (
            it.line("first").ask(
                BEAT, 4, GroupId=it.group, GenerationId=first["GenerationId"], MemberId=first["MemberId"]
            )["ErrorCode"]
            != 27
        ):
            pass
        it.ask(DESCRIBE, 5, Groups=[it.group])
        it.join(first["MemberId"], version, "main", wait=False)
        again, second = it.hear("main"), it.hear("second")
        it.ask(DESCRIBE, 5, Groups=[it.group])
        it.commit(generation=again["GenerationId"], member=again["MemberId"])
        it.sync(second, line="second", wait=False)
        it.sync(again, assignments=[(again["MemberId"], b"one"), (second["MemberId"], b"two")])
        it.hear("second")
        it.commit(generation=again["GenerationId"], member=second["MemberId"])
        # One leaves, then the other.
        it.ask(LEAVE, 0, GroupId=it.group, MemberId=second["MemberId"])
        it.beat(again)
        it.beat(second)
        it.ask(LEAVE, 3, GroupId=it.group, Members=[{"MemberId": again["MemberId"], "GroupInstanceId": None}])
        it.ask(DESCRIBE, 5, Groups=[it.group])
        it.beat(again)
        it.fetch()

    both(peers, story)


@pytest.mark.parametrize("version", API[SYNC].versions)
def test_syncing(peers, version):
    """Could break: what a member hears that syncs with a wrong id, generation or protocol, or in a group that is none."""

    def story(it):
        it.ask(SYNC, version, GroupId=it.group, GenerationId=1, MemberId="x")
        joined = it.member()
        it.sync({**joined, "GenerationId": 7}, version)
        it.sync({**joined, "MemberId": "nobody"}, version)
        it.ask(SYNC, version, GroupId="", GenerationId=1, MemberId="x")
        if version >= 5:
            it.sync(joined, version, ProtocolName="other")
            it.sync(joined, version, ProtocolType="other")
            it.sync(joined, version, ProtocolName=None)
        it.sync(joined, version, assignments=[(joined["MemberId"], b"all"), ("nobody", b"none")])
        it.sync(joined, version)
        it.sync({**joined, "GenerationId": 7}, version)

    both(peers, story)


def test_a_generation_that_is_too_large_to_be_written(peers):
    """Could break: the coordinator of all the other groups is lost by it, and read again."""

    def story(it):
        said = 600_000
        metadata = subscription()[:-4] + struct.pack(">i", said) + bytes(said)
        large = {"Protocols": [{"Name": "range", "Metadata": metadata}]}
        first = it.member(**large)
        it.sync(first, assignments=[(first["MemberId"], b"all")])
        second = it.join(line="second", **large)
        it.join(second["MemberId"], line="second", wait=False, **large)
        first = it.join(first["MemberId"], **large)
        second = it.hear("second")
        it.sync(first, assignments=[(first["MemberId"], b"all")])
        it.sync(second, line="second")
        it.beat(first)
        it.ask(DESCRIBE, 5, Groups=[it.group])
        # It goes on with what can be written.
        it.join(second["MemberId"], line="second", wait=False)
        first = it.join(first["MemberId"], **large)
        second = it.hear("second")
        it.sync(first, assignments=[(first["MemberId"], b"all")])
        it.sync(second, line="second")
        it.beat(first)

    both(peers, story)


@pytest.mark.parametrize("version", API[BEAT].versions)
def test_heartbeats(peers, version):
    """Could break: which error tells a member to join again, and which that it is nobody."""

    def story(it):
        it.ask(BEAT, version, GroupId=it.group, GenerationId=1, MemberId="x")
        it.ask(BEAT, version, GroupId="", GenerationId=1, MemberId="x")
        joined = it.alone()
        it.beat(joined, version)
        it.beat({**joined, "GenerationId": 0}, version)
        it.beat({**joined, "MemberId": ""}, version)
        if version >= 3:
            it.beat(joined, version, GroupInstanceId="none")

    both(peers, story)


@pytest.mark.parametrize("version", API[LEAVE].versions)
def test_leaving(peers, version):
    """Could break: the error of each member, and where a single one's error stands in old versions."""

    def story(it):
        def leave(*members):
            if version < 3:
                return it.ask(LEAVE, version, GroupId=it.group, MemberId=members[0])
            named = [{"MemberId": m, "GroupInstanceId": None} for m in members]
            return it.ask(LEAVE, version, GroupId=it.group, Members=named)

        leave("x")
        joined = it.alone()
        leave("x")
        leave(joined["MemberId"])
        leave(joined["MemberId"])
        pending = it.join()
        leave(pending["MemberId"])
        if version >= 3:
            leave("x", "y")
            leave()
            it.ask(LEAVE, version, GroupId=it.group, Members=[{"MemberId": "", "GroupInstanceId": "none"}])
            it.ask(LEAVE, version, GroupId="", Members=[{"MemberId": "", "GroupInstanceId": "none"}])

    both(peers, story)


@pytest.mark.parametrize("version", [v for v in API[JOIN].versions if v >= 5])
def test_static_members(peers, version):
    """Could break: a static member that comes back keeps its assignment, and the process it replaces is fenced (KIP-345)."""

    def story(it):
        first = it.join(version=version, instance="one")
        it.sync(first, assignments=[(first["MemberId"], b"mine")])
        back = it.join(version=version, instance="one")
        it.sync(back, GroupInstanceId="one")
        it.beat(first, GroupInstanceId="one")
        it.beat(back, GroupInstanceId="one")
        it.beat(back)
        it.join(first["MemberId"], version, instance="one")
        it.commit(7, generation=first["GenerationId"], member=first["MemberId"], GroupInstanceId="one")
        it.commit(7, generation=back["GenerationId"], member=back["MemberId"], GroupInstanceId="one")
        it.ask(DESCRIBE, 5, Groups=[it.group])
        it.ask(LEAVE, 3, GroupId=it.group, Members=[{"MemberId": "x", "GroupInstanceId": "one"}])
        it.ask(LEAVE, 3, GroupId=it.group, Members=[{"MemberId": "", "GroupInstanceId": "one"}])
        it.ask(DESCRIBE, 5, Groups=[it.group])

    both(peers, story)


@pytest.mark.parametrize(
    "more",
    [
        {"SessionTimeoutMs": 5_999},
        {"SessionTimeoutMs": 1_800_001},
        {"SessionTimeoutMs": -1},
        {"GroupId": ""},
        {"ProtocolType": ""},
        {"Protocols": []},
        {"MemberId": "nobody"},
        {"RebalanceTimeoutMs": -1},
    ],
    ids=str,
)
@pytest.mark.parametrize("version", [0, 3, 4, 6, 7, 9])
def test_a_join_that_is_wrong(peers, version, more):
    """Could break: the code by which a client knows whether to try again; and what a refused join leaves behind."""

    def story(it):
        it.join(version=version, **more)
        # Kafka tells what is committed, and a heartbeat waits for that.
        it.ask(BEAT, 4, GroupId=it.group, GenerationId=1, MemberId="x")
        it.ask(DESCRIBE, 6, Groups=[it.group])

    both(peers, story)


@pytest.mark.parametrize("version", [0, 5, 9])
def test_a_join_that_does_not_fit_the_group(peers, version):
    """Could break: a member of another kind must not break a group that works."""

    def story(it):
        joined = it.alone()
        it.join(version=version, protocols=["other"])
        it.join(version=version, ProtocolType="connect")
        it.join(joined["MemberId"], version, ProtocolType="connect")
        it.join("nobody", version)
        it.beat(joined)
        # The leader joins again with what it had, and with more: each is a new generation.
        again = it.join(joined["MemberId"], version)
        it.sync(again, assignments=[(again["MemberId"], b"x")])
        again = it.join(joined["MemberId"], version, protocols=["sticky", "range"])
        it.sync({**again}, version=4, assignments=[(again["MemberId"], b"x")])
        it.ask(DESCRIBE, 5, Groups=[it.group])

    both(peers, story)


@pytest.mark.parametrize("version", API[FETCH].versions)
def test_fetching_what_was_committed(peers, version):
    """Could break: the forms of three eras, and what is told of partitions without a commit."""

    def story(it):
        it.fetch(version)
        it.commit(offsets=((0, 5), (1, 6)))
        it.commit(topic="groups-u", offsets=((0, 7),))
        it.fetch(version)
        it.fetch(version, topics=())
        it.fetch(version, topics=(("groups-u", (0,)), ("groups-t", (2, 1))))
        if version < 10:
            it.fetch(version, topics=(("no-such-topic", (0,)),))
        if version >= 2:
            it.fetch(version, topics=None)
        if version >= 8:
            it.ask(FETCH, version, Groups=[{"GroupId": g, "Topics": None} for g in (it.group, "no-such-group", "")])
            it.ask(FETCH, version, Groups=[])

    both(peers, story)


def test_deleting_offsets(peers):
    """Could break: what a member reads must stay; what nobody reads goes."""

    def story(it):
        def delete(group, *topics):
            named = [{"Name": t, "Partitions": [{"PartitionIndex": p} for p in ps]} for t, ps in topics]
            it.ask(DELETE_OFFSETS, 0, GroupId=group, Topics=named)

        delete(it.group, ("groups-t", (0,)))
        delete("", ("groups-t", (0,)))
        it.commit(offsets=((0, 5), (1, 6)))
        it.commit(topic="groups-u")
        delete(it.group, ("groups-t", (0, 9)), ("no-such-topic", (0,)))
        it.fetch(topics=None)
        it.alone()
        delete(it.group, ("groups-t", (1,)), ("groups-u", (0,)))
        it.fetch(topics=None)

    both(peers, story)


def test_deleting_offsets_of_a_group_of_another_kind(peers):
    """Could break: of a group whose subscriptions are not understood nothing may be deleted while it has members."""

    def story(it):
        joined = it.member(ProtocolType="connect")
        it.sync(joined, version=4, assignments=[(joined["MemberId"], b"x")])
        it.ask(
            DELETE_OFFSETS, 0, GroupId=it.group, Topics=[{"Name": "groups-t", "Partitions": [{"PartitionIndex": 0}]}]
        )

    both(peers, story)


@pytest.mark.parametrize("version", API[DELETE].versions)
def test_deleting_groups(peers, version):
    """Could break: a group with members stays; one without goes with all that it committed."""

    def story(it):
        def delete(*groups):
            it.ask(DELETE, version, GroupsNames=list(groups))

        delete(it.group)
        delete("")
        it.commit()
        delete(it.group, it.group, "no-such-group")
        it.fetch(topics=None)
        it.ask(DESCRIBE, 6, Groups=[it.group])
        joined = it.alone()
        delete(it.group)
        it.ask(LEAVE, 0, GroupId=it.group, MemberId=joined["MemberId"])
        delete(it.group)
        delete()

    both(peers, story)


@pytest.mark.parametrize("version", API[DESCRIBE].versions)
def test_describing(peers, version):
    """Could break: which parts of a member are shown in which state, and what is said of a group that is not there."""

    def story(it):
        more = {"IncludeAuthorizedOperations": True} if version >= 3 else {}
        it.ask(DESCRIBE, version, Groups=[it.group], **more)
        it.ask(DESCRIBE, version, Groups=[""], **more)
        it.ask(DESCRIBE, version, Groups=[], **more)
        it.commit()
        it.ask(DESCRIBE, version, Groups=[it.group], **more)
        joined = it.member()
        it.ask(DESCRIBE, version, Groups=[it.group, "no-such-group"])
        it.sync(joined, assignments=[(joined["MemberId"], b"all")])
        it.ask(DESCRIBE, version, Groups=[it.group, it.group])

    both(peers, story)


@pytest.mark.parametrize("version", API[LIST].versions)
def test_listing(peers, version):
    """Could break: groups by state and by type, in whichever case they are written."""

    def story(it):
        def listed(**filters):
            answer = it.line("list").ask(LIST, version, **filters)
            mine = [g for g in answer["Groups"] if g["GroupId"] == it.group]
            it.told.append((LIST, version, filters, answer["ErrorCode"], it.mask(mine)))

        listed()
        it.commit()
        listed()
        it.alone()
        listed()
        if version >= 4:
            listed(StatesFilter=["Stable"])
            listed(StatesFilter=["stable", "Empty"])
            listed(StatesFilter=["Empty"])
            listed(StatesFilter=["none"])
        if version >= 5:
            listed(TypesFilter=["classic"])
            listed(TypesFilter=["Classic"])
            listed(TypesFilter=["consumer"])
            listed(TypesFilter=["none"])
            listed(StatesFilter=["Stable"], TypesFilter=["classic"])

    both(peers, story)


@pytest.mark.parametrize("version", API[FIND].versions)
def test_finding_the_coordinator(peers, version):
    """Could break: who coordinates, for one key and for several."""

    def story(it):
        for key in (it.group, ""):
            body = {"CoordinatorKeys": [key, "other"]} if version >= 4 else {"Key": key}
            it.ask(FIND, version, **body, **({"KeyType": 0} if version >= 1 else {}))

    both(peers, story)


def test_nobody_writes_to_the_topic_of_offsets(peers):
    """Could break: a client that writes there could make a group of its own invention."""

    def story(it):
        it.told.append(raw.produce(it.line("main"), "__consumer_offsets", raw.batch([b"a"]), partition=0)["ErrorCode"])

    both(peers, story)
