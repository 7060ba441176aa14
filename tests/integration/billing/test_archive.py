"""Export and what an archive proves: usage and transfers by day, counted and verified again."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from billing import parquet
from billing.archive import Archive
from billing.audit import AuditReport, audit
from billing.export import DAY, Export, Exported, Place
from tests.integration.billing.house import ACCOUNT, CAPTURED_AT, House, event
from tests.integration.billing.test_sealer import OPEN, seal_all
from wire.errors import Rejected, Retryable
from wire.usage import Status

pytestmark = pytest.mark.integration

TODAY = datetime.now(UTC).date()
DAYS = [CAPTURED_AT.date(), TODAY - DAY, TODAY, TODAY + DAY]
"""When the frames were captured, and when all is written: a test may run over midnight."""
AFTER = datetime.now(UTC) + timedelta(days=3)


@pytest.fixture
async def spent_house(busy_house: House) -> House:
    """Give a house with usage of two accounts on the topic and in the ledger, sealed."""
    house = busy_house
    await house.accounts.create("zoo")
    await house.accounts.top_up("zoo", 50_000, "first")
    await house.open(frames=10)
    await house.open("cage", frames=10, account="zoo")
    theirs = event(0, 6, stream="cage", account="zoo")
    async with house.biller():
        await house.emit(event(0, 3), event(2, 4), theirs)
        await house.emit_raw(b"no usage event")
        await house.emit(event(5, 5, Status.FAILED), partition=1)
        await house.until_read(4)
        await house.until_read(1, partition=1)
    await seal_all(house)
    await house.as_owner("delete from unbillable")
    return house


async def export(house: House, folder: Path, account: str | None = None) -> list[Exported]:
    work = Export(Place(folder=folder, account=account), now=AFTER)
    return [
        *await work.usage(house.kafka, house.topics, DAYS),
        *await work.ledger(house.pool, DAYS),
    ]


async def audited(house: House, archive: Archive, account: str | None = None) -> AuditReport:
    return await audit(
        house.pool, redis=None, kafka=None, topics=house.topics, account=account, archive=archive
    )


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [row for path in sorted((folder / kind).iterdir()) for row in parquet.rows_of(path)]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rewrite(path: Path, kind: str, changed: list[dict[str, Any]]) -> None:
    about = parquet.metadata_of(path)
    with parquet.writing(path, kind) as sink:
        for row in changed:
            sink.add(row)
        sink.describe(about)


def failures(report: AuditReport) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in report.checks if not check.ok]


async def test_an_archive_holds_what_was_used_and_booked_and_bears_the_books_out(
    spent_house: House, tmp_path: Path
) -> None:
    house = spent_house
    files = await export(house, tmp_path)
    assert [file.note for file in files] == [""] * 3 * len(DAYS)
    used = rows(tmp_path, "usage")
    assert [(row["partition"], row["first"], row["status"]) for row in used] == [
        (0, 0, "detected"),
        (0, 2, "detected"),
        (0, 0, "detected"),
        (0, None, None),
        (1, 5, "failed"),
    ]
    assert used[3]["value"] == b"no usage event"
    assert [row["frames"] for row in rows(tmp_path, "usage_minute")] == [7, 5, 1]
    booked = rows(tmp_path, "transfer")
    assert [row["position"] for row in booked] == list(range(1, len(booked) + 1))
    assert sum(row["amount"] for row in booked if row["kind"] == "charge") == 12_000
    before = contents(tmp_path)
    await export(house, tmp_path)
    assert contents(tmp_path) == before

    report = await audited(house, Archive(tmp_path))
    assert failures(report) == []
    (recount,) = [check for check in report.checks if check.name == "recount"]
    assert recount.detail == "5 events counted again"
    await house.pool.execute("update session set charged_frames = 5 + 1 where stream = 'gate'")
    report = await audited(house, Archive(tmp_path))
    assert any("gate/1 (charged 6, counted 5 to 5)" in failure for failure in failures(report))
    assert not any(
        "recount" in each for each in failures(await audited(house, Archive(tmp_path), "zoo"))
    )


async def test_a_recount_goes_on_with_the_topic_where_the_archive_ends(
    spent_house: House, tmp_path: Path
) -> None:
    house = spent_house
    await export(house, tmp_path)
    async with house.biller():
        await house.emit(event(7, 9, stream="cage", account="zoo"))
        await house.until_read(5)
    alone = await audited(house, Archive(tmp_path))
    assert "a part is gone" in alone.checks[-1].detail
    both = await audit(
        house.pool, redis=None, kafka=house.kafka, topics=house.topics, archive=Archive(tmp_path)
    )
    assert both.checks[-1].detail == "6 events counted again"
    assert both.checks[-1].ok


async def test_one_account_gets_its_own_rows_alone(spent_house: House, tmp_path: Path) -> None:
    house = spent_house
    await export(house, tmp_path, "zoo")
    own = tmp_path / "account=zoo"
    for kind in ("usage", "usage_minute", "transfer"):
        assert {row["account"] for row in rows(own, kind)} == {"zoo"}
    report = await audited(house, Archive(tmp_path, account="zoo"), "zoo")
    assert failures(report) == []
    assert report.checks[-1].name == "recount of zoo"
    with pytest.raises(Rejected, match="--account zoo"):
        Archive(own)
    with pytest.raises(Rejected, match="no files"):
        Archive(tmp_path, account=ACCOUNT)


async def test_a_row_that_was_tampered_with_is_named_in_an_archive(
    spent_house: House, tmp_path: Path
) -> None:
    house = spent_house
    await export(house, tmp_path)
    (path,) = [each for each in (tmp_path / "transfer").iterdir() if list(parquet.rows_of(each))]
    good = list(parquet.rows_of(path))
    changed = [row | {"amount": row["amount"] + (place == 2)} for place, row in enumerate(good)]
    other = [
        row | {"hash": bytes(32)} if place == len(good) - 1 else row
        for place, row in enumerate(good)
    ]
    for bad, what in (
        (changed, f"transfer {good[2]['id']} in {path} is not what was sealed"),
        (good[:2] + good[3:], f"place {good[2]['position']} of the chain is missing in {path}"),
        (good[:-1], f"place {good[-1]['position']} of the chain is missing in {path}"),
        (good[:1] + good, f"transfer {good[0]['id']} in {path} is out of place"),
        (other, "the ledger's chain has another hash"),
    ):
        rewrite(path, "transfer", bad)
        (failure,) = failures(await audited(house, Archive(tmp_path)))
        assert failure.startswith("archived transfers are untouched: ") and what in failure
    rewrite(path, "transfer", good)
    assert failures(await audited(house, Archive(tmp_path))) == []


async def test_a_chain_that_the_owner_wrote_anew_is_found_by_the_archive(
    spent_house: House, tmp_path: Path
) -> None:
    house = spent_house
    await export(house, tmp_path)
    await house.as_owner(
        *OPEN,
        "update transfer set reference = 'other' where kind = 'topup' and account = 'zoo'",
        "insert into topup select account, 'other', amount from topup where account = 'zoo'",
        "delete from transfer_seal",
    )
    await seal_all(house)
    assert failures(await audit(house.pool, redis=None, kafka=None, topics=None)) == []
    (failure,) = failures(await audited(house, Archive(tmp_path)))
    assert "the ledger's chain has another hash" in failure


async def test_a_deleted_transfer_is_not_exported_over(spent_house: House, tmp_path: Path) -> None:
    house = spent_house
    number = await house.pool.fetchval("select max(id) from transfer")
    await house.as_owner(*OPEN, f"delete from transfer where id = {number}")
    with pytest.raises(Rejected, match=f"transfer {number} is gone"):
        await export(house, tmp_path)


async def test_what_the_topic_or_the_ledger_lost_stays_in_the_archive(
    spent_house: House, tmp_path: Path
) -> None:
    house = spent_house
    await export(house, tmp_path)
    kept = contents(tmp_path)
    await house.as_owner(
        "insert into retention (relation, dropped_before, last_position)"
        " select relation, now() + interval '9 days', 99"
        " from unnest(array['transfer', 'usage_minute']) as relation"
    )
    files = await export(house, tmp_path)
    assert all(file.note.startswith("kept") for file in files[len(DAYS) :])
    assert contents(tmp_path) == kept


@contextmanager
def small_disk(file_bytes_max: int) -> Iterator[None]:
    """Let no file of this process grow over a size, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_file_and_no_half_one(tmp_path: Path) -> None:
    path = tmp_path / "usage" / "2026-01-01.parquet"
    with parquet.writing(path, "usage") as sink:
        sink.describe({"kind": "usage"})
    before = path.read_bytes()
    with (
        small_disk(2_000),
        pytest.raises(Retryable, match="make room"),
        parquet.writing(path, "usage") as sink,
    ):
        for number in range(20_000):
            sink.add({"partition": 0, "offset": number, "value": number.to_bytes(32, "big")})
        sink.describe({"kind": "usage"})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
