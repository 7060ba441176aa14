"""The process: waits for what is away, serves producers, stops in order, survives a kill."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.local.ports import free_port
from pipeline.sessions_http import HttpSessions
from tests.integration.gateway.conftest import PARTITIONS, Place
from tests.integration.gateway.images import amounts, until
from tests.stack.running import RunningStack
from tests.unit.gateway.house import png
from wire.errors import SessionOver, UnknownModel
from wire.frames import Tier
from wire.sessions import CloseSession, OpenSession, RenewSession

pytestmark = pytest.mark.integration
STOP_S = 25


class Process:
    """`python -m gateway` with this test's names."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment | {"FRAMEMETER_PORT": str(self.port)}
        self._log = log
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "gateway"], env=self.environment, stderr=log
            )

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit status."""
        assert self._running is not None
        self._running.send_signal(number)
        return self._running.wait(STOP_S)

    def log(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.kill()
            self._running.wait()

    async def answers(self) -> bool:
        """Say whether it is ready."""
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"{self.url}/readyz")).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def process(
    stack: RunningStack, database: str, topic_prefix: str, redis_url: str, tmp_path: Path
) -> Iterator[Process]:
    environment = {name: value for name, value in os.environ.items() if "FRAMEMETER" not in name}
    environment |= {
        "FRAMEMETER_KAFKA": stack.kafka,
        "FRAMEMETER_POSTGRES": database,
        "FRAMEMETER_REDIS": redis_url,
        "FRAMEMETER_TOPIC_PREFIX": topic_prefix,
        "FRAMEMETER_PARTITIONS": str(PARTITIONS),
        "FRAMEMETER_REPLICA": "r1",
        "FRAMEMETER_LOG_FORMAT": "json",
    }
    process = Process(environment, tmp_path / "gateway.log")
    yield process
    process.close()


async def detect(process: Process, key: str) -> httpx.Response:
    """Send one image over the network."""
    async with httpx.AsyncClient(trust_env=False, timeout=20.0) as client:
        return await client.post(
            f"{process.url}/yolo/detect",
            data={"model": "yolov8s"},
            files={"image": ("x.png", png(), "image/png")},
            headers={"Authorization": f"Bearer {key}"},
        )


async def test_it_serves_stops_in_order_and_leaves_nothing_held(
    place: Place, process: Process
) -> None:
    process.start()
    await until("it is ready", process.answers)
    assert (await detect(process, place.keys["acme"])).status_code == 200
    running = asyncio.create_task(detect(process, place.keys["acme"]))
    await asyncio.sleep(0.01)
    assert await asyncio.to_thread(process.end, signal.SIGTERM) == 0
    await asyncio.wait({running})
    published = len(place.standin.seen)
    assert await amounts(place) == (100 - published, published)
    assert '"event": "stopped"' in process.log()


async def test_after_a_kill_it_goes_on_in_the_next_epoch(place: Place, process: Process) -> None:
    for epoch in (1, 2):
        process.start()
        await until("it is ready", process.answers)
        assert (await detect(process, place.keys["acme"])).status_code == 200
        assert place.standin.seen[-1].id == f"api.acme.r1.0/{epoch}/0"
        await asyncio.to_thread(process.end, signal.SIGKILL)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "framemeter topics create"),  # nobody made any here
        ({"FRAMEMETER_KAFKA": "127.0.0.1:1"}, "Kafka does not answer"),
        ({"FRAMEMETER_POSTGRES": "postgresql://x@127.0.0.1:1/x"}, "PostgreSQL does not answer"),
    ],
)
async def test_it_says_what_it_waits_for_and_stops_when_told(
    process: Process, change: dict[str, str], said: str
) -> None:
    process.environment |= change
    process.start()

    async def waits() -> bool:
        return said in process.log()

    await until(f"it says {said}", waits)
    assert await asyncio.to_thread(process.end, signal.SIGTERM) == 0


async def test_producers_fund_their_streams_over_http(place: Place, process: Process) -> None:
    process.start()
    await until("it is ready", process.answers)
    sessions = HttpSessions(process.url, place.keys["*"])
    request = OpenSession(
        account="acme",
        stream="gate",
        model="yolov8s",
        height=640,
        width=640,
        tier=Tier.PRIORITY,
        frames=10,
    )
    grant = await sessions.open(request)
    assert (grant.unit_price, grant.granted_frames, grant.epoch) == (1_500, 10, 1)
    renewed = await sessions.renew("gate", 1, RenewSession(published=8, captured=9, frames=10))
    assert renewed.granted_frames == 18
    await sessions.close("gate", 1, CloseSession(last_seq=-1, captured=9, reason="removed"))
    with pytest.raises(SessionOver):
        await sessions.renew("gate", 1, RenewSession(published=8, captured=9, frames=10))
    with pytest.raises(UnknownModel):
        await sessions.open(
            OpenSession(
                account="acme",
                stream="gate",
                model="yolov8q",
                height=640,
                width=640,
                tier=Tier.STANDARD,
                frames=1,
            )
        )
    assert (await place.accounts.balance("acme")).available == 100_000
    await sessions.aclose()
