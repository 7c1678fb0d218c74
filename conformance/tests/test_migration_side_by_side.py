"""Groups on their way between the classic and the consumer protocol (KIP-848): the same stories told to Apache Kafka and to us."""

import itertools
import re
import struct
import time

from test_consumer_protocol_side_by_side import Members, count_only, given
from test_groups_side_by_side import DESCRIBE, both

# What Kafka draws for a member of the classic protocol in a group of the other.
DRAWN = re.compile(r"(?<=')[\w-]{22}(?=')")


def assignment(partitions):
    """What a leader gives: partitions of groups-t."""
    return struct.pack(">hi", 0, 1) + of_topic(partitions) + struct.pack(">i", -1)


def keeping(partitions):
    """What a member that reads groups-t joins with, which has not given these up."""
    topics = struct.pack(">hih", 1, 1, 8) + b"groups-t" + struct.pack(">i", -1)
    return {"Protocols": [{"Name": "range", "Metadata": topics + struct.pack(">i", 1) + of_topic(partitions)}]}


def of_topic(partitions):
    return struct.pack(">h", 8) + b"groups-t" + struct.pack(f">i{len(partitions)}i", len(partitions), *partitions)


class Migrating(Members):
    def mask(self, answer):
        text = super().mask(answer)
        for drawn in DRAWN.findall(text):
            if drawn not in self.ids:
                self.ids.append(drawn)
        return DRAWN.sub(lambda found: f"ID{self.ids.index(found[0])}", text)

    def next_second(self):
        """Kafka computes targets once a second at most."""
        time.sleep(1.1)

    def classic(self):
        """A classic group of one member that has all of groups-t."""
        joined = self.member()
        self.sync(joined, assignments=[(joined["MemberId"], assignment([0, 1, 2]))])
        return joined

    def again(self, joined):
        """Joins once more, having given everything up, and takes what it gets; how many bytes that is."""
        told = self.join(joined["MemberId"])
        held = list(self.told)
        answer = self.sync(told)
        self.told = [*held, (answer["ErrorCode"], len(answer["Assignment"]))]
        return told


def tell_both(peers, story):
    both(peers, count_only(story), Migrating)


APART = itertools.count()


def apart(peers, story):
    """What comes of a story in which we do not do as Kafka, by the broker (docs/adr/0015-groups.md)."""
    came = {}
    for broker in peers:
        it = Migrating(broker, f"apart-{next(APART)}")
        try:
            came[broker.kind] = story(it)
        finally:
            it.close()
    return came


def test_a_group_goes_over_and_comes_back(peers):
    """Could break: which error makes a client join again, epochs that are generations, what describes itself as what."""

    def story(it):
        joined = it.classic()
        it.beat_as("c", 0)
        it.tell()
        it.ask(DESCRIBE, 5, Groups=[it.group])
        it.commit(generation=joined["GenerationId"], member=joined["MemberId"])
        it.commit(generation=9, member=joined["MemberId"])
        it.beat(joined)
        it.sync(joined)
        told = it.again(joined)
        it.beat(told)
        it.beat_as("c", 2, [])
        it.tell()
        it.beat_as("c", -1)
        it.beat(told)
        it.tell()
        it.join(told["MemberId"])
        it.fetch()

    tell_both(peers, story)


def test_whoever_may_not_join(peers):
    """Could break: the error by which a client knows that its settings do not fit the group's."""

    def story(it):
        it.beat_as("c", 0)
        it.next_second()
        first = it.join()
        it.join(first["MemberId"])
        it.join(protocols=("roundrobin",))
        it.join("x", protocols=("roundrobin",))
        it.join("x", ProtocolType="connect")
        it.join("x", Protocols=[])
        it.join("x", instance="nobody")
        it.beat({"GenerationId": 2, "MemberId": "c"})
        it.sync({"GenerationId": 2, "MemberId": "c"})
        it.sync({"GenerationId": 7, "MemberId": first["MemberId"]})
        it.sync({"GenerationId": 3, "MemberId": first["MemberId"]}, ProtocolName="roundrobin")
        it.ask("LeaveGroup", 3, GroupId=it.group, Members=[{"MemberId": "nobody", "GroupInstanceId": None}])
        it.ask("LeaveGroup", 3, GroupId=it.group, Members=[{"MemberId": "c", "GroupInstanceId": None}])

    tell_both(peers, story)


def test_a_group_that_cant_go_over(peers):
    """Could break: a group whose bytes nobody but its own members understands is left alone."""

    def story(it):
        it.alone()  # "all" is no assignment
        answer = it.beat_as("c", 0)
        it.told.append((answer["ErrorCode"], (answer["ErrorMessage"] or "").replace(it.group, "GROUP")))
        it.beat_as("c", 3)
        it.tell()

    tell_both(peers, story)


