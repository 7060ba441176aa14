"""Rooms: few shapes, few of them kept, and a way on where no graph can be captured."""

from typing import Any

import pytest
import structlog
import torch

from consumers.detector.engines.torch_rooms import (
    BUCKETS,
    Room,
    RoomMaker,
    Rooms,
    Shape,
    bucket_of,
)


def shape(count: int, side: int = 32) -> Shape:
    return Shape(count=count, height=side, width=side)


def test_a_batch_gets_the_smallest_room_that_holds_it() -> None:
    assert [bucket_of(count) for count in (1, 2, 3, 5, 8, 9, 33, 64)] == [1, 2, 4, 8, 8, 16, 64, 64]
    with pytest.raises(AssertionError):
        bucket_of(BUCKETS[-1] + 1)


def test_rooms_are_made_once_and_the_one_used_longest_ago_goes() -> None:
    made: list[int] = []

    def make(wanted: Shape) -> Room:
        made.append(wanted.count)
        return Room(pixels=None, run=lambda: (), held=())

    rooms = Rooms(make, size_max=2)
    first = rooms.room(shape(1))
    rooms.room(shape(2))
    assert rooms.room(shape(1)) is first
    rooms.room(shape(4))
    assert len(rooms) == 2
    rooms.room(shape(1))
    rooms.room(shape(2))
    assert made == [1, 2, 4, 2]


def test_a_room_that_could_not_be_made_leaves_no_trace() -> None:
    def make(wanted: Shape) -> Room:
        raise RuntimeError("out of memory")

    rooms = Rooms(make, size_max=2)
    with pytest.raises(RuntimeError):
        rooms.room(shape(1))
    assert len(rooms) == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="here graphs can be captured")
def test_without_a_graph_the_room_runs_step_by_step_and_says_so() -> None:
    def double(pixels: Any) -> tuple[Any, ...]:
        return (pixels * 2,)

    held = torch.ones(1)
    maker = RoomMaker(
        step=double,
        held=lambda: (held,),
        device=torch.device("cpu"),
        type=torch.float32,
        captures=True,
    )
    with structlog.testing.capture_logs() as logs:
        room = maker.make(shape(2))
    assert "no CUDA graph" in logs[0]["event"]
    room.pixels.fill_(3)
    assert float(room.run()[0].sum()) == 2 * 3 * 32 * 32 * 6
    assert room.held[0] is held
