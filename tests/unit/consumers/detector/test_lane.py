"""The lane's protocol, event by event."""

from collections.abc import Iterable

from consumers.detector.lane import (
    BACKOFF_S_MAX,
    TRANSACTION_FRAMES_MAX,
    Abandon,
    Assigned,
    Close,
    Committed,
    Failed,
    Fetched,
    Finished,
    GraceOver,
    Lane,
    Linger,
    Open,
    Opened,
    Phase,
    Process,
    Revoked,
    Start,
    Taken,
    Transact,
    Wait,
    Waited,
)

StringLane = Lane[str, str]


def messages(offsets: Iterable[int], *, copy_of: int | None = None) -> Fetched[str]:
    """Return a fetch of frames whose numbers are their offsets, or all that of `copy_of`."""
    return Fetched(
        messages=tuple(
            Taken(
                offset=offset,
                key=("gate", 1, offset if copy_of is None else copy_of),
                work=f"frame {offset}",
            )
            for offset in offsets
        )
    )


def open_lane(offset: int = 0) -> StringLane:
    lane: StringLane = Lane()
    assert lane.handle(Assigned()) == (Open(era=0),)
    assert lane.handle(Opened(era=0, offset=offset)) == (Start(offset=offset),)
    return lane


def finish(lane: StringLane, *offsets: int) -> list[object]:
    actions: list[object] = []
    for offset in offsets:
        actions += lane.handle(Finished(era=lane.era, offset=offset, result=f"r{offset}"))
    return actions


def test_what_is_fetched_before_the_lane_is_open_is_dropped() -> None:
    lane: StringLane = Lane()
    lane.handle(Assigned())
    assert lane.handle(messages([5, 6])) == ()
    lane.handle(Opened(era=0, offset=5))
    (process,) = lane.handle(messages([5, 6]))
    assert isinstance(process, Process)


def test_results_commit_in_offset_order_whatever_order_they_come_in() -> None:
    lane = open_lane()
    lane.handle(messages([0, 1, 2]))
    assert finish(lane, 2) == finish(lane, 1) == []
    assert finish(lane, 0) == [Transact(era=0, results=("r0", "r1", "r2"), next_offset=3)]


def test_the_next_transaction_starts_when_the_last_has_ended_and_takes_all_that_is_ready() -> None:
    lane = open_lane()
    lane.handle(messages(range(4)))
    assert finish(lane, 0) == [Transact(era=0, results=("r0",), next_offset=1)]
    assert finish(lane, 1, 2) == []
    assert lane.handle(Committed(era=0)) == (Transact(era=0, results=("r1", "r2"), next_offset=3),)


def test_a_transaction_is_bounded() -> None:
    lane = open_lane()
    lane.handle(messages(range(200)))
    (first,) = finish(lane, *range(199, -1, -1))
    assert isinstance(first, Transact)
    assert len(first.results) == TRANSACTION_FRAMES_MAX == first.next_offset
    (second,) = lane.handle(Committed(era=0))
    assert isinstance(second, Transact)
    assert second.next_offset == 2 * TRANSACTION_FRAMES_MAX


def test_a_second_copy_advances_the_offset_and_is_not_processed() -> None:
    lane = open_lane()
    lane.handle(messages([7]))
    assert lane.handle(messages([8, 9], copy_of=7)) == ()
    assert lane.copies == 2
    assert finish(lane, 7) == [Transact(era=0, results=("r7",), next_offset=10)]


def test_a_copy_of_what_is_committed_moves_the_offset_by_a_transaction_of_its_own() -> None:
    lane = open_lane()
    lane.handle(messages([7]))
    finish(lane, 7)
    lane.handle(Committed(era=0))
    assert lane.handle(messages([8], copy_of=7)) == (Transact(era=0, results=(), next_offset=9),)


def test_it_tells_how_many_have_yet_to_end() -> None:
    lane = open_lane()

    def told() -> tuple[int, int]:
        return lane.in_flight, lane.pending

    lane.handle(messages([0, 1, 2, 3]))
    lane.handle(messages([4], copy_of=3))
    assert told() == (5, 4)
    finish(lane, 2)
    assert told() == (5, 3), "it has ended, though it waits for those before it"
    finish(lane, 0)
    assert told() == (5, 2), "its transaction runs"
    lane.handle(Committed(era=0))
    assert told() == (4, 2)
    lane.handle(Failed(era=0, reason="fenced"))
    assert told() == (0, 0)


