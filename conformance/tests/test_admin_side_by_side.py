"""What administrators' tools ask: the same question to Apache Kafka and to us, answers compared to the last letter."""

import time
import uuid

import pytest
import raw
from desk import compare, shown, sorted_by, versions
from topics import create

UNKNOWN_ID = uuid.UUID(int=99)


def partition_count(desk, topic):
    described = desk.whole("Metadata", 12, Topics=[{"Name": topic}], AllowAutoTopicCreation=False)["Topics"][0]
    return len(described["Partitions"])


@versions(0, 2)
@pytest.mark.parametrize("endpoint", [1, 2, 0, 3, -1])
@pytest.mark.parametrize("more", [False, True], ids=["less", "more"])
def test_the_cluster_is_described_as_kafka_describes_it(desks, version, endpoint, more):
    """Could break: every admin client asks this first; a tool at the wrong port has to learn that it is."""
    body = {"IncludeClusterAuthorizedOperations": more}
    if version >= 1:
        body["EndpointType"] = endpoint
    if version >= 2:
        body["IncludeFencedBrokers"] = more
    compare(desks, lambda desk: shown(desk.whole("DescribeCluster", version, **body)))


# Of two topics with three and two partitions: names, limit, cursor.
PAGES = {
    "both": (["T", "U"], 2000, None),
    "out of order and twice": (["U", "T", "U", "nope", "a/b"], 2000, None),
    **{f"limit {limit}": (["U", "T", "nope", "zzz"], limit, None) for limit in (-1, 0, 1, 2, 3, 4, 5, 6, 3000)},
    **{f"from {name} {at}": (["U", "T", "nope"], 2, (name, at)) for name in ("T", "U", "nope") for at in range(5)},
    "before the first": (["T", "U"], 2, ("T", -1)),
    "from another topic": (["T", "U"], 2, ("nope", 0)),
    "from no topic": (["T", "U"], 2, ("", 0)),
    "only unknown ones": (["nope", "zzz"], 1, None),
    "an internal one": (["__share_group_state", "nope"], 1, None),
    "all, from a topic": ([], 3, ("T", 1)),
    "all, before the first of one": ([], 4, ("T", -1)),
    "all, from behind the last": ([], 4, ("zzzz", 1)),
}


@pytest.mark.parametrize("what", PAGES)
def test_partitions_come_in_kafkas_pages(desks, what):
    """Could break: a client that pages through topics, and gets one twice or never."""
    names, limit, cursor = PAGES[what]

    def question(desk):
        # Neighbours in the order of names, whatever else there is.
        stem = f"pages-{next(desk.made):06}"
        topics = {"T": create(desk.broker, f"{stem}-t", 3), "U": create(desk.broker, f"{stem}-u", 2)}
        at = cursor and {"TopicName": topics.get(cursor[0], cursor[0]), "PartitionIndex": cursor[1]}
        asked = [{"Name": topics.get(name, name)} for name in names]
        answer = desk.whole("DescribeTopicPartitions", 0, Topics=asked, ResponsePartitionLimit=limit, Cursor=at)
        return shown(answer, *topics.values())

    compare(desks, question)


def test_an_empty_name_spoils_no_page(desks):
    """Could break: Apache Kafka stumbles over it (UNKNOWN_SERVER_ERROR for all topics)."""

    def question(desk):
        topic = desk.fresh_topic()
        answer = desk.whole("DescribeTopicPartitions", 0, Topics=[{"Name": topic}, {"Name": ""}])
        return [t["ErrorCode"] for t in answer["Topics"]]

    assert [question(desk) for desk in desks] == [[-1, -1], [17, 0]]


def test_producers_are_described_as_kafka_describes_them(desks):
    """Could break: a tool that looks for a hanging transaction goes by these."""

    def ask(desk, asked):
        topics = [{"Name": name, "PartitionIndexes": partitions} for name, partitions in asked]
        answer = desk.whole("DescribeProducers", 0, Topics=topics)
        for partition in (p for t in answer["Topics"] for p in t["Partitions"]):
            sorted_by(partition, "ActiveProducers", "ProducerId")
        return answer

    def question(desk):
        topic, other = desk.fresh_topic(2), desk.fresh_topic()
        asked = [(topic, [0, 1, 7, -1, 0]), ("nope", [0, 1]), ("a/b", [0]), ("", [0]), (other, []), (topic, [0])]
        answers = [ask(desk, asked)]
        for producer, epoch, sequence in [(100, 0, 0), (100, 0, 3), (101, 5, 0), (100, 1, 0), (102, 0, 7)]:
            marks = {"producer_id": producer, "producer_epoch": epoch, "base_sequence": sequence}
            made = raw.produce(desk.connection, topic, raw.batch([b"a", b"b", b"c"], **marks))
            assert made["ErrorCode"] == 0, made
            answers.append(ask(desk, [(topic, [0])]))
        raw.delete_records(desk.connection, topic, -1)
        answers.append(ask(desk, [(topic, [0])]))
        return shown(answers, topic, other)

    compare(desks, question)


