"""Looks at how a broker of ours stores batches: how many came, how many were written, and the files they are in."""

import time

import raw
import watch


def wait_stored(broker, topic, came, seconds=20):
    """The headers of the batches of `topic`, the first that this broker stores, once exactly `came` that were sent are in its segments."""
    deadline = time.monotonic() + seconds
    while True:
        found = watch.metrics(broker)
        sent = watch.value(found, "takhin_storage_cut_batches_total")
        written = watch.value(found, "takhin_batch_stored_total")
        batches = raw.batches(fetched(broker, topic))
        assert sent <= came, f"{sent} batches came, not {came}"
        if sent == came and len(batches) == written:
            return batches
        assert time.monotonic() < deadline, f"{sent} of {came} batches are stored, {written} were written"
        time.sleep(0.02)


def fetched(broker, topic):
    """All bytes of partition 0, as one fetch returns them."""
    with raw.Connection(broker) as connection:
        answer = raw.fetch(connection, topic, 0)
    assert answer["ErrorCode"] == 0, answer
    return bytes(answer["Records"])


def partition(broker, topic):
    """(directory of partition 0, its leader epoch)."""
    with raw.Connection(broker) as connection:
        answer = connection.ask("Metadata", 12, Topics=[{"Name": topic}], AllowAutoTopicCreation=False)["Topics"][0]
    return broker.data_dir / "partitions" / f"{answer['TopicId'].hex}-0", answer["Partitions"][0]["LeaderEpoch"]


def segments(broker, topic):
    """The files of partition 0, in order."""
    return sorted(partition(broker, topic)[0].glob("*.log"))
