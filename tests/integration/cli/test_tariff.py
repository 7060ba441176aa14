"""The tariff's commands on a real ledger: from a document to the estimate and the correction."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from billing.tariff import TARIFF_V1
from billing.tariff_document import encode
from billing.tariffs import Tariffs
from cli.main import build_app
from tests.integration.billing.house import ACCOUNT, CAPTURED_AT, House, event
from wire.clock import SystemClock
from wire.errors import Rejected

pytestmark = pytest.mark.integration


async def command(*words: str) -> str:
    """Run a command in a thread of its own, as it has a loop of its own; return what it prints."""
    ended = await asyncio.to_thread(CliRunner().invoke, build_app(), words)
    if ended.exception is not None:
        raise ended.exception
    return ended.output


async def test_a_tariff_is_added_compared_and_used(
    house: House, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEMETER_POSTGRES", database)
    monkeypatch.chdir(tmp_path)
    document = json.loads(await command("tariff", "show", "--json"))
    document["version"], document["plans"]["gold"] = "v2", "0.5"
    document["starts_at"] = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    document["batch_discounts"] = [{"from_images": 8, "factor": "0.9"}]
    file = tmp_path / "v2.json"
    file.write_text(json.dumps(document))
    assert "v2 starts at" in await command("tariff", "add", str(file))
    assert "was there already" in await command("tariff", "add", str(file))
    assert "in force" in await command("tariff", "list")
    assert "plan gold" in await command("tariff", "diff", "v1", "v2")
    assert "is on plan gold" in await command("accounts", "plan", ACCOUNT, "gold")
    assert "plan gold" in await command("accounts", "show", ACCOUNT)
    estimate = ("estimate", "yolov8s", "--account", ACCOUNT)
    assert "0.500" in await command(*estimate)
    assert "0.450" in await command(*estimate, "--images", "8")
    assert "not registered here yet" in await command("estimate", "yolov8m", "--plan", "gold")
    with pytest.raises(Rejected, match="tariff v1 has no price for plan 'gold'"):
        await command(*estimate, "--tariff", "v1")
    with pytest.raises(Rejected, match="is of size class s here"):
        await command(*estimate, "--size-class", "n")


async def test_a_period_is_corrected_once_and_only_when_told_to(
    house: House, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEMETER_POSTGRES", database)
    monkeypatch.chdir(tmp_path)
    await house.open("gate", frames=10)
    await house.write(event(0, 9))
    document = json.loads(encode(TARIFF_V1)) | {"version": "v2", "alpha": "0.25"}
    document["starts_at"] = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await Tariffs(house.pool, SystemClock()).add(json.dumps(document))
    hour = CAPTURED_AT.replace(minute=0, second=0)
    period = ("--from", hour.isoformat(), "--to", (hour + timedelta(hours=1)).isoformat())
    words = ("tariff", "rerate", "--account", ACCOUNT, *period, "--reason", "agreed")
    shown = await command(*words, "--tariff", "v2")
    assert "7.500 tokens back to the account; nothing was booked" in shown
    assert "gate/1" in shown
    assert await house.amounts() == (90, 0, 0)
    assert "booked 7.500 tokens back" in await command(*words, "--tariff", "v2", "--apply")
    assert "was booked before" in await command(*words, "--tariff", "v2", "--apply")
    assert (await house.accounts.balance(ACCOUNT)).available == 97_500
    assert "booked 7.500 tokens from" in await command(*words, "--tariff", "v1", "--apply")
    assert await house.amounts() == (90, 0, 0)
    again = (*words[:-1], "again", "--tariff", "v1")
    assert "there is nothing to correct" in await command(*again)