# Of two topics with three and two partitions: (name, count, assignments) of each that is to grow.
GROWING = {
    "by one": [("T", 4, None)],
    "both": [("T", 5, None), ("U", 3, None)],
    "to what it has": [("T", 3, None)],
    "to fewer": [("T", 2, None)],
    "to none": [("T", 0, None)],
    "to less than none": [("T", -1, None)],
    "an unknown topic": [("nope", 2, None)],
    "a bad topic name": [("a/b", 2, None)],
    "no topic name": [("", 2, None)],
    "one twice, and another": [("T", 9, None), ("T", 10, None), ("U", 1, None)],
    "one good, two bad": [("T", 4, None), ("U", 1, None), ("nope", 1, None)],
    "assigned": [("T", 5, [[1], [1]])],
    "too few assigned": [("T", 5, [[1]])],
    "too many assigned": [("T", 4, [[1], [1]])],
    "none assigned": [("T", 4, [])],
    "assigned to nobody": [("T", 4, [[]])],
    "assigned to an unknown broker": [("T", 4, [[4711]])],
    "assigned to one broker twice": [("T", 4, [[1, 1]])],
    "assigned to two": [("T", 4, [[1, 2]])],
    "the second badly assigned": [("T", 5, [[1], [7]])],
    "to what it has, and assigned": [("T", 3, [])],
    "nothing": [],
}


def grow(desk, version, topics, validate_only=False):
    return desk.whole(
        "CreatePartitions",
        version,
        Topics=[
            {
                "Name": name,
                "Count": count,
                "Assignments": None if assigned is None else [{"BrokerIds": brokers} for brokers in assigned],
            }
            for name, count, assigned in topics
        ],
        TimeoutMs=10_000,
        ValidateOnly=validate_only,
    )


def settled_counts(desk, wanted):
    """How many partitions the topics have; Kafka's controller answers before its broker has heard of new ones."""
    deadline = time.monotonic() + 2
    while True:
        counts = {topic: partition_count(desk, topic) for topic in wanted}
        if counts == wanted or time.monotonic() > deadline:
            return list(counts.values())
        time.sleep(0.01)


@versions(0, 3)
@pytest.mark.parametrize("validate_only", [False, True], ids=["done", "only validated"])
@pytest.mark.parametrize("what", GROWING)
def test_topics_grow_as_in_kafka(desks, what, validate_only, version):
    """Could break: the text that a tool shows, and a topic that grows though its request was refused."""

    def question(desk):
        topics = {"T": desk.fresh_topic(3), "U": desk.fresh_topic(2)}
        asked = [(topics.get(name, name), count, assigned) for name, count, assigned in GROWING[what]]
        answer = grow(desk, version, asked, validate_only)
        order = [name for name, _, _ in asked]
        answer["Results"].sort(key=lambda result: order.index(result["Name"]))
        wanted = {topics["T"]: 3, topics["U"]: 2}
        for name, count, _ in [] if validate_only else asked:
            if {"Name": name, "ErrorCode": 0, "ErrorMessage": None} in answer["Results"]:
                wanted[name] = count
        return shown((answer, settled_counts(desk, wanted)), *topics.values())

    compare(desks, question)


def test_a_request_for_too_many_partitions_adds_none(desks):
    """Could break: a request that runs a broker out of files. Apache Kafka says UNKNOWN_SERVER_ERROR, and adds what fits."""

    def errors(desk, topic, validate_only):
        return [grow(desk, 3, [(topic, n, None)], validate_only)["Results"][0]["ErrorCode"] for n in (10_004, 2**31 - 1)]

    kafka, ours = desks
    topics = [desk.fresh_topic(3) for desk in desks]
    for desk, topic in zip(desks, topics, strict=True):
        assert grow(desk, 3, [(topic, 10_003, None)], validate_only=True)["Results"][0]["ErrorCode"] == 0
    assert errors(kafka, topics[0], validate_only=True) == [-1, -1]
    for validate_only in (True, False):
        assert errors(ours, topics[1], validate_only) == [44, 44]
    assert partition_count(ours, topics[1]) == 3


