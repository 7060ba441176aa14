"""The hash chain over transfers: what is hashed, and what a broken chain says. Pure.

    hash(n) = SHA-256( hash(n-1) || canonical(transfer n) ),  hash(0) = 32 zero bytes

`canonical` is eight netstrings, one behind the other, in this order: id, at, kind, debit, credit,
amount, reference, account. A netstring is the value's length in bytes, in decimal, then `:`, the
value in UTF-8, and `,`. Numbers are decimal; `at` is whole microseconds since 1970-01-01 UTC. So
the chain can be computed again by anyone, from the rows alone or from an exported archive.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from billing.ledger import Transfer

GENESIS = bytes(32)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Place `position` of the chain (1, 2, 3 ...): which transfer, when it was, and its hash."""

    position: int
    transfer: int
    at: datetime
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What retention has let go: transfers of before `before`, none above `last_position`."""

    before: datetime = EPOCH
    last_position: int = 0

    def covers(self, seal: Seal) -> bool:
        """Say whether the seal's transfer went with its month."""
        return seal.position <= self.last_position and seal.at < self.before


def canonical(transfer: Transfer) -> bytes:
    """Return the bytes that are hashed for a transfer."""
    values = (
        str(transfer.id),
        str((transfer.at - EPOCH) // MICROSECOND),
        transfer.kind,
        transfer.debit,
        transfer.credit,
        str(transfer.amount),
        transfer.reference,
        transfer.account,
    )
    encoded = [value.encode() for value in values]
    return b"".join(b"%d:%b," % (len(value), value) for value in encoded)


def link(previous: bytes, transfer: Transfer) -> bytes:
    """Return the hash of a transfer that follows on `previous`."""
    return sha256(previous + canonical(transfer)).digest()


class Verifier:
    """Walks the chain in the order of positions; keeps the first fault and counts all of them.

    After a fault the stored hash is taken as given, so that what follows is judged on its own.
    """

    def __init__(self, dropped: Dropped | None = None) -> None:
        self._dropped = dropped or Dropped()
        self.first_fault = ""
        self.faults = 0
        self.verified = 0
        self.position = 0
        self.hash = GENESIS

    def add(self, seal: Seal, transfer: Transfer | None) -> None:
        """Judge the next place, given the transfer that is found there now."""
        follows = self._follows(seal)
        if transfer is None:
            if not self._dropped.covers(seal):
                self._blame(seal, "is gone")
        elif not follows:
            self._blame(seal, f"has no seal before it (position {seal.position - 1} is gone)")
        elif link(self.hash, transfer) != seal.hash:
            self._blame(seal, "is not what was sealed")
        else:
            self.verified += 1
        self.position, self.hash = seal.position, seal.hash

    def _follows(self, seal: Seal) -> bool:
        return seal.position == self.position + 1

    def _blame(self, seal: Seal, what: str) -> None:
        self.faults += 1
        if not self.first_fault:
            self.first_fault = f"transfer {seal.transfer} of {seal.at.isoformat()} {what}"
