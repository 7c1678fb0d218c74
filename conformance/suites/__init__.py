"""The report card: other people's own test suites, run against a broker and told test by test (docs/report-card.md).

Each suite is a module with the same few names:

- `NAME`, `WHAT`: how it is called, and what it is, in a line;
- `SETTINGS`: what the broker needs, in Kafka's names; `SETTINGS_OF`: what one kind of broker needs besides;
- `PORT`, if it has to be that one;
- `SHORT`: a few of its tests, a minute or less in all, that stand for it in the default test run;
- `REASONS`: (pattern of test names, reason) of what this broker can't pass yet, from `suites.reasons`;
- `tests()`: the names of its tests as far as they can be told without running them;
- `prepare()`: downloads and builds what is not in the cache yet;
- `run(broker, only=None)`: runs its tests, or those in `only`, and returns {name: "pass", "fail" or "skip"}, read from
  what the suite itself prints; every process it starts has a time limit.
"""

from suites import confluent, connect, franz_go, java_old, java_tools, kafka_python, librdkafka, rdkafka

SUITES = {
    suite.NAME: suite
    for suite in (franz_go, kafka_python, rdkafka, librdkafka, confluent, java_tools, java_old, connect)
}