def test_a_commit_of_a_generation_before(peers):
    """Could break: which of its partitions a member of the classic protocol may still commit when it has joined again."""

    def story(it):
        joined = it.classic()
        it.beat_as("c", 0)
        told = it.again(joined)
        for generation in (told["GenerationId"], joined["GenerationId"], 0, 9):
            for offsets in ([(0, 5)], [(1, 5)], [(2, 5)], [(0, 6), (1, 6), (2, 6)]):
                it.commit(generation=generation, member=joined["MemberId"], offsets=offsets)
        it.fetch()

    tell_both(peers, story)


def test_a_static_member_changes_its_protocol(peers):
    """Could break: who takes over from whom, and that nothing is assigned anew for it."""

    def story(it):
        it.beat_as("a", 0, InstanceId="i")
        it.next_second()
        joined = it.member()
        it.beat_as("a", 2, given(it.beat_as("a", 2, [0, 1, 2])))
        it.beat(joined)
        it.again(joined)
        replaced = it.join(instance="i", line="static")
        it.beat(replaced, GroupInstanceId="i")
        it.beat(joined)
        it.beat_as("b", 0, InstanceId="i")
        it.beat(replaced, GroupInstanceId="i")

    tell_both(peers, story)


def test_a_group_between_two_generations_is_assigned_anew(peers):
    """Could break: who comes back reads what was read before, so that nothing asks for targets; with Kafka nobody gets any."""

    def story(it):
        static = it.join(instance="i")
        other = it.join(line="other")
        it.join(other["MemberId"], line="other", wait=False)
        it.join(static["MemberId"], instance="i")
        other = it.hear("other")
        told = it.beat_as("c", 0, InstanceId="i")
        it.next_second()
        it.beat_as("c", told["MemberEpoch"], given(told), InstanceId="i")
        if it.beat(other, line="other")["ErrorCode"]:
            other = it.join(other["MemberId"], line="other")
        it.sync(other, line="other")
        group = it.tell()["Groups"][0]
        return group["GroupState"], group["GroupEpoch"], sum(len(given(of)) for of in group["Members"])

    assert apart(peers, story) == {"kafka": ("Stable", 2, 0), "takhin": ("Stable", 3, 3)}


def test_what_a_member_keeps_between_two_generations(peers):
    """Could break: no leader has assigned it, and one member has it still; with Kafka another one gets it at once."""

    def story(it):
        keeper = it.member(line="keeper")
        it.sync(keeper, line="keeper", assignments=[(keeper["MemberId"], assignment([0, 1, 2]))])
        second = it.join(line="second")["MemberId"]
        it.join(second, line="second", wait=False)
        it.join(keeper["MemberId"], line="keeper", **keeping([0, 1, 2]))
        it.hear("second")
        # Nobody has assigned when another one comes.
        third = it.join(line="third")["MemberId"]
        it.join(third, line="third", wait=False)
        while it.ask(DESCRIBE, 5, Groups=[it.group])["Groups"][0]["GroupState"] != "PreparingRebalance":
            pass
        told = it.beat_as("c", 0)
        it.next_second()
        it.join(keeper["MemberId"], line="keeper")
        return len(given(told)), it.beat_as("c", told["MemberEpoch"], given(told))["Assignment"] is not None

    told = apart(peers, story)
    assert told["takhin"] == (0, True)
    # With its first answer or with a later one, as soon as Kafka has computed it.
    assert told["kafka"] in [(1, False), (0, False)]


def test_the_last_one_changes_its_protocol_before_all_have_what_is_theirs(peers):
    """Could break: who has to give up, or waits, hears no more of it in a group that is called stable, as Kafka calls it."""

    def gives_up(it):
        joined = it.classic()
        it.beat_as("a", 0, InstanceId="i")
        it.next_second()
        it.beat_as("a", 2, [], InstanceId="i")
        return joined

    def waits(it):
        it.beat_as("a", 0, InstanceId="i")
        it.next_second()
        joined = it.member()
        it.sync(joined)
        it.beat_as("a", 2, [0, 1, 2])
        return joined

    def then(begin):
        def story(it):
            joined = begin(it)
            it.join(instance="i", line="static")
            error = it.beat(joined)["ErrorCode"]
            return it.ask(DESCRIBE, 5, Groups=[it.group])["Groups"][0]["GroupState"], error

        return story

    ours = "PreparingRebalance"
    assert apart(peers, then(gives_up)) == {"kafka": ("Stable", 22), "takhin": (ours, 22)}
    assert apart(peers, then(waits)) == {"kafka": ("Stable", 0), "takhin": (ours, 27)}
