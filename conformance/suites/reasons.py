"""Why a test that Apache Kafka passes fails here, where that is known."""

TRANSACTIONS = "needs transactions"
LOGIN = "needs login"
AUTHORIZER = "needs an authorizer, and with it logins"
NOT_YET = "not yet"
UNEXPLAINED = "**unexplained**"
FAULT = "**fault**"


def not_yet(what):
    return f"{NOT_YET}: {what}"


def fault(what):
    """A wrong answer that is known, and to be put right."""
    return f"{FAULT}: {what}"
