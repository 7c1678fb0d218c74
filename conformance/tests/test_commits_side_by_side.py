"""OffsetCommit: the same stories told to Apache Kafka and to us, in every version."""

import pytest
from schema import API
from test_groups_side_by_side import COMMIT, DESCRIBE, Story, both


@pytest.mark.parametrize("version", API[COMMIT].versions)
def test_commits(peers, version):
    """Could break: who may commit what, and the error of each partition beside those that were committed."""

    def story(it):
        it.commit(version)
        it.fetch()
        it.commit(version, offsets=((0, 6), (1, 7), (9, 8), (-1, 9)))
        it.commit(version, metadata=None)
        it.fetch()
        it.commit(version, metadata="x" * 4097)
        it.commit(version, metadata="ü" * 4096)
        it.commit(version, offsets=((0, -1),))
        it.commit(version, generation=3, member="nobody")
        it.commit(version, generation=0)
        it.commit(version, generation=-1, member="nobody")
        if version < 10:
            it.commit(version, topic="no-such-topic")
        joined = it.alone()
        it.commit(version)
        it.commit(version, generation=joined["GenerationId"], member=joined["MemberId"])
        it.commit(version, generation=joined["GenerationId"] + 1, member=joined["MemberId"])
        it.commit(version, generation=joined["GenerationId"], member="nobody")
        it.ask(COMMIT, version, GroupId=it.group, Topics=[])
        it.fetch(topics=None)

    both(peers, story)


class InOrder(Story):
    """A story in which the order of answers matters."""

    def ordered(self, value):
        return value


@pytest.mark.parametrize("version", [v for v in API[COMMIT].versions if v < 10])
def test_the_order_of_an_answer_to_commits(peers, version):
    """Could break: an error stands beside a partition that was committed, or the other way round."""

    def story(it):
        def commit(*topics):
            named = [
                {"Name": name, "Partitions": [{"PartitionIndex": p, "CommittedOffset": p} for p in partitions]}
                for name, partitions in topics
            ]
            who = {"GroupId": it.group, "GenerationIdOrMemberEpoch": -1, "MemberId": ""}
            it.ask(COMMIT, version, **who, Topics=named)

        commit(("groups-t", (1, 9, 0, 8)))
        commit(("groups-t", (0,)), ("none-a", (1, 0)), ("groups-u", (7, 0)), ("none-b", (2,)))
        commit(("groups-u", (0,)), ("groups-t", (0,)))

    both(peers, story, InOrder)


@pytest.mark.parametrize("version", API[COMMIT].versions)
def test_commits_of_a_group_that_is_not_there(peers, version):
    """Could break: a client that was a member must hear that its group is gone, and in the version's own words."""

    def story(it):
        it.commit(version, generation=1, member="m")
        it.commit(version, generation=0, member="")
        it.ask(DESCRIBE, 5, Groups=[it.group])
        it.commit(version, generation=-1, member="m")
        it.ask(DESCRIBE, 5, Groups=[it.group])

    both(peers, story)
