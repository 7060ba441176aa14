"""HTTP clients beside the cameras: one per account, each sends images and writes down every answer.

A request without an answer, or with one that says to try again, is sent again under the same
`Idempotency-Key`.
"""

import asyncio
import random
from dataclasses import dataclass, field

import httpx
import msgspec
import numpy as np
import simplejpeg

from tests.torture.observations import HttpAnswer
from tests.torture.plan import SIZE_CLASSES
from tests.torture.world import World
from wire.frames import Tier

PAUSE_S = (0.3, 1.5)
ATTEMPTS_MAX = 4
TIMEOUT_S = 10.0
PICTURE_SIDES = (64, 96, 160)
SIDES = (32, 64)
AGAIN = {0, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    account: str
    key: str
    model: str
    height: int
    width: int
    tier: str
    picture: bytes

    @property
    def form(self) -> dict[str, str]:
        return {"model": self.model, "img_size": f"{self.height}x{self.width}", "tier": self.tier}


@dataclass(kw_only=True)
class Traffic:
    """The clients of a world."""

    world: World
    answers: list[HttpAnswer] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`; requests under way are finished."""
        accounts = [opening.account for opening in self.world.plan.openings]
        async with asyncio.TaskGroup() as clients:
            for account in accounts:
                clients.create_task(self._client(account, stop))

    async def _client(self, account: str, stop: asyncio.Event) -> None:
        rng = random.Random(f"traffic/{self.world.plan.seed}/{account}")
        pictures = [_picture(rng, side) for side in PICTURE_SIDES]
        number = 0
        while not stop.is_set():
            number += 1
            wish = _Wish(
                account=account,
                key=f"{account}-{number}",
                model=rng.choice(sorted(SIZE_CLASSES)),
                height=rng.choice(SIDES),
                width=rng.choice(SIDES),
                tier=rng.choice(tuple(Tier)).value,
                picture=rng.choice(pictures),
            )
            await self._ask(wish, stop)
            try:
                await asyncio.wait_for(stop.wait(), rng.uniform(*PAUSE_S))
            except TimeoutError:
                continue

    async def _ask(self, wish: _Wish, stop: asyncio.Event) -> None:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            answer = await self._send(wish, attempt)
            self.answers.append(answer)
            if answer.status not in AGAIN or stop.is_set():
                return
            await asyncio.sleep(0.5 * attempt)

    async def _send(self, wish: _Wish, attempt: int) -> HttpAnswer:
        at_s = self.world.now_s()
        status, body = 0, b""
        headers = {
            "Authorization": f"Bearer {self.world.keys[wish.account]}",
            "Idempotency-Key": wish.key,
        }
        try:
            # A new connection each time: so the gateways take turns, and a cut one is not reused.
            async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
                answer = await client.post(
                    f"{self.world.gateway_url}/yolo/detect",
                    headers=headers,
                    data=wish.form,
                    files={"image": ("image.jpg", wish.picture, "image/jpeg")},
                )
            status, body = answer.status_code, answer.content
        except httpx.HTTPError as error:
            body = msgspec.json.encode({"type": type(error).__name__})
        return _answer(wish, attempt, at_s, status, body)


def _answer(wish: _Wish, attempt: int, at_s: float, status: int, body: bytes) -> HttpAnswer:
    try:
        told = msgspec.json.decode(body) if body else {}
    except msgspec.DecodeError:
        told = {"type": "no JSON"}
    usage = told.get("usage", {}) if status == 200 else {}
    return HttpAnswer(
        account=wish.account,
        key=wish.key,
        attempt=attempt,
        model=wish.model,
        height=wish.height,
        width=wish.width,
        tier=wish.tier,
        status=status,
        millitokens=_millitokens(usage["tokens"]) if usage else None,
        remaining_millitokens=_millitokens(usage["remaining_tokens"]) if usage else None,
        cached=usage.get("cached"),
        problem=str(told.get("type", "")),
        at_s=at_s,
    )


def _millitokens(tokens: str) -> int:
    """Return an amount that is written with three decimals."""
    whole, _, decimals = tokens.partition(".")
    return int(whole) * 1000 + int(decimals.ljust(3, "0"))


def _picture(rng: random.Random, side: int) -> bytes:
    base = np.linspace(0, 255, side, dtype=np.uint8)
    picture = np.empty((side, side, 3), np.uint8)
    for channel in range(3):
        picture[..., channel] = np.roll(base, rng.randrange(side))[None, :]
    return bytes(simplejpeg.encode_jpeg(picture, quality=80, colorspace="BGR"))