def test_what_was_taken_already_is_not_taken_again() -> None:
    lane = open_lane(offset=10)
    lane.handle(messages([10, 11]))
    (process,) = lane.handle(messages([9, 11, 15]))
    assert isinstance(process, Process)
    assert [message.offset for message in process.messages] == [15]


def test_any_failure_starts_a_new_era_and_opens_again() -> None:
    lane = open_lane()
    lane.handle(messages([0, 1]))
    finish(lane, 0)
    assert lane.handle(Failed(era=0, reason="fenced")) == (Abandon(), Wait(era=1, seconds=0.5))
    assert lane.in_flight == 0
    assert lane.handle(Waited(era=1)) == (Open(era=1),)


def test_news_of_an_old_era_is_void() -> None:
    lane = open_lane()
    lane.handle(messages([0, 1]))
    finish(lane, 0)
    lane.handle(Failed(era=0, reason="timeout"))
    lane.handle(Waited(era=1))
    for late in (
        Committed(era=0),
        Failed(era=0, reason="again"),
        Finished(era=0, offset=1, result="late"),
        Opened(era=0, offset=99),
        Waited(era=0),
    ):
        assert lane.handle(late) == ()
    assert lane.handle(Opened(era=1, offset=1)) == (Start(offset=1),)
    (process,) = lane.handle(messages([1]))
    assert isinstance(process, Process), "after a rebuild the frame is not taken for a copy"


def test_repeated_failures_wait_longer_up_to_a_limit_and_progress_resets_that() -> None:
    lane: StringLane = Lane()
    lane.handle(Assigned())
    waits = []
    for _ in range(10):
        _, wait = lane.handle(Failed(era=lane.era, reason="away"))
        assert isinstance(wait, Wait)
        waits.append(wait.seconds)
        lane.handle(Waited(era=lane.era))
    assert waits[:3] == [0.5, 1.0, 1.5]
    assert waits[-1] == BACKOFF_S_MAX
    lane.handle(Opened(era=lane.era, offset=0))
    lane.handle(messages([0]))
    finish(lane, 0)
    lane.handle(Committed(era=lane.era))
    _, wait = lane.handle(Failed(era=lane.era, reason="away"))
    assert wait == Wait(era=lane.era, seconds=0.5)


def test_a_revoked_lane_lets_its_transaction_end() -> None:
    lane = open_lane()
    lane.handle(messages([0, 1]))
    finish(lane, 0)
    assert lane.handle(Revoked()) == (Linger(),)
    assert finish(lane, 1) == []
    assert lane.handle(Committed(era=0)) == (Close(gentle=True),)
    assert lane.phase is Phase.CLOSED
    assert lane.handle(GraceOver()) == ()


def test_a_transaction_that_does_not_end_in_time_is_cut_off() -> None:
    lane = open_lane()
    lane.handle(messages([0]))
    finish(lane, 0)
    lane.handle(Revoked())
    assert lane.handle(GraceOver()) == (Close(gentle=False),)
    assert lane.handle(Committed(era=0)) == ()


def test_a_transaction_that_fails_while_closing_is_not_tried_again() -> None:
    lane = open_lane()
    lane.handle(messages([0]))
    finish(lane, 0)
    lane.handle(Revoked())
    assert lane.handle(Failed(era=0, reason="broken")) == (Close(gentle=False),)


def test_an_idle_lane_closes_at_once_and_only_once() -> None:
    lane = open_lane()
    assert lane.handle(Revoked()) == (Close(gentle=True),)
    assert lane.handle(Revoked()) == ()
    assert lane.handle(messages([0])) == ()


def test_a_lane_that_is_still_opening_or_waiting_closes_without_gentleness() -> None:
    opening: StringLane = Lane()
    opening.handle(Assigned())
    assert opening.handle(Revoked()) == (Close(gentle=False),)
    waiting = open_lane()
    waiting.handle(Failed(era=0, reason="broken"))
    assert waiting.handle(Revoked()) == (Close(gentle=False),)
    assert waiting.handle(Waited(era=1)) == ()
