"""The report card's short form: of each suite a few tests, on a fresh broker. The long form is `conformance/card`.

They are other people's tests of their own clients; what the broker gets wrong in a way nobody here thought of shows in them.
"""

import pytest

from suites import SUITES, allowed, page, process


# Minutes of compiling on a fresh machine: these are built for the long form only.
BUILT_FOR_LONG = {"librdkafka", "rdkafka"}


@pytest.fixture(params=SUITES)
def suite(request, long_form):
    """A suite, built: the first time takes a while, and counts to no test."""
    suite = SUITES[request.param]
    if suite.NAME in BUILT_FOR_LONG and not long_form:
        pytest.skip("built for the long form only")
    suite.prepare()
    return suite


@pytest.mark.timeout(150)
def test_tests_that_stand_for_a_suite_pass(suite, start_broker):
    # Losing a pass unseen is what the report card is there against.
    broker = start_broker({**suite.SETTINGS, **suite.SETTINGS_OF.get(start_broker.kind, {})})
    results = suite.run(broker, set(suite.SHORT))
    failed = {name: results.get(name) for name in suite.SHORT if results.get(name) != "pass"}
    assert not failed, process.log_path(suite.NAME, broker).read_text(errors="replace")[-4000:]


def test_a_suites_short_form_is_on_its_allow_list():
    # What the default run asks for has to be what the whole card asks for, too.
    for suite in SUITES.values():
        assert set(suite.SHORT) <= allowed.names(suite), suite.NAME


def test_the_page_is_what_the_command_writes():
    # A reason that was added is not on the page until it is written again.
    known = page.read()
    assert page.PAGE.read_text() == page.rendered(known)
    passes = {name: {test for test, of in known[name].items() if of["takhin"] == "pass"} for name in known}
    for suite in SUITES.values():
        assert allowed.names(suite) <= passes.get(suite.NAME, set()), suite.NAME
