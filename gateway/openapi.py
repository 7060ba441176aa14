"""What `/docs` says of bodies and answers: the schemas of our own message types.

FastAPI describes parameters by itself; bodies are read by msgspec, so msgspec describes them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from fastapi import FastAPI

from gateway.problems import PROBLEM_CONTENT_TYPE

JSON = "application/json"
REF = "#/components/schemas/{name}"
PROBLEM = "Problem"
PROBLEM_SCHEMA = {
    "title": PROBLEM,
    "description": "RFC 9457; `type` is urn:framemeter:problem:<slug>",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def body(
    kind: type[msgspec.Struct], others: Mapping[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Return the `openapi_extra` of a route with a JSON body; `others` by media type."""
    content = {JSON: {"schema": _ref(kind.__name__)}}
    content |= {media: {"schema": schema} for media, schema in (others or {}).items()}
    return {"requestBody": {"required": True, "content": content}}


def answers(kind: type[msgspec.Struct], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that answers with a `kind`."""
    content = {JSON: {"schema": _ref(kind.__name__)}}
    return {status: {"description": "Success", "content": content} for status in statuses or (200,)}


def describe(app: FastAPI, kinds: Iterable[type[msgspec.Struct]]) -> None:
    """Add the schemas of `kinds` and the form of every error to what the app says of itself."""
    plain = app.openapi
    _, ours = msgspec.json.schema_components(kinds, ref_template=REF)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = plain()
            schemas = described.setdefault("components", {}).setdefault("schemas", {})
            schemas |= {**ours, PROBLEM: PROBLEM_SCHEMA}
            for path in described["paths"].values():
                for operation in path.values():
                    _describe_errors(operation["responses"])
            app.openapi_schema = described
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _describe_errors(responses: dict[str, Any]) -> None:
    responses.pop("422", None)
    responses["default"] = {
        "description": "Problem",
        "content": {PROBLEM_CONTENT_TYPE: {"schema": _ref(PROBLEM)}},
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": REF.format(name=name)}
