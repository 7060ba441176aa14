"""Every error is a problem, and says nothing about the inside."""

import pytest

from gateway.problems import PROBLEM_CONTENT_TYPE, problem_of
from tests.unit.gateway.house import House
from wire.errors import REFUSALS, Rejected, Retryable


@pytest.mark.parametrize("slug", sorted(REFUSALS))
def test_each_refusal_keeps_its_slug_so_that_a_client_can_raise_it(slug: str) -> None:
    problem = problem_of(REFUSALS[slug]("because"))
    assert problem.body()["type"] == f"urn:framemeter:problem:{slug}"
    assert 400 <= problem.status < 500
    assert problem.detail == "because"


def test_what_is_away_asks_to_try_again() -> None:
    problem = problem_of(Retryable("the broker is away"))
    assert (problem.status, problem.slug) == (503, "unavailable")
    assert int(problem.headers["Retry-After"]) > 0


def test_bad_input_is_422() -> None:
    assert problem_of(Rejected("no")).status == 422


def test_an_unforeseen_error_tells_nothing_of_its_inside() -> None:
    problem = problem_of(RuntimeError("password=hunter2"))
    assert problem.status == 500
    assert "hunter2" not in str(problem.body())


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("DELETE", "/healthz", 405, "method-not-allowed"),
        ("GET", "/yolo/estimate", 422, "invalid-request"),
        ("GET", "/v1/ledger?limit=0", 422, "invalid-request"),
        ("POST", "/v1/sessions/cam/0/renew", 422, "invalid-request"),
        ("GET", "/v1/account?account=b", 404, "unknown-account"),
    ],
)
async def test_every_error_answer_is_problem_json(
    house: House, method: str, path: str, status: int, slug: str
) -> None:
    async with house.client() as client:
        response = await client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == PROBLEM_CONTENT_TYPE
    body = response.json()
    assert body["type"] == f"urn:framemeter:problem:{slug}"
    assert body["status"] == status
    assert body["title"] and body["detail"]


async def test_a_crash_inside_is_a_500_problem(house: House) -> None:
    house.books.broken = RuntimeError("secret inside")
    async with house.client() as client:
        response = await client.get("/v1/account")
    assert response.status_code == 500
    assert response.headers["content-type"] == PROBLEM_CONTENT_TYPE
    assert "secret" not in response.text
    assert response.headers["x-request-id"]


async def test_a_database_that_is_away_is_a_503_problem(house: House) -> None:
    house.books.broken = Retryable("PostgreSQL at 10.0.0.7 does not answer")
    async with house.client() as client:
        response = await client.get("/v1/account")
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert "10.0.0.7" not in response.text
