"""An account's balance, as it is told to the outside (topic `balances`, Valkey), and alerts of it.

The ledger in PostgreSQL decides; this is news of it. A higher `version` is newer. The topic holds
both types under keys of their own, so that compaction keeps each: readers call `decode_news`.
"""

from datetime import datetime

import msgspec

from wire.cloudevents import VALUE_BYTES_MAX, EnvelopeCodec
from wire.errors import Rejected

BALANCE_TYPE = "framemeter.balance.v1"
ALERT_TYPE = "framemeter.alert.v1"
_SOURCE = "framemeter/biller"
MILLITOKENS_PER_TOKEN = 1_000


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """All amounts in millitokens: free to spend, held by grants, owed beyond what there was."""

    account: str
    version: int
    available: int
    held: int
    receivable: int


class BalanceAlert(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to an account, `available + held`, fell below `threshold`. In millitokens."""

    account: str
    threshold: int
    version: int
    available: int
    held: int

    @property
    def id(self) -> str:
        """What names this alert wherever it is told: the balance crosses once a version."""
        return f"{self.account}/{self.threshold}/{self.version}"

    @property
    def key(self) -> str:
        """The message's key: never a balance's, for no account's name has a '/'."""
        return f"{self.account}/alert/{self.threshold}"


class _Kind(msgspec.Struct, frozen=True, kw_only=True):
    """As much of a message as tells its type."""

    type: str


_CODEC = EnvelopeCodec(Balance, event_type=BALANCE_TYPE, source=_SOURCE)
_ALERT_CODEC = EnvelopeCodec(BalanceAlert, event_type=ALERT_TYPE, source=_SOURCE)
_KIND_DECODER = msgspec.json.Decoder(_Kind)


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


def encode_alert(alert: BalanceAlert, *, at: datetime) -> bytes:
    """Return the value of the message whose key is `alert.key`, and a webhook's body."""
    return _ALERT_CODEC.encode(alert, event_id=alert.id, subject=alert.account, time=at)


def decode_alert(value: bytes | None) -> BalanceAlert:
    """Return the alert; raise `Rejected` when the bytes are not one."""
    return _ALERT_CODEC.decode(value).data


def decode_news(value: bytes | None) -> Balance | BalanceAlert:
    """Return whichever of the two the bytes are; raise `Rejected` when they are neither."""
    kind = _type_of(value)
    if kind == ALERT_TYPE:
        return decode_alert(value)
    if kind not in (None, BALANCE_TYPE):
        raise Rejected(f"expected {BALANCE_TYPE} or {ALERT_TYPE}, got {kind!r}")
    return decode(value)


def _type_of(value: bytes | None) -> str | None:
    if value is None or len(value) > VALUE_BYTES_MAX:
        return None
    try:
        return _KIND_DECODER.decode(value).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def format_tokens(millitokens: int) -> str:
    """Return an amount as people read it: tokens with three decimals."""
    sign = "-" if millitokens < 0 else ""
    whole, rest = divmod(abs(millitokens), MILLITOKENS_PER_TOKEN)
    return f"{sign}{whole}.{rest:03d}"
