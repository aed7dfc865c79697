"""The panel: its pages behind one door, and the first of them: what is going on, on one page that refreshes itself.

It works without JavaScript as a plain page.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ombud.admin.access import Role
from ombud.admin.overview import (
    WAIT_SECONDS,
    is_performed,
    receiver_overview,
    seems_performed,
    sender_overview,
    stories,
    waiting_seconds,
)
from ombud.clock import now_microseconds
from ombud.db.database import Database, Writer
from ombud.errors import OmbudError
from ombud.mailbox.model import Box
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.web import delivery_pages, key_pages, overview_pages, people_pages, webhook_pages
from ombud.web.account_pages import PATH as ACCOUNT
from ombud.web.account_pages import AccountPages
from ombud.web.delivery_pages import DeliveryPages
from ombud.web.gate import STATIC, Gate
from ombud.web.house import House, Page, action_route, page_route
from ombud.web.key_pages import KeyPages
from ombud.web.login_pages import LoginPages
from ombud.web.looking import look
from ombud.web.overview_pages import OverviewPages
from ombud.web.panel_story import line_of
from ombud.web.passwords import Passwords
from ombud.web.people_pages import PeoplePages
from ombud.web.resend_pages import ResendPages
from ombud.web.webhook_form import WebhookForm
from ombud.web.webhook_pages import WebhookPages
from ombud.web.words import Words, mark, words_for

HOME = "/"
DEFAULTS = Settings()
MENU = (
    Page(HOME, mark("Live"), everywhere=True),
    Page(overview_pages.PATH, mark("Overview"), sender=True),
    Page(webhook_pages.PATH, mark("Webhooks"), sender=True),
    Page(delivery_pages.PATH, mark("Deliveries"), sender=True),
    Page(key_pages.PATH, mark("API keys"), Role.OWNER, everywhere=True),
    Page(people_pages.PATH, mark("People"), Role.OWNER, everywhere=True),
    Page(people_pages.AUDIT, mark("Audit log"), Role.OWNER, everywhere=True),
)
BELOW = "/panel/"


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


def is_api_path(path: str) -> bool:
    """Return whether the REST API answers at this path; the panel has all others."""
    return path in ("/v1", "/openapi.json") or path.startswith("/v1/")


def create_panel(sides: Sides, people: Writer, settings: Settings = DEFAULTS) -> Gate:
    """Return the panel as an ASGI app. `people` writes where people, sessions and keys are."""
    house = House(people, settings, [page for page in MENU if sides.sender is not None or not page.sender])
    home = _Home(sides, house)
    routes = [
        page_route(HOME, home.home),
        page_route(f"{BELOW}live", home.live),
        Mount(STATIC, StaticFiles(packages=[("ombud.web", "static")])),
        action_route("/language", house.choose_language, None),
        *LoginPages(house, passwords := Passwords()).routes(),
        *AccountPages(house, passwords).routes(),
        *PeoplePages(house).routes(),
        *KeyPages(house).routes(),
    ]
    if sides.sender is not None:
        for pages in (OverviewPages, WebhookForm, WebhookPages, ResendPages, DeliveryPages):
            routes += pages(house, sides.sender).routes()
    if sides.try_it is not None:
        routes.append(action_route(f"{BELOW}order", home.order))
    handlers = dict.fromkeys((OmbudError, HTTPException), house.say)
    return house.behind(Starlette(routes=routes, exception_handlers=handlers))


class _Home:
    def __init__(self, sides: Sides, house: House) -> None:
        self._sides = sides
        self._house = house

    async def home(self, request: Request) -> Response:
        if self._house.session(request).shop_id:
            return RedirectResponse(webhook_pages.PATH if self._sides.sender is not None else ACCOUNT, 303)
        placed = request.query_params.get("placed", "")
        return await self._live_page("panel.html", request, placed if placed.isdecimal() and placed.isascii() else "")

    async def live(self, request: Request) -> Response:
        self._house.operator(request)
        return await self._live_page("live.html", request)

    async def order(self, _: Request) -> Response:
        assert self._sides.try_it is not None
        order_id = await self._sides.try_it.place_order()
        return RedirectResponse(f"/?placed={order_id}", 303)

    async def _live_page(self, template: str, request: Request, placed: str = "") -> Response:
        base = str(request.base_url).rstrip("/")
        values = await read_sides(self._sides, words_for(request))
        return self._house.page(request, template, **values, placed=placed, base=base, try_it=self._sides.try_it)


async def read_sides(sides: Sides, words: Words) -> dict[str, Any]:
    """Read what the page shows, each side in one snapshot of its database."""
    values: dict[str, Any] = {"sender": None, "receiver": None, "lines": None, "work": []}
    values["confirms"] = sides.confirms
    sender, receiver = sides.sender, sides.receiver
    if sender is not None:
        values["sender"] = await look(sender.database, lambda: sender_overview(sender.endpoints))
        values["work"] += [await _work(sender.database, Box.OUTBOX)]
    if receiver is not None:
        values["receiver"] = await look(receiver, receiver_overview)
        values["work"] += [await _work(receiver, Box.INBOX), await _work(receiver, Box.CHANGES)]
    if sender is not None and receiver is not None:
        found = await look(receiver, lambda: stories(values["sender"]["events"]))
        values["lines"] = [line_of(story, words) for story in found]
    return values | {"as_of": datetime.now(UTC).isoformat()}


async def _is_performed(database: Database, box: Box) -> bool:
    if database.exclusive:
        return await asyncio.to_thread(is_performed, database, box)
    return await database.fetch(lambda: seems_performed(box, database.clock()))


async def _work(database: Database, box: Box) -> dict[str, Any]:
    waiting = await look(database, lambda: waiting_seconds(box, now_microseconds()))
    return {
        "box": box.name.lower(),
        "performed": await _is_performed(database, box),
        "waiting": waiting if waiting > WAIT_SECONDS else 0.0,
    }
