"""Waiting for what comes about by itself."""

import time


def wait_for(what, seconds=30):
    """What `what` gives, once it is something."""
    deadline = time.monotonic() + seconds
    while not (come := what()):
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.05)
    return come
