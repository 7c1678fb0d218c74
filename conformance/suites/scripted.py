"""Runs tests of our own writing, where others offer a client or a tool but no tests: each is a function of a `Stage`.

A test passes when its function returns. What its programs printed and why it failed is in the suite's log.
"""

import itertools
import tempfile
import time
import traceback
from pathlib import Path

from suites import process
from suites.place import PEER


class Stage:
    """A broker, a folder, and programs that run on them, for one test."""

    def __init__(self, suite, broker, name, folder):
        self.suite, self.broker, self.name = suite, broker, name
        self.folder = Path(folder)
        self.address = broker.address
        self._numbers = itertools.count()

    def topic(self, partitions=1, **configs):
        """A new topic, made with Kafka's own tool."""
        topic = "".join(c if c.isalnum() else "-" for c in self.name) + f"-{next(self._numbers)}"
        given = [argument for k, v in configs.items() for argument in ("--config", f"{k.replace('_', '.')}={v}")]
        self.tool("kafka-topics", "--create", "--topic", topic, "--partitions", partitions, *given)
        return topic

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def properties(self, name, /, **values):
        return self.file(name, "".join(f"{k.replace('_', '.')}={v}\n" for k, v in values.items()))

    def tool(self, program, *arguments, limit=90):
        """What a tool of kafka-peer/bin printed; it is told the address."""
        return self.command([PEER / "bin" / program, "--bootstrap-server", self.address, *arguments], limit)

    def java(self, main, *arguments, version="4.3.1", limit=90):
        """What a class of Kafka's printed, of any version of Kafka."""
        return self.command([PEER / "kafka-run", main, *arguments], limit, {"KAFKA_VERSION": version})

    def command(self, command, limit=90, env=None):
        """What it printed; it has to end within `limit` seconds, with status 0."""
        begin = time.monotonic()
        text, status = process.run_to_end(self.suite, self.broker, command, limit, self.folder, env)
        assert status == 0, f"{command} ended with {status} after {time.monotonic() - begin:.0f} s"
        return text

    def begin(self, command, env=None):
        """A process that runs beside the test, and ends with it."""
        return process.begin(self.suite, self.broker, command, self.folder, env)


def run(suite, broker, tests, only):
    """{name: result} of `tests`, which maps names to functions."""
    results = {}
    for name, test in tests.items():
        if only is not None and name not in only:
            continue
        with tempfile.TemporaryDirectory(prefix="card-") as folder:
            stage = Stage(suite, broker, name, folder)
            process.note(suite, broker, f"\n=== {name}\n")
            try:
                test(stage)
                results[name] = "pass"
            except Exception:  # Whatever a client raises, its test has failed.
                results[name] = "fail"
                process.note(suite, broker, traceback.format_exc())
            finally:
                process.end_all()
    return results
