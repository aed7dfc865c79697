"""`ombud demo`: shop, sender, receiver and a sample app in one process, on SQLite, ready to be tried."""

import asyncio
import json
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from ombud.admin.books import Books
from ombud.admin.keys import replace_key
from ombud.admin.resender import add_resender, resend_beside
from ombud.cli.alarming import alarms_of
from ombud.cli.credentials import keep_credentials
from ombud.cli.demo_app import create_demo_inbox
from ombud.cli.people import first_path, set_up
from ombud.cli.servers import Service, Site, bind, run, url_of
from ombud.cli.shop import open_shop
from ombud.cli.wiring import RECEIVER_FILE, SENDER_FILE, settings_of_environment, sqlite_url
from ombud.clock import now_microseconds
from ombud.db.connect import open_database
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.logs import log_to_stderr
from ombud.mailbox.ids import ID_LIMIT
from ombud.receiver.embedded import LocalRunner
from ombud.receiver.inbox import Inbox
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.shop import create_app
from ombud.shop.pages import place_and_pay
from ombud.web.app import SenderApp
from ombud.web.looking import look
from ombud.web.panel import TryIt
from ombud.web.receiver_app import ReceiverApp

# By this the endpoint of the demo's own receiver is known at the next start, whatever its port is then.
OWN_ENDPOINT = "The demo's own receiver"
TRIED_ENDPOINT = "The shop's endpoint to try: its page Trouble says how it answers"
# Endpoints among which they are looked for.
MOST_KNOWN = 500

# A person is watching: failures repeat at once, and endpoints on this very machine are what they try.
DEMO_DEFAULTS: dict[str, Any] = {
    "retry_seconds": (0.2, 0.5, 1.0),
    "allow_networks": (ip_network("127.0.0.0/8"), ip_network("::1/128")),
    "quiet_seconds": (0.0, 0.0),
    "settle_seconds": (0.2,),
    "reconcile_seconds": (),
    "absence_gap_seconds": 0.2,
    "reads_per_second": 1_000.0,
}


def run_demo(host: str, port: int, data: Path, *, as_json: bool) -> int:
    """Run the demo until a signal; returns the exit code."""
    log_to_stderr(as_json=as_json)
    settings = settings_of_environment(**DEMO_DEFAULTS)
    ports = [bind(host, port and port + offset) for offset in range(3)]
    credentials = keep_credentials(data)
    card = _card([url_of(bound) for bound in ports], credentials, data)

    async def start() -> Service:
        demo = Demo(data, settings, credentials, card)
        await demo.prepare()
        try_it = TryIt(lambda: place_and_pay(demo.shop), url_of(ports[1]))
        panel = SenderApp(demo.sender, demo.inbox.receiver, try_it)
        shop = create_app(demo.shop, add_endpoint=demo.add_tried_endpoint)
        apps: list[ASGIApp] = [panel, shop, ReceiverApp(demo.inbox, demo.sender.writer)]
        first = first_path(demo.sender.database, credentials["set_up_token"])
        shown = card | set_up(card["panel"].rstrip("/"), first)
        return Service(
            sites=[Site(app, bound) for app, bound in zip(apps, ports, strict=True)],
            databases=[demo.sender.database, demo.inbox.receiver.database],
            work=demo.run,
            stop_work=demo.stop,
            announce=lambda: print(json.dumps(shown) if as_json else _welcome(shown), flush=True),
            close=demo.close,
        )

    return run(start)


