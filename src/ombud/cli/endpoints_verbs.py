"""The verbs of `ombud endpoints`. As all verbs, each imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from ombud.cli.options import Choices, Data, Database, Json

endpoints = typer.Typer(help="Where a sender's events go, as the REST API has it.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ENDPOINT_ID", help="As `ombud endpoints list` shows it.")]
Url = Annotated[str, typer.Argument(help="Where to; - reads it from standard input, since it may hold a token.")]


@endpoints.command("list")
def list_(database: Database = "", data: Data = None, json: Json = False) -> None:
    """Show every endpoint, and how it does."""
    from ombud.cli.endpoints import run_list

    run_list(database, data, as_json=json)


@endpoints.command("add")
def add(url: Url, choice: Choices = None, database: Database = "", data: Data = None, json: Json = False) -> None:
    """Add an endpoint, and show the secret that its requests are signed with, once.

    Example: ombud endpoints add https://example.com/webhooks --set event_types=order.new --set rate_per_minute=60
    """
    from ombud.cli.endpoints import run_add

    run_add(url, choice or [], database, data, as_json=json)


@endpoints.command("edit")
def edit(
    endpoint_id: Id, choice: Choices = None, database: Database = "", data: Data = None, json: Json = False
) -> None:
    """Change the fields that are named, and leave the others.

    Example: ombud endpoints edit ep_… --set enabled=false --set headers=@headers.json
    """
    from ombud.cli.endpoints import run_edit

    run_edit(endpoint_id, choice or [], database, data, as_json=json)


@endpoints.command("pause")
def pause(endpoint_id: Id, database: Database = "", data: Data = None, json: Json = False) -> None:
    """Send it nothing until it is resumed."""
    _do("pause", endpoint_id, database, data, json=json)


@endpoints.command("resume")
def resume(endpoint_id: Id, database: Database = "", data: Data = None, json: Json = False) -> None:
    """Send again, or look at once whether a failing endpoint is back."""
    _do("resume", endpoint_id, database, data, json=json)


@endpoints.command("delete")
def delete(endpoint_id: Id, database: Database = "", data: Data = None, json: Json = False) -> None:
    """Send it nothing more; `restore` undoes it."""
    _do("delete", endpoint_id, database, data, json=json)


@endpoints.command("restore")
def restore(endpoint_id: Id, database: Database = "", data: Data = None, json: Json = False) -> None:
    """Undo a deletion."""
    _do("restore", endpoint_id, database, data, json=json)


@endpoints.command("test")
def send_test(
    endpoint_id: Id, choice: Choices = None, database: Database = "", data: Data = None, json: Json = False
) -> None:
    """Send it one test event, which is never repeated; `ombud events ID` shows what came of it."""
    from ombud.cli.endpoints import run_test

    run_test(endpoint_id, choice or [], database, data, as_json=json)


@endpoints.command("secret")
def secret(
    endpoint_id: Id, choice: Choices = None, database: Database = "", data: Data = None, json: Json = False
) -> None:
    """Sign with a new secret and show it, once; the one before stays good for a day, or `overlap_seconds`."""
    from ombud.cli.endpoints import run_secret

    run_secret(endpoint_id, choice or [], database, data, as_json=json)


def _do(verb: str, endpoint_id: str, database: str, data: Path | None, *, json: bool) -> None:
    from ombud.cli.endpoints import run_verb

    run_verb(verb, endpoint_id, database, data, as_json=json)
