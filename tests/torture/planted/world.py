"""A small world with a bug in it: some cameras and images, a restart, a zombie, records again.

Everything that could wake a bug happens in the world without one too, which shows that none of it
is a fault by itself.
"""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import numpy as np
import simplejpeg

from billing.accounts import Accounts
from billing.database import open_pool
from samples.catalog import PARK_MODEL
from tests.acceptance.system import ACCOUNT, PARTITIONS, System, make_system
from tests.stack.running import RunningStack
from tests.torture import records
from tests.torture.checker import Verdict, check
from tests.torture.checker.kafka import Cluster
from tests.torture.clip import draw_clip
from tests.torture.observations import HttpAnswer, Model, Observations, Reproduced, TopUp, write
from tests.torture.planted.bugs import Bug
from tests.torture.positions import counts, partitions_not_read_since
from wire.streams import StreamSpec

ROLES = ("gateway", "biller", "detector-1", "detector-2", "producer")
CAMERAS = 4
FPS = 10.0
SIDE = 64
TOKENS = 1_000
IMAGES = 4
TRAFFIC_S = 3.0
FROZEN_S = 1.0
FREEZES_MAX = 20
MORE_FRAMES = 5
"""How many frames of each camera are detected while the other detector is frozen."""
STEP_S = 30.0
"""How long each step of the way to rest may take: a bug may keep a world from resting."""
EVENTS_MAX = 100_000
SETTINGS = {
    "FRAMEMETER_SESSION_TTL_S": "5",
    "FRAMEMETER_FRAME_AGE_MAX_S": "4",
    "FRAMEMETER_EXPIRY_SLACK_S": "4",
}
SLOW_ENGINE = {"FRAMEMETER_ENGINE": "fake:600-800", "FRAMEMETER_BATCH_SIZE_MAX": "64"}
LAUNCHER = "tests.torture.planted.launch"


