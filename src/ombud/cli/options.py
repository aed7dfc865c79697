"""Options that several verbs take, each with the same words."""

from pathlib import Path
from typing import Annotated

import typer

Database = Annotated[
    str, typer.Option(help="sqlite:///FILE. Default: OMBUD_DATABASE_URL, else sqlite:///ombud.db.", show_default=False)
]
Data = Annotated[Path | None, typer.Option(help="The folder of a demo, instead of --database.", show_default=False)]
Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Choices = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="A field of the REST API; again for more. =@FILE reads it, =@- from standard input.",
        show_default=False,
    ),
]
