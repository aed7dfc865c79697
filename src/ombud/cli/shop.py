"""`ombud shop`: the pretend shop, in a sender's database."""

import json

from ombud.cli.credentials import new_shop_key
from ombud.cli.servers import Service, Site, Standby, bind, run, url_of
from ombud.cli.wiring import database_url, settings_of_environment
from ombud.db.connect import open_database
from ombud.db.migrate import migrate
from ombud.logs import log_to_stderr
from ombud.sender.sender import Sender
from ombud.shop import Shop, create_app


def run_shop(database: str, host: str, port: int, *, new_key: bool, as_json: bool) -> int:
    """Serve the shop until a signal; another process delivers its events. Returns the exit code."""
    log_to_stderr(as_json=as_json)
    settings = settings_of_environment()
    url = database_url(database, settings)
    listening = bind(host, port)

    async def start() -> Service:
        sender = Sender(open_database(url), settings)
        shop = open_shop(sender)
        made = await _open_api(shop, settings.api_key, new_key=new_key)
        await shop.seed()
        standby = Standby()
        return Service(
            sites=[Site(create_app(shop), listening)],
            databases=[sender.database],
            work=standby.run,
            stop_work=standby.stop,
            announce=lambda: _announce(url_of(listening), made, as_json=as_json),
            close=sender.close,
        )

    return run(start)


def open_shop(sender: Sender) -> Shop:
    """Return the pretend shop in a sender's database."""
    migrate(sender.database, ["ombud.shop"])
    return Shop(sender.writer, sender.outbox, clock=sender.database.clock)


async def _open_api(shop: Shop, key: str | None, *, new_key: bool) -> str | None:
    """Let the key of the settings into the API, else one that is made here if none does yet; returns the one made."""
    if key is not None:
        await shop.set_key(key)
        return None
    made = new_shop_key()
    if new_key:
        await shop.set_key(made)
        return made
    return made if await shop.set_first_key(made) else None


def _announce(base: str, new_key: str | None, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"shop": f"{base}/", "shop_api": f"{base}/v1", "shop_key": new_key}), flush=True)
        return
    print(f"The pretend shop. Pages: {base}/  REST API: {base}/v1", flush=True)
    if new_key:
        print(f"Its API key, shown once: {new_key}", flush=True)
