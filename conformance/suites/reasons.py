"""Why a test that Apache Kafka passes fails here, where that is known."""

TRANSACTIONS = "needs transactions"
LOGIN = "needs login"
KIP_848 = "needs KIP-848"
NODES = "needs several nodes"
# A topic that is created by asking about it is in the answer already, and is written to before Apache Kafka has it.
SOONER = "the test wants a topic's automatic creation to take more than 100 ms"
NOT_YET = "not yet"
UNEXPLAINED = "**unexplained**"
FAULT = "**fault**"


def not_yet(what):
    return f"{NOT_YET}: {what}"


def fault(what):
    """A wrong answer that is known, and to be put right."""
    return f"{FAULT}: {what}"
