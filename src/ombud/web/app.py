"""The sender's web app: its hot path as plain ASGI, everything else by FastAPI."""

from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

import ombud
from ombud.sender.sender import Sender
from ombud.web.api import create_router
from ombud.web.auth import BearerKeys
from ombud.web.intake import EventBody, Intake
from ombud.web.limits import LimitBody
from ombud.web.problems import answer_with_problems

INTAKE_PATH = "/v1/events"


class SenderApp:
    """Sends `POST /v1/events` to the intake and every other request to FastAPI."""

    def __init__(self, sender: Sender) -> None:
        keys = BearerKeys(sender.database)
        self.api = create_api(sender, keys)
        self._intake: ASGIApp = Intake(sender, keys)
        self._rest: ASGIApp = LimitBody(self.api)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request."""
        hot = scope["type"] == "http" and scope["path"] == INTAKE_PATH and scope["method"] == "POST"
        await (self._intake if hot else self._rest)(scope, receive, send)


class Api(FastAPI):
    """Everything but the intake, which its OpenAPI document describes all the same."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI 3.1 document of every path below /v1."""
        if not self.openapi_schema:
            self.openapi_schema = _with_intake(super().openapi())
        return self.openapi_schema


def create_api(sender: Sender, keys: BearerKeys) -> FastAPI:
    """Return the app that answers whatever is not hot."""
    app = Api(title="Ombud", version=ombud.__version__, docs_url=None, redoc_url=None)
    answer_with_problems(app)
    app.include_router(create_router(sender, keys))
    return app


def _with_intake(document: dict[str, Any]) -> dict[str, Any]:
    (event,), components = msgspec.json.schema_components([EventBody], ref_template="#/components/schemas/{name}")
    document.setdefault("components", {}).setdefault("schemas", {}).update(components)
    document["paths"].setdefault(INTAKE_PATH, {})["post"] = {
        "summary": "Publish one event, or an array that is stored all or nothing",
        "tags": ["events"],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"oneOf": [event, {"type": "array", "items": event}]}}},
        },
        "responses": {
            "201": {"description": "Stored durably; it will be delivered."},
            "409": {"description": "The event key stands for another event."},
            "422": {"description": "A field cannot be accepted; `field` names it."},
            "503": {"description": "Nothing was stored; try again after `Retry-After`."},
        },
    }
    return document
