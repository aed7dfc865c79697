"""The verbs of `ombud alarms`. As all verbs, each imports what it needs when it runs."""

import sys
from typing import Annotated

import typer

from ombud.cli.options import Choices, Data, Database, Json

alarms = typer.Typer(help="What is wrong, and who is told of it.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="CHANNEL_ID", help="As `ombud alarms channels` shows it.")]


@alarms.command("list")
def list_(database: Database = "", data: Data = None, json: Json = False) -> None:
    """Show alarms, newest first: those that last, and those of the last month."""
    from ombud.cli.alarms import run_list

    run_list((database, data), as_json=json)


@alarms.command("channels")
def channels(database: Database = "", data: Data = None, json: Json = False) -> None:
    """Show where alarms are told, and how each way does."""
    from ombud.cli.alarms import run_channels

    run_channels((database, data), as_json=json)


@alarms.command("add")
def add(
    kind: Annotated[str, typer.Argument(help="email or webhook.")],
    target: Annotated[str, typer.Argument(help="The address; - reads it from standard input, since it may be secret.")],
    choice: Choices = None,
    database: Database = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Have alarms told somewhere.

    Example: ombud alarms add email anna@example.com --set quiet_hours=22:00-07:00
    """
    from ombud.cli.alarms import run_add

    run_add(kind, target, choice or [], (database, data), as_json=json)


@alarms.command("edit")
def edit(
    channel_id: Id, choice: Choices = None, database: Database = "", data: Data = None, json: Json = False
) -> None:
    """Change the fields that are named, and leave the others.

    Example: ombud alarms edit alc_… --set causes=key.refused,disk.full --set enabled=true
    """
    from ombud.cli.alarms import run_edit

    run_edit(channel_id, choice or [], (database, data), as_json=json)


@alarms.command("delete")
def delete(channel_id: Id, database: Database = "", data: Data = None, json: Json = False) -> None:
    """Tell nobody there any more."""
    from ombud.cli.alarms import run_delete

    run_delete(channel_id, (database, data), as_json=json)


@alarms.command("test")
def send_test(channel_id: Id, database: Database = "", data: Data = None, json: Json = False) -> None:
    """Send a test there now, and say what came of it."""
    from ombud.cli.alarms import run_test

    sys.exit(run_test(channel_id, (database, data), as_json=json))
