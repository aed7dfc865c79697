"""The `ombud` command. Each verb imports what it needs when it runs, so that `ombud --help` stays fast."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import ombud
from ombud.cli.alarms_verbs import alarms
from ombud.cli.endpoints_verbs import endpoints
from ombud.cli.failures import exit_code_of, say_error
from ombud.cli.options import Data, Database, Host, Json, Port
from ombud.cli.replays_verbs import replays
from ombud.cli.secrets_verbs import secrets
from ombud.cli.shops_verbs import shops
from ombud.errors import OmbudError

app = typer.Typer(
    name="ombud",
    help="Webhooks for online shops: send, receive, try, look.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
keys = typer.Typer(help="Bearer keys of the REST API.", no_args_is_help=True)
app.add_typer(keys, name="keys")
people = typer.Typer(help="People who log in to the panel.", no_args_is_help=True)
app.add_typer(people, name="people")
app.add_typer(shops, name="shops")
app.add_typer(endpoints, name="endpoints")
app.add_typer(replays, name="replays")
app.add_typer(secrets, name="secrets")
app.add_typer(alarms, name="alarms")

HOST = "127.0.0.1"
PORT = 8700


@app.command()
def demo(
    port: Annotated[
        int, typer.Option(min=0, max=65533, help="Port of API and panel; the shop's is the next one. 0: free ones.")
    ] = PORT,
    data: Annotated[Path, typer.Option(help="The folder that keeps everything.")] = Path("ombud-demo"),
    host: Host = HOST,
    json: Json = False,
) -> None:
    """A pretend shop and the sender of its webhooks, in one process."""
    from ombud.cli.demo import run_demo

    sys.exit(run_demo(host, port, data, as_json=json))


@app.command()
def serve(database: Database = "", host: Host = HOST, port: Port = PORT, json: Json = False) -> None:
    """The sender: REST API and delivery."""
    from ombud.cli.serve import run_serve

    sys.exit(run_serve(database, host, port, as_json=json))


Target = Annotated[str, typer.Argument(metavar="APP:INBOX", help="The module and its inbox, as in app:inbox.")]

Past = Annotated[
    str,
    typer.Option(
        metavar="since=TIME",
        help="Once: tell handlers also what happened before the inbox was set up, since then. since=2026-11-01",
        show_default=False,
    ),
]


@app.command()
def receive(
    target: Target,
    host: Host = HOST,
    port: Port = PORT + 2,
    no_work: Annotated[bool, typer.Option("--no-work", help="Only take webhooks in; `ombud work` performs.")] = False,
    backfill: Past = "",
    json: Json = False,
) -> None:
    """The receiver: hooks, API and work."""
    from ombud.cli.receive import read_backfill, run_receive

    since = read_backfill(backfill, works=not no_work)
    sys.exit(run_receive(target, host, port, work=not no_work, backfill=since, as_json=json))


@app.command()
def work(target: Target, backfill: Past = "", json: Json = False) -> None:
    """The receiver's work alone: read, and call handlers, each in a child process."""
    from ombud.cli.receive import read_backfill, run_work

    sys.exit(run_work(target, read_backfill(backfill), as_json=json))


@app.command()
def relay(
    to: Annotated[str, typer.Option(help="Your endpoint's URL; - reads it from standard input.")],
    post: Annotated[
        bool, typer.Option("--post", help="POST the event and its object as JSON. Default: GET as on the wire.")
    ] = False,
    secret_file: Annotated[
        Path | None, typer.Option(help="A file with a secret (whsec_…) to sign with.", show_default=False)
    ] = None,
    host: Host = HOST,
    port: Port = PORT + 2,
    json: Json = False,
) -> None:
    """The receiver for an endpoint in any language: each confirmed event goes on to it, once per real change.

    Retried until it answers 2xx, and shown at / and /v1/arrivals. OMBUD_TOKEN and QUICKBUTIK_API_KEY are the shop's.
    Example: ombud relay --to http://localhost:3000/webhooks
    """
    from ombud.cli.relay import RelayOptions, run_relay

    sys.exit(run_relay(RelayOptions(to, secret_file, post=post), host, port, as_json=json))


