"""Runs one process of a suite, within a time limit, and keeps what it printed."""

import contextlib
import os
import signal
import subprocess
import time

from suites.place import LOGS


def log_path(suite, broker):
    LOGS.mkdir(parents=True, exist_ok=True)
    return LOGS / f"{suite}-{broker.kind}.log"


def run(suite, broker, command, timeout, cwd=None, env=None):
    """Returns standard output and error of `command`, one after the other.

    Past `timeout` seconds it is ended, with what it started; what it printed until then counts. All is appended to the
    suite's log.
    """
    path = log_path(suite, broker)
    begin = time.monotonic()
    with open(path, "ab") as log:
        log.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        log.flush()
        at = log.tell()
        child = subprocess.Popen(
            [str(c) for c in command],
            cwd=cwd,
            env={**os.environ, **{k: str(v) for k, v in (env or {}).items()}},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            ended = f"ended with {child.wait(timeout)}"
        except subprocess.TimeoutExpired:
            ended = f"was ended at its limit of {timeout} s"
        finally:
            # Its session is its own: whoever it left behind goes, too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    with open(path, "rb") as log:
        log.seek(at)
        text = log.read().decode(errors="replace")
    with open(path, "a") as log:
        log.write(f"\n({ended}, after {time.monotonic() - begin:.1f} s)\n")
    return text
