"""The demo from start to end: books, processes, cameras, watching, ordered stop, proof.

Stop order: the producer closes its sessions, what is under way is detected and charged, then the
others stop. Nothing is printed as a fact that the ledger does not say.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
from asyncpg import Pool
from rich.console import RenderableType

from billing.accounts import Accounts
from billing.database import migrate
from billing.reports import stream_bill
from billing.sessions import Sessions
from billing.tariff import unit_price
from cli.books import run_audit
from cli.demo import plan, view
from cli.demo.result import Outcome, as_json
from cli.demo.roles import Cast
from cli.demo.scrape import Metrics, scrape
from cli.demo.screen import Screen
from cli.demo.tally import Tally
from cli.deployment import Deployment, database
from cli.models import register
from cli.streams import publish, withdraw, without_password
from consumers.subscribe import subscribe
from samples.catalog import FOOTAGE
from wire.balances import MILLITOKENS_PER_TOKEN
from wire.detections import Detection
from wire.errors import Misconfigured
from wire.streams import StreamSpec

TOP_UP_MILLITOKENS = 10_000 * MILLITOKENS_PER_TOKEN
FIRST_DETECTION_TIMEOUT_S = 120.0
READY_TIMEOUT_S = 60.0
SETTLE_TIMEOUT_S = 30.0
DRAWING_NICE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the person asked for. `suffix` keeps runs on a shared deployment apart."""

    seconds: float
    streams: Path | None
    scenes_folder: Path
    suffix: str


