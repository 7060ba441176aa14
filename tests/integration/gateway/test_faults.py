"""Valkey, Kafka or PostgreSQL go away and come back: clear answers meanwhile, nothing lost."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

import pytest

from tests.integration.gateway.conftest import Place
from tests.integration.gateway.images import amounts, send, slug, until
from tests.stack.running import RunningStack
from wire.frames import Frame

pytestmark = pytest.mark.integration


@contextlib.contextmanager
def killed(stack: RunningStack, name: str) -> Iterator[None]:
    """Kill a server, and start it again at the end."""
    stack.kill(name)
    try:
        yield
    finally:
        stack.restart(name)


async def ready(place: Place) -> tuple[int, str]:
    """Return what `/readyz` says."""
    async with place.client("acme") as client:
        response = await client.get("/readyz")
    return response.status_code, response.json()["status"]


async def test_without_valkey_images_are_answered_and_the_gateway_is_degraded(
    place: Place, stack: RunningStack
) -> None:
    async with place.replica():
        assert await ready(place) == (200, "ready")
        with killed(stack, "redis"):
            answers = [await send(place, Idempotency_Key="k") for _ in range(2)]
            assert await ready(place) == (200, "degraded")
        assert [one.status_code for one in answers] == [200, 200]
        assert answers[0].content == answers[1].content
        assert answers[0].json()["usage"]["remaining_tokens"] == "99.000"

        async def shared_again() -> bool:
            return await ready(place) == (200, "ready")

        await until("Valkey is seen again", shared_again)
        assert (await send(place)).status_code == 200
    assert len(place.standin.seen) == 2


async def test_a_broker_that_restarts_is_waited_for(place: Place, stack: RunningStack) -> None:
    async with place.replica(detect_timeout_s=20.0):
        assert (await send(place)).status_code == 200
        with killed(stack, "kafka"):
            assert (await ready(place))[0] == 503

        async def answered() -> bool:
            return (await send(place)).status_code == 200

        await until("images are answered again", answered)
        assert await ready(place) == (200, "ready")
    assert_numbered_once(place.standin.seen)


def assert_numbered_once(seen: Sequence[Frame]) -> None:
    """Assert that a stream's numbers only grow, and that a repeat is the very same frame.

    A broker that restarts may hold a frame twice: a lane passes over the copy.
    """
    last: dict[str, Frame] = {}
    for frame in seen:
        before = last.setdefault(frame.stream, frame)
        assert (frame.epoch, frame.seq) >= (before.epoch, before.seq)
        assert frame == before or (frame.epoch, frame.seq) > (before.epoch, before.seq)
        last[frame.stream] = frame


async def test_without_the_database_a_grant_goes_on_and_the_rest_is_503(
    place: Place, stack: RunningStack
) -> None:
    async with place.replica(line_idle_s=3.0):
        assert (await send(place)).status_code == 200
        stack.pause("postgres")
        try:
            assert (await send(place)).status_code == 200
            assert (await ready(place))[0] == 503
        finally:
            stack.resume("postgres")
        with killed(stack, "postgres"):
            async with place.client("acme") as client:
                assert slug(await client.get("/v1/account")) == (503, "unavailable")
            await asyncio.sleep(6.0)  # long enough for the line to be idle and not to be closed

        async def answers() -> bool:
            async with place.client("acme") as client:
                return (await client.get("/v1/account")).status_code == 200

        await until("balances are told again", answers)
        assert (await send(place)).status_code == 200

        async def given_back() -> bool:
            return await amounts(place) == (97, 3)

    await until("what unused grants held came back", given_back)


async def test_two_crashes_of_a_replica_leave_nothing_published_twice(place: Place) -> None:
    for _ in range(2):
        with contextlib.suppress(RuntimeError):
            async with place.replica():
                answers = await asyncio.gather(*(send(place) for _ in range(3)))
                assert {one.status_code for one in answers} == {200}
                raise RuntimeError("the replica is gone")
    ids = [frame.id for frame in place.standin.seen]
    assert len(ids) == len(set(ids)) == 6
