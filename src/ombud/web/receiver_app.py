"""The receiver's web app: hooks as plain ASGI, arrivals by FastAPI."""

from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query
from starlette.types import ASGIApp, Receive, Scope, Send

import ombud
from ombud.admin.arrivals import get_arrival, list_arrivals
from ombud.admin.events import Document
from ombud.db.database import Database
from ombud.mailbox.ids import parse_id
from ombud.receiver.inbox import Inbox
from ombud.web.auth import BearerKeys, RequireKey
from ombud.web.limits import LimitBody
from ombud.web.pages import PAGE_ROWS, Cursor, Id, Limit, before_cursor, page
from ombud.web.panel import Sides, create_panel, is_panel_path
from ombud.web.problems import answer_with_problems

HOOKS = "/hooks/"
# Paths that anybody may read.
PUBLIC = frozenset({"/openapi.json"})

Subject = Annotated[str | None, Query(description="Only arrivals about this: order/90017.")]


class ReceiverApp:
    """Sends hooks to the inbox, the panel's paths to the panel and every other request to FastAPI."""

    def __init__(self, inbox: Inbox) -> None:
        database = inbox.receiver.database
        self.api = create_api(database)
        self._hooks: ASGIApp = inbox.asgi
        self._rest: ASGIApp = RequireKey(LimitBody(self.api), BearerKeys(database), PUBLIC)
        self._panel: ASGIApp = create_panel(Sides(receiver=database, confirms=inbox.settings.confirm == "api"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request."""
        if scope["type"] == "http" and scope["path"].startswith(HOOKS):
            await self._hooks(scope, receive, send)
        elif scope["type"] == "http" and is_panel_path(scope["path"]):
            await self._panel(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


def create_api(database: Database) -> FastAPI:
    """Return the app of everything but the hooks."""
    app = FastAPI(title="Ombud receiver", version=ombud.__version__, docs_url=None, redoc_url=None)
    answer_with_problems(app)
    app.include_router(_create_router(database))
    return app


def _create_router(database: Database) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["arrivals"])

    @router.get("/arrivals", summary="Webhooks that arrived, newest first, with their read and runs")
    def index(limit: Limit = PAGE_ROWS, cursor: Cursor = "", subject: Subject = None) -> dict[str, Any]:
        before = before_cursor("evt", cursor)
        return page(database.read(lambda: list_arrivals(before, limit, subject)), limit)

    @router.get("/arrivals/{arrival_id}", summary="One webhook that arrived")
    def show(arrival_id: Id) -> Document:
        number = parse_id("evt", arrival_id, "arrival_id")
        return database.read(lambda: get_arrival(number))

    return router
