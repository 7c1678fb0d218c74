"""Runs the processes of a suite, within a time limit, and keeps what they print."""

import contextlib
import os
import signal
import subprocess
import time

from suites.place import LOGS

_RUNNING = []


class Expired(Exception):
    """A process had to be ended at its limit."""


def log_path(suite, broker):
    LOGS.mkdir(parents=True, exist_ok=True)
    return LOGS / f"{suite}-{broker.kind}.log"


def note(suite, broker, text):
    """Writes something of our own into the log."""
    with open(log_path(suite, broker), "a") as log:
        log.write(text)


def begin(suite, broker, command, cwd=None, env=None, output=None):
    """Starts `command`, in a session of its own; it prints into the suite's log, or into the file `output`."""
    note(suite, broker, f"\n$ {' '.join(map(str, command))}\n")
    with open(output or log_path(suite, broker), "ab") as log:
        child = subprocess.Popen(
            [str(c) for c in command],
            cwd=cwd,
            env={**os.environ, **{k: str(v) for k, v in (env or {}).items()}},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _RUNNING.append(child)
    return child


def end(child):
    """Ends `child` and whoever it left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    _RUNNING.remove(child)


def end_all():
    """Ends what `begin` started."""
    for child in list(_RUNNING):
        end(child)


def run_to_end(suite, broker, command, limit, cwd=None, env=None):
    """(what `command` printed, its exit status). Raises `Expired` when it takes longer than `limit` seconds."""
    text, status = _run(suite, broker, command, limit, cwd, env)
    if status is None:
        raise Expired(f"{' '.join(map(str, command))} was ended at its limit of {limit} s")
    return text, status


def run(suite, broker, command, limit, cwd=None, env=None):
    """What `command` printed, standard output and error as they came.

    Past `limit` seconds it is ended, with what it started; what it printed until then counts.
    """
    return _run(suite, broker, command, limit, cwd, env)[0]


def _run(suite, broker, command, limit, cwd, env):
    path = log_path(suite, broker)
    begun = time.monotonic()
    output = path.with_suffix(f".{os.getpid()}.now")
    child = begin(suite, broker, command, cwd, env, output)
    try:
        status = child.wait(limit)
        ended = f"ended with {status}"
    except subprocess.TimeoutExpired:
        status = None
        ended = f"was ended at its limit of {limit} s"
    finally:
        end(child)
    text = output.read_text(errors="replace")
    output.unlink()
    note(suite, broker, f"{text}\n({ended}, after {time.monotonic() - begun:.1f} s)\n")
    return text, status
