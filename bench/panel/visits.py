"""Every list and chart there is, as an operator and as somebody of one shop ask for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import httpx2

from bench.panel.fill import HANDLER_LANE, InboxShop, Size, fill, id_of
from ombud.admin.access import EVERY_SHOP, Role, Scope
from ombud.admin.figures import PERIODS
from ombud.admin.keys import add_key, new_key
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.mailbox.ids import format_delivery_id, format_id
from ombud.mailbox.model import Box
from ombud.receiver.inbox import Inbox
from ombud.receiver.shops import add_shop
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.web.app import SenderApp
from ombud.web.receiver_app import ReceiverApp
from tests.support.people import log_in

BASE = "http://127.0.0.1:8700"
# Somebody of this shop asks, too.
SHOP = 7


@dataclass(frozen=True)
class Visit:
    """A page or list: `client` says who asks."""

    client: str
    path: str

    @property
    def name(self) -> str:
        """What a report calls it."""
        return f"{self.client}: {self.path}"


class House:
    """Both sides' apps over one filled database."""

    def __init__(self, database: Database, url: str, size: Size) -> None:
        self.database = database
        settings = Settings(database_url=url, token=new_key(), perform="elsewhere", confirm="none")
        migrate(database, ["ombud.admin"])
        self.sender = Sender(database, settings)
        self.inbox = Inbox(settings)
        self._size, self.now = size, database.clock()
        arrivals = self.inbox.receiver.arrivals
        shop = database.write(lambda: add_shop(arrivals, "bench", new_key(), None))
        self.shop = InboxShop(shop.id, shop.reader_lane_id)
        for number in range(size.shops):
            database.write(partial(add_shop, arrivals, f"shop-{number:03}", new_key(), None))

    def fill(self) -> "list[str]":
        """Store everything; returns what was stored."""
        return list(fill(self.database, self._size, self.shop, self.now))

    def clients(self) -> Mapping[str, httpx2.AsyncClient]:
        """Return who asks, by name."""
        panel, receiver = SenderApp(self.sender, self.inbox.receiver), ReceiverApp(self.inbox, self.sender.writer)
        people = {"operator": self._person(panel, EVERY_SHOP), "shop": self._person(panel, SHOP)}
        keys = {"key": self._key(panel, EVERY_SHOP), "shop's key": self._key(panel, SHOP)}
        return {
            **people,
            **keys,
            "receiver": self._key(receiver, EVERY_SHOP),
            "receiver's panel": self._person(receiver, EVERY_SHOP),
        }

    def visits(self) -> list[Visit]:
        """Return every one."""
        size, now = self._size, self.now
        event_id, endpoint = id_of(size, size.deliveries // 2, now), format_id("ep", 1_000_000 + size.endpoints - 1)
        delivery = format_delivery_id(event_id, 1_000 + size.deliveries // 2 % size.endpoints)
        mine = format_id("ep", 1_000_000 + SHOP - 1)
        one, event = f"/deliveries/{delivery}", f"/v1/events/{format_id('evt', event_id)}"
        filters = ["", "?state=dead", "?state=pending", "?status=5xx", "?status=418", "?type=order.done"]
        filters += [f"?endpoint={endpoint}", "?subject=order/4711", "?subject=order/none&state=dead"]
        filters.append(f"?cursor={format_delivery_id(event_id, 0)}")
        overviews = [f"/overview?period={name}" for name in PERIODS]
        pages = ["/", *overviews, "/settings/webhooks", f"/settings/webhooks/{endpoint}", one]
        pages += [
            *(f"/deliveries{query}" for query in (*filters, "?time=1h")),
            "/people",
            "/keys",
            "/audit",
            "/account",
        ]
        theirs = [*overviews, "/settings/webhooks", f"/settings/webhooks/{mine}"]
        theirs += ["/deliveries", "/deliveries?state=dead"]
        lists = ["/v1/events", event, f"{event}/explain", "/v1/endpoints", f"/v1/endpoints/{endpoint}", f"/v1{one}"]
        lists += ["/v1/replays", *(f"/v1{path}" for path in overviews)]
        found = [f"/v1/deliveries{query}" for query in filters]
        own = ["/v1/events", "/v1/endpoints", "/v1/deliveries", "/v1/deliveries?state=dead", "/v1/overview"]
        asked = {"operator": pages, "shop": theirs, "key": lists + found, "shop's key": own}
        lists, pages = self._inbox_visits()
        asked |= {"receiver": lists, "receiver's panel": pages}
        return [Visit(client, path) for client, paths in asked.items() for path in paths]

    def _inbox_visits(self) -> tuple[list[str], list[str]]:
        """Return the lists and the pages of the receiver."""
        size, now = self._size, self.now
        arrival = f"/arrivals/{format_id('evt', id_of(size, size.arrivals // 2, now, Box.INBOX))}"
        # One that is done, and one that was given up: each 200th.
        middle = size.arrivals // 400 * 200
        runs = [
            f"/runs/{format_delivery_id(id_of(size, place, now, Box.CHANGES), HANDLER_LANE)}"
            for place in (middle, middle + 3)
        ]
        filters = [
            "",
            "?state=dead",
            "?state=pending",
            "?type=order.done",
            "?subject=order/4711",
            "?subject=order/none",
        ]
        found = [f"/arrivals{query}" for query in (*filters, "?state=held", "?state=stored")]
        found += [f"/runs{query}" for query in (*filters, "?handler=ship", "?handler=ship&type=product.add")]
        found += [arrival, *runs, "/shops", f"/shops/{format_id('shop', self.shop.id)}"]
        pages = ["/", *found, "/arrivals?time=1h", "/runs?time=1h", "/shops?after=shop-100"]
        return [f"/v1{path}" for path in found], pages

    def close(self) -> None:
        """Close everything but the database."""
        self.sender.writer.close()
        self.inbox.receiver.close()

    def _person(self, app: SenderApp | ReceiverApp, shop_id: int) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
        cookies = log_in(app.people, Role.OWNER, shop_id)
        return httpx2.AsyncClient(transport=transport, base_url=BASE, cookies=cookies)

    def _key(self, app: SenderApp | ReceiverApp, shop_id: int) -> httpx2.AsyncClient:
        key, scopes = new_key(), (Scope.READ,)
        self.database.write(lambda: add_key(key[-8:], key, self.now, scopes, shop_id))
        headers = {"Authorization": f"Bearer {key}"}
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=BASE, headers=headers)
