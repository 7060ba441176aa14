"""An inference stage at work for the tests: frames in, outcomes out, engines as they are told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumers.detector.batching import Batcher
from consumers.detector.calls import EngineCalls
from consumers.detector.inference import Inference, Stations
from consumers.detector.metering import Outcome
from consumers.detector.models import Models
from consumers.detector.pieces import Work
from consumers.detector.results import Results
from consumers.detector.unpacking import Unpacking
from consumers.detector.watchdog import Watchdog
from tests.unit.consumers.detector.made import NOON, origin
from tests.unit.consumers.detector.scripted import POOL, SPEC, MoodyEngine, ScriptedLoader, figures
from wire.clock import ManualClock, SystemClock
from wire.frames import Frame

SIZE_MAX = 4
WAIT_S = 5.0


class _Wall(SystemClock):
    """Real durations on a day that stands still."""

    def __init__(self) -> None:
        self.calendar = ManualClock(NOON)

    def now(self):  # type: ignore[no-untyped-def]
        return self.calendar.now()


class Bench:
    """An inference stage; `results` keeps what it found."""

    def __init__(self, engine: MoodyEngine, results: Results | None = None) -> None:
        self.clock = _Wall()
        self.figures = figures()
        self.outcomes: dict[int, Outcome] = {}
        self.news = asyncio.Event()
        self.loader = ScriptedLoader(engines={"v1": engine})
        changed = asyncio.Event()
        self.models = Models(
            loader=self.loader,
            executor=POOL,
            clock=self.clock,
            figures=self.figures,
            changed=changed.set,
        )
        self.batcher = Batcher(size_max=SIZE_MAX, wait_s=0.005, capacity=1000)
        self.inference = Inference(
            batcher=self.batcher,
            models=self.models,
            stations=Stations(
                unpacking=Unpacking(POOL, threads=2, clock=self.clock, figures=self.figures),
                calls=EngineCalls(
                    executor=POOL, watchdog=Watchdog(0), clock=self.clock, figures=self.figures
                ),
                results=results,
            ),
            clock=self.clock,
            figures=self.figures,
            news=changed,
        )

    def put(self, made: Frame, owner: object = None) -> None:
        """Queue a frame; its outcome is kept by its number, which must come once."""

        def finish(outcome: Outcome) -> None:
            assert made.seq not in self.outcomes, "it ended twice"
            self.outcomes[made.seq] = outcome
            self.news.set()

        self.inference.put(Work(frame=made, origin=origin(made), owner=owner, finish=finish))

    async def ended(self, count: int) -> list[Outcome]:
        """Wait for so many outcomes; return all that came, by number."""
        async with asyncio.timeout(WAIT_S):
            while len(self.outcomes) < count:
                self.news.clear()
                await self.news.wait()
        await asyncio.sleep(0.02)
        return [self.outcomes[seq] for seq in sorted(self.outcomes)]

    def figure(self, name: str) -> float | None:
        """Return a metric's value."""
        return self.figures.registry.get_sample_value(f"framemeter_detector_{name}")


@asynccontextmanager
async def at_work(
    engine: MoodyEngine | None = None, *, known: bool = True, results: Results | None = None
) -> AsyncIterator[Bench]:
    """Run a stage with two workers."""
    bench = Bench(engine or MoodyEngine(), results)
    if known:
        bench.models.announce(SPEC)
    task = asyncio.create_task(bench.inference.run(workers=2))
    try:
        yield bench
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bench.models.stop()


def statuses(outcomes: list[Outcome]) -> list[str]:
    """Return how they ended."""
    return [outcome.status.value for outcome in outcomes]


def batches(engine: MoodyEngine) -> list[int]:
    """Return the sizes of the batches that an engine was given, after the two of its self-test."""
    return engine.calls[2:]
