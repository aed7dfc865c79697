"""Errors as problem+json (RFC 9457), with the field named the way the caller wrote it."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ombud.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    KeyMissing,
    NotFound,
    OmbudError,
    Outdated,
    Refused,
    StorageUnavailable,
    TooLarge,
)

log = logging.getLogger("ombud.web")

# Seconds after which a refused write is worth another try.
RETRY_AFTER_SECONDS = 1

_STATUS: Mapping[type[OmbudError], int] = {
    InvalidInput: 422,
    Refused: 422,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Outdated: 412,
    TooLarge: 413,
    StorageUnavailable: 503,
    KeyMissing: 503,
}


def problem(
    status: int,
    detail: str,
    *,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
    stored: int | None = None,
) -> Response:
    """Return a problem document as a response; `stored`: how many events before it are stored nevertheless."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if field is not None:
        body["field"] = field
    if stored is not None:
        body["stored"] = stored
    return Response(msgspec.json.encode(body), status, dict(headers or {}), "application/problem+json")


def problem_of(error: OmbudError, *, stored: int | None = None) -> Response:
    """Return the problem document of an error."""
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
    if isinstance(error, StorageUnavailable):
        # Its words name files of this machine.
        log.warning("answered %s: %s", status, error)
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return problem(status, str(StorageUnavailable()), headers=headers, stored=stored)
    return problem(status, str(error), field=getattr(error, "field", None), stored=stored)


def field_path(location: Sequence[str | int]) -> str:
    """Return a place in a document as people write it: `[3].order_id`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".")


def answer_with_problems(app: FastAPI) -> None:
    """Have an app answer every error with a problem document."""

    @app.exception_handler(OmbudError)
    async def _ombud(_: Request, error: OmbudError) -> Response:
        return problem_of(error)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        if error.status_code == HTTPStatus.BAD_REQUEST:
            # FastAPI's word for a body that it cannot parse.
            return _not_json("it cannot be read")
        return problem(error.status_code, error.detail, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place, *location = first["loc"]
        if first["type"] == "json_invalid":
            return _not_json(first["ctx"]["error"])
        if isinstance(error.body, dict) and location[:1] == [error.body.get("of")]:
            del location[0]  # which of several bodies it is: no field
        return problem(422, f"{first['msg']}.", field=field_path(location) or str(place))

    @app.exception_handler(Exception)
    async def _unforeseen(_: Request, __: Exception) -> Response:
        return problem(500, "Something went wrong here. It is in the log of the server.")


def _not_json(why: str) -> Response:
    return problem_of(InvalidInput("body", f"The body is not JSON: {why}."))
