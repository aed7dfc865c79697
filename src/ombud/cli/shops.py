"""`ombud shops`: the shops of an inbox."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ombud.admin.events import Document
from ombud.admin.shops import shop_documents, source_documents
from ombud.cli.wiring import database_url, settings_of_environment
from ombud.db.connect import open_database
from ombud.db.operation import Operation
from ombud.errors import Conflict, InvalidInput
from ombud.receiver.receiver import Receiver
from ombud.receiver.shop_changes import (
    check_reads,
    end_previous_token,
    pause_shop,
    resume_shop,
    rotate_token,
    set_api_key_file,
    set_reads_per_second,
)
from ombud.receiver.shops import DEFAULT_NAME, add_shop, new_token
from ombud.receiver.sources import change_sources

# How the file of a key is named that stands for the environment's key, and a budget that stands for the inbox's own.
ENVIRONMENT = "environment"


def run_shops_add(
    name: str, api_key_file: Path | None, reads_per_second: float | None, database: str, *, as_json: bool
) -> None:
    """Store a shop and print its token."""
    path, reads, token = _path(api_key_file), check_reads(reads_per_second), new_token()
    with _receiver(database) as receiver:

        def add() -> Operation[None]:
            yield from add_shop(receiver.arrivals, name, token, path)
            yield from set_reads_per_second(name, reads)

        receiver.database.write(add)
    _show_token(name, token, as_json=as_json)


def run_shops_rotate(name: str, database: str, *, end: bool, as_json: bool) -> None:
    """Give a shop a second token and print it; or end the one from before."""
    with _receiver(database) as receiver:
        if end:
            receiver.database.write(lambda: end_previous_token(name))
            words = f"The token of {name} from before is not known any more."
            print(json.dumps({"name": name, "ended": True}) if as_json else words)
            return
        if name == DEFAULT_NAME and receiver.settings.token is not None:
            raise Conflict("The token of this shop is the environment's: set another OMBUD_TOKEN and start again.")
        token = new_token()
        receiver.database.write(lambda: rotate_token(name, token))
    _show_token(name, token, as_json=as_json)


def run_shops_set(name: str, api_key_file: str, reads_per_second: str, database: str, *, as_json: bool) -> None:
    """Change the key or the budget of a shop, or both."""
    if not (api_key_file or reads_per_second):
        raise InvalidInput("--api-key-file", "Nothing to change: name --api-key-file or --reads-per-second.")
    path = None if api_key_file in ("", ENVIRONMENT) else _path(Path(api_key_file))
    reads = _reads(reads_per_second)

    def change(_: Receiver) -> Operation[None]:
        if api_key_file:
            yield from set_api_key_file(name, path)
        if reads_per_second:
            yield from set_reads_per_second(name, reads)

    _change(database, change, {"name": name}, as_json=as_json)


def run_shops_pause(name: str, database: str, *, resume: bool, as_json: bool) -> None:
    """Pause a shop, or go on."""
    turn = resume_shop if resume else pause_shop
    shown = {"name": name, "paused": not resume}
    _change(database, lambda one: turn(one.arrivals, one.changes, name), shown, as_json=as_json)


def run_shops_list(database: str, *, as_json: bool) -> None:
    """Print every shop."""
    with _receiver(database) as receiver:
        shops = receiver.database.read(shop_documents)
    print(json.dumps({"data": shops}, indent=2) if as_json else _table(shops))


def run_shops_sources(name: str, allow: list[str], forget: list[str], database: str, *, as_json: bool) -> None:
    """Print the addresses of a shop, after changing them if that was asked for."""
    with _receiver(database) as receiver:
        if allow or forget:
            receiver.database.write(lambda: change_sources(name, allow, forget))
        sources = receiver.database.read(lambda: source_documents(name))
    print(json.dumps({"data": sources}, indent=2) if as_json else _source_table(sources))


def _source_table(sources: list[Document]) -> str:
    return (
        "\n".join(
            f"{one['address']:<40}  {'known' if one['known'] else 'NOT KNOWN':<9}  last: {one['last_at'] or 'never'}"
            for one in sources
        )
        or "Nothing has come yet."
    )


def _change(
    database: str, change: Callable[[Receiver], Operation[None]], shown: dict[str, Any], *, as_json: bool
) -> None:
    with _receiver(database) as receiver:
        receiver.database.write(lambda: change(receiver))
    print(json.dumps(shown) if as_json else "Done.")


@contextmanager
def _receiver(database: str) -> Iterator[Receiver]:
    settings = settings_of_environment()
    receiver = Receiver(open_database(database_url(database, settings)), settings)
    try:
        yield receiver
    finally:
        receiver.close()


def _path(api_key_file: Path | None) -> str | None:
    if api_key_file is not None and not api_key_file.is_file():
        raise InvalidInput("--api-key-file", f"--api-key-file: there is no file {api_key_file}.")
    return None if api_key_file is None else str(api_key_file.absolute())


def _reads(text: str) -> float | None:
    try:
        return None if text in ("", ENVIRONMENT) else check_reads(float(text))
    except ValueError:
        raise InvalidInput(
            "--reads-per-second", f"--reads-per-second: {text!r} is neither a number nor {ENVIRONMENT!r}."
        ) from None


def _show_token(name: str, token: str, *, as_json: bool) -> None:
    print(json.dumps({"name": name, "token": token}) if as_json else f"Its webhooks go to …/hooks/{token}")


def _table(shops: list[Document]) -> str:
    return "\n".join(map(_line, shops)) or "No shops yet. Set OMBUD_TOKEN, or add one: ombud shops add NAME"


def _line(shop: Document) -> str:
    used = " and ".join(token["used_at"] or "never" for token in shop["tokens"])
    return "  ".join(
        [
            f"{shop['name']:<20}",
            f"{len(shop['tokens'])} token{'s' if len(shop['tokens']) > 1 else ''}, used {used}",
            f"key: {shop['api_key_file'] or ENVIRONMENT}",
            f"reads/s: {shop['reads_per_second'] or ENVIRONMENT}",
            f"waiting: {shop['waiting']['reads']} reads, {shop['waiting']['runs']} runs",
            *([f"PAUSED since {shop['paused_at']}"] if shop["paused_at"] else []),
        ]
    )
