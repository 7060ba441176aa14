"""Cameras, lanes with windows and an engine around a real batcher, on a virtual clock.

Deterministic: no real time, no chance. A lane holds at most `WINDOW` messages of its partition, in
order, and commits the finished ones in front, one transaction at a time, as the detector's do.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from consumers.detector.batching import Batch, Batcher, Group, Queued
from wire.frames import Tier

WINDOW = 64
COMMIT_S = 0.02
DECODE_S = 0.003
SWEEP_S = 0.1
GROUP = Group(model="n", height=640, width=640)


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A stream that sends at a steady rate."""

    name: str
    fps: float
    partition: int = 0
    tier: Tier = Tier.STANDARD
    max_age_s: float = 5.0
    phase_s: float = 0.0
    cost: float = 1.0
    group: Group = GROUP


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One frame of a camera."""

    camera: Camera
    number: int
    captured_s: float


@dataclass(slots=True)
class Lane:
    """One partition: what lies in it, what is in flight, what of that has ended."""

    topic: deque[Picture] = field(default_factory=deque)
    in_flight: deque[Picture] = field(default_factory=deque)
    ended: set[Picture] = field(default_factory=set)
    commits: bool = False


class World:
    """Runs cameras against a batcher; an engine takes `fixed_s + each_s` x cost for a batch."""

    def __init__(
        self,
        batcher: Batcher[Picture],
        cameras: list[Camera],
        *,
        each_s: float,
        fixed_s: float = 0.0,
        batches_ahead: int = 2,
    ) -> None:
        self.sent: Counter[str] = Counter()
        self.ages_s: dict[str, list[float]] = {camera.name: [] for camera in cameras}
        self.numbers: dict[str, list[int]] = {camera.name: [] for camera in cameras}
        self.given_up: Counter[str] = Counter()
        self._batcher = batcher
        self._each_s, self._fixed_s = each_s, fixed_s
        self._workers = self._free = batches_ahead
        self._engine_free_s = 0.0
        self._now = 0.0
        self._from_s = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._lanes = {camera.partition: Lane() for camera in cameras}
        for camera in cameras:
            self._at(camera.phase_s, lambda camera=camera: self._capture(camera, 0))  # type: ignore[misc]
        self._at(SWEEP_S, self._sweep)

    def run(self, *, until_s: float, counted_from_s: float) -> None:
        """Run the clock; what was captured before `counted_from_s` is not counted."""
        self._from_s = counted_from_s
        while self._events[0][0] <= until_s:
            self._now, _, event = heappop(self._events)
            event()

    def kept(self, name: str) -> float:
        """Return which part of a camera's frames was detected."""
        return len(self.ages_s[name]) / self.sent[name]

    def _at(self, at_s: float, event: Callable[[], None]) -> None:
        heappush(self._events, (at_s, next(self._order), event))

    def _capture(self, camera: Camera, number: int) -> None:
        self._at(
            camera.phase_s + (number + 1) / camera.fps, lambda: self._capture(camera, number + 1)
        )
        self.sent[camera.name] += self._now >= self._from_s
        lane = self._lanes[camera.partition]
        lane.topic.append(Picture(camera=camera, number=number, captured_s=self._now))
        self._pump(lane)
        self._work()

    def _pump(self, lane: Lane) -> None:
        if len(lane.in_flight) > WINDOW // 2:
            return
        for _ in range(min(WINDOW // 2, len(lane.topic))):
            picture = lane.topic.popleft()
            lane.in_flight.append(picture)
            camera = picture.camera
            self._batcher.put(
                Queued(
                    group=camera.group,
                    tier=camera.tier,
                    stream=camera.name,
                    queued_at=self._now,
                    expires_at=picture.captured_s + camera.max_age_s,
                    cost=camera.cost,
                    item=picture,
                )
            )

    def _sweep(self) -> None:
        self._at(self._now + SWEEP_S, self._sweep)
        self._give_up(self._batcher.expire(self._now))
        self._give_up(self._batcher.shed(self._now))

    def _give_up(self, pictures: tuple[Picture, ...]) -> None:
        for picture in pictures:
            self.given_up[picture.camera.name] += 1
            self._end(picture)

    def _work(self) -> None:
        """Let every free worker take a batch; come back when one is due."""
        while self._free:
            self._give_up(self._batcher.shed(self._now))
            last = self._workers > 1 and self._free == 1
            batch = self._batcher.take(self._now, ready=lambda _: True, last=last)
            if batch is None:
                due_s = self._batcher.due_at(ready=lambda _: True, last=last)
                if due_s is not None:
                    self._at(max(due_s, self._now), self._work)
                return
            self._give_up(batch.expired)
            if batch.items:
                self._infer(batch)

    def _infer(self, batch: Batch[Picture]) -> None:
        self._free -= 1
        begins_s = max(self._now + DECODE_S, self._engine_free_s)
        work = sum(picture.camera.cost for picture in batch.items)
        takes_s = self._fixed_s + self._each_s * work
        self._engine_free_s = begins_s + takes_s
        self._at(self._engine_free_s, lambda: self._inferred(batch, takes_s))

    def _inferred(self, batch: Batch[Picture], takes_s: float) -> None:
        self._free += 1
        self._batcher.observe(batch.group, size=len(batch.items), seconds=takes_s)
        for picture in batch.items:
            self.numbers[picture.camera.name].append(picture.number)
            if picture.captured_s >= self._from_s:
                self.ages_s[picture.camera.name].append(self._now - picture.captured_s)
            self._end(picture)
        self._work()

    def _end(self, picture: Picture) -> None:
        lane = self._lanes[picture.camera.partition]
        lane.ended.add(picture)
        self._commit(lane)

    def _commit(self, lane: Lane) -> None:
        if lane.commits or not lane.in_flight or lane.in_flight[0] not in lane.ended:
            return
        lane.commits = True
        ready = 0
        for picture in lane.in_flight:
            if picture not in lane.ended or ready == WINDOW:
                break
            ready += 1
        self._at(self._now + COMMIT_S, lambda: self._committed(lane, ready))

    def _committed(self, lane: Lane, ready: int) -> None:
        lane.commits = False
        for _ in range(ready):
            lane.ended.discard(lane.in_flight.popleft())
        self._pump(lane)
        self._commit(lane)
        self._work()


def percentile(values: list[float], part: float) -> float:
    """Return the value below which this part lies."""
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]
