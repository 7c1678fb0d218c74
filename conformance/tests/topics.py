"""Topics for the tests: created, and ready to be written to, when the call returns."""

import time

import raw


def create(broker, name, partitions=1, configs=()):
    """Creates `name` and waits until every partition answers: Kafka's own answer comes before its leaders are in place."""
    with raw.Connection(broker) as connection:
        answer = raw.create_topic(connection, name, partitions, configs=configs)
        assert answer["ErrorCode"] == 0, answer
        wait_ready(connection, name, partitions)
    return name


def as_sent(broker):
    """Configs of a topic whose batches are stored as they were sent, as Apache Kafka stores all."""
    return [("batch.merge.enable", "false")] if broker.kind == "takhin" else []


def delete(broker, name):
    with raw.Connection(broker) as connection:
        answer = connection.ask("DeleteTopics", 6, TimeoutMs=10_000, Topics=[{"Name": name}])
        assert answer["Responses"][0]["ErrorCode"] == 0, answer


def wait_ready(connection, name, partitions, seconds=20):
    deadline = time.monotonic() + seconds
    while any(p["ErrorCode"] for p in list_offsets(connection, name, range(partitions), -1)):
        assert time.monotonic() < deadline, f"{name} has no leaders after {seconds} s"
        time.sleep(0.01)


def list_offsets(connection, name, partitions, timestamp, version=7):
    """The ListOffsets answer of each partition for one timestamp."""
    answer = connection.ask(
        "ListOffsets",
        version,
        ReplicaId=-1,
        Topics=[
            {
                "Name": name,
                "Partitions": [
                    {"PartitionIndex": p, "CurrentLeaderEpoch": -1, "Timestamp": timestamp} for p in partitions
                ],
            }
        ],
    )
    found = [p for t in answer["Topics"] for p in t["Partitions"]]
    assert len(found) == len(partitions), f"asked about {name} {list(partitions)}, answered {answer}"
    return sorted(found, key=lambda p: p["PartitionIndex"])


def end_offset(broker, name, partition=0):
    with raw.Connection(broker) as connection:
        answer = list_offsets(connection, name, [partition], -1)[0]
        assert answer["ErrorCode"] == 0, answer
        return answer["Offset"]


def wait_end_offset(broker, name, partition, offset, seconds=20):
    """Waits until `offset` records have arrived: all there is to know of what was sent with acks 0."""
    deadline = time.monotonic() + seconds
    while end_offset(broker, name, partition) < offset:
        assert time.monotonic() < deadline, (
            f"{name}-{partition} is at {end_offset(broker, name, partition)}, not {offset}"
        )
        time.sleep(0.01)
