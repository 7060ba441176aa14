"""An account administers its alerts over HTTP; where webhooks may lead is the operator's word."""

import pytest

from tests.integration.gateway.conftest import Place
from tests.integration.gateway.images import slug

pytestmark = pytest.mark.integration

URL = "http://127.0.0.1:9/alerts"


async def test_what_an_account_sets_is_kept_and_private_webhooks_need_a_setting(
    place: Place,
) -> None:
    place.keys["acme"] = (await place.accounts.create_key("acme", ("read", "admin"))).secret
    async with place.replica("r1", webhook_private_addresses=True), place.replica("r2"):
        async with place.client("acme", "r2") as strict:
            refused = await strict.put("/v1/account/webhook", json={"url": URL})
            low = await strict.put("/v1/account/alerts", json={"thresholds": ["100.001", "100"]})
        async with place.client("acme", "r1") as client:
            made = await client.put("/v1/account/webhook", json={"url": URL})
            shown = (await client.get("/v1/account/alerts")).json()
    assert slug(refused) == (422, "invalid-request")
    assert [each["is_low"] for each in low.json()["thresholds"]] == [True, False]
    assert made.json()["secret"].startswith("whsec_")
    assert shown == low.json() | {"webhook_url": URL}
