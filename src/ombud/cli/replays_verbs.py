"""The verbs of `ombud replays`. As all verbs, each imports what it needs when it runs."""

from typing import Annotated

import typer

from ombud.cli.options import Data, Database, Json

replays = typer.Typer(help="Do again everything that a filter finds, as a job.", no_args_is_help=True)

Fields = Annotated[list[str], typer.Argument(metavar="FIELD=VALUE…", help="Which of them.", show_default=False)]
Id = Annotated[str, typer.Argument(metavar="REPLAY_ID", help="As `ombud replays list` shows it.")]


@replays.command("start")
def start(
    fields: Fields,
    per_second: Annotated[int, typer.Option(help="How many a second at most.")] = 200,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count them, and do nothing.")] = False,
    database: Database = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Put a job on record; whoever works on this database does it, also after a restart.

    Of a sender the deliveries are sent again; of a receiver, with of=arrivals they are read again, and those that are
    held released, with of=runs they are run again.

    Fields: state (dead, skipped, done; of arrivals also held), type, subject, since, until; of deliveries status (503
    or 5xx) and endpoint; of arrivals and runs shop, its number; of runs handler.

    Examples: ombud replays start state=dead since=2026-11-26T08:00:00Z --dry-run;
    ombud replays start of=runs state=dead handler=ship
    """
    from ombud.cli.replays import run_start

    run_start(fields, per_second, (database, data), dry_run=dry_run, as_json=json)


@replays.command("list")
def list_(database: Database = "", data: Data = None, json: Json = False) -> None:
    """Show the latest jobs, and how far each has come."""
    from ombud.cli.replays import run_list

    run_list((database, data), as_json=json)


@replays.command("cancel")
def cancel(replay_id: Id, database: Database = "", data: Data = None, json: Json = False) -> None:
    """End a job early; what it has done again stays so."""
    from ombud.cli.replays import run_cancel

    run_cancel(replay_id, (database, data), as_json=json)
