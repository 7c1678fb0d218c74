"""Quotas of clients and credentials of SCRAM users: the same question to Apache Kafka and to us, answers compared.

What a test sets it takes back: brokers are shared.
"""

import time

import pytest
import watch
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from desk import Desk, compare, versions

EXACT, DEFAULT, SPECIFIED = range(3)
SHA_256, SHA_512 = 1, 2
RATE = ("producer_byte_rate", 7.0)


def entity(parts):
    return [{"EntityType": kind, "EntityName": name} for kind, name in parts]


def by_parts(entry):
    entry["Entity"].sort(key=str)
    entry.get("Values", []).sort(key=str)
    return str(entry["Entity"])


def alter(desk, entries, version=1, validate_only=False):
    """`entries`: (parts of the entity, [(key, value or None for none)]); answered by entity."""
    asked = [
        {"Entity": entity(parts), "Ops": [{"Key": k, "Value": v or 0.0, "Remove": v is None} for k, v in ops]}
        for parts, ops in entries
    ]
    answer = desk.whole("AlterClientQuotas", version, Entries=asked, ValidateOnly=validate_only)
    if isinstance(answer, dict):
        answer["Entries"].sort(key=by_parts)
    return answer


def describe(desk, components=(), strict=False, version=1):
    """NaN is no equal of itself: the answer's entries are texts."""
    asked = [{"EntityType": kind, "MatchType": match, "Match": name} for kind, match, name in components]
    answer = desk.whole("DescribeClientQuotas", version, Components=asked, Strict=strict)
    if isinstance(answer, dict) and answer["Entries"]:
        answer["Entries"] = [str(entry) for entry in sorted(answer["Entries"], key=by_parts)]
    return answer


def heard(desk):
    """Waits until the broker has heard of all that was altered: Kafka's controller answers, and its broker hears of it later, in order."""
    marker = [("client-id", "marker")]
    for value, is_there in [(1.0, True), (None, False)]:
        alter(desk, [(marker, [("producer_byte_rate", value)])])
        deadline = time.monotonic() + 10
        while bool(describe(desk, [("client-id", EXACT, "marker")])["Entries"]) != is_there:
            assert time.monotonic() < deadline, "the broker does not hear of what was altered"
            time.sleep(0.01)


def quotas(desk):
    heard(desk)
    return describe(desk)


ALTERATIONS = {
    "a user": ([([("user", "u")], [RATE, ("consumer_byte_rate", 9.0)])], 2),
    "every user": ([([("user", None)], [("request_percentage", 0.5)])], 1),
    "a client": ([([("client-id", "c")], [("controller_mutation_rate", 1.5)])], 1),
    "both": ([([("user", "u"), ("client-id", "c")], [RATE])], 1),
    "both, one for all": ([([("client-id", None), ("user", "u")], [RATE])], 1),
    "an address": ([([("ip", "127.0.0.1")], [("connection_creation_rate", 5.0)])], 1),
    "an address of version 6": ([([("ip", "::1")], [("connection_creation_rate", 5.0)])], 1),
    "every address": ([([("ip", None)], [("connection_creation_rate", 5.0)])], 1),
    "a host's name": ([([("ip", "localhost")], [("connection_creation_rate", 5.0)])], 1),
    "no host": ([([("ip", "no.such.host.invalid")], [("connection_creation_rate", 5.0)])], 0),
    "a client's key for an address": ([([("ip", None)], [RATE])], 0),
    "an address's key for a user": ([([("user", "u")], [("connection_creation_rate", 5.0)])], 0),
    "an address and a user": ([([("ip", None), ("user", None)], [RATE])], 0),
    "an address and a client": ([([("ip", None), ("client-id", "c")], [RATE])], 0),
    "nobody": ([([], [RATE])], 0),
    "a group": ([([("group", "g")], [RATE])], 0),
    "no type": ([([("", "g")], [RATE])], 0),
    "an empty user": ([([("user", "")], [RATE])], 0),
    "an empty client": ([([("client-id", "")], [RATE])], 0),
    "an empty address": ([([("ip", "")], [RATE])], 0),
    "a type twice": ([([("user", "u"), ("user", "v")], [RATE])], 1),
    "an unknown key": ([([("user", "u")], [("no_such", 1.0)])], 0),
    "an empty key": ([([("user", "u")], [("", 1.0)])], 0),
    "an unknown key taken away": ([([("user", "u")], [("no_such", None)])], 0),
    "what is not set taken away": ([([("user", "u")], [("producer_byte_rate", None)])], 0),
    "zero": ([([("user", "u")], [("producer_byte_rate", 0.0)])], 0),
    "below zero": ([([("user", "u")], [("request_percentage", -1.0)])], 0),
    "a fraction of a byte": ([([("user", "u")], [("producer_byte_rate", 1.5)])], 0),
    "nearly whole": ([([("user", "u")], [("producer_byte_rate", 1.0000001)])], 1),
    "NaN bytes": ([([("user", "u")], [("producer_byte_rate", float("nan"))])], 1),
    "NaN per cent": ([([("user", "u")], [("request_percentage", float("nan"))])], 1),
    "infinitely many bytes": ([([("user", "u")], [("producer_byte_rate", float("inf"))])], 0),
    "infinitely much time": ([([("user", "u")], [("request_percentage", float("inf"))])], 1),
    "more bytes than there are": ([([("user", "u")], [("producer_byte_rate", 1e19)])], 0),
    "as many bytes as there are": ([([("user", "u")], [("producer_byte_rate", 2.0**63)])], 1),
    "too many connections": ([([("ip", None)], [("connection_creation_rate", 2.0**31)])], 0),
    "one good and one bad": ([([("user", "u")], [RATE, ("no_such", 1.0)])], 0),
    "a key twice": ([([("user", "u")], [RATE, RATE])], 0),
    "an entity twice": ([([("user", "u")], [RATE]), ([("user", "u")], [("consumer_byte_rate", 1.0)])], 1),
    "two entities, one bad": ([([("user", "u")], [RATE]), ([("user", "v")], [("no_such", 1.0)])], 1),
    "both twice": ([([("user", "u"), ("client-id", None)], [RATE])] * 2, 1),
    "no change": ([([("user", "u")], [])], 0),
    "nothing": ([], 0),
}


