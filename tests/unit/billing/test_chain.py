"""The chain's bytes are fixed for ever, and a verifier judges every place by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.chain import GENESIS, Dropped, Seal, Verifier, canonical, link
from billing.ledger import Transfer

AT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
FIRST = Transfer(
    id=1,
    at=AT,
    kind="topup",
    debit="issued",
    credit="available/zoo",
    amount=5_625,
    reference="topup/März",
    account="zoo",
)
TEXT = st.text(max_size=6)
TRANSFERS = st.builds(
    Transfer,
    id=st.integers(1, 2**63 - 1),
    at=st.datetimes(timezones=st.just(UTC)),
    kind=TEXT,
    debit=TEXT,
    credit=TEXT,
    amount=st.integers(1, 2**63 - 1),
    reference=TEXT,
    account=TEXT,
)


def test_the_bytes_of_a_transfer_never_change() -> None:
    assert canonical(FIRST).decode() == (
        "1:1,16:1772600767000089,5:topup,6:issued,13:available/zoo,4:5625,11:topup/März,3:zoo,"
    )
    assert link(GENESIS, FIRST).hex() == (
        "308f2c0d6313f74d58259d44995325eb7f70db3f496768b9214faa61085978ff"
    )


@given(TRANSFERS, TRANSFERS)
def test_different_transfers_have_different_bytes(one: Transfer, other: Transfer) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


def chain(count: int) -> list[tuple[Seal, Transfer]]:
    places, last = [], GENESIS
    for number in range(1, count + 1):
        made = replace(FIRST, id=number * 10, at=AT + timedelta(days=number))
        last = link(last, made)
        seal = Seal(position=number, transfer=made.id, at=made.at, hash=last)
        places.append((seal, made))
    return places


def verified(
    places: list[tuple[Seal, Transfer | None]], dropped: Dropped | None = None
) -> Verifier:
    verifier = Verifier(dropped)
    for seal, transfer in places:
        verifier.add(seal, transfer)
    return verifier


@given(st.integers(0, 7), st.data())
def test_the_first_of_several_faults_is_named(sound: int, data: st.DataObject) -> None:
    places: list[tuple[Seal, Transfer | None]] = list(chain(8))
    faulty = data.draw(st.sets(st.integers(sound, 7))) | {sound}
    for place in faulty:
        seal, transfer = places[place]
        assert transfer is not None
        changed = replace(transfer, amount=transfer.amount + 1)
        places[place] = (seal, data.draw(st.sampled_from([None, changed])))
    found = verified(places)
    assert found.first_fault.startswith(f"transfer {(sound + 1) * 10} of ")
    assert (found.faults, found.verified) == (len(faulty), 8 - len(faulty))


@pytest.mark.parametrize("anchor", [1, 3, 5])
def test_what_retention_dropped_is_no_fault_and_anything_else_is(anchor: int) -> None:
    places = chain(8)
    before = places[anchor][0].at
    gone = [(seal, None) for seal, _ in places[anchor - 1 : anchor]]
    kept = [*gone, *places[anchor:]]
    dropped = Dropped(before=before, last_position=anchor)
    assert verified(kept, dropped).faults == 0
    assert verified([*gone, (places[anchor][0], None)], dropped).faults == 1
    assert verified(kept).first_fault.endswith("is gone")
    assert verified(places[anchor:], dropped).faults == 1
    assert verified([*kept[:2], *kept[3:]], dropped).faults == 1