class Demo:
    """One run on a deployment, with the processes of `cast`, which the caller stops at the end."""

    def __init__(self, options: Options, *, target: Deployment, cast: Cast, screen: Screen) -> None:
        self._options = options
        self._target = target
        self._cast = cast
        self._screen = screen
        self._account = f"{plan.ACCOUNT}{options.suffix}"
        self._specs: dict[str, StreamSpec] = {}

    async def play(self) -> dict[str, Any]:
        """Run the demo and return its result in JSON form."""
        with ProcessPoolExecutor(
            2, mp_context=get_context("spawn"), initializer=os.nice, initargs=(DRAWING_NICE,)
        ) as pool:
            # 1. The pictures: scenes are drawn behind everything else.
            planned = self._plan(pool)
            tally = Tally(planned.stream_names)
            # 2. Topics, ledger, account, key, models.
            key = await self._prepare(planned)
            # 3. The processes.
            self._screen.say("starting gateway, detector, biller and producer")
            self._cast.start_system(key)
            async with self._watching(tally), database(self._target) as books:
                # 4. The cameras.
                await self._gateway_is_ready()
                await self._add_cameras(planned.cameras)
                drawing = asyncio.create_task(self._add_scenes(planned))
                # 5. Watch.
                await self._until_first(tally)
                played_s = await self._screen.live(
                    self._options.seconds,
                    lambda left_s: self._picture(tally, planned, books, left_s),
                )
                await drawing
                # 6. Stop in order and let the money settle.
                detector = await self._drain(books)
                # 7. What the ledger says.
                self._screen.say("audit")
                return await self._result(tally, detector, books, played_s)

    def _plan(self, pool: ProcessPoolExecutor) -> plan.Plan:
        if self._options.streams is not None:
            return plan.user_plan(self._options.streams, account=self._account)
        return plan.park_plan(
            rtsp_url=self._cast.start_camera(plan.RTSP_MOUNT, FOOTAGE),
            scenes_folder=self._options.scenes_folder,
            pool=pool,
            account=self._account,
            suffix=self._options.suffix,
        )

    async def _prepare(self, planned: plan.Plan) -> str:
        """Make topics, schema, account, top-up, key and models; return the producer's key."""
        self._screen.say(f"topics, models and account [bold]{self._account}[/bold]")
        target = self._target
        await target.kafka.create_topics(target.topics.table())
        await migrate(target.postgres)
        await register(target, planned.models)
        async with database(target) as pool:
            accounts = Accounts(pool, target.clock)
            await accounts.create(self._account)
            await accounts.top_up(self._account, TOP_UP_MILLITOKENS, secrets.token_hex(8))
            made = await accounts.create_key(None, ("sessions", "read"))
        return made.secret

    @asynccontextmanager
    async def _watching(self, tally: Tally) -> AsyncIterator[None]:
        """Count detections in the background, as any subscriber would see them."""
        target = self._target
        async with subscribe(target.kafka, target.topics, streams=tally.streams) as detections:
            task = asyncio.create_task(self._count(detections, tally))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _count(self, detections: AsyncIterator[Detection], tally: Tally) -> None:
        async for detection in detections:
            tally.add(detection, self._target.clock.now())

    async def _gateway_is_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        async with httpx.AsyncClient() as client:
            while time.monotonic() < deadline:
                self._cast.check()
                if await _answers(client, f"{self._cast.gateway_url}/readyz"):
                    return
                await asyncio.sleep(0.1)
        raise Misconfigured(
            f"the gateway was not ready after {READY_TIMEOUT_S:.0f} s; the end of its log:\n"
            + self._cast.log_tail("gateway")
        )

    async def _add_cameras(self, specs: tuple[StreamSpec, ...]) -> None:
        await publish(self._target, specs)
        for spec in specs:
            self._specs[spec.stream] = spec
            self._screen.say(
                f"camera [bold]{spec.stream}[/bold] from {without_password(spec.source)}"
            )

    async def _add_scenes(self, planned: plan.Plan) -> None:
        for name, drawing in planned.scenes:
            path = await asyncio.wrap_future(drawing)
            spec = plan.park_camera(name, str(path.resolve()), account=self._account)
            await self._add_cameras((spec,))

    async def _until_first(self, tally: Tally) -> None:
        deadline = time.monotonic() + FIRST_DETECTION_TIMEOUT_S
        while tally.first_seen_at is None:
            self._cast.check()
            if time.monotonic() > deadline:
                raise Misconfigured(
                    f"nothing was detected within {FIRST_DETECTION_TIMEOUT_S:.0f} s: see the logs"
                    f" in {self._cast.logs}"
                )
            await asyncio.sleep(0.02)
        self._screen.say("[green]first detection[/green]")

    async def _picture(
        self, tally: Tally, planned: plan.Plan, books: Pool, left_s: float
    ) -> RenderableType:
        self._cast.check()
        balance = await Accounts(books, self._target.clock).balance(self._account)
        now = self._target.clock.now()
        return view.live(tally, self._prices(planned), balance, now=now, left_s=left_s)

    def _prices(self, planned: plan.Plan) -> dict[str, int]:
        classes = {model.model: model.size_class for model in planned.models}
        return {
            spec.stream: unit_price(
                size_class=classes[spec.model],
                height=spec.height,
                width=spec.width,
                tier=spec.tier,
            )
            for spec in self._specs.values()
            if spec.model in classes
        }

    async def _drain(self, books: Pool) -> Metrics:
        """Stop the cameras, wait until every frame is settled, stop the rest."""
        self._screen.say("stopping the cameras")
        await withdraw(self._target, tuple(self._specs))
        await asyncio.to_thread(self._cast.stop, "producer", "rtsp")
        self._screen.say("settling what is under way")
        sessions = Sessions(books, self._target.clock)
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while await sessions.unsettled(self._account):
            self._cast.check()
            if time.monotonic() > deadline:
                self._screen.say("[red]some sessions did not settle in time[/red]")
                break
            await asyncio.sleep(0.1)
        async with httpx.AsyncClient() as client:
            detector = await scrape(client, self._cast.ports["detector"])
        await asyncio.to_thread(self._cast.stop)
        return detector

    async def _result(
        self, tally: Tally, detector: Metrics, books: Pool, played_s: float
    ) -> dict[str, Any]:
        balance = await Accounts(books, self._target.clock).balance(self._account)
        return as_json(
            Outcome(
                seconds=played_s,
                sources={
                    spec.stream: without_password(spec.source) for spec in self._specs.values()
                },
                tally=tally,
                bills=await stream_bill(books, self._account),
                balance=balance,
                topped_up=TOP_UP_MILLITOKENS,
                detector=detector,
                audit=await run_audit(self._target),
            )
        )


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx.HTTPError:
        return False
