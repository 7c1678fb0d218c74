"""Fixtures: the brokers, the clients, and fresh topic names. The options are described in docs/conformance.md."""

import itertools

import clients
import pytest
import raw
from brokers import KINDS
from desk import Desk
from topics import create


def pytest_addoption(parser):
    parser.addoption("--broker", choices=["takhin", "kafka", "both"], default="takhin", help="the broker under test")
    parser.addoption("--long", action="store_true", help="run the long forms, too")


def pytest_configure(config):
    config.is_long = config.getoption("--long")


def pytest_generate_tests(metafunc):
    if "broker_kind" in metafunc.fixturenames and metafunc.config.getoption("--broker") == "both":
        metafunc.parametrize("broker_kind", ["takhin", "kafka"], scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the end of the broker's own output beside a failure."""
    report = yield
    if report.failed:
        for broker in _RUNNING:
            report.sections.append((f"{broker.kind} at {broker.address}, pid {broker.pid}", broker.log()[-1500:]))
    return report


_RUNNING = []


@pytest.fixture(scope="session")
def broker_kind(request):
    return request.config.getoption("--broker")


@pytest.fixture
def long_form(request):
    """Whether the long form was asked for: tests with a length take it from here."""
    return request.config.is_long


@pytest.fixture
def _only_ours(broker_kind):
    """Skips a test of what Apache Kafka does not have."""
    if broker_kind != "takhin":
        pytest.skip("Apache Kafka has no such thing")


def _running(kind, directory, settings, port=None):
    broker = KINDS[kind](directory, settings, port)
    _RUNNING.append(broker)
    return broker.start()


@pytest.fixture(scope="session")
def broker(broker_kind, tmp_path_factory):
    """The broker that most tests share: Kafka's defaults, but three partitions and automatic creation of topics."""
    broker = _running(broker_kind, tmp_path_factory.mktemp(broker_kind), {"num.partitions": 3})
    yield broker
    _RUNNING.remove(broker)
    broker.stop()


@pytest.fixture(scope="session")
def strict_broker(broker_kind, tmp_path_factory):
    """Another one: creates no topic by itself, and takes batches of up to 2 MiB."""
    settings = {"auto.create.topics.enable": "false", "message.max.bytes": 2 << 20}
    broker = _running(broker_kind, tmp_path_factory.mktemp(broker_kind), settings)
    yield broker
    _RUNNING.remove(broker)
    broker.stop()


@pytest.fixture
def start_broker(broker_kind, tmp_path):
    """Starts a broker for one test: `start_broker({"num.partitions": 7}, port=free_port())`."""
    started = []

    def start(settings=None, port=None):
        broker = _running(broker_kind, tmp_path / f"broker-{len(started)}", settings, port)
        started.append(broker)
        return broker

    start.kind = broker_kind
    yield start
    for broker in started:
        _RUNNING.remove(broker)
        broker.stop()


@pytest.fixture(scope="session")
def kafka_peer(tmp_path_factory):
    """Apache Kafka 4.3.1, with the settings of `broker`, to put the same question to both."""
    broker = _running("kafka", tmp_path_factory.mktemp("peer"), {"num.partitions": 3})
    yield broker
    _RUNNING.remove(broker)
    broker.stop()


@pytest.fixture(scope="session")
def desks(broker, kafka_peer):
    """Apache Kafka and the broker under test, to be asked the same."""
    for b in {broker, kafka_peer}:
        with raw.Connection(b) as connection:
            raw.producer_id(connection)
    return [Desk(kafka_peer), Desk(broker)]


@pytest.fixture(scope="session")
def peers(kafka_peer, tmp_path_factory):
    """Apache Kafka and ours, with two topics and coordinators of groups that answer."""
    broker = _running("takhin", tmp_path_factory.mktemp("groups"), {"group.initial.rebalance.delay.ms": 0})
    both = [kafka_peer, broker]
    for one in both:
        create(one, "groups-t", partitions=3)
        create(one, "groups-u", partitions=1)
        raw.wait_for_coordinator(one)
    yield both
    _RUNNING.remove(broker)
    broker.stop()


_NUMBERS = itertools.count()


@pytest.fixture
def topic_name(request):
    """Gives names that no other test uses: `topic_name()`."""
    stem = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
    return lambda: f"{stem}-{next(_NUMBERS)}"


@pytest.fixture(scope="session", autouse=True)
def _hosts():
    """The resident client processes end with the session."""
    yield
    clients.close_hosts()
