"""`framemeter audit` and `export` with a user who may read and nothing else."""

import asyncio
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from billing.relay import BalanceMirror, open_redis
from cli.main import build_app
from tests.integration.billing.house import ACCOUNT, CAPTURED_AT, House, event
from tests.integration.billing.test_roles import login, user_of
from tests.integration.billing.test_sealer import OPEN, seal_all
from tests.integration.billing.test_sessions import write
from wire.errors import UnknownAccount

pytestmark = pytest.mark.integration

__all__ = ["login"]


async def command(*words: str) -> Result:
    """Run a command in a thread of its own, as it has a loop of its own."""
    ended = await asyncio.to_thread(CliRunner().invoke, build_app(), words)
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return ended


@pytest.fixture
async def audited_house(
    house: House, login: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> House:
    """Give a house whose books are right, and an environment of an auditor's."""
    await house.kafka.create_topics(house.topics.table())
    await house.open(frames=10)
    await write(house, event(0, 4))
    await house.emit(event(0, 4))
    await seal_all(house)
    redis = open_redis(redis_url)
    await BalanceMirror(redis).tell([], house.pool)
    await redis.aclose()
    await house.as_owner(f"grant framemeter_auditor to {user_of(login)}")
    monkeypatch.setenv("FRAMEMETER_POSTGRES", login)
    monkeypatch.setenv("FRAMEMETER_KAFKA", house.kafka.bootstrap)
    monkeypatch.setenv("FRAMEMETER_REDIS", redis_url)
    monkeypatch.setenv("FRAMEMETER_TOPIC_PREFIX", house.topics.prefix)
    monkeypatch.setenv("FRAMEMETER_PARTITIONS", str(house.topics.partitions))
    monkeypatch.chdir(tmp_path)
    return house


async def test_a_reader_exports_and_audits_and_sees_what_was_tampered_with(
    audited_house: House, tmp_path: Path
) -> None:
    house = audited_house
    first, today = CAPTURED_AT.date().isoformat(), "2026-03-05"
    exported = await command("export", "--out", "out", "--from", first, "--to", today)
    assert exported.exit_code == 0, exported.output
    assert (tmp_path / "out" / "usage_minute" / f"{first}.parquet").exists()
    options = ("audit", "--archive", "out", "--account", ACCOUNT)
    sound = await command(*options)
    assert "FAILED" not in sound.output and "recount of park" in sound.output
    assert sound.exit_code == 0
    with pytest.raises(UnknownAccount):
        await command("audit", "--account", "nobody")
    await house.as_owner(*OPEN, "update transfer set amount = amount + 1 where kind = 'grant'")
    number = await house.pool.fetchval("select id from transfer where kind = 'grant'")
    broken = await command("audit")
    assert broken.exit_code == 1
    assert f"transfer {number} of" in broken.output