def test_a_new_partition_takes_records_at_once(desks):
    """Could break: a tool that adds partitions, and a producer that sends there as soon as it is told of them."""
    for desk in desks:
        topic = desk.fresh_topic()
        assert raw.produce(desk.connection, topic, raw.batch([b"old"]))["BaseOffset"] == 0
        assert grow(desk, 3, [(topic, 3, None)])["Results"][0]["ErrorCode"] == 0
        assert settled_counts(desk, {topic: 3}) == [3]
    # Kafka's leaders come a moment after its answer.
    for partition in (1, 2):
        assert raw.produce(desks[1].connection, topic, raw.batch([b"new"]), partition=partition)["ErrorCode"] == 0
    assert raw.fetch(desks[1].connection, topic, 0)["HighWatermark"] == 1


# (partitions, replication factor, [(partition, brokers)...])
CREATED = {
    "left to the broker": (-1, -1, []),
    "partitions left to the broker": (-1, 1, []),
    "copies left to the broker": (2, -1, []),
    "assigned": (-1, -1, [(0, [1]), (1, [1])]),
    "assigned out of order": (-1, -1, [(1, [1]), (0, [1])]),
    "assigned with a gap": (-1, -1, [(1, [1])]),
    "assigned twice": (-1, -1, [(0, [1]), (0, [1])]),
    "assigned below 0": (-1, -1, [(-1, [1])]),
    "assigned and counted": (1, -1, [(0, [1])]),
    "assigned and copies counted": (-1, 1, [(0, [1])]),
    "assigned to nobody": (-1, -1, [(0, [])]),
    "assigned to two": (-1, -1, [(0, [1, 2])]),
    "assigned to one broker twice": (-1, -1, [(0, [1, 1])]),
    "no copies": (1, 0, []),
    "less than no copies": (1, -2, []),
    "less than no partitions": (-2, 1, []),
}


@versions(4, 7)
@pytest.mark.parametrize("validate_only", [False, True], ids=["done", "only validated"])
@pytest.mark.parametrize("what", CREATED)
def test_topics_are_created_as_in_kafka(desks, what, validate_only, version):
    """Could break: a topic made otherwise than it was asked for, and one that is made though it was only validated."""
    partitions, copies, assigned = CREATED[what]

    def question(desk):
        topic = f"created-{id(desk)}-{next(desk.made)}"
        asked = {
            "Name": topic,
            "NumPartitions": partitions,
            "ReplicationFactor": copies,
            "Assignments": [{"PartitionIndex": partition, "BrokerIds": brokers} for partition, brokers in assigned],
        }
        answer = desk.whole("CreateTopics", version, Topics=[asked], TimeoutMs=10_000, ValidateOnly=validate_only)
        made = answer["Topics"][0]
        # Which configs there are is compared elsewhere, and Kafka makes up an id for what it only validates.
        made["Configs"] = bool(made.get("Configs"))
        if validate_only:
            made.pop("TopicId", None)
        is_made = made["ErrorCode"] == 0 and not validate_only
        counts = settled_counts(desk, {topic: made["NumPartitions"]}) if is_made and version >= 5 else []
        return shown((answer, counts), topic)

    compare(desks, question)


def test_topics_are_deleted_by_id_as_in_kafka(desks):
    """Could break: the id of a topic that was made again under the same name (KIP-516)."""

    def question(desk):
        topic, other = desk.fresh_topic(), desk.fresh_topic()
        ids = [desk.topic_id(topic), desk.topic_id(topic), UNKNOWN_ID, uuid.UUID(int=0)]
        answers = []
        for asked in [ids, [desk.topic_id(other)], [desk.topic_id(topic)], [desk.topic_id(topic), UNKNOWN_ID]]:
            named = [{"Name": None, "TopicId": topic_id} for topic_id in asked]
            answer = desk.whole("DeleteTopics", 6, Topics=named, TimeoutMs=10_000)
            answers.append(sorted_by(answer, "Responses", "ErrorCode", "TopicId"))
        return shown(answers, topic, other)

    compare(desks, question)
