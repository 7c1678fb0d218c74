"""What is written and what comes back, in terms that all clients share."""

from dataclasses import dataclass

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
ACKS = ["0", "1", "all"]
CREATE_TIME, LOG_APPEND_TIME = 0, 1


@dataclass(frozen=True)
class Record:
    """What is produced. A timestamp of None leaves it to the client."""

    key: bytes | None
    value: bytes | None
    headers: tuple = ()
    timestamp: int | None = None

    def content(self):
        return (self.key, self.value, self.headers)


@dataclass(frozen=True)
class Consumed:
    """What comes back."""

    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple

    def content(self):
        return (self.key, self.value, self.headers)


class Refused(Exception):
    """A record was not accepted; the text names the error as the client names it."""
