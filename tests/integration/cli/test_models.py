"""The commands about models, from a first version to the last one's removal."""

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from billing.catalog import Catalog
from cli.main import build_app
from samples.catalog import PARK_MODEL
from tests.integration.billing.house import House
from wire import model_failures
from wire.compacted import put, snapshot
from wire.errors import Rejected
from wire.model_failures import ModelFailure, is_failure, key_of
from wire.models import ModelSpec, decode

pytestmark = pytest.mark.integration
CLASS_N = ("--size-class", "n")
PARK = str(PARK_MODEL.openvino)


async def command(*words: str) -> str:
    """Run a command in a thread of its own, as it has a loop of its own; return what it prints."""
    ended = await asyncio.to_thread(CliRunner().invoke, build_app(), ("models", *words))
    if ended.exception is not None:
        raise ended.exception
    return ended.output


@pytest.fixture
async def shop(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """Give a ledger and topics that the commands find, and a folder to work in."""
    monkeypatch.setenv("FRAMEMETER_POSTGRES", house.database)
    monkeypatch.setenv("FRAMEMETER_KAFKA", house.kafka.bootstrap)
    monkeypatch.setenv("FRAMEMETER_TOPIC_PREFIX", house.topics.prefix)
    monkeypatch.setenv("FRAMEMETER_ENGINE", "fake")
    monkeypatch.chdir(tmp_path)
    await house.kafka.create_topics(house.topics.table())
    return house


def weights(name: str) -> None:
    Path(name).write_text(name)


async def told(house: House) -> dict[str, ModelSpec]:
    rows = await snapshot(house.kafka, house.topics.models)
    return {key: decode(value) for key, value in rows.items() if not is_failure(key)}


async def test_a_model_lives_through_its_versions(shop: House) -> None:
    for name in ("v1", "v2"):
        weights(f"{name}.pt")
        words = ("add", "dogs-n", f"{name}.pt", "--version", name, *CLASS_N)
        assert "class n, detect" in await command(*words)
    assert "v2 was the active" in await command("activate", "dogs-n", "v2")
    assert "v1 is the active" in await command("rollback", "dogs-n", "--from", "v2")
    assert "v1 is the active" in await command("rollback", "dogs-n", "--from", "v2")
    assert "v2 gets 25 %" in await command("canary", "dogs-n", "v2", "--percent", "25")
    spec = (await told(shop))["dogs-n"]
    assert spec.canary is not None
    assert (spec.version, spec.canary.version, spec.canary.percent) == ("v1", "v2", 25)
    assert len(spec.sha256) == len(spec.canary.sha256) == 64
    failure = ModelFailure(
        model="dogs-n", version="v2", reason="no memory", detector="box/1", at=datetime.now(UTC)
    )
    rows: dict[str, bytes | None] = {key_of("dogs-n", "v2"): model_failures.encode(failure)}
    await put(shop.kafka, shop.topics.models, rows)
    shown = await command("list", "dogs-n")
    assert "canary 25 %" in shown
    assert "fails on box/1" in shown.replace("\n", " ")
    assert "v2 fails" in await command("list")
    assert "the canary is off" in await command("canary", "dogs-n", "--off")
    assert "told 2 models" in await command("publish")
    assert "version v2 of model dogs-n is removed" in await command("remove", "dogs-n", "v2")
    assert "is removed" in await command("remove", "dogs-n")
    assert set(await told(shop)) == {"yolov8s"}


async def test_weights_that_do_not_pass_are_kept_as_refused_and_never_active(
    shop: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEMETER_ENGINE", "openvino")
    weights("broken.xml")
    weights("broken.bin")
    with pytest.raises(Rejected, match="is refused, and kept as that"):
        await command("add", "park-n", "broken.xml", "--version", "v1", *CLASS_N)
    with pytest.raises(Rejected, match="was refused"):
        await command("activate", "park-n", "v1")
    assert "refused" in await command("list", "park-n")
    assert "class n, detect" in await command("add", "park-n", PARK, *CLASS_N)
    (line,) = await Catalog(shop.pool).versions("park-n")
    assert (good := line.version(line.active)) is not None
    assert good.classes
    with pytest.raises(Rejected, match="registered with task detect"):
        await command("add", "park-n", PARK, "--task", "pose", "--version", "p")


async def test_what_cannot_be_tested_here_is_left_to_the_detectors(shop: House) -> None:
    with pytest.raises(Rejected, match="size class"):
        await command("add", "mystery", "m.pt")
    assert "class s" in await command("add", "yolov8s", "yolov8s.pt", "--no-check")
    for words in (("canary", "yolov8s"), ("canary", "yolov8s", "v1", "--off")):
        with pytest.raises(Rejected, match="one of the two"):
            await command(*words)
    with pytest.raises(Rejected, match="need their sha256"):
        await command("add", "yolov8s", "https://models.example/v9.pt")


def test_weights_are_named_by_their_digest(tmp_path: Path) -> None:
    from cli.model_check import source_digest, weights_version

    shutil.copy(PARK_MODEL.openvino, tmp_path / "a.xml")
    shutil.copy(PARK_MODEL.openvino.with_suffix(".bin"), tmp_path / "a.bin")
    copied = str(tmp_path / "a.xml")
    assert weights_version(copied) == weights_version(str(PARK_MODEL.openvino))
    assert source_digest(copied).startswith(weights_version(copied))
    assert source_digest("not-here.pt") == ""
    assert weights_version("not-here.pt") != weights_version("nor-here.pt")
