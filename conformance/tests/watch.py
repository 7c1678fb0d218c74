"""Asks a broker's other ports: metrics and health."""

import json
import re
import time
import urllib.error
import urllib.request

SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')


def ask(address, path, timeout=10):
    """(status, body) of a GET."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def metrics(broker):
    """{name: [(labels, value)]}; also checks that each name is described and typed, once, before its samples."""
    status, text = ask(broker.metrics_address, "/metrics")
    assert status == 200, text
    found, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, line
            types[name] = kind
        elif not line.startswith("# HELP "):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            family = re.sub(r"_(bucket|sum|count)$", "", name) if name not in types else name
            assert family in types, line
            found.setdefault(name, []).append((dict(LABEL.findall(labels or "")), float(value)))
    return found


def value(found, name, **labels):
    """The one sample of `name` that has `labels`."""
    values = [value for having, value in found[name] if labels.items() <= having.items()]
    assert len(values) == 1, (name, labels, found[name])
    return values[0]


def health(broker, path=""):
    """(status, the answer's JSON)."""
    status, body = ask(broker.health_address, "/health" + path)
    return status, json.loads(body)


def wait_stored(broker, seconds=20):
    """Until all that was acknowledged is in segments and in a checkpoint."""
    deadline = time.monotonic() + seconds
    while value(metrics(broker), "takhin_storage_checkpoint_lag_entries", shard="1") > 0:
        assert time.monotonic() < deadline, "the tails are not stored"
        time.sleep(0.05)
