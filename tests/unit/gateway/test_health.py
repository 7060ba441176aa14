"""Readiness needs Kafka and PostgreSQL; without Valkey the gateway is degraded but ready."""

import asyncio
import json
import re

import pytest

from gateway.health import outcome
from tests.unit.gateway.house import House
from wire.errors import Retryable


@pytest.mark.parametrize(
    ("away", "status", "word"),
    [
        ([], 200, "ready"),
        (["valkey"], 200, "degraded"),
        (["kafka"], 503, "not ready"),
        (["postgres", "valkey"], 503, "not ready"),
    ],
)
async def test_readiness(house: House, away: list[str], status: int, word: str) -> None:
    house.checks.update({name: Retryable(f"{name} is away") for name in away})
    async with house.client(None) as client:
        response = await client.get("/readyz")
        alive = await client.get("/healthz")
    assert (response.status_code, response.json()["status"]) == (status, word)
    checks = response.json()["checks"]
    assert {name for name, said in checks.items() if said != "ok"} == set(away)
    assert alive.status_code == 200


async def test_a_check_that_hangs_is_given_up() -> None:
    async def hang() -> None:
        await asyncio.sleep(60)

    assert await outcome(hang, 0.01) == "away"


async def test_a_stranger_is_not_told_where_things_are(house: House) -> None:
    house.checks["kafka"] = Retryable("Kafka at 10.0.0.7:9092 does not answer")
    async with house.client(None) as client:
        response = await client.get("/readyz")
    assert response.json()["checks"]["kafka"] == "away"
    assert "10.0.0.7" not in response.text


async def test_requests_are_counted_by_route_and_status(house: House) -> None:
    async with house.client() as client:
        await client.post("/v1/sessions/gate/7/close", json={})
        await client.get("/no/such/thing")
        text = (await client.get("/metrics")).text
    counted = 'framemeter_gateway_requests_total{route="%s",status="%s"} 1.0'
    assert counted % ("/v1/sessions/{stream}/{epoch}/close", "422") in text
    assert counted % ("unmatched", "404") in text
    assert "/no/such/thing" not in text


async def test_the_api_describes_itself(house: House) -> None:
    async with house.client(None) as client:
        described = (await client.get("/openapi.json")).json()
        assert (await client.get("/docs")).status_code == 200
    assert "/yolo/detect" in described["paths"]
    assert "HTTPBearer" in described["components"]["securitySchemes"]
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described)))
    assert {"OpenSession", "Grant", "DetectRequest", "DetectAnswer", "Problem"} <= named
    assert named <= set(described["components"]["schemas"])