class Demo:
    """The three parts, each as it would be on a machine of its own."""

    def __init__(self, data: Path, settings: Settings, credentials: dict[str, str], card: dict[str, str]) -> None:
        self._card = card
        self._credentials = credentials
        self.sender = Sender(_open(data / SENDER_FILE, credentials["api_key"]), settings)
        self.sender.prepare()
        add_resender(self.sender)
        self._books = Books(self.sender)
        self.shop = open_shop(self.sender)
        self.inbox = _open_inbox(data, settings, credentials, card)
        self._alarms = alarms_of(self.sender.writer, settings, self.sender, self.inbox.receiver)

    async def prepare(self) -> None:
        """Give the shop its key and its first goods, and the sender the receiver's address."""
        await self.shop.set_key(self._credentials["shop_key"])
        await self.shop.seed()
        url, endpoints = self._card["receiver"], self.sender.endpoints
        known = self.sender.database.read(lambda: endpoints.list(ID_LIMIT - 1, MOST_KNOWN))
        own = [endpoint for endpoint in known if endpoint.edit.description == OWN_ENDPOINT]
        if not own:
            await self.sender.writer.write(lambda: endpoints.add(EndpointEdit(url, description=OWN_ENDPOINT)))
        elif own[0].edit.url != url:
            await self.sender.writer.write(lambda: endpoints.change(own[0].id, url=url))

    async def add_tried_endpoint(self, url: str) -> None:
        """Have the shop's own endpoint hear of every event; once."""
        endpoints = self.sender.endpoints
        known = await look(self.sender.database, lambda: endpoints.list(ID_LIMIT - 1, MOST_KNOWN))
        if not any(endpoint.edit.url == url for endpoint in known):
            await self.sender.writer.write(lambda: endpoints.add(EndpointEdit(url, description=TRIED_ENDPOINT)))

    async def run(self) -> None:
        """Deliver, read and call until `stop`."""
        inbox = self.inbox
        facts = [handler.facts for handler in inbox.handlers.values()]
        runner = LocalRunner(inbox.handlers, inbox.starts)
        receive = partial(inbox.receiver.run, facts, runner, retired=inbox.all_retired)

        async def work() -> None:
            await asyncio.gather(self._books.run(), resend_beside(inbox.receiver, receive))

        await self._alarms.beside(work)

    def stop(self) -> None:
        """End `run`."""
        self.sender.stop()
        self.inbox.receiver.stop()

    def close(self) -> None:
        """Commit what waits and close both databases."""
        self.sender.close()
        self.inbox.receiver.close()


def _open(path: Path, api_key: str) -> Database:
    database = open_database(sqlite_url(path))
    migrate(database, ["ombud.admin"])
    database.write(lambda: replace_key("demo", api_key, now_microseconds()))
    return database


def _open_inbox(data: Path, settings: Settings, credentials: dict[str, str], card: dict[str, str]) -> Inbox:
    _open(data / RECEIVER_FILE, credentials["api_key"]).close()
    inbox = create_demo_inbox(
        replace(
            settings,
            database_url=sqlite_url(data / RECEIVER_FILE),
            token=credentials["hook_token"],
            api_key=credentials["shop_key"],
            api_url=card["shop_api"],
        ),
        data,
    )
    inbox.leave_work()
    return inbox


def _card(sites: list[str], credentials: dict[str, str], data: Path) -> dict[str, str]:
    panel, shop, receiver = sites
    return {
        "panel": f"{panel}/",
        "api": f"{panel}/v1",
        "api_key": credentials["api_key"],
        "shop_api": f"{shop}/v1",
        "shop_key": credentials["shop_key"],
        "receiver": f"{receiver}/hooks/{credentials['hook_token']}",
        "receiver_api": f"{receiver}/v1",
        "data": str(data.absolute()),
    }


def _welcome(card: dict[str, str]) -> str:
    shop = card["shop_api"].removesuffix("/v1")
    panel = f"{card['set_up']}   make your account here" if "set_up" in card else card["panel"]
    return f"""Ombud's demo runs.

  The panel     {panel}
  The shop      {shop}/
  REST APIs     {card["api"]} and {card["receiver_api"]}   key: {card["api_key"]}
  Everything    {card["data"]}   (handled.jsonl: what the sample app was called with)

Press the panel's button, or pay an order in the shop, and watch it arrive. To have it arrive at your own endpoint too:

  curl {card["api"]}/endpoints -H 'Authorization: Bearer {card["api_key"]}' \\
    -H 'Content-Type: application/json' -d '{{"url": "http://localhost:3000/webhooks"}}'

Stop with Ctrl-C; the next start goes on where this one ended."""
