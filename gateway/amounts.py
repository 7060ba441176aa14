"""Amounts of tokens as requests write them: exact, and never more than the ledger can hold."""

from decimal import Decimal, InvalidOperation

from wire.balances import MILLITOKENS_PER_TOKEN
from wire.errors import Rejected

TEXT_LENGTH_MAX = 24
MILLITOKENS_MAX = 10**15


def parse_tokens(text: str) -> int:
    """Return tokens with at most three decimals as millitokens; raise `Rejected`."""
    try:
        amount = Decimal(text) * MILLITOKENS_PER_TOKEN
    except InvalidOperation:
        raise Rejected(_rule(text)) from None
    exact = len(text) <= TEXT_LENGTH_MAX and amount.is_finite()
    if not exact or not 0 < amount <= MILLITOKENS_MAX or amount % 1 != 0:
        raise Rejected(_rule(text))
    return int(amount)


def _rule(text: str) -> str:
    return (
        f"tokens {text[:TEXT_LENGTH_MAX]!r} must be over 0, at most"
        f" {MILLITOKENS_MAX // MILLITOKENS_PER_TOKEN}, with at most three decimals, such as 12.5"
    )
