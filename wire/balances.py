"""An account's balance, as it is told to the outside (topic `balances`, Valkey).

The ledger in PostgreSQL decides; this is news of it. A higher `version` is newer.
"""

from datetime import datetime

import msgspec

from wire.cloudevents import EnvelopeCodec

BALANCE_TYPE = "framemeter.balance.v1"
MILLITOKENS_PER_TOKEN = 1_000


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """All amounts in millitokens: free to spend, held by grants, owed beyond what there was."""

    account: str
    version: int
    available: int
    held: int
    receivable: int


_CODEC = EnvelopeCodec(Balance, event_type=BALANCE_TYPE, source="framemeter/biller")


def encode(balance: Balance, *, at: datetime) -> bytes:
    """Return the message's value; its key is the account."""
    return _CODEC.encode(
        balance,
        event_id=f"{balance.account}/{balance.version}",
        subject=balance.account,
        time=at,
    )


def decode(value: bytes | None) -> Balance:
    """Return the balance; raise `Rejected` when the bytes are not one."""
    return _CODEC.decode(value).data


def format_tokens(millitokens: int) -> str:
    """Return an amount as people read it: tokens with three decimals."""
    sign = "-" if millitokens < 0 else ""
    whole, rest = divmod(abs(millitokens), MILLITOKENS_PER_TOKEN)
    return f"{sign}{whole}.{rest:03d}"