def taken_back(desk, entries):
    """Takes back all that is set of the entities."""
    ops = [(k, None) for k in ("producer_byte_rate", "consumer_byte_rate", "request_percentage")]
    ops += [("controller_mutation_rate", None), ("connection_creation_rate", None)]
    distinct = {str(sorted(dict(parts).items(), key=str)): list(dict(parts).items()) for parts, _ in entries}
    for parts in distinct.values():
        alter(desk, [(parts, ops)])
    assert not quotas(desk)["Entries"]


@pytest.mark.parametrize("what", ALTERATIONS)
@versions(0, 1)
def test_an_alteration_of_quotas_is_judged_as_kafka_judges_it(desks, version, what):
    """Could break: a quota that an operator believes to be set."""
    entries, count = ALTERATIONS[what]

    def question(desk):
        judged = alter(desk, entries, version)
        after = quotas(desk)
        taken_back(desk, entries)
        return judged, after

    said = compare(desks, question)
    assert sum(entry.count("'Key'") for entry in said[1]["Entries"]) == count


@pytest.mark.parametrize("what", ["a user", "below zero", "two entities, one bad", "an entity twice"])
def test_an_alteration_that_is_only_validated_changes_nothing(desks, what):
    entries, _ = ALTERATIONS[what]
    said = compare(desks, lambda desk: (alter(desk, entries, validate_only=True), quotas(desk)))
    assert said[1]["Entries"] == []


SET = [
    [("user", "u")],
    [("user", None)],
    [("client-id", "c")],
    [("client-id", None)],
    [("user", "u"), ("client-id", "c")],
    [("user", "u"), ("client-id", None)],
    [("user", None), ("client-id", "c")],
    [("user", None), ("client-id", None)],
]
FILTERS = {
    "all": [],
    "a user": [("user", EXACT, "u")],
    "another user": [("user", EXACT, "v")],
    "an empty user": [("user", EXACT, "")],
    "every user's": [("user", DEFAULT, None)],
    "any user's": [("user", SPECIFIED, None)],
    "both": [("user", EXACT, "u"), ("client-id", EXACT, "c")],
    "any client of a user": [("client-id", SPECIFIED, None), ("user", EXACT, "u")],
    "any of both": [("client-id", SPECIFIED, None), ("user", SPECIFIED, None)],
    "defaults of both": [("client-id", DEFAULT, None), ("user", DEFAULT, None)],
    "any address": [("ip", SPECIFIED, None)],
    "an address": [("ip", EXACT, "127.0.0.1")],
    "an address and a user": [("ip", SPECIFIED, None), ("user", SPECIFIED, None)],
    "an address and a client": [("client-id", DEFAULT, None), ("ip", EXACT, "127.0.0.1")],
    "no type": [("", SPECIFIED, None)],
    "a group": [("group", EXACT, "g")],
    "a type twice": [("user", EXACT, "u"), ("user", SPECIFIED, None)],
    "exactly nothing": [("user", EXACT, None)],
    "the default by name": [("user", DEFAULT, "u")],
    "any by name": [("user", SPECIFIED, "u")],
    "match type 3": [("user", 3, None)],
    "match type -1": [("user", -1, "u")],
}


