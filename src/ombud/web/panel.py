"""The panel: what is going on at the sender, the receiver or both, on one page that refreshes itself.

It works without JavaScript as a plain page. People cannot log in yet, so it opens on this machine alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ombud.admin.overview import (
    ROWS,
    WAIT_SECONDS,
    is_performed,
    receiver_overview,
    sender_overview,
    stories,
    waiting_seconds,
)
from ombud.clock import now_microseconds
from ombud.db.database import Database
from ombud.errors import NotFound, OmbudError, StorageUnavailable
from ombud.mailbox.model import Box
from ombud.sender.outbox import DEFAULT_SHOP_ID
from ombud.sender.sender import Sender
from ombud.web.local import LocalPages
from ombud.web.panel_story import line_of
from ombud.web.panel_words import ago, due, duration, exact, span

HOME = "/"
BELOW = "/panel/"

_STATUS: dict[type[OmbudError], int] = {NotFound: 404, StorageUnavailable: 503}


@dataclass(frozen=True)
class TryIt:
    """What the demo's button does, and where its shop is: `http://127.0.0.1:8701`."""

    place_order: Callable[[], Awaitable[int]]
    shop_url: str


@dataclass(frozen=True)
class Sides:
    """What a panel shows: the sender, the receiver's database, or both, and with both how they meet.

    `confirms`: the receiver reads what a webhook is about before it believes it.
    """

    sender: Sender | None = None
    receiver: Database | None = None
    try_it: TryIt | None = None
    confirms: bool = True


def is_panel_path(path: str) -> bool:
    """Return whether the panel answers at this path."""
    return path == HOME or path.startswith(BELOW)


def create_panel(sides: Sides) -> LocalPages:
    """Return the panel as an ASGI app for the paths of `is_panel_path`."""
    pages = _Pages(sides)
    routes = [
        Route(HOME, pages.home),
        Route(f"{BELOW}live", pages.live),
        Mount(f"{BELOW}static", StaticFiles(packages=[("ombud.web", "static")])),
    ]
    if sides.try_it is not None:
        routes.append(Route(f"{BELOW}order", pages.order, methods=["POST"]))
    handlers = dict.fromkeys((OmbudError, HTTPException), pages.say)
    return LocalPages(Starlette(routes=routes, exception_handlers=handlers), "this panel", scripts=True)


class _Pages:
    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        environment = Environment(
            loader=PackageLoader("ombud.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"ago": ago, "due": due, "duration": duration, "exact": exact, "span": span}
        environment.globals |= {"ROWS": ROWS, "DEFAULT_SHOP_ID": DEFAULT_SHOP_ID}
        self._environment = environment

    async def home(self, request: Request) -> Response:
        placed = request.query_params.get("placed", "")
        return await self._live_page("panel.html", request, placed if placed.isdecimal() and placed.isascii() else "")

    async def live(self, request: Request) -> Response:
        return await self._live_page("live.html", request)

    async def order(self, _: Request) -> Response:
        assert self._sides.try_it is not None
        order_id = await self._sides.try_it.place_order()
        return RedirectResponse(f"/?placed={order_id}", 303)

    async def say(self, _: Request, error: Exception) -> Response:
        """Answer an error with a page that says it in a sentence."""
        if isinstance(error, HTTPException):
            sentences = {404: "There is no such page.", 405: "This page is not used that way."}
            return self._page("message.html", error.status_code, sentence=sentences.get(error.status_code, "No."))
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 422)
        # The words of a database that is not available name files of this machine.
        words = str(StorageUnavailable()) if isinstance(error, StorageUnavailable) else str(error)
        return self._page("message.html", status, sentence=words)

    async def _live_page(self, template: str, request: Request, placed: str = "") -> Response:
        base = str(request.base_url).rstrip("/")

        def render() -> Response:
            values = read_sides(self._sides) | {"placed": placed, "base": base, "try_it": self._sides.try_it}
            return self._page(template, **values)

        return await asyncio.to_thread(render)

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(self._environment.get_template(template).render(values), status)


def read_sides(sides: Sides) -> dict[str, Any]:
    """Read what the page shows, each side in one snapshot of its database. It blocks: call it in a thread."""
    values: dict[str, Any] = {"sender": None, "receiver": None, "lines": None, "work": []}
    values["confirms"] = sides.confirms
    sender, receiver = sides.sender, sides.receiver
    if sender is not None:
        values["sender"] = sender.database.read(lambda: sender_overview(sender.endpoints))
        values["work"] += [_work(sender.database, Box.OUTBOX)]
    if receiver is not None:
        values["receiver"] = receiver.read(receiver_overview)
        values["work"] += [_work(receiver, Box.INBOX), _work(receiver, Box.CHANGES)]
    if sender is not None and receiver is not None:
        found = receiver.read(lambda: stories(values["sender"]["events"]))
        values["lines"] = [line_of(story) for story in found]
    return values | {"as_of": datetime.now(UTC).isoformat()}


def _work(database: Database, box: Box) -> dict[str, Any]:
    waiting = database.read(lambda: waiting_seconds(box, now_microseconds()))
    return {
        "box": box.name.lower(),
        "performed": is_performed(database, box),
        "waiting": waiting if waiting > WAIT_SECONDS else 0.0,
    }
