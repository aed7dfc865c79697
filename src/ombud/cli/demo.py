"""`ombud demo`: everything in one process, on SQLite, ready to be tried."""

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from ombud.admin.keys import replace_key
from ombud.cli.credentials import keep_credentials
from ombud.cli.servers import Service, Site, bind, log_to_stderr, run, url_of
from ombud.cli.shop import open_shop
from ombud.cli.wiring import SENDER_FILE, performing, settings_of_environment, sqlite_url
from ombud.clock import now_microseconds
from ombud.db.connect import open_database
from ombud.db.migrate import migrate
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.shop import create_app
from ombud.web.app import SenderApp

# A person is watching: failures repeat at once, and endpoints on this very machine are what they try.
DEMO_DEFAULTS: dict[str, Any] = {
    "retry_seconds": (0.2, 0.5, 1.0),
    "allow_networks": (ip_network("127.0.0.0/8"), ip_network("::1/128")),
}


def run_demo(host: str, port: int, data: Path, *, as_json: bool) -> int:
    """Run the demo until a signal; returns the exit code."""
    log_to_stderr()
    settings = settings_of_environment(**DEMO_DEFAULTS)
    ports = [bind(host, port and port + offset) for offset in range(2)]
    credentials = keep_credentials(data)
    panel, shop_site = (url_of(bound) for bound in ports)
    card = {
        "panel": f"{panel}/",
        "api": f"{panel}/v1",
        "api_key": credentials["api_key"],
        "shop_api": f"{shop_site}/v1",
        "shop_key": credentials["shop_key"],
        "data": str(data.absolute()),
    }

    async def start() -> Service:
        sender = _open_sender(data, settings, credentials["api_key"])
        shop = open_shop(sender)
        await shop.set_key(credentials["shop_key"])
        await shop.seed()
        work = performing(sender)
        return Service(
            sites=[Site(SenderApp(sender), ports[0]), Site(create_app(shop), ports[1])],
            work=work.run,
            stop_work=work.stop,
            announce=lambda: print(json.dumps(card) if as_json else _welcome(card), flush=True),
            close=sender.close,
        )

    return run(start)


def _open_sender(data: Path, settings: Settings, api_key: str) -> Sender:
    database = open_database(sqlite_url(data / SENDER_FILE))
    migrate(database, ["ombud.admin"])
    database.write(lambda: replace_key("demo", api_key, now_microseconds()))
    return Sender(database, settings)


def _welcome(card: dict[str, str]) -> str:
    shop = card["shop_api"].removesuffix("/v1")
    return f"""Ombud's demo runs.

  The shop      {shop}/
  REST API      {card["api"]}   key: {card["api_key"]}
  Everything    {card["data"]}

Add your endpoint, then pay an order in the shop and watch it arrive:

  curl {card["api"]}/endpoints -H 'Authorization: Bearer {card["api_key"]}' \\
    -H 'Content-Type: application/json' -d '{{"url": "http://localhost:3000/webhooks"}}'

Stop with Ctrl-C; the next start goes on where this one ended."""
