"""The OpenAPI documents: what FastAPI says of its routes, with the intake, the key, the problems and examples."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ombud.web.intake import EventBody
from ombud.web.openapi_examples import ANSWERS, BODIES

INTAKE_PATH = "/v1/events"

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do."},
        "field": {"type": "string", "description": "Which part of the request: `[3].order_id`."},
        "stored": {"type": "integer", "description": "Of lines of JSON: how many before it are stored."},
    },
}
_EVERYWHERE = {
    "400": "A key in the query, or a body that cannot be read.",
    "401": "No key, or none of this installation.",
    "403": "The key lacks the scope, or is for another shop.",
    "422": "A field cannot be accepted; `field` names it.",
    "429": "Too many requests of this key; `Retry-After` says when.",
    "503": "The database cannot answer now; nothing was stored. Try again after `Retry-After`.",
}
_MORE = {
    "404": "It is not there, or not of this key's shop.",
    "409": "It contradicts what is stored.",
    "412": "It was changed since the ETag was read.",
    "413": "The body is too large.",
}
_RATE = {
    name: {"schema": {"type": "string", "examples": [example]}, "description": words}
    for name, example, words in (
        ("RateLimit-Policy", '"key";q=2000;w=10', "Requests (q) that a key may make in seconds (w)."),
        ("RateLimit", '"key";r=1999;t=1', "What is left of them (r), and the seconds (t) until all are."),
    )
}
_TAG = {"schema": {"type": "string"}, "description": "Send it as `If-Match` with a change."}


def complete(document: dict[str, Any], *, intake: bool) -> dict[str, Any]:
    """Return FastAPI's document with all that it does not know; `intake`: `POST /v1/events` is served beside it."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]
    if intake:
        document["paths"].setdefault(INTAKE_PATH, {})["post"] = _intake(schemas)
    for method, path, operation in operations(document):
        _describe(method, path, operation)
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return each operation with its method and path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _intake(schemas: dict[str, Any]) -> dict[str, Any]:
    (event,), components = msgspec.json.schema_components([EventBody], ref_template="#/components/schemas/{name}")
    schemas.update(components)
    body = {"schema": {"oneOf": [event, {"type": "array", "items": event}]}}
    words = "An event in each line: stored as they come, not all or nothing. Answered with `stored` and `deliveries`."
    lines = {"schema": {"type": "string", "description": words}}
    return {
        "summary": "Publish one event, an array that is stored all or nothing, or a stream of lines",
        "operationId": "publish_v1_events_post",
        "tags": ["events"],
        "requestBody": {"required": True, "content": {"application/json": body, "application/x-ndjson": lines}},
        "responses": {
            "201": {"description": "Stored durably; it will be delivered.", "content": {"application/json": {}}}
        },
    }


def _describe(method: str, path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    problems = dict(_EVERYWHERE)
    if "{" in path:
        problems["404"] = _MORE["404"]
    if method != "GET":
        problems |= {status: _MORE[status] for status in ("409", "412", "413")}
    for status, words in problems.items():
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        responses[status] = {"description": words, "content": content}
    [(status, success)] = [(status, answer) for status, answer in responses.items() if status.startswith("2")]
    if path != INTAKE_PATH or method != "POST":
        success["headers"] = dict(_RATE)
    example = ANSWERS.get(f"{method} {path}")
    if example is not None and status != "204":
        success["content"]["application/json"]["example"] = example
        if "{endpoint_id}" in path:
            success["headers"]["ETag"] = _TAG
    if body := operation.get("requestBody"):
        body["content"]["application/json"] |= BODIES.get(f"{method} {path}", {})
