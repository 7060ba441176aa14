"""Which commit is told again: the last decided one, or the one that a failed opening has hidden."""

import pytest

from wire.decided import COMMITTED, NOTHING, Decided, commit_due


def decided(state: str, epoch: int = 4, producer_id: int = 9) -> Decided:
    return Decided(producer_id=producer_id, epoch=epoch, state=state)


def test_a_commit_is_due_whatever_was_known_before() -> None:
    found = decided(COMMITTED)
    assert commit_due(found, None) == found
    assert commit_due(found, decided(COMMITTED, epoch=1)) == found


def test_an_opening_that_failed_after_the_fence_passes_its_commit_on_and_on() -> None:
    first = commit_due(decided(COMMITTED), None)
    second = commit_due(decided(NOTHING, epoch=5), first)
    third = commit_due(decided(NOTHING, epoch=6), second)
    assert third is not None
    assert third.precedes(9, 7)


@pytest.mark.parametrize(
    "found",
    [
        None,
        decided("CompleteAbort", epoch=5),
        decided("Ongoing", epoch=5),
        decided(NOTHING, epoch=4),
        decided(NOTHING, epoch=6),
        decided(NOTHING, epoch=5, producer_id=10),
    ],
)
def test_nothing_is_due_when_something_else_may_hang(found: Decided | None) -> None:
    assert commit_due(found, decided(COMMITTED)) is None


def test_only_the_next_producer_of_the_same_id_follows() -> None:
    assert decided(COMMITTED).precedes(9, 5)
    assert not decided(COMMITTED).precedes(9, 6)
    assert not decided(COMMITTED).precedes(10, 5)
