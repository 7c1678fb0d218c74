"""librdkafka's own tests 0001 to 0099: nearly the whole client protocol, from C.

The npm package `node-rdkafka` carries librdkafka whole, with its tests. Local tests (mock brokers), those with known issues
and those that tamper with sockets are left out; `-Q` is the runner's quick mode. A test that takes too long ends the whole runner,
and it may crash at its end: tests without a verdict are run once more, each alone. Two fail on Apache Kafka as well: 0077 asks for
segments of 10,000 bytes, which Kafka 4 refuses, and 0081 for an authorizer.
"""

import re
import time

from suites import process
from suites.place import PEER, command, emptied, folder, once

NAME = "librdkafka"
WHAT = "librdkafka 2.12.0 (of node-rdkafka 3.6.1), its tests 0001 to 0099 in quick mode, those that talk to a broker"
PACKAGE = "3.6.1"
SETTINGS = {"num.partitions": 4, "auto.create.topics.enable": "true", "group.initial.rebalance.delay.ms": 0}
SETTINGS_OF = {}
SHORT = ("0012_produce_consume", "0014_reconsume_191", "0019_list_groups", "0034_offset_reset", "0040_io_event")
REASONS = ()
TEST = re.compile(r"^\s*_TEST\(\s*(00\w+),\s*([^)]*)", re.MULTILINE)
VERDICT = re.compile(r"=+ Test (\w+) (PASSED|FAILED|SKIPPED)\b")
# The summary has those that were skipped within the test.
SUMMARY = re.compile(r"^\|\S*\s*(\w+)\s+\|\s+(PASSED|FAILED|SKIPPED|RUNNING) \|", re.MULTILINE)
WORDS = {"PASSED": "pass", "FAILED": "fail", "SKIPPED": "skip", "RUNNING": None}
# Seconds: of the runner with many tests, with one, and of all that are run once more.
LIMIT = 270
LIMIT_ALONE = 75
LIMIT_AGAIN = 600


def _home():
    return folder(NAME) / PACKAGE


def _source():
    return _home() / "package" / "deps" / "librdkafka"


def tests():
    """Names of the tests that talk to a broker."""
    if not _source().exists():
        return []
    found = TEST.findall((_source() / "tests" / "test.c").read_text())
    return [
        name
        for name, flags in found
        if not name.startswith("0000") and not re.search("LOCAL|SOCKEM|KNOWN_ISSUE(?!_)|MANUAL", flags)
    ]


def _unpack():
    emptied(_home())
    command("npm", "pack", "--silent", f"node-rdkafka@{PACKAGE}", cwd=_home())
    command("tar", "xzf", f"node-rdkafka-{PACKAGE}.tgz", cwd=_home())


def _libraries():
    command("./configure", cwd=_source())
    command("make", "-j2", "libs", cwd=_source())


def prepare():
    once(folder(NAME) / f".unpacked-{PACKAGE}", _unpack)
    once(_home() / ".libraries", _libraries)
    once(_home() / ".tests", lambda: command("make", "-j2", "-C", "tests", "build", cwd=_source()))


def _runner(broker, names, parallel, limit):
    """{test: result} of one process of the runner; tests that it gave no verdict of are not in it."""
    configuration = _home() / f"test-{broker.port}.conf"
    configuration.write_text(
        f"metadata.broker.list={broker.address}\ntest.topic.random=true\ntest.timeout.multiplier=2\n"
    )
    text = process.run(
        NAME,
        broker,
        ["./test-runner", f"-p{parallel}", "-Q", "-L", "-E", "-K", "-V", "4.3.1.0"],
        limit,
        cwd=_source() / "tests",
        env={
            "TESTS": " ".join(name[:4] for name in names),
            "RDKAFKA_TEST_CONF": configuration,
            "BROKERS": broker.address,
            "KAFKA_PATH": PEER / "ak-home",
            "LD_LIBRARY_PATH": f"{_source() / 'src'}:{_source() / 'src-cpp'}",
        },
    )
    configuration.unlink()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    verdicts = dict(SUMMARY.findall(plain)) | dict(VERDICT.findall(plain))
    # The runner says RUNNING of those that it took along.
    return {name: WORDS[verdicts[name]] for name in names if WORDS.get(verdicts.get(name))}


def run(broker, only=None):
    names = [name for name in tests() if only is None or name in only]
    results = _runner(broker, names, 6, LIMIT)
    deadline = time.monotonic() + LIMIT_AGAIN
    for name in names:
        if name not in results and time.monotonic() < deadline:
            results |= _runner(broker, [name], 1, LIMIT_ALONE)
    return {name: results.get(name, "fail") for name in names}
