"""Rules about money: transfers are well-formed and single, and balances are what they add up to."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from tests.torture.checker.evidence import Evidence
from tests.torture.checker.ledger import Row

PURSES = ("available", "held", "receivable")
SIDES = {
    "topup": {("issued", "available")},
    "grant": {("available", "held")},
    "release": {("held", "available")},
    "charge": {("held", "revenue"), ("available", "revenue"), ("receivable", "revenue")},
    "adjust": {
        *(("revenue", purse) for purse in ("available", "receivable")),
        *((purse, "revenue") for purse in ("available", "receivable")),
    },
}
"""Where each kind of transfer may take from, and where it may bring to."""


def legs(it: Evidence) -> Iterator[str]:
    """A transfer moves something from one of its account's purses to another, as its kind may."""
    for row in it.ledger.transfers:
        sides = tuple(_purse(row, side) for side in ("debit", "credit"))
        if row["amount"] <= 0 or sides not in SIDES.get(row["kind"], ()):
            yield (
                f"transfer {row['id']}: {row['kind']} of {row['amount']} for {row['account']}"
                f" from {row['debit']} to {row['credit']}"
            )


def _purse(row: Row, side: str) -> str | None:
    name: str = row[side]
    if name in ("issued", "revenue"):
        return name
    purse, _, account = name.partition("/")
    return purse if purse in PURSES and account == row["account"] else None


def once(it: Evidence) -> Iterator[str]:
    """A reference moves money once."""
    times = Counter(
        (row["account"], row["kind"], row["reference"], row["debit"]) for row in it.ledger.transfers
    )
    for name, count in times.items():
        if count > 1:
            yield f"{' '.join(name)} was written {count} times"


def top_ups(it: Evidence) -> Iterator[str]:
    """Every top-up counts once, whatever it was sent; no other money was issued."""
    made = sorted(
        (top.account, f"topup/{top.reference}", top.millitokens) for top in it.seen.top_ups
    )
    issued = sorted(
        (row["account"], row["reference"], row["amount"])
        for row in it.ledger.transfers
        if row["kind"] == "topup"
    )
    kept = sorted((row["account"], row["reference"], row["amount"]) for row in it.ledger.top_ups)
    for what, found in (("transfers", issued), ("table topup", kept)):
        missing, strange = Counter(made) - Counter(found), Counter(found) - Counter(made)
        if missing or strange:
            yield f"{what}: missing {list(missing)}, too many {list(strange)}"


def never_below_zero(it: Evidence) -> Iterator[str]:
    """No purse was ever below zero.

    A transfer's number is drawn while its account's balance is locked, so within an account the
    numbers are in the order of the commits (those of transactions are not).
    """
    purses: dict[str, Counter[str]] = defaultdict(Counter)
    for row in it.ledger.transfers:
        account = purses[row["account"]]
        _move(account, row)
        for purse in PURSES:
            if account[purse] < 0:
                yield (f"transfer {row['id']} left {row['account']} with {account[purse]} {purse}")


def sums(it: Evidence) -> Iterator[str]:
    """A balance is what its transfers add up to."""
    purses: dict[str, Counter[str]] = defaultdict(Counter)
    for row in it.ledger.transfers:
        _move(purses[row["account"]], row)
    balances = {row["account"]: row for row in it.ledger.balances}
    for account in sorted(purses.keys() | balances.keys()):
        found = {purse: balances[account][purse] if account in balances else 0 for purse in PURSES}
        expected = {purse: purses[account][purse] for purse in PURSES}
        if found != expected:
            yield f"{account} has {found}; its transfers make {expected}"


def _move(account: Counter[str], row: Row) -> None:
    """Apply a transfer. What is owed grows when it is taken from `receivable`."""
    for side, sign in (("debit", -1), ("credit", 1)):
        purse = row[side].partition("/")[0]
        account[purse] += -sign * row["amount"] if purse == "receivable" else sign * row["amount"]


def held(it: Evidence) -> Iterator[str]:
    """What an account has held is what its sessions hold."""
    expected: Counter[str] = Counter()
    for session in it.ledger.sessions:
        expected[session["account"]] += session["held_frames"] * session["unit_price"]
    for row in it.ledger.balances:
        account = row["account"]
        if row["held"] != expected[account]:
            yield f"{account} has {row['held']} held; its sessions {expected[account]}"


def conserved(it: Evidence) -> Iterator[str]:
    """available + held + revenue - receivable = issued, for each account and for all."""
    issued: Counter[str] = Counter()
    earned: Counter[str] = Counter()
    for top_up in it.ledger.top_ups:
        issued[top_up["account"]] += top_up["amount"]
    for row in (*it.ledger.hours, *it.ledger.rerating_lines):
        earned[row["account"]] += row["millitokens"]
    rest: dict[str, int] = {}
    for row in it.ledger.balances:
        account = row["account"]
        rest[account] = _worth(row) + earned[account] - issued[account]
    rest["all accounts"] = sum(map(_worth, it.ledger.balances)) + earned.total() - issued.total()
    for account, surplus in rest.items():
        if surplus:
            yield f"{account}: {surplus} more than was issued"


def _worth(row: Mapping[str, int]) -> int:
    return row["available"] + row["held"] - row["receivable"]


def unbillable(it: Evidence) -> Iterator[str]:
    """No usage was refused."""
    for row in it.ledger.unbillable:
        yield f"{row['topic']}[{row['partition']}]@{row['offset']}: {row['reason']}"


RULES = {
    "transfers.legs": legs,
    "transfers.once": once,
    "top_ups.once": top_ups,
    "balances.never_below_zero": never_below_zero,
    "balances.sums": sums,
    "balances.held": held,
    "money.conserved": conserved,
    "usage.billable": unbillable,
}
