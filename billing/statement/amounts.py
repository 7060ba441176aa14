"""Numbers and times as a statement shows them: grouped by thousands, times in UTC."""

from datetime import datetime

from wire.balances import MILLITOKENS_PER_TOKEN

THIN = "\u202f"
"""A narrow space that does not break."""
MINUS = "\u2212"
_SCALES = ((10**9, "G"), (10**6, "M"), (10**3, "k"))


def count(number: int) -> str:
    """Return a whole number."""
    sign = MINUS if number < 0 else ""
    return sign + f"{abs(number):,}".replace(",", THIN)


def tokens(millitokens: int) -> str:
    """Return an exact amount of tokens, with three decimals."""
    whole, rest = divmod(abs(millitokens), MILLITOKENS_PER_TOKEN)
    sign = MINUS if millitokens < 0 else ""
    return f"{sign}{count(whole)}.{rest:03d}"


def short_tokens(millitokens: int) -> str:
    """Return an amount for the axis of a chart."""
    amount = millitokens / MILLITOKENS_PER_TOKEN
    for scale, letter in _SCALES:
        if amount >= scale:
            return f"{amount / scale:g}{THIN}{letter}"
    return f"{amount:g}"


def share(part: int, whole: int) -> str:
    """Return a part's percentage; the smallest part is not told as nothing."""
    if part < whole / 1_000:
        return f"<{THIN}0.1{THIN}%"
    return f"{100 * part / whole:.1f}{THIN}%"


def moment(at: datetime) -> str:
    """Return a date and a time, with seconds where there are any."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at.second else f"{at:%Y-%m-%d %H:%M}"
