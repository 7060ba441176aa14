"""Every operation of an app, by its own route table and description, and requests to it.

What a parameter or a member of a body can be is taken from a pool by its name; text of a name that
the pools do not know is any of the texts there are, so a new route is tried without being named.
"""

import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

JSON = "application/json"
FORM = "multipart/form-data"
UNDESCRIBED = {("GET", "/metrics")}
"""Routes that `/docs` does not tell of; they take nothing."""

Pools = Mapping[str, Sequence[Any]]
Schema = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    image: bytes | None = None

    def said(self) -> str:
        """Return all that the request says, as one text."""
        spelt = json.dumps([self.path, self.query, self.headers, self.body], ensure_ascii=False)
        return spelt + self.path

    async def send(self, client: httpx.AsyncClient) -> httpx.Response:
        """Send it."""
        content: dict[str, Any] = {} if self.body is None else {"json": self.body}
        if self.image is not None:
            form = {name: str(value) for name, value in self.body.items()}
            content = {"data": form, "files": {"image": ("x.png", self.image, "image/png")}}
        return await client.request(
            self.method, self.path, params=self.query, headers=self.headers, **content
        )


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place in a request that wants a value: where it is, its name, and what it can be."""

    where: str
    name: str
    choices: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A method of a path, in one kind of body; what its places can hold."""

    method: str
    path: str
    slots: tuple[Slot, ...]
    image: bytes | None = None

    def ask(self, chosen: Sequence[Any]) -> Ask:
        """Return the request with one value for each place; None leaves it out."""
        parts: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}, "body": {}}
        for slot, value in zip(self.slots, chosen, strict=True):
            if value is not None:
                parts[slot.where][slot.name] = value
        has_body = any(slot.where == "body" for slot in self.slots)
        return Ask(
            method=self.method,
            path=self.path.format(**parts["path"]),
            query={name: str(value) for name, value in parts["query"].items()},
            headers={name: str(value) for name, value in parts["header"].items()},
            body=parts["body"] if has_body else None,
            image=self.image,
        )

    def any_ask(self, chance: random.Random) -> Ask:
        """Return a request with any values."""
        return self.ask([chance.choice(slot.choices) for slot in self.slots])

    def sweep(self) -> Iterator[Ask]:
        """Return requests in which each place once has each of its values."""
        usual = [slot.choices[0] for slot in self.slots]
        yield self.ask(usual)
        for number, slot in enumerate(self.slots):
            for choice in slot.choices[1:]:
                yield self.ask([*usual[:number], choice, *usual[number + 1 :]])


def routed(app: FastAPI) -> set[tuple[str, str]]:
    """Return (method, path) of everything that the app's route table answers."""
    found = set()
    for entry in app.routes:
        for route in getattr(entry, "original_router", entry).routes if _nested(entry) else [entry]:
            assert hasattr(route, "methods"), f"{route!r} is not HTTP: try it in this test, too"
            found |= {(method, route.path) for method in route.methods or () if method != "HEAD"}
    return found


def _nested(entry: Any) -> bool:
    return hasattr(entry, "original_router")


def operations(app: FastAPI, pools: Pools, image: bytes) -> list[Operation]:
    """Return all operations; fail when a route is neither described nor known here."""
    described = app.openapi()
    schemas = described["components"]["schemas"]
    made = [Operation(method=method, path=path, slots=()) for method, path in sorted(UNDESCRIBED)]
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            slots = tuple(_parameter(each, pools, schemas) for each in told.get("parameters", ()))
            bodies = told.get("requestBody", {}).get("content", {None: None})
            for kind, content in bodies.items():
                members = () if content is None else _members(content["schema"], pools, schemas)
                made.append(
                    Operation(
                        method=method.upper(),
                        path=path,
                        slots=(*slots, *members),
                        image=image if kind == FORM else None,
                    )
                )
    docs = {
        ("GET", path)
        for path in (app.docs_url, app.openapi_url, app.swagger_ui_oauth2_redirect_url)
    }
    untried = routed(app) - docs - {(each.method, each.path) for each in made}
    assert not untried, f"routes that no tenant's request reaches: {sorted(untried)}"
    return made


def _parameter(told: Schema, pools: Pools, schemas: Schema) -> Slot:
    found = choices(told["name"], told["schema"], pools, schemas)
    if told["in"] == "path":
        found = tuple(value for value in found if value is not None)
    return Slot(where=told["in"], name=told["name"], choices=found)


def _members(schema: Schema, pools: Pools, schemas: Schema) -> tuple[Slot, ...]:
    resolved = _resolved(schema, schemas)
    return tuple(
        Slot(where="body", name=name, choices=choices(name, member, pools, schemas))
        for name, member in resolved["properties"].items()
        if member.get("format") != "binary"
    )


def _resolved(schema: Schema, schemas: Schema) -> Schema:
    reference = schema.get("$ref")
    found: Schema = schema if reference is None else schemas[reference.rpartition("/")[2]]
    return found


def choices(name: str, schema: Schema, pools: Pools, schemas: Schema) -> tuple[Any, ...]:
    """Return what a member can be, the usual value first; fail for a kind that is not known."""
    schema = _resolved(schema, schemas)
    if "anyOf" in schema:
        found = [choices(name, each, pools, schemas) for each in schema["anyOf"]]
        return tuple(dict.fromkeys(itertools.chain(*found)))
    if "enum" in schema:
        return tuple(schema["enum"])
    match schema.get("type"):
        case "string":
            return tuple(pools.get(name, pools["*"]))
        case "integer" | "number":
            return tuple(pools.get(name, pools["#"]))
        case "boolean":
            return (True, False)
        case "null":
            return (None,)
        case "array" if "prefixItems" in schema:
            places = (choices(name, each, pools, schemas) for each in schema["prefixItems"])
            return (tuple(place[0] for place in places), ())
        case "array":
            inner = choices(name, schema["items"], pools, schemas)
            return (tuple(inner[:1]), tuple(inner), ())
    raise AssertionError(f"say here what {name} can be: {schema}")
