"""One seed from beginning to end: world, faults, drain, check.

Whatever goes wrong is a failure of the seed, never a reason to leave it out: a fault that could not
be carried out, a world that did not come to rest, a rule that was broken.
"""

import asyncio
import contextlib
import shutil
import time
from collections import Counter
from pathlib import Path

from tests.torture import evidence, observations
from tests.torture.checker import check
from tests.torture.clip import draw_clip
from tests.torture.drain import NotDrained, drain
from tests.torture.faults import Faults
from tests.torture.observations import Model, Observations, TopUp
from tests.torture.outcome import Found, Outcome
from tests.torture.plan import SIZE_CLASSES, Plan, draw
from tests.torture.schedule import described
from tests.torture.site import Site
from tests.torture.traffic import Traffic
from tests.torture.world import World

SCHEDULE = "schedule.txt"
OBSERVATIONS = "observations.json"


class Run:
    """One seed on a site; its folder is kept only when it fails."""

    def __init__(self, seed: int, seconds: float, site: Site, folder: Path) -> None:
        self.plan: Plan = draw(seed, seconds)
        self.folder = folder / f"seed-{seed}"
        shutil.rmtree(self.folder, ignore_errors=True)
        clip = draw_clip(folder / "clip.mp4")
        self.world = World(self.plan, site, self.folder, clip)
        self.faults = Faults(self.world)
        self.traffic = Traffic(world=self.world)
        self._began = time.monotonic()
        self._begin_s = 0.0
        self._not_drained = ""

    async def go(self) -> Outcome:
        """Do it all; return what came of it."""
        try:
            await self.world.prepare()
            (self.folder / SCHEDULE).write_text(schedule_of(self.plan))
            outcome = await self._judged(await self._suffer())
        finally:
            self.world.close()
        await self._clean(outcome)
        return outcome

    async def _judged(self, drain_s: float | None) -> Outcome:
        seen = self._observed(drain_s or 0.0)
        observations.write(self.folder / OBSERVATIONS, seen)
        if self._not_drained:
            outcome = self.outcome((Found(rule="drained", detail=self._not_drained),), drain_s=0.0)
        else:
            verdict = await asyncio.to_thread(check, seen)
            found = tuple(Found(rule=it.rule, detail=it.detail) for it in verdict.violations)
            outcome = self.outcome(found, dict(verdict.figures), seen.drain_s)
        if not outcome.ok:
            data = self.world.site.kafka_data
            await evidence.keep(seen, data, self.folder / "evidence")
        return outcome

    async def _suffer(self) -> float | None:
        """Begin, carry the schedule out, drain; return the drain's seconds, if it ended."""
        await self.world.begin()
        self._begin_s = time.monotonic() - self._began
        stop = asyncio.Event()
        supervising = asyncio.create_task(self.world.supervise(), name="supervise")
        traffic = asyncio.create_task(self.traffic.run(stop), name="traffic")
        try:
            await self.faults.run()
            stop.set()
            await traffic
            return await drain(self.world)
        except NotDrained as error:
            self._not_drained = str(error)
            return None
        finally:
            for task in (supervising, traffic):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def _observed(self, drain_s: float) -> Observations:
        world = self.world
        openings = [
            TopUp(account=it.account, millitokens=it.millitokens, reference="opening", times=1)
            for it in self.plan.openings
        ]
        return Observations(
            seed=self.plan.seed,
            seconds=self.plan.seconds,
            kafka=world.direct.kafka,
            postgres=world.direct.postgres,
            redis=world.direct.redis,
            prefix=world.topics.prefix,
            partitions=world.topics.partitions,
            accounts=tuple(it.account for it in self.plan.openings),
            models=tuple(Model(model=m, size_class=c) for m, c in SIZE_CLASSES.items()),
            top_ups=(*openings, *self.faults.top_ups),
            answers=tuple(self.traffic.answers),
            faults=tuple(self.faults.done),
            replayed=tuple(self.faults.replayed),
            reproduced=tuple(self.faults.reproduced),
            biller_resets=self.faults.biller_resets,
            drain_s=drain_s,
        )

    def outcome(
        self,
        violations: tuple[Found, ...],
        figures: dict[str, int] | None = None,
        drain_s: float = 0.0,
    ) -> Outcome:
        """Return what there is to tell of the run so far."""
        return Outcome(
            seed=self.plan.seed,
            seconds=self.plan.seconds,
            violations=violations,
            figures=figures or {},
            faults=dict(Counter(fault.kind for fault in self.faults.done)),
            answers=dict(Counter(str(answer.status) for answer in self.traffic.answers)),
            deaths=dict(Counter(death.name.partition("-")[0] for death in self.world.deaths)),
            begin_s=round(self._begin_s, 1),
            drain_s=round(drain_s, 1),
            wall_s=round(time.monotonic() - self._began, 1),
            folder=str(self.folder) if violations else "",
        )

    async def _clean(self, outcome: Outcome) -> None:
        """Leave nothing of a run that was good, and of another what helps to understand it."""
        if outcome.ok:
            await self.world.site.drop_database(f"torture_{self.plan.seed}")
            shutil.rmtree(self.folder, ignore_errors=True)
        await self.world.site.drop_topics(self.world.topics.prefix)


def schedule_of(plan: Plan) -> str:
    """Return a plan as text."""
    lines = [f"seed {plan.seed}, {plan.seconds:g} s, {plan.fps:.0f} frames/s", "", "accounts"]
    lines += [f"  {it.account:8} {it.millitokens} millitokens" for it in plan.openings]
    lines += ["", "cameras"]
    lines += [
        f"  {camera.stream:10} {camera.account:6} {described(camera)}" for camera in plan.cameras
    ]
    lines += ["", "faults", *(f"  {fault.line()}" for fault in plan.faults)]
    return "\n".join(lines) + "\n"
