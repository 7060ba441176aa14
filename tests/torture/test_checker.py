"""Every rule of the checker is silent over a good world and speaks when its thing is broken."""

import ast
import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from confluent_kafka import Producer
from redis import Redis

from tests.stack.running import RunningStack
from tests.torture import checker, observations, tiny
from tests.torture.checker import check, judge
from tests.torture.checker.evidence import Evidence, gather
from tests.torture.checker.judge import RULES
from tests.torture.corruptions import BROKEN

PRODUCT = {"wire", "pipeline", "consumers", "billing", "gateway", "cli", "samples"}
ALLOWED = {"tests.torture.checker", "tests.torture.observations"}
REDIS_NUMBER = 15


@pytest.fixture(scope="module")
async def seen(stack: RunningStack) -> AsyncIterator[observations.Observations]:
    """Give the tiny world, written to the real stack."""
    name = f"tiny_{secrets.token_hex(4)}"
    redis = urlunsplit(urlsplit(stack.redis)._replace(path=f"/{REDIS_NUMBER}"))
    admin = await asyncpg.connect(stack.postgres)
    try:
        await admin.execute(f"create database {name}")
        yield await tiny.write(
            kafka=stack.kafka,
            postgres=urlunsplit(urlsplit(stack.postgres)._replace(path=f"/{name}")),
            redis=redis,
            prefix=f"{name}.",
        )
    finally:
        await admin.execute(f"drop database if exists {name} with (force)")
        await admin.close()


@pytest.fixture(scope="module")
async def evidence(seen: observations.Observations) -> Evidence:
    """Give what is read of the tiny world while it is good."""
    return await asyncio.to_thread(gather, seen)


@pytest.mark.integration
async def test_a_good_world_breaks_no_rule_and_is_seen_whole(evidence: Evidence) -> None:
    verdict = judge(evidence)
    assert verdict.violations == ()
    expected = {"frames": 5, "frames replayed": 1, "detections": 6, "usage events reproduced": 1}
    expected |= {"charged millitokens": 4_000, "seals": 5, "frames detected": 4, "answers": 2}
    assert expected.items() <= verdict.figures.items()


@pytest.mark.integration
@pytest.mark.parametrize("rule", RULES)
async def test_a_rule_and_nothing_else_speaks_when_its_thing_is_broken(
    evidence: Evidence, rule: str
) -> None:
    broken = BROKEN[rule]
    verdict = judge(broken.breaks(evidence))
    assert set(verdict.rules) == {rule} | broken.also, verdict.violations


def test_every_corruption_is_one_of_a_rule_that_there_is() -> None:
    assert set(BROKEN) == set(RULES)


@pytest.mark.integration
async def test_frames_that_retention_took_are_left_out(evidence: Evidence) -> None:
    place = (evidence.topic("frames.standard"), 0)
    low = replace(evidence.bounds[place], low=1)
    later = replace(evidence, bounds={**evidence.bounds, place: low}, frames=evidence.frames[1:])
    assert judge(later).violations == ()


@pytest.mark.integration
async def test_a_frame_that_was_taken_again_must_be_detected_again_or_not_at_all(
    evidence: Evidence,
) -> None:
    """Once more in detections and not in usage is half a transaction, also in a replay."""
    half = replace(evidence, detections=evidence.detections[:-1])
    assert judge(half).rules == ("usage.agrees",)


@pytest.mark.integration
async def test_damage_is_read_from_the_stores_themselves(
    seen: observations.Observations, evidence: Evidence
) -> None:
    """Runs last: the world is broken for good, in each store in one place."""
    assert judge(evidence).ok
    producer = Producer({"bootstrap.servers": seen.kafka})
    again = tiny.detection(tiny.CAMERA, 0)
    producer.produce(f"{seen.prefix}detections", again, tiny.CAMERA.encode(), partition=0)
    assert producer.flush(10) == 0
    connection = await asyncpg.connect(seen.postgres)
    try:
        await connection.execute("update session set charged_frames = 5 where epoch = 2")
    finally:
        await connection.close()
    with Redis.from_url(seen.redis) as client:
        client.hset(f"framemeter:balance:{tiny.ACCOUNT}", "held", "1")

    verdict = check(seen)
    assert set(verdict.rules) == {"frames.detected_once", "charges.sessions", "valkey.equals"}


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "say from where"
            found |= {node.module or ""} | {f"{node.module}.{it.name}" for it in node.names}
    return found


def test_the_checker_shares_no_code_with_the_product() -> None:
    files = [*Path(checker.__path__[0]).glob("**/*.py"), Path(observations.__file__)]
    assert len(files) > 10
    for path in files:
        found = imports(path)
        assert not {name.split(".")[0] for name in found} & PRODUCT, path
        assert not {"aiokafka", "importlib"} & {name.split(".")[0] for name in found}, path
        ours = {name for name in found if name.startswith("tests.")}
        assert all(any(name.startswith(each) for each in ALLOWED) for name in ours), path
