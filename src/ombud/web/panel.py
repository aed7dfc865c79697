"""The panel: its pages behind one door, and the first of them: what is going on, on one page that stays fresh.

It works without JavaScript as a plain page.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ombud.admin.access import Role
from ombud.admin.delivery_filter import Asked
from ombud.admin.events import rfc3339
from ombud.admin.inbox_filter import AskedArrivals, AskedRuns
from ombud.admin.overview import receiver_overview, sender_overview, stories
from ombud.clock import now_microseconds
from ombud.db.database import Writer
from ombud.errors import ConfigurationError, OmbudError
from ombud.mailbox.model import Box
from ombud.receiver.receiver import Receiver
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.web import (
    alarm_pages,
    arrival_pages,
    delivery_pages,
    key_pages,
    overview_pages,
    people_pages,
    run_pages,
    shop_pages,
    webhook_pages,
)
from ombud.web.account_pages import AccountPages
from ombud.web.alarm_desk import AlarmDesk
from ombud.web.alarm_pages import AlarmPages
from ombud.web.arrival_pages import ArrivalPages
from ombud.web.delivery_pages import DeliveryPages
from ombud.web.event_pages import EventPages
from ombud.web.gate import STATIC, Gate
from ombud.web.house import House, Page, action_route, page_route
from ombud.web.key_pages import KeyPages
from ombud.web.login_pages import LoginPages
from ombud.web.looking import look
from ombud.web.overview_pages import OverviewPages
from ombud.web.panel_story import line_of
from ombud.web.passwords import Passwords
from ombud.web.people_pages import PeoplePages
from ombud.web.performing import work_of
from ombud.web.resend_pages import ResendPages
from ombud.web.run_pages import RunPages
from ombud.web.shop_pages import ShopPages
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
    Page(arrival_pages.PATH, mark("Arrivals"), receiver=True),
    Page(run_pages.PATH, mark("Handler runs"), receiver=True),
    Page(shop_pages.PATH, mark("Shops"), receiver=True),
    Page(alarm_pages.PATH, mark("Alarms")),
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
    """What a panel shows: the sender, the receiver, or both, and with both how they meet.

    `confirms`: the receiver reads what a webhook is about before it believes it.
    """

    sender: Sender | None = None
    receiver: Receiver | None = None
    try_it: TryIt | None = None
    confirms: bool = True


def is_api_path(path: str) -> bool:
    """Return whether the REST API answers at this path; the panel has all others."""
    return path in ("/v1", "/openapi.json") or path.startswith("/v1/")


def create_panel(sides: Sides, people: Writer, settings: Settings = DEFAULTS) -> Gate:
    """Return the panel as an ASGI app. `people` writes where people, sessions and keys are."""
    house = House(people, settings, _menu(sides))
    home = _Home(sides, house)
    others = [sides.receiver.database] if sides.receiver is not None else []
    routes = [
        page_route(HOME, home.home),
        page_route(f"{BELOW}stream", home.stream),
        Mount(STATIC, StaticFiles(packages=[("ombud.web", "static")])),
        action_route("/language", house.choose_language, None),
        *LoginPages(house, passwords := Passwords(), oidc=bool(settings.oidc_issuer)).routes(),
        *_oidc_routes(house, settings),
        *AccountPages(house, passwords).routes(),
        *PeoplePages(house, others, oidc=bool(settings.oidc_issuer)).routes(),
        *KeyPages(house).routes(),
        *AlarmPages(house, AlarmDesk(people, settings)).routes(),
    ]
    if sides.sender is not None:
        routes += ResendPages(house, sides.sender.writer, Asked).routes()
        for pages in (OverviewPages, WebhookForm, WebhookPages, DeliveryPages, EventPages):
            routes += pages(house, sides.sender).routes()
    if sides.receiver is not None:
        for kind in (AskedArrivals, AskedRuns):
            routes += ResendPages(house, sides.receiver.writer, kind).routes()
        for inbox_pages in (ArrivalPages, RunPages, ShopPages):
            routes += inbox_pages(house, sides.receiver).routes()
    if sides.try_it is not None:
        routes.append(action_route(f"{BELOW}order", home.order))
    handlers = dict.fromkeys((OmbudError, HTTPException), house.say)
    return house.behind(Starlette(routes=routes, exception_handlers=handlers))


def _oidc_routes(house: House, settings: Settings) -> list[Route]:
    """Return the way to an OpenID provider and back, if there is one; raises ConfigurationError without its package."""
    if not settings.oidc_issuer:
        return []
    try:
        # Not among what every server has.
        from ombud.web.oidc import Client, Provider  # noqa: PLC0415
        from ombud.web.oidc_pages import OidcPages  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "jwt":
            raise
        raise ConfigurationError("OMBUD_OIDC_ISSUER needs one more package: pip install 'ombud[oidc]'") from None
    client = Client(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret)
    domain = settings.oidc_domain and (settings.oidc_domain[0], Role(settings.oidc_domain[1]))
    return OidcPages(house, Provider(client), domain).routes()


def _menu(sides: Sides) -> list[Page]:
    """Return the pages that there are. People of one shop of a sender have no shop at its receiver."""
    both = sides.sender is not None and sides.receiver is not None
    kept = (page for page in MENU if sides.sender is not None or not page.sender)
    kept = (page for page in kept if sides.receiver is not None or not page.receiver)
    return [replace(page, everywhere=page.everywhere or (both and page.receiver)) for page in kept]


class _Home:
    def __init__(self, sides: Sides, house: House) -> None:
        self._sides = sides
        self._house = house

    async def home(self, request: Request) -> Response:
        if self._house.session(request).shop_id:
            return RedirectResponse(webhook_pages.PATH if self._sides.sender is not None else arrival_pages.PATH, 303)
        placed = request.query_params.get("placed", "")
        placed = placed if placed.isdecimal() and placed.isascii() else ""
        shown = {"placed": placed, "as_of": rfc3339(now_microseconds())}
        return await self._page("panel.html", request, **shown)

    async def stream(self, request: Request) -> Response:
        """Answer with the part that changes, again and again."""
        self._house.operator(request)
        base = self._house.place.base(request)
        return self._house.stream(request, base, lambda: self._page("live.html", request))

    async def order(self, _: Request) -> Response:
        assert self._sides.try_it is not None
        order_id = await self._sides.try_it.place_order()
        return RedirectResponse(f"/?placed={order_id}", 303)

    async def _page(self, template: str, request: Request, **shown: Any) -> Response:
        shown |= await read_sides(self._sides, words_for(request))
        shown |= {"base": self._house.place.base(request), "try_it": self._sides.try_it}
        return self._house.page(request, template, **shown)


async def read_sides(sides: Sides, words: Words) -> dict[str, Any]:
    """Read what the page shows, each side in one snapshot of its database."""
    values: dict[str, Any] = {"sender": None, "receiver": None, "lines": None, "work": []}
    values["confirms"] = sides.confirms
    sender, receiver = sides.sender, sides.receiver
    if sender is not None:
        values["sender"] = await look(sender.database, lambda: sender_overview(sender.endpoints))
        values["work"] += [await work_of(sender.database, Box.OUTBOX)]
    if receiver is not None:
        values["receiver"] = await look(receiver.database, receiver_overview)
        values["work"] += [await work_of(receiver.database, box) for box in (Box.INBOX, Box.CHANGES)]
    if sender is not None and receiver is not None:
        found = await look(receiver.database, lambda: stories(values["sender"]["events"]))
        values["lines"] = [line_of(story, words) for story in found]
    return values
