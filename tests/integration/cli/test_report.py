"""`framemeter report` and the gateway answer with the same bytes."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from billing import usage_table
from billing.accounts import Accounts
from billing.database import migrate, open_pool
from cli.main import build_app
from wire.clock import SystemClock
from wire.errors import Rejected, UnknownAccount

pytestmark = pytest.mark.integration

PERIOD = ("--from", "2026-03-01", "--to", "2026-04-01")


@pytest.fixture
async def account(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give an account in a ledger that the commands find."""
    monkeypatch.setenv("FRAMEMETER_POSTGRES", database)
    await migrate(database)
    async with await open_pool(database, size_max=1) as pool:
        await Accounts(pool, SystemClock()).create("acme")
    return "acme"


async def run(folder: Path, *arguments: str) -> str:
    """Run the command; return what it wrote, or raise as it did."""
    command = ["--folder", str(folder), "report", *arguments]
    done = await asyncio.to_thread(CliRunner().invoke, build_app(), command)
    if done.exception is not None:
        raise done.exception
    return done.stdout


async def test_each_format_is_written_to_standard_output_or_to_a_file(
    account: str, tmp_path: Path
) -> None:
    found = {
        form: await run(tmp_path, account, *PERIOD, "--format", form)
        for form in ("table", "json", "csv", "html")
    }
    assert "Usage of acme, 2026-03-01 00:00 to 2026-04-01 00:00 UTC" in found["table"]
    assert found["json"].startswith('{"from":"2026-03-01T00:00:00Z"')
    assert found["csv"].split() == [",".join(("stream", "status", *usage_table.FIGURES))]
    assert found["html"].startswith("<!doctype html>")
    file = tmp_path / "report"
    for form, text in found.items():
        assert await run(tmp_path, account, *PERIOD, "--format", form, "--out", str(file)) == ""
        if form != "html":  # it says when it was made
            assert file.read_bytes().decode().split() == text.split()
    with pytest.raises(Rejected, match="--group-by"):
        await run(tmp_path, account, *PERIOD, "--format", "html", "--group-by", "day")
    for form in ("json", "html"):
        with pytest.raises(UnknownAccount):
            await run(tmp_path, "nobody", *PERIOD, "--format", form)