@versions(0, 1)
def test_filters_of_quotas_find_what_kafkas_find(desks, version):
    """Could break: a tool that shows a default as if it were a user's own, or the other way round."""
    entries = [(parts, [("producer_byte_rate", 1.0 + n)]) for n, parts in enumerate(SET)]
    entries.append(([("ip", "127.0.0.1")], [("connection_creation_rate", 3.0)]))
    for desk in desks:
        alter(desk, entries)
        assert len(quotas(desk)["Entries"]) == len(entries)
    try:
        for what, components in FILTERS.items():
            for strict in (False, True):
                kafkas, ours = [describe(desk, components, strict, version) for desk in desks]
                assert ours == kafkas, (what, strict)
    finally:
        for desk in desks:
            taken_back(desk, entries)


def delete(name, mechanism=SHA_256):
    return {"Name": name, "Mechanism": mechanism}


def upsert(name, mechanism=SHA_256, iterations=4096, salt=b"salt", salted_password=b"salted"):
    return {
        "Name": name,
        "Mechanism": mechanism,
        "Iterations": iterations,
        "Salt": salt,
        "SaltedPassword": salted_password,
    }


def alter_users(desk, deletions=(), upsertions=()):
    asked = {"Deletions": list(deletions), "Upsertions": list(upsertions)}
    answer = desk.whole("AlterUserScramCredentials", 0, **asked)
    if isinstance(answer, dict):
        answer["Results"].sort(key=lambda result: result["User"])
    return answer


def users(desk, names=None):
    asked = names and [{"Name": name} for name in names]
    answer = desk.whole("DescribeUserScramCredentials", 0, Users=asked)
    if isinstance(answer, dict):
        for result in answer["Results"]:
            result["CredentialInfos"].sort(key=lambda info: info["Mechanism"])
        answer["Results"].sort(key=lambda result: result["User"])
    return answer


def all_users(desk):
    heard(desk)
    return users(desk)


# Deletions, upsertions, and how many credentials there are then: "there" has one of SHA-256 before.
USERS = {
    "a user": ([], [upsert("u")], 2),
    "the other mechanism": ([], [upsert("there", SHA_512, 16384)], 2),
    "the same mechanism": ([], [upsert("there", SHA_256, 8192)], 1),
    "too few iterations": ([], [upsert("u", iterations=4095)], 1),
    "too many iterations": ([], [upsert("u", iterations=16385)], 1),
    "iterations below zero": ([], [upsert("u", iterations=-1)], 1),
    "mechanism 0": ([], [upsert("u", 0)], 1),
    "mechanism 3": ([], [upsert("u", 3)], 1),
    "mechanism -1 deleted": ([delete("there", -1)], [], 1),
    "an empty name": ([], [upsert("")], 1),
    "an empty name deleted": ([delete("")], [], 1),
    "no salt": ([], [upsert("u", salt=b"")], 2),
    "no password": ([], [upsert("u", salted_password=b"")], 1),
    "no password and a good one": ([], [upsert("u", salted_password=b""), upsert("v")], 2),
    "deleted": ([delete("there")], [], 0),
    "the other mechanism deleted": ([delete("there", SHA_512)], [], 1),
    "nobody deleted": ([delete("nobody")], [], 1),
    "deleted twice": ([delete("there"), delete("there")], [], 1),
    "set twice": ([], [upsert("u"), upsert("u")], 1),
    "set three times": ([], [upsert("u"), upsert("u"), upsert("u")], 1),
    "both mechanisms set": ([], [upsert("u"), upsert("u", SHA_512)], 1),
    "deleted and set": ([delete("there")], [upsert("there", SHA_512)], 1),
    "nobody deleted and set": ([delete("nobody")], [upsert("nobody")], 1),
    "good and bad": ([delete("there")], [upsert("u"), upsert("v", iterations=1)], 1),
    "bad and good of one": ([], [upsert("u", iterations=1), upsert("u")], 1),
    "nothing": ([], [], 1),
}


