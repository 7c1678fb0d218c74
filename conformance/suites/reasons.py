"""Why a test that Apache Kafka passes fails here, where that is known."""

TRANSACTIONS = "needs transactions"
LOGIN = "needs login"
KIP_848 = "needs KIP-848"
NODES = "needs several nodes"
NOT_YET = "not yet"
UNEXPLAINED = "**unexplained**"


def not_yet(what):
    return f"{NOT_YET}: {what}"