class SmallWorld:
    """One bug, one deployment."""

    def __init__(self, bug: Bug, system: System) -> None:
        self._bug = bug
        self._system = system
        self._random = random.Random(bug.name)
        self._answers: list[HttpAnswer] = []
        self._reproduced: list[Reproduced] = []
        self._began = time.monotonic()
        system.environment |= SETTINGS
        if bug.zombie:
            system.environment |= SLOW_ENGINE

    async def judge(self) -> Verdict:
        """Run from nothing to rest; return what the checker says."""
        try:
            await self._begin()
            await self._trouble()
            await self._rest()
        finally:
            self._system.close()
        seen = self._observations()
        write(self._system.folder / "observations.json", seen)
        return await asyncio.to_thread(check, seen)

    async def _begin(self) -> None:
        system = self._system
        await system.prepare(tokens=TOKENS)
        async with await open_pool(system.target.postgres, size_max=1) as pool:
            made = await Accounts(pool, system.target.clock).create_key(ACCOUNT, ("detect",))
        self._key = made.secret
        self._start(*ROLES)
        await asyncio.to_thread(draw_clip, system.folder / "clip.mp4")
        await system.add(*(self._camera(number) for number in range(CAMERAS)))
        await system.until(
            "all cameras are detected", lambda: system.has_detected(3, streams=CAMERAS)
        )

    def _camera(self, number: int) -> StreamSpec:
        return StreamSpec(
            stream=f"camera-{number}",
            account=ACCOUNT,
            source=str(self._system.folder / "clip.mp4"),
            model=PARK_MODEL.name,
            height=SIDE,
            width=SIDE,
            fps=FPS,
            max_age_ms=3_000,
            start_s=float(number),
        )

    def _start(self, *names: str) -> None:
        """Start processes, those of the bug's roles with the bug in them."""
        for name in names:
            role = self._system.roles.setdefault(name, self._system._role(name))
            if name.partition("-")[0] in self._bug.roles and role.module != LAUNCHER:
                role.arguments = (self._bug.name, role.module)
                role.module = LAUNCHER
            role.start()

    async def _trouble(self) -> None:
        """Images beside the cameras; a detector restarted; where asked, both frozen in turn."""
        for number in range(IMAGES):
            self._answers.append(await self._ask(number))
        await asyncio.sleep(TRAFFIC_S)
        await asyncio.to_thread(self._system.stop, "detector-1")
        self._start("detector-1")
        await asyncio.sleep(TRAFFIC_S)
        if self._bug.zombie:
            for name in ("detector-2", "detector-1"):
                await self._freeze(name)

    async def _freeze(self, name: str) -> None:
        """Let it sleep, with frames in hand, until another one has its work; then wake it up.

        One that is caught in the middle of a transaction is let go on: the broker would abort it.
        """
        process = self._system._process(name)
        for _ in range(FREEZES_MAX):
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(FROZEN_S)
            if not await asyncio.to_thread(self._is_in_transaction):
                break
            process.send_signal(signal.SIGCONT)
            await asyncio.sleep(self._random.uniform(0.1, 0.6))
        before = max((await self._system.detected()).values())
        await self._system.until(
            "the other detector has taken over",
            lambda: self._system.has_detected(before + MORE_FRAMES, streams=CAMERAS),
        )
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(TRAFFIC_S)

    def _is_in_transaction(self) -> bool:
        target = self._system.target
        usage = [(target.topics.usage, number) for number in range(PARTITIONS)]
        found = Cluster(target.kafka.bootstrap).bounds_now(usage)
        return any(bounds.is_open for bounds in found.values())

    async def _ask(self, number: int) -> HttpAnswer:
        url = f"http://127.0.0.1:{self._system.gateway_port}/yolo/detect"
        form = {"model": PARK_MODEL.name, "img_size": f"{SIDE}x{SIDE}"}
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(
                url,
                headers={"Authorization": f"Bearer {self._key}"},
                data=form,
                files={"image": ("image.jpg", _picture(), "image/jpeg")},
            )
        usage = answer.json()["usage"]
        return HttpAnswer(
            account=ACCOUNT,
            key=f"image-{number}",
            attempt=1,
            model=PARK_MODEL.name,
            height=SIDE,
            width=SIDE,
            tier="standard",
            status=answer.status_code,
            millitokens=round(float(usage["tokens"]) * 1000),
            remaining_millitokens=round(float(usage["remaining_tokens"]) * 1000),
            cached=usage["cached"],
            at_s=time.monotonic() - self._began,
        )

    async def _rest(self) -> None:
        """Come to rest, as far as the bug lets it: bounded, and nothing is asked of it here.

        1. No more frames: producer and gateway end. 2. Detectors take what is there. 3. Usage is
        written again, all of it, in another order. 4. Sessions come to their end. 5. The biller
        has read it all and told it. 6. All end.
        """
        target = self._system.target
        await asyncio.to_thread(self._system.stop, "producer", "gateway")  # 1
        await _wait(STEP_S, lambda: asyncio.to_thread(self._lag))  # 2
        self._reproduced = await asyncio.to_thread(  # 3
            records.write_usage_again,
            target.kafka.bootstrap,
            target.topics.usage,
            EVENTS_MAX,
            self._random,
        )
        await _wait(STEP_S, self._sessions)  # 4
        moment = target.clock.now()  # 5
        await _wait(STEP_S, lambda: partitions_not_read_since(target.postgres, moment, PARTITIONS))
        await _wait(STEP_S, self._news)
        await asyncio.to_thread(self._system.stop, "detector-1", "detector-2", "biller")  # 6

    def _lag(self) -> int:
        return records.lag(self._system.target.kafka.bootstrap, self._system.target.topics)

    async def _sessions(self) -> int:
        return (await counts(self._system.target.postgres))["sessions"]

    async def _news(self) -> int:
        return (await counts(self._system.target.postgres))["news"]

    def _observations(self) -> Observations:
        target = self._system.target
        top_up = TopUp(account=ACCOUNT, millitokens=TOKENS * 1000, reference="test", times=1)
        return Observations(
            seed=0,
            seconds=time.monotonic() - self._began,
            kafka=target.kafka.bootstrap,
            postgres=target.postgres,
            redis=target.redis,
            prefix=target.topics.prefix,
            partitions=PARTITIONS,
            accounts=(ACCOUNT,),
            models=(Model(model=PARK_MODEL.name, size_class=PARK_MODEL.size_class),),
            top_ups=(top_up,),
            answers=tuple(self._answers),
            faults=(),
            replayed=(),
            reproduced=tuple(self._reproduced),
            biller_resets=0,
            drain_s=0,
        )


async def judge(
    bug: Bug, stack: RunningStack, *, postgres: str, redis: str, folder: Path
) -> Verdict:
    """Run a small world with a bug in it on empty stores; return what the checker says."""
    system = make_system(
        kafka=stack.kafka,
        postgres=postgres,
        redis=redis,
        prefix=f"{bug.name}.{folder.name}.",
        folder=folder,
        engine="fake:5-20",
    )
    return await SmallWorld(bug, system).judge()


async def _wait(seconds: float, left: Callable[[], Awaitable[int]]) -> None:
    """Wait until nothing is left, at most so long."""
    deadline = time.monotonic() + seconds
    while await left() and time.monotonic() < deadline:  # noqa: ASYNC110  (it is in the stores)
        await asyncio.sleep(0.2)


def _picture() -> bytes:
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    return bytes(simplejpeg.encode_jpeg(picture, quality=80, colorspace="BGR"))
