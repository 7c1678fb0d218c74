"""kafka-python's integration tests: its admin client, consumer groups, offsets by time, producers.

The source package holds them, but not the module `test.service` that they import, which starts brokers: the one written here
is for a broker that runs already. Tests that start brokers of their own (SASL, TLS) skip themselves then.
"""

import re

from suites import process
from suites.place import PEER, command, emptied, folder, once
from suites.reasons import AUTHORIZER, TRANSACTIONS

NAME = "kafka-python"
WHAT = "kafka-python 3.0.12, its integration tests"
VERSION = "3.0.12"
NEEDS = ("py", "pytest==8.4.2", "pytest-mock", "pytest-timeout", "lz4", "python-snappy", "zstandard", "crc32c")
SETTINGS = {
    "node.id": 0,
    "num.partitions": 4,
    "group.min.session.timeout.ms": 100,
    "group.initial.rebalance.delay.ms": 0,
}
SETTINGS_OF = {
    # Kafka's is told, too: a test asks where the value came from.
    "takhin": {"advertised.listeners": "PLAINTEXT://127.0.0.1:{port}"},
    "kafka": {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "true",
    },
}
SHORT = (
    "test_consumer_integration::test_group",
    "test_consumer_integration::test_kafka_consumer__offset_commit_resume",
    "test_consumer_integration::test_kafka_consumer_offsets_for_time",
    "test_admin_integration::test_delete_groups",
    "test_producer_integration::test_idempotent_producer",
)
REASONS = (
    ("*::test_transactional_producer_*", TRANSACTIONS),
    ("*::test_create_describe_delete_acls", AUTHORIZER),
)
LIMIT = 280
SERVICE = '''
class ExternalService:
    """A broker that was started by somebody else."""

    def __init__(self, host, port):
        self.host, self.port = host, port

    def open(self):
        pass

    def close(self):
        pass

    def start(self):
        pass

    def stop(self):
        pass

    def dump_logs(self):
        pass

    def wait_for(self, pattern, timeout=None):
        return True


class SpawnedService:
    """Nothing is started from here."""

    def __init__(self, *_, **__):
        raise RuntimeError("this suite runs against a broker that is there")
'''
RESULT = re.compile(r"^test/integration/(\w+)\.py::(.+?) (PASSED|FAILED|SKIPPED|ERROR|XFAIL|XPASS)\b", re.MULTILINE)
# What a test that took too long prints stands between its name and its result: the summary has it, too.
FAILED = re.compile(r"^(?:FAILED|ERROR) test/integration/(\w+)\.py::(\S+)", re.MULTILINE)
WORDS = {"PASSED": "pass", "XPASS": "pass", "FAILED": "fail", "ERROR": "fail", "SKIPPED": "skip", "XFAIL": "skip"}


def _home():
    return folder(NAME) / VERSION


def _source():
    return _home() / f"kafka_python-{VERSION}"


def _build():
    emptied(_home())
    command("python3", "-m", "venv", _home() / "venv")
    pip = (_home() / "venv" / "bin" / "pip", "--disable-pip-version-check", "-q")
    command(*pip, "download", "--no-deps", "--no-binary", ":all:", f"kafka-python=={VERSION}", cwd=_home())
    command("tar", "xzf", f"kafka_python-{VERSION}.tar.gz", cwd=_home())
    command(*pip, "install", *NEEDS)
    (_source() / "test" / "__init__.py").touch()
    (_source() / "test" / "service.py").write_text(SERVICE)


def tests():
    """Test functions; those with parameters are not told apart."""
    files = sorted((_source() / "test" / "integration").glob("test_*.py"))
    return [f"{f.stem}::{test}" for f in files for test in re.findall(r"^def (test_\w+)", f.read_text(), re.MULTILINE)]


def prepare():
    once(_home() / ".built", _build)


def run(broker, only=None):
    tests = ["test/integration"]
    if only is not None:
        tests = ["test/integration/" + name.replace("::", ".py::", 1) for name in sorted(only)]
    text = process.run(
        NAME,
        broker,
        # Its own options end the process with the first test that takes too long.
        [
            _home() / "venv/bin/pytest",
            "-v",
            "--tb=short",
            "-o",
            "addopts=",
            "-o",
            "log_level=INFO",
            "--timeout=60",
            *tests,
        ],
        LIMIT,
        cwd=_source(),
        env={
            "KAFKA_URI": f"kafka://{broker.address}",
            "KAFKA_VERSION": "4.3.0",
            "KAFKA_ROOT": PEER / "ak-home",
            "PYTHONPATH": _source(),
        },
    )
    results = {f"{file}::{test}": WORDS[word] for file, test, word in RESULT.findall(text)}
    return results | {f"{file}::{test}": "fail" for file, test in FAILED.findall(text)}
