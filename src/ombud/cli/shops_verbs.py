"""The verbs of `ombud shops`. As all verbs, each imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from ombud.cli.options import Database, Json

shops = typer.Typer(help="The shops of an inbox.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What it is called.")]


@shops.command("add")
def add(
    name: Name,
    api_key_file: Annotated[
        Path | None,
        typer.Option(help="A file with the shop's API key. Default: the environment's key.", show_default=False),
    ] = None,
    reads_per_second: Annotated[
        float | None,
        typer.Option(help="How often its API may be read. Default: OMBUD_READS_PER_SECOND.", show_default=False),
    ] = None,
    database: Database = "",
    json: Json = False,
) -> None:
    """Add a shop and show its hook's token, once."""
    from ombud.cli.shops import run_shops_add

    run_shops_add(name, api_key_file, reads_per_second, database, as_json=json)


@shops.command("rotate")
def rotate(
    name: Name,
    end: Annotated[bool, typer.Option("--end", help="Make none: end the token from before the last rotation.")] = False,
    database: Database = "",
    json: Json = False,
) -> None:
    """Give a shop another token and show it, once. The present one stays good beside it.

    Put the new URL into the shop, see with `ombud shops list` that the old token is not used any more, and end it with
    --end. Rotating again ends it, too.
    """
    from ombud.cli.shops import run_shops_rotate

    run_shops_rotate(name, database, end=end, as_json=json)


@shops.command("list")
def list_(database: Database = "", json: Json = False) -> None:
    """Show every shop: when its tokens were used, its key, its budget, what waits, and whether it is paused."""
    from ombud.cli.shops import run_shops_list

    run_shops_list(database, as_json=json)


@shops.command("set")
def set_(
    name: Name,
    api_key_file: Annotated[
        str, typer.Option(help="A file with its API key; `environment`: the environment's key.", show_default=False)
    ] = "",
    reads_per_second: Annotated[
        str,
        typer.Option(help="How often its API may be read; `environment`: OMBUD_READS_PER_SECOND.", show_default=False),
    ] = "",
    database: Database = "",
    json: Json = False,
) -> None:
    """Change a shop's key or budget."""
    from ombud.cli.shops import run_shops_set

    run_shops_set(name, api_key_file, reads_per_second, database, as_json=json)


@shops.command("pause")
def pause(name: Name, database: Database = "", json: Json = False) -> None:
    """Read nothing and call no handler for a shop. Its webhooks are stored, and wait."""
    from ombud.cli.shops import run_shops_pause

    run_shops_pause(name, database, resume=False, as_json=json)


@shops.command("resume")
def resume(name: Name, database: Database = "", json: Json = False) -> None:
    """Go on with what has waited for a shop."""
    from ombud.cli.shops import run_shops_pause

    run_shops_pause(name, database, resume=True, as_json=json)


@shops.command("sources")
def sources(
    name: Name,
    allow: Annotated[list[str] | None, typer.Option(help="An address or a range that is the shop's.")] = None,
    forget: Annotated[list[str] | None, typer.Option(help="One that is on record.")] = None,
    database: Database = "",
    json: Json = False,
) -> None:
    """Show where a shop's webhooks come from, and say what is right. OMBUD_SOURCES says what follows."""
    from ombud.cli.shops import run_shops_sources

    run_shops_sources(name, allow or [], forget or [], database, as_json=json)
