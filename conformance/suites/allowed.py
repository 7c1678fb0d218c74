"""Allow-lists: `suites/<suite>.passes` names the tests that must pass on Takhin, one a line; `#` begins a remark."""

from pathlib import Path


def path(suite):
    return Path(__file__).parent / f"{suite.NAME}.passes"


def names(suite):
    if not path(suite).exists():
        return set()
    lines = [line.split(" #")[0].strip() for line in path(suite).read_text().splitlines()]
    return {line for line in lines if line and not line.startswith("#")}


def lost(suite, results, only=None):
    """What had to pass and did not; a test that is not there any more is lost, too."""
    wanted = names(suite) if only is None else {name for name in names(suite) if name in only}
    return sorted(name for name in wanted if results.get(name) != "pass")


def add(suite, results):
    """Adds what passed. Nothing is ever taken off here."""
    passed = {name for name, result in results.items() if result == "pass"}
    path(suite).write_text("".join(f"{name}\n" for name in sorted(names(suite) | passed)))
