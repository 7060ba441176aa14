"""The alerts' commands on a real ledger: what is set is shown, a secret is shown once."""

import asyncio

import pytest
from typer.testing import CliRunner

from billing.accounts import Accounts
from billing.database import migrate, open_pool
from cli.main import build_app
from wire.clock import SystemClock
from wire.errors import Rejected

pytestmark = pytest.mark.integration


async def command(*words: str) -> str:
    """Run a command in a thread of its own, as it has a loop of its own; return what it prints."""
    ended = await asyncio.to_thread(CliRunner().invoke, build_app(), ["alerts", *words])
    if ended.exception is not None:
        raise ended.exception
    return ended.output


async def test_thresholds_and_webhooks_are_set_shown_and_removed(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEMETER_POSTGRES", database)
    await migrate(database)
    async with await open_pool(database, size_max=1) as pool:
        accounts = Accounts(pool, SystemClock())
        await accounts.create("park")
        await accounts.top_up("park", 100_000, "first")
    assert "200.000" in await command("set", "park", "200", "12.5")
    url = "https://receiver.example/alerts"
    secret = (await command("webhook", "park", url)).split()[-1]
    assert secret.startswith("whsec_")
    shown = await command("list", "park")
    assert "low" in shown and "enough" in shown and url in shown
    assert secret not in shown
    left = await command("remove", "park", "200")
    assert "200.000" not in left and "12.500" in left
    with pytest.raises(Rejected, match="not all of these"):
        await command("remove", "park", "200")
    assert "12.500" not in await command("remove", "park")
    assert "removed" in await command("webhook", "park", "--remove")
    for words in (["webhook", "park"], ["webhook", "park", url, "--remove"]):
        with pytest.raises(Rejected, match="one of the two"):
            await command(*words)
