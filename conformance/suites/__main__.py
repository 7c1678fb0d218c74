"""card [SUITE…] [--broker takhin|kafka|both] [--only PATTERN] [--write]: runs suites and compares with what has to pass.

Exit status 1: a test of a suite's allow-list did not pass on Takhin. --write brings docs/report-card.md up to date with
what was run; --allow adds what passed on Takhin to the allow-lists.
"""

import argparse
import fnmatch
import sys
import tempfile
import time

from brokers import KINDS

from suites import SUITES, allowed, page, process


def arguments():
    parser = argparse.ArgumentParser(prog="conformance/card", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; none: all")
    parser.add_argument("--broker", choices=["takhin", "kafka", "both"], default="takhin")
    parser.add_argument("--only", metavar="PATTERN", help="only tests whose names match, as in a shell")
    parser.add_argument("--short", action="store_true", help="only the few tests that stand for each suite")
    parser.add_argument("--write", action="store_true", help="bring docs/report-card.md up to date")
    parser.add_argument("--allow", action="store_true", help="what passes on Takhin has to pass from now on")
    parser.add_argument("--prepare", action="store_true", help="download and build only")
    given = parser.parse_args()
    unknown = [name for name in given.suites if name not in SUITES]
    if unknown:
        parser.error(f"no such suite: {', '.join(unknown)}")
    return given


def names_wanted(suite, given):
    """The names of tests that were asked for, None for all: names are known from the suite, the page and the allow-list."""
    if given.short:
        return set(suite.SHORT)
    if given.only is None:
        return None
    known = set(page.read().get(suite.NAME, {})) | allowed.names(suite) | set(suite.tests())
    return {name for name in known if fnmatch.fnmatchcase(name, given.only)} or {given.only}


def run(suite, kind, only):
    """One suite on a fresh broker of this kind."""
    settings = {**suite.SETTINGS, **suite.SETTINGS_OF.get(kind, {})}
    with tempfile.TemporaryDirectory(prefix="card-") as directory:
        broker = KINDS[kind](directory, settings, getattr(suite, "PORT", None))
        process.log_path(suite.NAME, broker).unlink(missing_ok=True)
        try:
            with broker:
                results = suite.run(broker, only)
                if not broker.alive():
                    raise SystemExit(f"{suite.NAME}: {kind} is gone:\n{broker.log()[-3000:]}")
                return results
        finally:
            process.log_path(suite.NAME, broker).with_suffix(".broker.log").write_text(broker.log())


def main():
    given = arguments()
    lost = []
    for name in given.suites or SUITES:
        suite = SUITES[name]
        print(f"{name}: preparing", flush=True)
        suite.prepare()
        if given.prepare:
            continue
        only = names_wanted(suite, given)
        results = {}
        for kind in ["kafka", "takhin"] if given.broker == "both" else [given.broker]:
            begin = time.monotonic()
            results[kind] = run(suite, kind, only)
            print(f"{name}: {page.counts(results[kind])} on {kind}, {time.monotonic() - begin:.0f} s", flush=True)
        print(page.table(results), flush=True)
        if "takhin" in results:
            lost += [f"{name}: {test}" for test in allowed.lost(suite, results["takhin"], only)]
            if given.allow:
                allowed.add(suite, results["takhin"])
        if given.write:
            page.write(suite, results, whole=only is None)
    if lost:
        print("These have to pass on Takhin, and did not:")
        print("\n".join(f"  {each}" for each in lost))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
