"""Kafka Connect standalone: a file into a topic into a file, and on from there after a restart."""

from suites import scripted
from suites.java_tools import wait_until
from suites.place import PEER

NAME = "connect"
WHAT = "Kafka Connect 4.3.1 standalone, file source and file sink, in tests of our own"
SETTINGS = {"group.initial.rebalance.delay.ms": 0}
SETTINGS_OF = {}
SHORT = ("file_to_file",)
REASONS = ()
LINES = 5000


def _worker(stage):
    return stage.properties(
        "worker",
        bootstrap_servers=stage.address,
        key_converter="org.apache.kafka.connect.storage.StringConverter",
        value_converter="org.apache.kafka.connect.storage.StringConverter",
        offset_storage_file_filename=stage.folder / "offsets",
        offset_flush_interval_ms=1000,
        plugin_discovery="service_load",
        listeners="HTTP://127.0.0.1:0",
    )


def _connectors(stage, topic):
    source = stage.properties(
        "source", name="source", connector_class="FileStreamSource", tasks_max=1, file=stage.folder / "in", topic=topic
    )
    sink = stage.properties(
        "sink",
        name=f"sink-{topic}",
        connector_class="FileStreamSink",
        tasks_max=1,
        file=stage.folder / "out",
        topics=topic,
    )
    return source, sink


def _start(stage, topic):
    return stage.begin([PEER / "bin/connect-standalone", _worker(stage), *_connectors(stage, topic)])


def _lines(begin, end):
    # Plain ASCII: the source counts characters and resumes at a byte.
    return "".join(f"line {n} - {'x' * (n % 50)}\n" for n in range(begin, end))


def _wait_for(stage, text):
    out = stage.folder / "out"
    wait_until(lambda: out.exists() and len(out.read_text()) >= len(text), 60)
    assert out.read_text() == text, "other lines than were written"


def file_to_file(stage):
    topic = stage.topic()
    stage.file("in", _lines(0, LINES))
    _start(stage, topic)
    _wait_for(stage, _lines(0, LINES))


def sink_and_source_go_on_after_a_restart(stage):
    """The source's offset is in a file, the sink's is its group's: nothing is lost or comes twice."""
    topic = stage.topic()
    path = stage.file("in", _lines(0, LINES))
    worker = _start(stage, topic)
    _wait_for(stage, _lines(0, LINES))
    worker.terminate()
    worker.wait(60)
    with open(path, "a") as file:
        file.write(_lines(LINES, 2 * LINES))
    _start(stage, topic)
    _wait_for(stage, _lines(0, 2 * LINES))


TESTS = {t.__name__: t for t in (file_to_file, sink_and_source_go_on_after_a_restart)}


def tests():
    return list(TESTS)


def prepare():
    """`conformance/setup` has brought the jars."""


def run(broker, only=None):
    return scripted.run(NAME, broker, TESTS, only)
