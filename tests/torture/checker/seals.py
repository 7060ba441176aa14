"""Rules about the seal: the hash chain over transfers, computed again from the published form.

hash(n) = SHA-256(hash(n-1) || eight netstrings: id, at in microseconds, kind, debit, credit,
amount, reference, account), hash(0) = 32 zero bytes. A world that was never sealed has no chain.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from tests.torture.checker.evidence import Evidence
from tests.torture.checker.ledger import Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXTS_BEFORE = ("kind", "debit", "credit")
TEXTS_AFTER = ("reference", "account")


def chain(it: Evidence) -> Iterator[str]:
    """Every seal is the hash of the one before and of its transfer as it is now."""
    transfers = {row["id"]: row for row in it.ledger.transfers}
    before = bytes(32)
    for place, seal in enumerate(it.ledger.seals, 1):
        transfer = transfers.get(seal["transfer"])
        if seal["position"] != place:
            yield f"seal {place} is missing"
            return
        if transfer is None:
            yield f"transfer {seal['transfer']} was sealed and is gone"
        elif sha256(before + canonical(transfer)).digest() != seal["hash"]:
            yield f"transfer {seal['transfer']} is not what was sealed"
        before = seal["hash"]


def order(it: Evidence) -> Iterator[str]:
    """Transfers are sealed once, in the order of (transaction, id); none is passed over."""
    places = {row["id"]: (row["xid_number"], row["id"]) for row in it.ledger.transfers}
    sealed = [places[seal["transfer"]] for seal in it.ledger.seals if seal["transfer"] in places]
    if sealed != sorted(set(sealed)):
        yield "transfers were not sealed in the order of their transactions"
    there = set(sealed)
    for place in places.values():
        if sealed and place < sealed[-1] and place not in there:
            yield f"transfer {place[1]} was passed over"


def canonical(transfer: Row) -> bytes:
    """Return the bytes that are hashed for a transfer."""
    values = [
        str(transfer["id"]),
        str((transfer["at"] - EPOCH) // timedelta(microseconds=1)),
        *(transfer[name] for name in TEXTS_BEFORE),
        str(transfer["amount"]),
        *(transfer[name] for name in TEXTS_AFTER),
    ]
    encoded = [value.encode() for value in values]
    return b"".join(str(len(value)).encode() + b":" + value + b"," for value in encoded)


RULES = {
    "seals.chain": chain,
    "seals.order": order,
}
