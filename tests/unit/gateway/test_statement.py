"""A statement is one HTML page of the caller's own account, which the browser lets do nothing."""

from tests.unit.gateway.house import House


async def test_the_callers_own_statement_is_a_page(house: House) -> None:
    async with house.client() as client:
        response = await client.get("/v1/statement?from=2026-11-24&to=2026-11-25")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert response.text.startswith("<!doctype html>")
    assert "2026-11-24 00:00 to 2026-11-25 00:00 UTC" in response.text
    assert house.books.asked == [("a", ("statement",))]


async def test_another_accounts_statement_is_404_and_not_looked_up(house: House) -> None:
    async with house.client("key-b") as client:
        assert (await client.get("/v1/statement?account=a")).status_code == 404
    assert house.books.asked == []


async def test_it_needs_a_key_that_may_read(house: House) -> None:
    async with house.client(None) as client:
        assert (await client.get("/v1/statement")).status_code == 401


async def test_an_impossible_period_is_refused(house: House) -> None:
    async with house.client() as client:
        for query in ("from=2026-11-25&to=2026-11-24", "to=0001-01-01", "from=9999-12-31"):
            assert (await client.get(f"/v1/statement?{query}")).status_code == 422