@app.command()
def shop(
    database: Database = "",
    host: Host = HOST,
    port: Port = PORT + 1,
    new_key: Annotated[bool, typer.Option("--new-key", help="Replace the shop's API key.")] = False,
    json: Json = False,
) -> None:
    """The pretend shop, in a sender's database: REST API v1 and pages."""
    from ombud.cli.shop import run_shop

    sys.exit(run_shop(database, host, port, new_key=new_key, as_json=json))


@app.command()
def trigger(
    event: Annotated[str, typer.Argument(help="order.new, order.done, order.cancelled, product.add, …")],
    to: Annotated[str, typer.Option(help="The endpoint's URL; - reads it from standard input.")],
    order_id: Annotated[str, typer.Option(help="For an order event.", show_default=False)] = "",
    product_id: Annotated[str, typer.Option(help="For a product event.", show_default=False)] = "",
    json: Json = False,
) -> None:
    """Send one webhook exactly as on the wire, once.

    Example: ombud trigger order.new --order-id 90017 --to http://localhost:3000/webhooks
    """
    from ombud.cli.trigger import run_trigger

    sys.exit(run_trigger(event, {"order_id": order_id, "product_id": product_id}, to, as_json=json))


@app.command()
def events(
    event_id: Annotated[str, typer.Argument(help="One event, with every attempt.", show_default=False)] = "",
    database: Database = "",
    data: Data = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 20,
    json: Json = False,
) -> None:
    """List the latest events of a sender, or show one."""
    from ombud.cli.events import run_events

    run_events(event_id, database, data, limit, as_json=json)


@app.command()
def explain(
    event_id: Annotated[str, typer.Argument(help="As `ombud events` shows it.")],
    database: Database = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Say of each endpoint why an event was sent to it or not, and show the request for curl."""
    from ombud.cli.endpoints import run_explain

    run_explain(event_id, database, data, as_json=json)


@app.command()
def audit(database: Database = "", data: Data = None, json: Json = False) -> None:
    """Check that nothing was lost: every event has its deliveries, each ended for a reason or still to come.

    Reads only, beside whatever runs. Exit code 0: sound; 1: not, and what was found.
    """
    from ombud.cli.audit import run_audit

    sys.exit(run_audit(database, data, as_json=json))


@keys.command("add")
def keys_add(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    scope: Annotated[str, typer.Option(help="What it may do, with commas.")] = "events:write,endpoints:write,read",
    shop: Annotated[int, typer.Option(min=0, help="The only shop that it sees; 0: every one.")] = 0,
    database: Database = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a bearer key and show it, once."""
    from ombud.cli.keys import run_keys_add

    run_keys_add(name, scope, shop, (database, data), as_json=json)


@keys.command("list")
def keys_list(database: Database = "", data: Data = None, json: Json = False) -> None:
    """Show what the keys may do and when they were last used; never the keys."""
    from ombud.cli.keys import run_keys_list

    run_keys_list((database, data), as_json=json)


@keys.command("revoke")
def keys_revoke(
    name: Annotated[str, typer.Argument(help="The name of the key.")], database: Database = "", data: Data = None
) -> None:
    """Let a key open nothing any more, within a second."""
    from ombud.cli.keys import run_keys_revoke

    run_keys_revoke(name, (database, data))


@people.command("link")
def people_link(
    name: Annotated[str, typer.Argument(help="Who lost the password. Default: somebody new.", show_default=False)] = "",
    role: Annotated[str, typer.Option(help="Of somebody new: owner, editor or reader.")] = "owner",
    database: Database = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a link that opens the panel once: for somebody new, or for a new password."""
    from ombud.cli.people import read_role, run_people_link

    run_people_link(name, read_role(role), (database, data), as_json=json)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ombud {ombud.__version__}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Stands before every verb."""


def main() -> None:
    """Run the command; an error is one line on standard error, and its exit code says of which kind."""
    try:
        app()
    except OmbudError as error:
        say_error(str(error))
        sys.exit(exit_code_of(error))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ombud"):
            raise
        say_error(f"This needs {error.name}, which is not installed. Run: pip install 'ombud[server]'")
        sys.exit(2)
