"""The tests of the crate rdkafka: consumers, producers, admin client and transactions from Rust.

Its package holds them. Each file of `tests/` is a program of its own. Some look for the broker at Kafka's usual port whatever
they are told.
"""

import json
import re
import shutil
from pathlib import Path

from suites import process
from suites.place import command, emptied, folder, once
from suites.reasons import RACE, TRANSACTIONS

NAME = "rdkafka"
WHAT = "The crate rdkafka 0.39.0, its tests in `tests/`"
VERSION = "0.39.0"
SETTINGS = {"node.id": 0, "num.partitions": 3, "group.initial.rebalance.delay.ms": 0}
SETTINGS_OF = {}
PORT = 9092
SHORT = (
    "test_high_consumers::test_consumer_store_offset_commit",
    "test_high_consumers::test_produce_consume_with_timestamp",
    "test_low_producers::test_threaded_producer_send",
    "test_admin::test_groups",
    "test_metadata::test_group_membership",
)
REASONS = (
    ("test_transactions::*", TRANSACTIONS),
    ("test_low_producers::test_base_producer_timeout", RACE),
)
# Seconds, of each program.
LIMIT = 150
RESULT = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. (?:.*?)(ok|FAILED|ignored)\b", re.MULTILINE)
WORDS = {"ok": "pass", "FAILED": "fail", "ignored": "skip"}
# A package that needs the crate, so that cargo fetches it.
MANIFEST = f"""[package]
name = "needs-rdkafka"
version = "0.0.0"
edition = "2021"

[lib]
path = "lib.rs"

[workspace]

[dependencies]
rdkafka = "={VERSION}"
"""


def _home():
    return folder(NAME) / VERSION


def _source():
    return _home() / "source"


def _build():
    needs = emptied(_home()) / "needs"
    needs.mkdir()
    (needs / "Cargo.toml").write_text(MANIFEST)
    (needs / "lib.rs").touch()
    packages = json.loads(command("cargo", "metadata", "--format-version=1", cwd=needs))["packages"]
    manifest = next(p["manifest_path"] for p in packages if p["name"] == "rdkafka")
    shutil.copytree(Path(manifest).parent, _source())
    with open(_source() / "Cargo.toml", "a") as file:
        file.write("\n[workspace]\n")
    built = command("cargo", "test", "--tests", "--no-run", "--message-format=json", cwd=_source())
    programs = {}
    for line in built.splitlines():
        artifact = json.loads(line) if line.startswith("{") else {}
        if artifact.get("executable") and artifact["target"]["kind"] == ["test"]:
            programs[artifact["target"]["name"]] = artifact["executable"]
    (_home() / "programs.json").write_text(json.dumps(programs))


def tests():
    files = sorted((_source() / "tests").glob("test_*.rs"))
    found = [
        (f.stem, test) for f in files for test in re.findall(r"^(?:async )?fn (test_\w+)", f.read_text(), re.MULTILINE)
    ]
    return [f"{program}::{test}" for program, test in found]


def prepare():
    once(_home() / ".built", _build)


def run(broker, only=None):
    programs = json.loads((_home() / "programs.json").read_text())
    results = {}
    for program, path in sorted(programs.items()):
        names = re.findall(r"^(\S+): test$", command(path, "--list"), re.MULTILINE)
        names = [name for name in names if only is None or f"{program}::{name}" in only]
        if not names:
            continue
        # What is cut off has failed.
        results |= {f"{program}::{name}": "fail" for name in names}
        text = process.run(
            NAME,
            broker,
            [path, "--test-threads=2", "--exact", *names],
            LIMIT,
            cwd=_source(),
            env={"KAFKA_HOST": broker.address, "KAFKA_VERSION": "4.3"},
        )
        results |= {f"{program}::{name}": WORDS[word] for name, word in RESULT.findall(text)}
    return results
