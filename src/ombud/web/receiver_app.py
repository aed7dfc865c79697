"""The receiver's web app: hooks as plain ASGI, arrivals by FastAPI."""

from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request
from starlette.types import ASGIApp, Receive, Scope, Send

import ombud
from ombud.admin.arrivals import get_arrival, list_arrivals
from ombud.admin.events import Document
from ombud.db.database import Database, Writer
from ombud.mailbox.ids import parse_id
from ombud.receiver.inbox import Inbox
from ombud.web.auth import BearerKeys, RequireKey, caller_of
from ombud.web.limits import LimitBody
from ombud.web.looking import look
from ombud.web.openapi import complete
from ombud.web.pages import PAGE_ROWS, Cursor, Id, Limit, before_cursor
from ombud.web.panel import Sides, create_panel, is_api_path
from ombud.web.problems import answer_with_problems
from ombud.web.rate import LimitRate

HOOKS = "/hooks/"
# Paths that anybody may read.
PUBLIC = frozenset({"/openapi.json"})

Subject = Annotated[str | None, Query(description="Only arrivals about this: order/90017.")]


class ReceiverApp:
    """Sends hooks to the inbox, the panel's paths to the panel and every other request to FastAPI."""

    def __init__(self, inbox: Inbox, people: Writer | None = None) -> None:
        """`people` writes where those are who may see this panel: the receiver's own database if it is None."""
        database, writer = inbox.receiver.database, inbox.receiver.writer
        self.people = people or writer
        self.api = create_api(database)
        self._hooks: ASGIApp = inbox.asgi
        self._rest: ASGIApp = RequireKey(LimitRate(LimitBody(self.api)), BearerKeys(writer), PUBLIC)
        sides = Sides(receiver=database, confirms=inbox.settings.confirm == "api")
        self._panel: ASGIApp = create_panel(sides, self.people, inbox.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request."""
        if scope["type"] == "http" and scope["path"].startswith(HOOKS):
            await self._hooks(scope, receive, send)
        elif scope["type"] != "http" or is_api_path(scope["path"]):
            await self._rest(scope, receive, send)
        else:
            await self._panel(scope, receive, send)


class Api(FastAPI):
    """Everything but the hooks."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI 3.1 document."""
        if not self.openapi_schema:
            self.openapi_schema = complete(super().openapi(), intake=False)
        return self.openapi_schema


def create_api(database: Database) -> FastAPI:
    """Return the app of everything but the hooks."""
    app = Api(title="Ombud receiver", version=ombud.__version__, docs_url=None, redoc_url=None)
    answer_with_problems(app)
    app.include_router(_create_router(database))
    return app


def _create_router(database: Database) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["arrivals"])

    @router.get("/arrivals", summary="Webhooks that arrived, newest first, with their read and runs")
    async def index(
        request: Request, limit: Limit = PAGE_ROWS, cursor: Cursor = "", subject: Subject = None
    ) -> dict[str, Any]:
        before, shop_id = before_cursor("evt", cursor), caller_of(request).shop_id
        data, next_cursor = await look(database, lambda: list_arrivals(before, limit, subject, shop_id))
        return {"data": data, "next_cursor": next_cursor}

    @router.get("/arrivals/{arrival_id}", summary="One webhook that arrived")
    async def show(request: Request, arrival_id: Id) -> Document:
        number, caller = parse_id("evt", arrival_id, "arrival_id"), caller_of(request)
        return await look(database, lambda: get_arrival(number, caller))

    return router
