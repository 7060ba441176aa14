"""Balances and ledgers are told to their owners; operators open and fill accounts, once."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.ledger import Transfer
from gateway.amounts import MILLITOKENS_MAX, parse_tokens
from tests.unit.gateway.house import House
from wire.balances import format_tokens
from wire.errors import Rejected


@given(st.integers(1, MILLITOKENS_MAX))
def test_an_amount_is_read_as_it_is_written(millitokens: int) -> None:
    assert parse_tokens(format_tokens(millitokens)) == millitokens


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1.0001", "NaN", "Infinity", "1e30", "1e-4", "x", "9" * 30, "1" * 5000]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        parse_tokens(text)


async def test_a_balance_is_told_in_tokens_and_in_millitokens(house: House) -> None:
    house.books.accounts["a"] = 12_345
    async with house.client() as client:
        body = (await client.get("/v1/account")).json()
    assert body == {
        "account": "a",
        "available": "12.345",
        "held": "0.000",
        "receivable": "0.000",
        "available_millitokens": 12_345,
        "held_millitokens": 0,
        "receivable_millitokens": 0,
        "version": 3,
    }


async def test_the_ledger_is_read_page_by_page(house: House) -> None:
    house.books.transfers = [
        Transfer(
            id=number,
            at=datetime(2026, 11, 24, tzinfo=UTC),
            kind="grant",
            debit="available/a",
            credit="held/a",
            amount=1_500,
            reference=f"grant/{number}",
            account="a",
        )
        for number in (5, 4, 3, 2, 1)
    ]
    seen: list[int] = []
    before = ""
    async with house.client() as client:
        while True:
            page = (await client.get(f"/v1/ledger?limit=2{before}")).json()
            seen += [row["id"] for row in page["transfers"]]
            if page["next"] is None:
                break
            before = f"&before={page['next']}"
    assert seen == [5, 4, 3, 2, 1]
    assert page["transfers"][0]["tokens"] == "1.500"


async def test_an_operator_opens_and_fills_an_account_once_per_key(house: House) -> None:
    async with house.client("key-operator") as client:
        first = {"Idempotency-Key": "one"}
        made = await client.post("/v1/admin/accounts", json={"account": "new"}, headers=first)
        again = await client.post("/v1/admin/accounts", json={"account": "new"}, headers=first)
        paid = [
            await client.post(
                "/v1/admin/accounts/new/topups",
                json={"tokens": "12.5"},
                headers={"Idempotency-Key": "bill 1"},
            )
            for _ in range(2)
        ]
        shown = await client.get("/v1/account", params={"account": "new"})
    assert (made.status_code, again.status_code) == (201, 200)
    assert [response.status_code for response in paid] == [201, 200]
    assert [response.json()["applied"] for response in paid] == [True, False]
    assert shown.json()["available"] == "12.500"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tokens": "1", "millitokens": 1_000},
        {"tokens": 1},
        {"tokens": "0"},
        {"millitokens": 1.5},
    ],
)
async def test_a_top_up_has_exactly_one_amount(house: House, body: dict[str, object]) -> None:
    async with house.client("key-operator") as client:
        response = await client.post(
            "/v1/admin/accounts/a/topups", json=body, headers={"Idempotency-Key": "k"}
        )
    assert response.status_code == 422


async def test_administration_needs_an_idempotency_key_and_an_operator(house: House) -> None:
    async with house.client("key-operator") as client:
        for path in ("/v1/admin/accounts", "/v1/admin/accounts/a/topups"):
            response = await client.post(path, json={"account": "x"})
            assert response.status_code == 422
            assert "Idempotency-Key" in response.json()["detail"]
    async with house.client("key-a") as client:
        response = await client.post(
            "/v1/admin/accounts", json={"account": "x"}, headers={"Idempotency-Key": "k"}
        )
    assert response.status_code == 403
    assert "x" not in house.books.accounts
