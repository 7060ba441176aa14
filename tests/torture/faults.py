"""The hand that carries a schedule out, and writes down what it did.

Each fault is a task of its own, begun at its time. Faults that touch the same thing wait for each
other, so that a slow machine changes their order in time but never what they find.
"""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from tests.torture import records
from tests.torture.observations import FaultDone, Replayed, Reproduced, TopUp
from tests.torture.positions import reset_biller
from tests.torture.schedule import Fault, Kind
from tests.torture.topups import top_up
from tests.torture.world import World

Deed = Callable[[Fault], Awaitable[str]]


class Faults:
    """Everything that a plan does to a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.done: list[FaultDone] = []
        self.replayed: list[Replayed] = []
        self.reproduced: list[Reproduced] = []
        self.top_ups: list[TopUp] = []
        self.biller_resets = 0
        self._rng = random.Random(f"faults/{world.plan.seed}")
        self._deeds: dict[Kind, Deed] = {
            Kind.KILL: self._kill,
            Kind.FREEZE: self._freeze,
            Kind.ROLL: self._roll,
            Kind.SCALE_IN: self._roll,
            Kind.SCALE_OUT: self._scale_out,
            Kind.KAFKA_KILL: lambda fault: self._restart(fault, "kafka", abort=False),
            Kind.POSTGRES_ABORT: lambda fault: self._restart(fault, "postgres", abort=True),
            Kind.VALKEY_KILL: lambda fault: self._restart(fault, "redis", abort=False),
            Kind.VALKEY_FLUSH: self._flush,
            Kind.LINK_DELAY: self._delay,
            Kind.LINK_STALL: self._stall,
            Kind.LINK_CUT: self._cut,
            Kind.LINK_HALF_CLOSE: self._half_close,
            Kind.USAGE_AGAIN: self._usage_again,
            Kind.BILLER_RESET: self._biller_reset,
            Kind.DETECTOR_RESET: self._detector_reset,
            Kind.MOVE: self._move,
            Kind.TOP_UP: self._top_up,
        }

    async def run(self) -> None:
        """Carry out the whole schedule and wait for the end of every fault."""
        async with asyncio.TaskGroup() as tasks:
            for fault in self.world.plan.faults:
                tasks.create_task(self._at_its_time(fault))
            tasks.create_task(self._whole_time())

    async def _whole_time(self) -> None:
        await asyncio.sleep(max(0.0, self.world.plan.seconds - self.world.now_s()))

    async def _at_its_time(self, fault: Fault) -> None:
        await asyncio.sleep(max(0.0, fault.at_s - self.world.now_s()))
        async with self.world.holding(fault.touches):
            started_s = self.world.now_s()
            detail = await self._deeds[fault.kind](fault)
            self.done.append(
                FaultDone(
                    kind=fault.kind.value,
                    target=fault.target,
                    planned_s=fault.at_s,
                    started_s=started_s,
                    ended_s=self.world.now_s(),
                    detail=detail,
                )
            )

    async def _kill(self, fault: Fault) -> str:
        self.world.kill(fault.target)
        await asyncio.sleep(fault.seconds)
        self.world.start(fault.target)
        return ""

    async def _freeze(self, fault: Fault) -> str:
        self.world.signal(fault.target, signal.SIGSTOP)
        await asyncio.sleep(fault.seconds)
        self.world.signal(fault.target, signal.SIGCONT)
        return ""

    async def _roll(self, fault: Fault) -> str:
        await self.world.stop(fault.target)
        await asyncio.sleep(fault.seconds)
        self.world.start(fault.target)
        return ""

    async def _scale_out(self, fault: Fault) -> str:
        self.world.start(fault.target)
        await asyncio.sleep(fault.seconds)
        await self.world.stop(fault.target)
        return ""

    async def _restart(self, fault: Fault, service: str, *, abort: bool) -> str:
        site = self.world.site
        await site.do(lambda: (site.stack.abort if abort else site.stack.kill)(service))
        await asyncio.sleep(fault.seconds)
        await site.do(lambda: site.stack.restart(service))
        return ""

    async def _flush(self, fault: Fault) -> str:
        async with Redis.from_url(self.world.direct.redis) as client:
            await client.flushall()
        return ""

    async def _delay(self, fault: Fault) -> str:
        proxy = self.world.site.proxy
        proxy.delay(fault.target, fault.amount / 1000)
        await self._healed_after(fault)
        return ""

    async def _stall(self, fault: Fault) -> str:
        self.world.site.proxy.stall(fault.target)
        await self._healed_after(fault)
        return ""

    async def _cut(self, fault: Fault) -> str:
        connections = self.world.site.proxy.cut(fault.target, refuse=True)
        await self._healed_after(fault)
        return f"{connections} connections"

    async def _half_close(self, fault: Fault) -> str:
        towards_client = self._rng.random() < 0.5
        proxy = self.world.site.proxy
        connections = proxy.half_close(fault.target, towards_client=towards_client)
        await self._healed_after(fault)
        side = "client" if towards_client else "server"
        return f"{connections} connections, towards the {side}"

    async def _healed_after(self, fault: Fault) -> None:
        await asyncio.sleep(fault.seconds)
        self.world.site.proxy.heal(fault.target)

    async def _usage_again(self, fault: Fault) -> str:
        world = self.world
        again = await world.site.do(
            lambda: records.write_usage_again(
                world.direct.kafka, world.topics.usage, fault.amount, self._rng
            )
        )
        self.reproduced.extend(again)
        return f"{len(again)} records"

    async def _biller_reset(self, fault: Fault) -> str:
        names = await self.world.stop_role("biller")
        partitions = await reset_biller(self.world.direct.postgres)
        self.biller_resets += 1
        for name in names:
            self.world.start(name)
        return f"{partitions} partitions"

    async def _detector_reset(self, fault: Fault) -> str:
        world = self.world
        names = await world.stop_role("detector")
        ranges = await world.site.do(
            lambda: records.rewind_detectors(
                world.direct.kafka, world.topics, back=fault.amount or None
            )
        )
        self.replayed.extend(ranges)
        for name in names:
            world.start(name)
        return f"{sum(it.end - it.first for it in ranges)} frames"

    async def _move(self, fault: Fault) -> str:
        assert fault.spec is not None
        await self.world.show(fault.spec)
        return ""

    async def _top_up(self, fault: Fault) -> str:
        done = await top_up(self.world, fault.target, fault.amount, f"more-{fault.at_s}")
        self.top_ups.append(done)
        return f"sent {done.times} times"
