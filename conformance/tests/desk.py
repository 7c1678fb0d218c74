"""Puts the same question to several brokers, and masks in their answers what has to differ.

Masked are ids that are drawn, addresses, times and the wording of messages; what is there stays told from what is not. An
answer is a dictionary, "closed" when the connection was closed instead, or "silent" when nothing came in time.
"""

import itertools
import re
import uuid

import pytest
import raw
from schema import API, Malformed
from topics import create

NONE_UUID = uuid.UUID(int=0)
# Reduced to whether they are there: -1, 0, null and the empty string stay what they are.
MASKED = {
    "TopicId": uuid.UUID,
    "ClusterId": str,
    "ThrottleTimeMs": int,
    "Host": str,
    "Port": int,
    "ProducerId": int,
    "NodeId": int,
    "ControllerId": int,
    "LeaderId": int,
    "SessionId": int,
    "LogAppendTimeMs": int,
    "BatchIndexErrorMessage": str,
    "LogDir": str,
    "TotalBytes": int,
    "UsableBytes": int,
    "ReplicaNodes": list,
    "IsrNodes": list,
}
NOTHING = (-1, 0, NONE_UUID, "")
# These may be 0.
NOTHING_BUT_MINUS_ONE = {"ProducerId": (-1,)}
# Beside an error, these tell a person something at most: Kafka sets them for some errors only.
IDLE_BESIDE_ERRORS = ("ErrorMessage", "LogStartOffset")

# Of an answer's text: what differs from run to run, or from broker to broker.
DRAWN = re.compile(r"UUID\('(?!00000000-)[^']*'\)|(?<='Port': )\d+|(?<='ClusterId': )'.+?'")


def masked(value, name=""):
    """`value` without what has to differ."""
    if isinstance(value, dict):
        is_error = value.get("ErrorCode", 0) != 0
        return {k: masked(v, k) for k, v in value.items() if not (is_error and k in IDLE_BESIDE_ERRORS)}
    if name in MASKED and isinstance(value, MASKED[name]) and value not in NOTHING_BUT_MINUS_ONE.get(name, NOTHING):
        return f"some {name}"
    if isinstance(value, list):
        return sorted((masked(v) for v in value), key=lambda v: str(by_identity(v)))
    return value


def by_identity(value):
    """Orders answers about several partitions or topics, which may come in any order."""
    return (
        [value.get(k) for k in ("Name", "Topic", "PartitionIndex", "Index", "ApiKey")]
        if isinstance(value, dict)
        else value
    )


def compare(desks, question):
    """`question(desk)` to both; they have to say the same."""
    kafkas, ours = [question(d) for d in desks]
    assert ours == kafkas, f"\nApache Kafka: {kafkas}\n    this one: {ours}"
    return ours


def versions(first, last):
    return pytest.mark.parametrize("version", range(first, last + 1))


def shown(answer, *topics):
    """The answer as a text, with a letter in place of each topic's name: `T`, `U`, ..."""
    text = DRAWN.sub("DRAWN", str(answer))
    for letter, topic in zip("TUVW", topics, strict=False):
        text = text.replace(topic, letter)
    return text


def sorted_by(answer, field, *keys):
    """The answer with one of its lists in a known order, where Kafka's is that of a hash map."""
    answer[field].sort(key=lambda element: [str(element[key]) for key in keys])
    return answer


class Desk:
    """Puts questions to one broker, on a connection that is opened anew after each time that it was closed."""

    def __init__(self, broker):
        self.broker = broker
        self.connection = raw.Connection(broker)
        self.made = itertools.count()

    def fresh_topic(self, partitions=1, configs=()):
        """A topic of its own, so that one question does not change what the next one is answered."""
        return create(self.broker, f"desk-{id(self)}-{next(self.made)}", partitions, configs)

    def topic_id(self, name):
        answer = self.connection.ask("Metadata", 12, Topics=[{"Name": name}], AllowAutoTopicCreation=False)
        return answer["Topics"][0]["TopicId"]

    def frame(self, frame, api=None, version=0, wait=5.0):
        self.connection.socket.settimeout(wait)
        try:
            self.connection.send_frame(frame)
            data = self.connection.read_frame()
        except (raw.Closed, BrokenPipeError, ConnectionResetError):
            self.connection = raw.Connection(self.broker)
            return "closed"
        except TimeoutError:
            self.connection.socket.close()
            self.connection = raw.Connection(self.broker)
            return "silent"
        if api is None:
            return data
        try:
            return masked(API[api].decode(version, data)[1])
        except Malformed as e:
            return f"malformed: {e}: {data.hex()}"

    def ask(self, api, version, wait=5.0, **body):
        return self.frame(bytes(API[api].encode(version, body, 77).bytes), api, version, wait)

    def whole(self, api, version, **body):
        """An answer with its messages and all, which `ask` masks."""
        data = self.frame(bytes(API[api].encode(version, body, 77).bytes))
        return API[api].decode(version, data)[1] if isinstance(data, bytes) else data
