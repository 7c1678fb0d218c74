"""docs/report-card.md: written from what was run, and read again to keep what was run before."""

import fnmatch
import re

from suites import SUITES
from suites.place import CONFORMANCE
from suites.reasons import FAULT, UNEXPLAINED

PAGE = CONFORMANCE.parent / "docs" / "report-card.md"
COLUMNS = {"takhin": "Takhin", "kafka": "Apache Kafka 4.3.1"}
NONE = "–"
HEAD = """# Report card

Other people's own test suites, run against Takhin and against Apache Kafka 4.3.1 in the same place: two processors, one broker.
Written by `conformance/card --write`; how it is run is in [conformance.md](conformance.md#the-report-card). A test counts where Apache Kafka
passes it.

"""
ROW = re.compile(r"^\| `(.+?)` \| (\w+|–) \| (\w+|–) \|", re.MULTILINE)


def reason(suite, test):
    """Why `test` can't pass here yet."""
    fitting = (why for pattern, why in suite.REASONS if test == pattern or fnmatch.fnmatchcase(test, pattern))
    return next(fitting, UNEXPLAINED)


def counts(results):
    words = [f"{n} {word}" for word in ("pass", "skip", "fail") if (n := list(results.values()).count(word))]
    return ", ".join(words) or "nothing"


def table(results):
    """For a terminal: {kind: {test: result}}."""
    tests = list(dict.fromkeys(test for of_kind in results.values() for test in of_kind))
    width = max(map(len, tests), default=0)
    lines = [" " * width + "".join(f"  {kind:6}" for kind in results)]
    lines += [f"{t:{width}}" + "".join(f"  {results[kind].get(t, NONE):6}" for kind in results) for t in tests]
    return "\n".join(lines)


def read():
    """{suite: {test: {kind: result}}} of the page as it is."""
    if not PAGE.exists():
        return {}
    found = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        name = section.split("\n", 1)[0]
        if name in SUITES:
            rows = ROW.findall(section)
            found[name] = {t: {"takhin": ours, "kafka": kafkas} for t, ours, kafkas in rows}
    return found


def write(suite, results, whole):
    """Takes `results` ({kind: {test: result}}) of `suite` over; what was not run stays, unless the run was a whole one."""
    known = read()
    tests = known.setdefault(suite.NAME, {})
    for kind, of_kind in results.items():
        if whole:
            for of_test in tests.values():
                of_test[kind] = NONE
        for test, result in of_kind.items():
            tests.setdefault(test, dict.fromkeys(COLUMNS, NONE))[kind] = result
    known[suite.NAME] = {t: of for t, of in tests.items() if set(of.values()) != {NONE}}
    PAGE.write_text(rendered(known))


def rendered(known):
    return HEAD + _totals(known) + "".join(_section(SUITES[n], known[n]) for n in SUITES if n in known)


def _behind(tests):
    """Tests that Apache Kafka passes and this broker does not."""
    return [test for test, of in sorted(tests.items()) if of["kafka"] == "pass" and of["takhin"] != "pass"]


def _totals(known):
    lines = [
        "| suite | passes on both | Kafka passes | fails here, passes there | of which faults, or unexplained |",
        "|---|---|---|---|---|",
    ]
    for name, suite in SUITES.items():
        if name not in known:
            continue
        tests = known[name]
        kafkas = [t for t, of in tests.items() if of["kafka"] == "pass"]
        behind = _behind(tests)
        unexplained = [t for t in behind if reason(suite, t).startswith((UNEXPLAINED, FAULT))]
        lines.append(
            f"| [{name}](#{name}) | {len(kafkas) - len(behind)} | {len(kafkas)} | {len(behind)} | {len(unexplained)} |"
        )
    return "\n".join(lines) + "\n"


def _section(suite, tests):
    lines = [f"\n## {suite.NAME}\n", f"{suite.WHAT}.\n"]
    behind = _behind(tests)
    if behind:
        lines += ["Passes on Apache Kafka and not here:\n", "| test | why |", "|---|---|"]
        lines += [f"| {test} | {reason(suite, test)} |" for test in behind] + [""]
    lines += [f"| test | {COLUMNS['takhin']} | {COLUMNS['kafka']} |", "|---|---|---|"]
    lines += [f"| `{test}` | {of['takhin']} | {of['kafka']} |" for test, of in sorted(tests.items())]
    return "\n".join(lines) + "\n"
