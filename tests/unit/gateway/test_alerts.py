"""Alerts are read by whoever may read, and changed by who administers the account."""

from datetime import UTC, datetime

import pytest

from billing.alerts import State, Told
from billing.keys import Caller
from tests.unit.gateway.house import SCOPES, House
from wire.balances import BalanceAlert

ALERTS, WEBHOOK = "/v1/account/alerts", "/v1/account/webhook"
URL = "https://receiver.example/alerts"


@pytest.fixture
def own(house: House) -> House:
    """Give account `a` a key that administers it."""
    house.books.keys["key-own"] = Caller(account="a", scopes=SCOPES | {"admin"}, key_id="9")
    return house


async def test_an_account_sets_its_own_thresholds_and_reads_them(own: House) -> None:
    async with own.client("key-own") as client:
        put = await client.put(ALERTS, json={"thresholds": ["10", "60.5"]})
    async with own.client("key-read") as client:
        shown = await client.get(ALERTS)
    assert put.json() == shown.json()
    assert shown.json() == {
        "account": "a",
        "thresholds": [
            {"tokens": "60.500", "millitokens": 60_500, "is_low": True},
            {"tokens": "10.000", "millitokens": 10_000, "is_low": False},
        ],
        "webhook_url": None,
        "told": [],
    }


async def test_a_webhooks_secret_is_told_when_it_is_made_and_never_again(own: House) -> None:
    async with own.client("key-own") as client:
        made = await client.put(WEBHOOK, json={"url": URL})
        shown = await client.get(ALERTS)
        removed = [await client.delete(WEBHOOK) for _ in range(2)]
        gone = await client.get(ALERTS)
    assert made.json() == {"url": URL, "secret": "whsec_a"}
    assert shown.json()["webhook_url"] == URL and "whsec" not in shown.text
    assert [response.status_code for response in removed] == [204, 204]
    assert gone.json()["webhook_url"] is None


async def test_what_was_told_is_shown_with_what_became_of_it(own: House) -> None:
    at = datetime(2026, 11, 24, tzinfo=UTC)
    told = Told(
        alert=BalanceAlert(account="a", threshold=60_000, version=4, available=40_000, held=5),
        at=at,
        published_at=at,
        state=State.GAVE_UP,
        attempts=7,
        next_attempt_at=None,
        last_error="the receiver answered 503",
    )
    own.books.alerts.told["a"] = (told,)
    async with own.client() as client:
        (shown,) = (await client.get(ALERTS)).json()["told"]
    assert shown == {
        "id": "a/60000/4",
        "at": "2026-11-24T00:00:00Z",
        "threshold_millitokens": 60_000,
        "available_millitokens": 40_000,
        "held_millitokens": 5,
        "version": 4,
        "webhook": "gave_up",
        "attempts": 7,
        "next_attempt_at": None,
        "last_error": "the receiver answered 503",
    }


async def test_a_key_that_does_not_administer_changes_nothing(own: House) -> None:
    async with own.client("key-a") as client:
        refused = [
            await client.put(ALERTS, json={"thresholds": ["1"]}),
            await client.put(WEBHOOK, json={"url": URL}),
            await client.delete(WEBHOOK),
        ]
    assert [response.status_code for response in refused] == [403, 403, 403]
    assert own.books.alerts.thresholds == own.books.alerts.webhooks == {}


async def test_another_account_is_to_a_tenant_as_if_it_were_not(own: House) -> None:
    own.books.alerts.webhooks["b"] = URL
    async with own.client("key-own") as client:
        for account in ("b", "nobody"):
            query = {"account": account}
            answers = [
                await client.get(ALERTS, params=query),
                await client.put(ALERTS, params=query, json={"thresholds": ["1"]}),
                await client.put(WEBHOOK, params=query, json={"url": URL + "/mine"}),
                await client.delete(WEBHOOK, params=query),
            ]
            assert {response.status_code for response in answers} == {404}
            assert {response.json()["detail"] for response in answers} == {
                f"there is no account {account!r}"
            }
    assert own.books.alerts.webhooks == {"b": URL}


async def test_an_operator_names_the_account(own: House) -> None:
    async with own.client("key-operator") as client:
        silent = await client.put(ALERTS, json={"thresholds": ["1"]})
        named = await client.put(ALERTS, params={"account": "b"}, json={"thresholds": ["1"]})
    assert (silent.status_code, named.status_code) == (422, 200)
    assert own.books.alerts.thresholds == {"b": [1_000]}


@pytest.mark.parametrize(
    "body", [{}, {"thresholds": "1"}, {"thresholds": [1]}, {"thresholds": ["0"]}, {"other": []}]
)
async def test_what_is_no_list_of_amounts_is_refused(own: House, body: object) -> None:
    async with own.client("key-own") as client:
        assert (await client.put(ALERTS, json=body)).status_code == 422
