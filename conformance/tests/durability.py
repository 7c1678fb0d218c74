"""Reads a system call trace of a broker and finds replies that were written before what they acknowledge was on disk.

The trace is strace's (`COMMAND`), whose lines are in the order in which the calls began and ended. Every produced record
carries a token, and every request has a correlation id that no other has; so the bytes themselves say which write to which
file belongs to which reply. A write is durable when it returns, if it was made with RWF_DSYNC or to a file that was opened
with O_DSYNC or O_SYNC; else when an fsync or fdatasync of its file returns that began after the write had returned.

What goes to a file by io_uring or a memory map is not seen, and so counts as not written.
"""

import os
import re
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

CALLS = [
    "openat",
    "pwritev2",
    "pwritev",
    "pwrite64",
    "write",
    "writev",
    "fsync",
    "fdatasync",
    "sendto",
    "sendmsg",
    "sendmmsg",
]
SYNCS = ("fsync", "fdatasync")
# Strings beyond this are cut by strace; a record's entry has to be shorter.
STRING_MAX = 1 << 17
LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$", re.DOTALL)
DESCRIPTOR = re.compile(r"^(\d+)<((?:TCP|UDP|UNIX)\S*\]|[^>]*)>")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
RESULT = re.compile(r"\) *= (-?\d+)[^=]*$")
SOCKET = re.compile(r"TCP(?:v6)?:\[.*:(\d+)->.*:(\d+)\]")


@dataclass
class Write:
    """Tokens on their way to a file; `returned` and `durable` are line numbers."""

    path: str
    tokens: set
    synced_itself: bool
    returned: int | None = None


@dataclass
class Report:
    """What a trace shows. `violations` is empty when no reply came too early."""

    violations: list = field(default_factory=list)
    replies: int = 0
    syncs: int = 0
    durable_writes: int = 0


def unhex(text):
    return bytes.fromhex(text.replace("\\x", ""))


class Checker:
    """`tokens` gives for each correlation id the token of its record; `port` is the broker's; `is_log(path)` names its files.

    `synced_paths` are the files that had been opened with O_DSYNC before the trace began.
    """

    def __init__(self, tokens, port, is_log, synced_paths=()):
        self.tokens, self.port, self.is_log = tokens, port, is_log
        self.synced_paths = set(synced_paths)
        self.pattern = re.compile(b"|".join(re.escape(t) for t in tokens.values()))
        self.begun = {}
        self.waiting = []
        self.durable = {}
        self.streams = {}
        self.report = Report()

    def check(self, lines):
        for number, line in enumerate(lines, 1):
            found = LINE.match(line.rstrip("\n"))
            if not found:
                continue
            thread, resumed, call, rest = found.groups()
            if call:
                self._begin(number, thread, call, rest)
            if resumed or "<unfinished ...>" not in rest:
                self._end(number, thread, resumed or call, rest)
        missing = self.tokens.keys() - self.replied
        self.report.violations += [f"no reply to request {c} was seen" for c in sorted(missing)[:5]]
        return self.report

    @property
    def replied(self):
        return {c for stream in self.streams.values() for c in stream.replied}

    def _begin(self, number, thread, call, rest):
        descriptor = DESCRIPTOR.match(rest)
        if call == "openat" or not descriptor:
            self.begun[thread] = (call, number, None, rest)
            return
        target = descriptor[2]
        socket = SOCKET.match(target)
        what = None
        if socket and int(socket[1]) == self.port:
            self._reply(number, target, b"".join(unhex(t) for t, _ in TEXT.findall(rest)))
        elif not socket and "\\x" in target:
            path = os.fsdecode(unhex(target))
            if self.is_log(path):
                what = path if call in SYNCS else self._write(path, rest)
        self.begun[thread] = (call, number, what, rest)

    def _write(self, path, rest):
        tokens = set()
        for text, _ in TEXT.findall(rest):
            tokens |= set(self.pattern.findall(unhex(text)))
        synced = "RWF_DSYNC" in rest or "RWF_SYNC" in rest or path in self.synced_paths
        return Write(path, tokens, synced)

    def _end(self, number, thread, call, rest):
        begun = self.begun.pop(thread, None)
        result = RESULT.search(rest)
        if begun is None or result is None or int(result[1]) < 0:
            return
        _, begun_at, what, first = begun
        if call == "openat":
            self._opened(first if first != rest else rest)
        elif isinstance(what, Write):
            if what.synced_itself:
                self._is_durable(number, what)
            else:
                what.returned = number
                self.waiting.append(what)
        elif call in SYNCS and what is not None:
            self.report.syncs += 1
            done = [w for w in self.waiting if w.path == what and w.returned < begun_at]
            self.waiting = [w for w in self.waiting if w not in done]
            for write in done:
                self._is_durable(number, write)

    def _opened(self, rest):
        text = TEXT.search(rest)
        if text and re.search(r"O_D?SYNC", rest):
            self.synced_paths.add(os.path.realpath(os.fsdecode(unhex(text[1]))))

    def _is_durable(self, number, write):
        if write.tokens:
            self.report.durable_writes += 1
        for token in write.tokens:
            self.durable.setdefault(token, number)

    def _reply(self, number, socket, data):
        stream = self.streams.setdefault(socket, Stream())
        for correlation_id in stream.feed(data):
            token = self.tokens.get(correlation_id)
            if token is None:
                continue
            self.report.replies += 1
            if token not in self.durable:
                self.report.violations.append(
                    f"line {number}: the reply to request {correlation_id} is written, and no sync has returned that covers {token!r}"
                )


class Stream:
    """The answers on one connection, cut into frames."""

    def __init__(self):
        self.data = b""
        self.replied = set()

    def feed(self, data):
        """The correlation ids of the replies that begin in `data`; a reply counts with its first eight bytes."""
        self.data += data
        begun = []
        while len(self.data) >= 8:
            size, correlation_id = struct.unpack(">ii", self.data[:8])
            if correlation_id not in self.replied:
                self.replied.add(correlation_id)
                begun.append(correlation_id)
            if len(self.data) < 4 + size:
                break
            self.data = self.data[4 + size :]
        return begun


class Trace:
    """Traces a running broker between `with` and its end; `lines()` is what was seen."""

    def __init__(self, broker, path):
        self.broker, self.path = broker, Path(path)

    def __enter__(self):
        self.synced_paths = opened_for_sync(self.broker.pid)
        command = [
            "strace",
            "-f",
            "-yy",
            "-xx",
            "-s",
            str(STRING_MAX),
            "--signal=none",
            "-e",
            "trace=" + ",".join(CALLS),
            "-o",
            str(self.path),
            "-p",
            str(self.broker.pid),
        ]
        self.child = subprocess.Popen(command, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while not self._attached():
            assert self.child.poll() is None, self.child.stderr.read().decode()
            assert time.monotonic() < deadline, "strace did not attach"
            time.sleep(0.02)
        return self

    def _attached(self):
        tasks = Path(f"/proc/{self.broker.pid}/task").iterdir()
        return all(re.search(r"TracerPid:\s+[1-9]", (t / "status").read_text()) for t in tasks)

    def __exit__(self, *_):
        self.child.terminate()
        self.child.communicate(timeout=30)

    def lines(self):
        with open(self.path, errors="replace") as lines:
            yield from lines


def opened_for_sync(pid):
    """Paths of the files that `pid` holds open with O_DSYNC or O_SYNC."""
    paths = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            flags = int(re.search(r"flags:\s+(\d+)", Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text())[1], 8)
            if flags & os.O_DSYNC:
                paths.add(os.readlink(entry))
        except FileNotFoundError:
            continue
    return paths
