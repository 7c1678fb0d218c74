"""ACLs and delegation tokens without an authorizer and a login: Apache Kafka's refusals and ours, to the last letter."""

import pytest
from desk import compare, versions

FILTER = {"ResourceTypeFilter": 2, "PatternTypeFilter": 3, "Operation": 1, "PermissionType": 1}
FILTER |= {"ResourceNameFilter": None, "PrincipalFilter": None, "HostFilter": None}
CREATION = {"ResourceType": 2, "ResourceName": "t", "ResourcePatternType": 3, "Principal": "User:a"}
CREATION |= {"Host": "*", "Operation": 3, "PermissionType": 3}
ACLS = {
    "described": ("DescribeAcls", FILTER),
    "described by name": ("DescribeAcls", FILTER | {"ResourceNameFilter": "t", "PrincipalFilter": "User:a"}),
    "of an unknown type described": ("DescribeAcls", FILTER | {"ResourceTypeFilter": 99}),
    "created": ("CreateAcls", {"Creations": [CREATION, CREATION]}),
    "of an unknown type created": ("CreateAcls", {"Creations": [CREATION | {"Operation": 99}]}),
    "for a bad principal created": ("CreateAcls", {"Creations": [CREATION | {"Principal": "nobody"}]}),
    "none created": ("CreateAcls", {"Creations": []}),
    "deleted": ("DeleteAcls", {"Filters": [FILTER, FILTER]}),
    "none deleted": ("DeleteAcls", {"Filters": []}),
}


@versions(1, 3)
@pytest.mark.parametrize("what", ACLS)
def test_without_an_authorizer_acls_are_refused_as_in_kafka(desks, what, version):
    """Could break: tools take the text for the reason, and the code for whether to go on."""
    api, body = ACLS[what]
    compare(desks, lambda desk: desk.whole(api, version, **body))


RENEWER = {"PrincipalType": "User", "PrincipalName": "a"}
TOKENS = {
    "created": ("CreateDelegationToken", range(1, 4), {"Renewers": [RENEWER], "MaxLifetimeMs": 1000}),
    "created for nobody": ("CreateDelegationToken", range(1, 4), {"Renewers": [], "MaxLifetimeMs": -1}),
    "created for another": (
        "CreateDelegationToken",
        [3],
        {"OwnerPrincipalType": "User", "OwnerPrincipalName": "b", "Renewers": [], "MaxLifetimeMs": 1000},
    ),
    "renewed": ("RenewDelegationToken", range(1, 3), {"Hmac": b"abc", "RenewPeriodMs": 1000}),
    "expired": ("ExpireDelegationToken", range(1, 3), {"Hmac": b"", "ExpiryTimePeriodMs": -1}),
    "all described": ("DescribeDelegationToken", range(1, 4), {"Owners": None}),
    "some described": ("DescribeDelegationToken", range(1, 4), {"Owners": [RENEWER]}),
}


@pytest.mark.parametrize("what", TOKENS)
def test_without_a_login_tokens_are_refused_as_in_kafka(desks, what):
    """Could break: a client that was given a token which nobody would take."""
    api, among, body = TOKENS[what]
    for version in among:
        compare(desks, lambda desk, version=version: desk.whole(api, version, **body))
