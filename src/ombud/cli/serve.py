"""`ombud serve`: the sender with its REST API."""

import json

from ombud.admin.books import Books
from ombud.admin.links import new_token
from ombud.admin.resender import add_resender
from ombud.cli.alarming import alarms_of
from ombud.cli.people import first_path, set_up
from ombud.cli.servers import Service, Site, Standby, bind, run, url_of
from ombud.cli.wiring import database_url, settings_of_environment
from ombud.db.connect import open_database
from ombud.db.migrate import migrate
from ombud.logs import log_to_stderr
from ombud.sender.sender import Sender
from ombud.sender.transport import allow_more_files
from ombud.web.app import SenderApp


def run_serve(database: str, host: str, port: int, *, as_json: bool) -> int:
    """Serve until a signal; returns the exit code."""
    log_to_stderr(as_json=as_json)
    allow_more_files()
    settings = settings_of_environment()
    url = database_url(database, settings)
    listening = bind(host, port)

    async def start() -> Service:
        opened = open_database(url)
        migrate(opened, ["ombud.admin"])
        sender = Sender(opened, settings)
        sender.prepare()
        add_resender(sender)
        here = settings.perform == "here"
        standby = Standby()
        work = Books(sender).run if here else standby.run
        alarms = alarms_of(sender.writer, settings, sender)
        return Service(
            sites=[Site(SenderApp(sender), listening)],
            databases=[opened],
            work=lambda: alarms.beside(work),
            stop_work=sender.stop if here else standby.stop,
            announce=lambda: _announce(url_of(listening), first_path(opened, new_token()), as_json=as_json),
            close=sender.close,
        )

    return run(start)


def _announce(base: str, first: str | None, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"api": f"{base}/v1", "panel": f"{base}/"} | set_up(base, first)), flush=True)
        return
    print(f"Ombud sends webhooks. Panel: {base}/  API: {base}/v1 (make a key with: ombud keys add NAME)", flush=True)
    if first is not None:
        print(f"Nobody can log in yet. Make your account, within a day: {base}{first}", flush=True)