@pytest.mark.parametrize("what", USERS)
def test_an_alteration_of_users_is_judged_as_kafka_judges_it(desks, what):
    """Could break: a user that can't log in, or one that still can."""
    deletions, upsertions, count = USERS[what]

    def question(desk):
        alter_users(desk, upsertions=[upsert("there")])
        judged = alter_users(desk, deletions, upsertions)
        after = all_users(desk)
        named = [users(desk, names) for names in (["there"], ["u", "nobody", "u"], [""], [])]
        left = [
            delete(result["User"], info["Mechanism"])
            for result in after["Results"]
            for info in result["CredentialInfos"]
        ]
        for deletion in left:
            alter_users(desk, [deletion])
        assert not all_users(desk)["Results"]
        return judged, after, named

    said = compare(desks, question)
    assert sum(len(result["CredentialInfos"]) for result in said[1]["Results"]) == count


CHANGES_MAX = 10_000


@pytest.mark.parametrize("count", [CHANGES_MAX, CHANGES_MAX + 1])
def test_too_much_at_once_changes_nothing(desks, count):
    """Could break: a request of which half is done, answered as if none were, or one that takes a whole machine's memory."""
    many = [([("user", f"u{n}")], [RATE]) for n in range(count - 1)] + [([("user", "v")], [RATE])]
    bad = ([("user", "bad")], [("no_such", 1.0)])

    def counted(answers):
        told = [(answer["ErrorCode"], answer["ErrorMessage"]) for answer in answers]
        return sorted((told.count(one), str(one)) for one in set(told))

    def of_quotas(desk):
        judged = counted(alter(desk, [*many, bad])["Entries"])
        there = len(quotas(desk)["Entries"])
        if there:
            alter(desk, [(parts, [("producer_byte_rate", None)]) for parts, _ in many])
        return judged, there, quotas(desk)["Entries"]

    def of_users(desk):
        names = [f"u{n}" for n in range(count)]
        judged = counted(alter_users(desk, [delete("nobody")], map(upsert, names))["Results"])
        there = len(all_users(desk)["Results"])
        if there:
            alter_users(desk, map(delete, names))
        return judged, there, all_users(desk)["Results"]

    expected = count if count <= CHANGES_MAX else 0
    assert compare(desks, of_quotas)[1:] == (expected, [])
    assert compare(desks, of_users)[1:] == (expected, [])


@pytest.mark.usefixtures("_only_ours")
def test_what_one_request_alters_is_written_as_one(start_broker):
    """Could break: a crash between two writes leaves half of what was asked for."""
    broker = start_broker()
    desk = Desk(broker)

    def frames():
        return watch.value(watch.metrics(broker), "takhin_wal_frames_total")

    before = frames()
    alter(desk, [([("user", name)], [RATE]) for name in "abc"])
    alter_users(desk, upsertions=[upsert(name) for name in "abc"])
    assert frames() == before + 2


def test_quotas_and_users_are_there_after_a_restart(start_broker):
    """Could break: what is only in memory."""
    broker = start_broker()
    desk = Desk(broker)
    alter(desk, [([("user", "u"), ("client-id", None)], [RATE])])
    alter_users(desk, upsertions=[upsert("u", SHA_512, 5000)])
    before = quotas(desk), users(desk)
    assert len(before[0]["Entries"]) == len(before[1]["Results"]) == 1
    broker.kill()
    broker.start()
    assert (describe(Desk(broker)), users(Desk(broker))) == before


def test_librdkafkas_admin_sees_the_users_that_it_made(broker):
    """Could break: a client that salts the password itself, and asks for the users it knows."""
    admin = AdminClient({"bootstrap.servers": broker.address})
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192)
    made = admin.alter_user_scram_credentials([UserScramCredentialUpsertion("librdkafka", info, b"secret")])
    assert made["librdkafka"].result(10) is None
    heard(Desk(broker))
    told = admin.describe_user_scram_credentials(["librdkafka"])["librdkafka"]
    [credential] = told.result(10).scram_credential_infos
    assert (credential.mechanism, credential.iterations) == (info.mechanism, 8192)
    gone = admin.alter_user_scram_credentials([UserScramCredentialDeletion("librdkafka", info.mechanism)])
    assert gone["librdkafka"].result(10) is None
