"""The OpenAPI documents: what FastAPI says of its routes, with the intake, the key, the problems and examples."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import chain
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ombud.sender.outbox import LARGEST_SHOP_ID
from ombud.web.intake import EVENTS_PER_REQUEST, INTAKE_PATH
from ombud.web.openapi_bodies import BODIES, EVENT, INBOX_BODIES
from ombud.web.openapi_examples import ANSWERS
from ombud.web.openapi_inbox_examples import ANSWERS as INBOX_ANSWERS
from ombud.web.openapi_inbox_shapes import SHAPES as INBOX_SHAPES
from ombud.web.openapi_parameters import LINKS, describe_parameter
from ombud.web.openapi_parts import Tagged
from ombud.web.openapi_sender_shapes import ACCEPTED
from ombud.web.openapi_sender_shapes import SHAPES as SENDER_SHAPES
from ombud.web.openapi_shared_examples import ANSWERS as SHARED_ANSWERS
from ombud.web.openapi_shared_shapes import SHAPES as SHARED_SHAPES

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do."},
        "field": {"type": "string", "description": "Which part of the request: `[3].order_id`."},
        "stored": {"type": "integer", "description": "Of lines of JSON: how many before it are stored."},
    },
}
_JSON, _PROBLEM_JSON = "application/json", "application/problem+json"
# By status, when all is not well: in words.
_EVERYWHERE = {
    "400": "A key in the query.",
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
    "415": "The body is something else than JSON.",
}
_RETRY_AFTER = {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer", "minimum": 1}}
_CHALLENGE = {"description": "How to send a key.", "required": True, "schema": {"const": "Bearer"}}
_PROBLEM_HEADERS = {
    "401": {"WWW-Authenticate": _CHALLENGE},
    "429": {"Retry-After": _RETRY_AFTER},
    "503": {"Retry-After": _RETRY_AFTER},
}
_RATE = {
    name: {
        "schema": {"type": "string", "pattern": pattern, "examples": [example]},
        "description": words,
        "required": True,
    }
    for name, pattern, example, words in (
        (
            "RateLimit-Policy",
            '^"key";q=[0-9]+;w=[0-9]+$',
            '"key";q=2000;w=10',
            "Requests (q) that a key may make in seconds (w).",
        ),
        (
            "RateLimit",
            '^"key";r=[0-9]+;t=[0-9]+$',
            '"key";r=1999;t=1',
            "What is left of them (r), and the seconds (t) until all are.",
        ),
    )
}
# Answers that come before the key is known and counted.
_UNCOUNTED = frozenset({"400", "401", "403", "503"})
_TAG = {
    "schema": {"type": "string", "pattern": '^"[0-9a-z-]+"$'},
    "description": "Send it as `If-Match` with a change.",
    "required": True,
}


def complete(document: dict[str, Any], *, intake: bool) -> dict[str, Any]:
    """Return FastAPI's document with all that it does not know; `intake`: `POST /v1/events` is served beside it."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]
    if intake:
        document["paths"].setdefault(INTAKE_PATH, {})["post"] = _intake()
    shapes = SHARED_SHAPES | (SENDER_SHAPES if intake else INBOX_SHAPES)
    answers = SHARED_ANSWERS | (ANSWERS if intake else INBOX_ANSWERS)
    bodies = BODIES if intake else BODIES | INBOX_BODIES
    _add_shapes(document, shapes, ACCEPTED if intake else ())
    for schema in chain(*([one, *one.get("oneOf", ())] for one in schemas.values())):
        # FastAPI's own model of a document has bounds as floats, and this one is not exact as such.
        if "maximum" in (shop := schema.get("properties", {}).get("shop_id", {})):
            shop["maximum"] = LARGEST_SHOP_ID
    for method, path, operation in operations(document):
        _describe(method, path, operation, shapes, answers)
        if body := operation.get("requestBody"):
            body["content"][_JSON] |= bodies.get(f"{method} {path}", {})
    _add_links(document)
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return each operation with its method and path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _add_shapes(
    document: dict[str, Any], shapes: Mapping[str, type[BaseModel]], more: Sequence[type[BaseModel]]
) -> None:
    """Say of each route what it answers when all is well."""
    models = [*dict.fromkeys(shapes.values()), *more]
    references, found = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    document["components"]["schemas"] |= found["$defs"]
    for method, path, operation in operations(document):
        if model := shapes.get(f"{method} {path}"):
            _success(operation)[1]["content"] = {_JSON: {"schema": references[model, "serialization"]}}


def _intake() -> dict[str, Any]:
    body = {"schema": {"oneOf": [EVENT, {"type": "array", "items": EVENT, "maxItems": EVENTS_PER_REQUEST}]}}
    words = "An event in each line: stored as they come, not all or nothing. Answered with `stored` and `deliveries`."
    lines = {"schema": {"type": "string", "description": words}}
    answers = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in ACCEPTED]
    return {
        "summary": "Publish one event, an array that is stored all or nothing, or a stream of lines",
        "operationId": "publish_v1_events_post",
        "tags": ["events"],
        "requestBody": {"required": True, "content": {_JSON: body, "application/x-ndjson": lines}},
        "responses": {
            "201": {
                "description": "Stored durably; it will be delivered.",
                "content": {_JSON: {"schema": {"oneOf": answers}}},
            }
        },
    }


def _success(operation: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    [(status, answer)] = [(status, one) for status, one in operation["responses"].items() if status.startswith("2")]
    return status, answer


def _describe(
    method: str,
    path: str,
    operation: dict[str, Any],
    shapes: Mapping[str, type[BaseModel]],
    answers: Mapping[str, Any],
) -> None:
    for parameter in operation.get("parameters", ()):
        describe_parameter(path, parameter)
    counted = dict(_RATE) if (method, path) != ("POST", INTAKE_PATH) else {}
    status, success = _success(operation)
    success["headers"] = dict(counted)
    example = answers.get(f"{method} {path}")
    if example is not None and status != "204":
        success["content"][_JSON]["example"] = example
        if issubclass(shapes.get(f"{method} {path}", BaseModel), Tagged):
            success["headers"]["ETag"] = _TAG
    for status, words in _problems(method, path).items():
        operation["responses"][status] = _problem(status, words, {} if status in _UNCOUNTED else counted)


def _add_links(document: dict[str, Any]) -> None:
    """Say of each answer that holds an id where it can be used."""
    for method, path, operation in operations(document):
        if source := LINKS.get(f"{method} {path}"):
            parameter, place = source
            _success(operation)[1]["links"] = {
                target["operationId"]: {"operationId": target["operationId"], "parameters": {parameter: place}}
                for _, other, target in operations(document)
                if f"{{{parameter}}}" in other
            }


def _problems(method: str, path: str) -> dict[str, str]:
    problems = dict(_EVERYWHERE)
    if "{" in path:
        problems["404"] = _MORE["404"]
    if method != "GET":
        problems |= {status: _MORE[status] for status in ("409", "412", "413", "415")}
    return problems


def _problem(status: str, words: str, headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of an answer that says what is wrong."""
    example = {
        "type": "about:blank",
        "title": HTTPStatus(int(status)).phrase,
        "status": int(status),
        "detail": words,
    }
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    answer: dict[str, Any] = {"description": words, "content": {_PROBLEM_JSON: content}}
    if found := {**headers, **_PROBLEM_HEADERS.get(status, {})}:
        answer["headers"] = found
    return answer
