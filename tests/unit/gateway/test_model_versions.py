"""Operators change models over HTTP: repeatable, without paths in answers, and told or said so."""

import pytest

from tests.unit.gateway.house import MODEL, House

BASE = f"/v1/admin/models/{MODEL.model}"
URL = "https://secret.example/weights/v8.pt"
SHA256 = "a" * 64


async def test_a_version_is_added_activated_and_rolled_back_by_calls_that_may_be_repeated(
    house: House,
) -> None:
    asked = {"source": URL, "sha256": SHA256, "note": "night shift"}
    async with house.client("key-operator") as client:
        assert [(await client.post(f"{BASE}/versions", json=asked)).status_code for _ in "ab"] == [
            201,
            200,
        ]
        for _ in range(2):
            shown = (await client.post(f"{BASE}/activate", json={"version": "a" * 12})).json()
            assert shown["active"] == "a" * 12
        for _ in range(2):
            shown = (await client.post(f"{BASE}/rollback", json={"leaving": "a" * 12})).json()
            assert shown["active"] == MODEL.version
        share = {"version": "a" * 12, "percent": 5}
        canary = await client.post(f"{BASE}/canary", json=share)
        assert canary.json()["canary"] == share
        ended = await client.post(f"{BASE}/canary", json=share | {"percent": 0})
        assert ended.json()["canary"] is None
        listed = await client.get(f"{BASE}/versions")
    assert [each["version"] for each in listed.json()["versions"]] == [MODEL.version, "a" * 12]
    assert listed.json()["versions"][1]["note"] == "night shift"
    assert "secret" not in listed.text
    assert house.books.models.announced == 8


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        ({"source": "http://x.example/a.pt", "sha256": SHA256}, "https only"),
        ({"source": URL, "version": "v8"}, "sha256"),
        ({"source": "v8.pt"}, "give a version"),
        ({"source": "v8.pt", "version": "v8", "task": "pose"}, "registered with task detect"),
        ({"source": "v8.pt", "version": "v8", "size_class": "x"}, "registered with size class s"),
        ({"source": "other.pt", "version": "v7"}, "other weights"),
        ({"source": "v8.pt", "version": "v8", "percent": 5}, "unknown field"),
    ],
)
async def test_a_version_that_cannot_be_is_refused_with_the_reason(
    house: House, asked: dict[str, object], detail: str
) -> None:
    async with house.client("key-operator") as client:
        response = await client.post(f"{BASE}/versions", json=asked)
    assert response.status_code == 422
    assert detail in response.json()["detail"]
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_new_model_needs_a_size_class_unless_its_name_tells_it(house: House) -> None:
    asked = {"source": "d.pt", "version": "v1", "activate": True}
    async with house.client("key-operator") as client:
        refused = await client.post("/v1/admin/models/dogs/versions", json=asked)
        made = await client.post("/v1/admin/models/yolov8n/versions", json=asked)
        named = await client.post(
            "/v1/admin/models/dogs/versions", json=asked | {"size_class": "m"}
        )
        unknown = await client.post("/v1/admin/models/cats/activate", json={"version": "v1"})
    assert "size_class" in refused.json()["detail"]
    assert (made.status_code, made.json()["size_class"]) == (201, "n")
    assert (named.status_code, named.json()["active"]) == (201, "v1")
    assert unknown.status_code == 404


async def test_what_the_detectors_were_not_told_is_503_and_told_by_the_repeat(
    house: House,
) -> None:
    house.books.models.away = True
    async with house.client("key-operator") as client:
        first = await client.post(f"{BASE}/activate", json={"version": MODEL.version})
        house.books.models.away = False
        second = await client.post(f"{BASE}/activate", json={"version": MODEL.version})
    assert (first.status_code, second.status_code) == (503, 200)


@pytest.mark.parametrize("call", ["versions", "activate", "rollback", "canary"])
async def test_only_operators_change_models(house: House, call: str) -> None:
    house.books.keys["key-admin"] = house.books.keys["key-operator"].__class__(
        account="a", scopes=frozenset({"admin"}), key_id="9"
    )
    for key in ("key-a", "key-admin"):
        async with house.client(key) as client:
            response = await client.post(f"{BASE}/{call}", json={})
        assert response.status_code == 403
