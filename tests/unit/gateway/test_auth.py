"""Keys become callers; scopes and accounts are kept apart."""

from datetime import UTC, datetime

import pytest

from gateway.auth import KEY_TTL_S, Authenticator, account_of
from gateway.problems import ProblemRaised
from tests.unit.gateway.house import House, MemoryBooks
from wire.clock import ManualClock
from wire.errors import Rejected, UnknownAccount


@pytest.mark.parametrize("key", [None, "", "nobody's", "x" * 500])
async def test_without_a_good_key_nothing_is_told(house: House, key: str | None) -> None:
    async with house.client(key) as client:
        for path in ("/v1/account", "/v1/ledger", "/v1/usage", "/v1/models"):
            response = await client.get(path)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"


async def test_a_scope_that_is_missing_is_403(house: House) -> None:
    async with house.client("key-read") as client:
        assert (await client.get("/v1/account")).status_code == 200
        response = await client.post("/yolo/detect", json={"image_url": "http://x/"})
    assert response.status_code == 403
    assert response.json()["type"].endswith(":not-allowed")


async def test_a_busy_key_is_looked_up_once_in_a_while() -> None:
    books, clock = MemoryBooks(), ManualClock(datetime(2026, 11, 24, tzinfo=UTC))
    keys = Authenticator(books, clock)
    for _ in range(5):
        assert (await keys.caller("key-a")).account == "a"
    assert books.looked_up == 1
    clock.advance(KEY_TTL_S)
    await keys.caller("key-a")
    assert books.looked_up == 2


async def test_a_revoked_key_dies_within_the_memory_of_keys() -> None:
    books, clock = MemoryBooks(), ManualClock(datetime(2026, 11, 24, tzinfo=UTC))
    keys = Authenticator(books, clock)
    await keys.caller("key-a")
    del books.keys["key-a"]
    clock.advance(KEY_TTL_S)
    with pytest.raises(ProblemRaised) as caught:
        await keys.caller("key-a")
    assert caught.value.problem.status == 401


def test_a_key_of_an_account_cannot_tell_another_account_from_none() -> None:
    caller = MemoryBooks().keys["key-a"]
    with pytest.raises(UnknownAccount) as existing:
        account_of(caller, "b")
    with pytest.raises(UnknownAccount) as missing:
        account_of(caller, "c")
    assert str(existing.value).replace("'b'", "") == str(missing.value).replace("'c'", "")
    assert account_of(caller, None) == account_of(caller, "a") == "a"


def test_an_operator_must_name_an_account() -> None:
    operator = MemoryBooks().keys["key-operator"]
    with pytest.raises(ProblemRaised):
        account_of(operator, None)
    with pytest.raises(Rejected):
        account_of(operator, "a\0b")
    assert account_of(operator, "b") == "b"
