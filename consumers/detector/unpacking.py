"""Batches of pieces from JPEG to pixels, in threads or on the engine's own device.

Promises that one bad picture costs no neighbour: what is wrong with it is told beside the others.
A batch is cut into as many parts as there are threads, so that a frame costs no hop of its own.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple, Unpack

from consumers.detector.batching import Group
from consumers.detector.decode import Pictures, empty_batch
from consumers.detector.engines.protocol import Batched, Decoder, Engine
from consumers.detector.figures import Figures
from consumers.detector.pieces import Piece
from wire.clock import Clock
from wire.errors import Rejected

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedBatch:
    """The pieces whose pictures are good, their pixels, and the others with what is wrong."""

    good: Sequence[Piece]
    pictures: Batched
    bad: Sequence[tuple[Piece, str]]


class Unpacking:
    """The threads in which pictures are decoded."""

    def __init__(self, executor: Executor, *, threads: int, clock: Clock, figures: Figures) -> None:
        self._executor = executor
        self._threads = threads
        self._clock = clock
        self._figures = figures

    async def in_thread(self, call: "Callable[[Unpack[Ts]], T]", *arguments: "Unpack[Ts]") -> T:
        """Run short work of the CPU beside the loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, call, *arguments)

    async def unpack(self, pieces: Sequence[Piece], group: Group, engine: Engine) -> UnpackedBatch:
        """Return the pixels of a batch; on the engine's device where it decodes whole frames."""
        begun = self._clock.monotonic()
        decoder = engine.decoder
        if decoder is not None and all(piece.sheet is None for piece in pieces):
            batch = await self.in_thread(_on_device, decoder, pieces, group)
        else:
            batch = await self._in_memory(pieces, group)
        self._figures.decode_seconds.observe(self._clock.monotonic() - begun)
        return batch

    async def _in_memory(self, pieces: Sequence[Piece], group: Group) -> UnpackedBatch:
        room = empty_batch(len(pieces), group.height, group.width)
        part = -(-len(pieces) // self._threads)
        answers = await asyncio.gather(
            *(
                self.in_thread(_decode, pieces[first : first + part], room[first : first + part])
                for first in range(0, len(pieces), part)
            )
        )
        faults = [fault for answer in answers for fault in answer]
        good = [index for index, fault in enumerate(faults) if fault is None]
        whole = len(good) == len(pieces)
        return _sorted(pieces, faults, room if whole else room[good])


def _decode(pieces: Sequence[Piece], room: Pictures) -> list[str | None]:
    """Decode some pieces, each into its place; return what is wrong with each."""
    faults: list[str | None] = []
    for piece, place in zip(pieces, room, strict=True):
        try:
            piece.decode_into(place)
            faults.append(None)
        except Rejected as error:
            faults.append(str(error))
    return faults


def _on_device(decoder: Decoder, pieces: Sequence[Piece], group: Group) -> UnpackedBatch:
    packed = [piece.work.frame.picture for piece in pieces]
    unpacked = decoder.decode(packed, group.height, group.width)
    return _sorted(pieces, unpacked.faults, unpacked.pictures)


def _sorted(
    pieces: Sequence[Piece], faults: Sequence[str | None], pictures: Batched
) -> UnpackedBatch:
    batch = UnpackedBatch(
        good=[piece for piece, fault in zip(pieces, faults, strict=True) if fault is None],
        pictures=pictures,
        bad=[
            (piece, fault) for piece, fault in zip(pieces, faults, strict=True) if fault is not None
        ],
    )
    assert len(batch.good) == len(pictures), "a decoder returns one picture for each good JPEG"
    return batch
