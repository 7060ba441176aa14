"""Top-ups as an operator sends them: again and again under one reference until one is confirmed."""

import asyncio

import httpx

from tests.torture.observations import TopUp
from tests.torture.world import World

ATTEMPTS_MAX = 60
PAUSE_S = 1.0
TIMEOUT_S = 10.0


async def top_up(world: World, account: str, millitokens: int, reference: str) -> TopUp:
    """Send two at the same time, then more until an answer has come; return how many were sent."""
    sent = 0
    for _ in range(ATTEMPTS_MAX):
        sent += 2
        statuses = await asyncio.gather(
            *(_send(world, account, millitokens, reference) for _ in range(2))
        )
        if {200, 201} & set(statuses):
            return TopUp(account=account, millitokens=millitokens, reference=reference, times=sent)
        await asyncio.sleep(PAUSE_S)
    raise TimeoutError(f"account {account} could not be topped up: {statuses}")


async def _send(world: World, account: str, millitokens: int, reference: str) -> int:
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            answer = await client.post(
                f"{world.gateway_url}/v1/admin/accounts/{account}/topups",
                headers={
                    "Authorization": f"Bearer {world.operator_key}",
                    "Idempotency-Key": reference,
                },
                json={"millitokens": millitokens},
            )
    except httpx.HTTPError:
        return 0
    return answer.status_code
