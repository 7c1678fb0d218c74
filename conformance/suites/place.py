"""Where the suites lie: an ignored cache, in which each step of a build is done once."""

import shutil
import subprocess
from pathlib import Path

CONFORMANCE = Path(__file__).resolve().parents[1]
CACHE = CONFORMANCE / ".cache" / "suites"
LOGS = CACHE / "logs"
PEER = CONFORMANCE / "kafka-peer"


def folder(suite):
    path = CACHE / suite
    path.mkdir(parents=True, exist_ok=True)
    return path


def once(marker, step):
    """Does `step()` unless it was done to its end before, which the file `marker` says."""
    if not marker.exists():
        marker.parent.mkdir(parents=True, exist_ok=True)
        step()
        marker.touch()


def command(*arguments, cwd=None, env=None, timeout=1200):
    """One step of a build; a failure shows the end of what it printed."""
    done = subprocess.run(
        [str(a) for a in arguments], cwd=cwd, env=env, timeout=timeout, check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(
            f"{' '.join(map(str, arguments))} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return done.stdout


def emptied(path):
    """`path` as an empty folder."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
