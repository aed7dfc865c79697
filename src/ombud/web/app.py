"""The sender's web app: its hot path as plain ASGI, everything else by FastAPI."""

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

import ombud
from ombud.receiver.receiver import Receiver
from ombud.sender.sender import Sender
from ombud.web.api import create_router
from ombud.web.api_headers import ApiHeaders
from ombud.web.auth import BearerKeys, RequireKey
from ombud.web.gate import Place
from ombud.web.intake import Intake
from ombud.web.limits import LimitBody
from ombud.web.methods import name_methods
from ombud.web.openapi import INTAKE_PATH, complete
from ombud.web.panel import Sides, TryIt, create_panel, is_api_path
from ombud.web.people_api import create_people_router
from ombud.web.problems import answer_with_problems
from ombud.web.rate import LimitRate

PUBLIC_PATHS = frozenset({"/openapi.json"})


class SenderApp:
    """Sends `POST /v1/events` to the intake, the panel's paths to the panel and every other request to FastAPI."""

    def __init__(self, sender: Sender, receiver: Receiver | None = None, try_it: TryIt | None = None) -> None:
        """`receiver`: the panel shows this receiver's side as well."""
        self.people = sender.writer
        keys = BearerKeys(self.people)
        self.api = create_api(sender)
        place = Place(sender.settings.public_url)
        rest = RequireKey(LimitRate(LimitBody(self.api)), keys, PUBLIC_PATHS)
        self._intake: ASGIApp = ApiHeaders(RequireKey(Intake(sender), keys), place)
        self._rest: ASGIApp = ApiHeaders(rest, place)
        self._panel: ASGIApp = create_panel(Sides(sender, receiver, try_it), self.people, sender.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request."""
        await self._app_for(scope)(scope, receive, send)

    def _app_for(self, scope: Scope) -> ASGIApp:
        if scope["type"] != "http":
            return self._rest
        if scope["path"] == INTAKE_PATH and scope["method"] == "POST":
            return self._intake
        return self._rest if is_api_path(scope["path"]) else self._panel


class Api(FastAPI):
    """Everything but the intake, which its OpenAPI document describes all the same."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI 3.1 document of every path below /v1."""
        if not self.openapi_schema:
            self.openapi_schema = complete(super().openapi(), intake=True)
        return self.openapi_schema


def create_api(sender: Sender) -> FastAPI:
    """Return the app that answers whatever is not hot. It asks nobody for a key: RequireKey stands before it."""
    app = Api(title="Ombud", version=ombud.__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    answer_with_problems(app)
    people = create_people_router(sender.writer, sender.writer, sender.settings.public_url)
    routers = [create_router(sender), people]
    for router in routers:
        app.include_router(router)
    name_methods(app, routers, {INTAKE_PATH: "POST"})
    return app
