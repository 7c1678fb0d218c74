"""franz-go's own tests of its client (`pkg/kgo`): produce, fetch, groups under churn, transactions, share groups.

Its module holds its tests. Those that never talk to a broker are left out. The tests of transactions and of share groups run
in processes of their own: on a broker without them they use up their time, which would take the others with them.
"""

import re
import shutil
from pathlib import Path

from suites import process
from suites.place import command, folder, once
from suites.reasons import LOGIN, TRANSACTIONS, not_yet

NAME = "franz-go"
WHAT = "franz-go 1.22.2, the tests of `pkg/kgo` that talk to a broker"
VERSION = "v1.22.2"
SETTINGS = {"group.initial.rebalance.delay.ms": 0}
SETTINGS_OF = {}
SHORT = ("TestPing", "TestGroupSimple", "TestIssue434", "TestPauseIssue489", "TestConsumeRegex", "TestClient_Produce")
REASONS = (
    ("TestTxnEtl*", TRANSACTIONS),
    ("TestShareGroup*", not_yet("share groups")),
    ("TestConsumeRegexShare*", not_yet("share groups")),
    ("TestSCRAM*", LOGIN),
)
# Tests that run in one process, by the beginning of their names, and its limit in seconds; the rest is the last.
PROCESSES = (("TestTxn", 150), ("TestShareGroup", 240), ("TestGroupETL", 240), ("", 240))
# What a function that talks to the broker names.
TALKS = re.compile(r"\b(newTestClient|testClientOpts|getSeedBrokers|adm|tmpTopic\w*|tmpGroup\w*)\(")
RESULT = re.compile(r"^\s*--- (PASS|FAIL|SKIP): (\S+) ", re.MULTILINE)
WORDS = {"PASS": "pass", "FAIL": "fail", "SKIP": "skip"}


def _source():
    return folder(NAME) / VERSION / "source"


def tests():
    """Names of the tests that talk to a broker, in the order of the source."""
    names = []
    for path in sorted((_source() / "pkg" / "kgo").glob("*_test.go")):
        for function in re.split(r"^(?=func )", path.read_text(), flags=re.MULTILINE):
            found = re.match(r"func (Test\w+)\(", function)
            if found and TALKS.search(function):
                names.append(found[1])
    return names


def _build():
    # conformance/franz names the same version, so the module is in Go's cache.
    found = command("go", "mod", "download", "-json", f"github.com/twmb/franz-go@{VERSION}")
    module = Path(re.search(r'"Dir": "([^"]+)"', found)[1])
    shutil.rmtree(_source(), ignore_errors=True)
    # The cache is read-only.
    shutil.copytree(module, _source(), copy_function=shutil.copyfile)
    for path in (_source(), *_source().rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    command("go", "test", "-c", "./pkg/kgo", "-o", "kgo.test", cwd=_source())


def prepare():
    once(_source().parent / ".built", _build)


def run(broker, only=None):
    environment = {
        "KGO_SEEDS": broker.address,
        "KGO_TEST_RF": 1,
        "KGO_TEST_RECORDS": 50000,
        "KGO_TEST_MAX_TOPIC_PARTS": 7,
        "KGO_TEST_STABLE_FETCH": "true",
        "KGO_LOG_LEVEL": "none",
    }
    left = [name for name in tests() if only is None or name in {o.split("/")[0] for o in only}]
    results = {}
    for beginning, limit in PROCESSES:
        names = [name for name in left if name.startswith(beginning)]
        left = [name for name in left if name not in names]
        if not names:
            continue
        # What is cut off has failed.
        results |= dict.fromkeys(names, "fail")
        text = process.run(
            NAME,
            broker,
            [
                _source() / "kgo.test",
                "-test.v",
                f"-test.timeout={limit}s",
                "-test.parallel=4",
                f"-test.run=^({'|'.join(names)})$",
            ],
            limit + 15,
            cwd=_source() / "pkg" / "kgo",
            env=environment,
        )
        results |= {name: WORDS[word] for word, name in RESULT.findall(text)}
    return results
