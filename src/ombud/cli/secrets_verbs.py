"""The verbs of `ombud secrets`. As all verbs, each imports what it needs when it runs."""

from typing import Annotated

import typer

from ombud.cli.options import Data, Database, Json

secrets = typer.Typer(help="The key file that opens what is secret in a sender's database.", no_args_is_help=True)


@secrets.command("rotate-key")
def rotate_key(
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only put a new key into the file; a later rotation uses it.")
    ] = False,
    database: Database = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Encrypt every secret anew with another key, while the sender runs.

    Where several hosts have the file: --prepare, bring it to all of them, then rotate.
    """
    from ombud.cli.secrets import run_rotate_key

    run_rotate_key((database, data), prepare=prepare, as_json=json)


@secrets.command("scrub")
def scrub(database: Database = "", data: Data = None) -> None:
    """Write the files of a database again, so that nothing is left of secrets that once stood there in plain text.

    A start does it by itself where the database is small; else nobody can write to it meanwhile.
    """
    from ombud.cli.secrets import run_scrub

    run_scrub((database, data))
