"""`ombud endpoints` and `ombud explain`: what the REST API does, with the same fields, on the database itself."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from ombud.admin.access import OPERATOR
from ombud.admin.edits import EndpointEdits
from ombud.admin.endpoints import endpoint_documents
from ombud.admin.events import Document, parse_time
from ombud.admin.explain import explain_event
from ombud.cli.fields import body_of
from ombud.cli.wiring import database_url, open_existing, settings_of_environment
from ombud.db.migrate import migrate
from ombud.db.operation import Operation
from ombud.errors import ConfigurationError
from ombud.mailbox.ids import ID_LIMIT, format_id, parse_id
from ombud.sender.endpoint import Endpoint
from ombud.sender.sender import Sender
from ombud.sender.vault import Vault
from ombud.signing import new_secret
from ombud.web.endpoint_bodies import EndpointChanges, NewEndpoint, NewSecret, TestEvent, choices

Body = TypeVar("Body", bound=BaseModel)

# More than anybody looks at in a terminal.
MOST = 10_000
# Fields whose value is what stands there; of the others it is JSON.
_TEXTS = frozenset(["url", "description", "retry", "authority", "secret", "send_since", "event_type", "object_id"])


def run_list(database: str, data: Path | None, *, as_json: bool) -> None:
    """Print every endpoint."""
    with _opened(database, data) as sender:

        def read() -> Operation[list[Document]]:
            found = yield from sender.endpoints.list(ID_LIMIT - 1, MOST)
            return (yield from endpoint_documents(found, whole=True))

        documents = sender.database.read(read)
    if as_json:
        print(json.dumps({"data": documents}, indent=2))
    else:
        print("\n".join(map(_line, documents)) or "No endpoints yet. Add one: ombud endpoints add URL")


def run_add(url: str, chosen: Sequence[str], database: str, data: Path | None, *, as_json: bool) -> None:
    """Add an endpoint and print it with its secret."""
    body = _body(NewEndpoint, chosen, url=sys.stdin.readline().strip() if url == "-" else url)
    edit, secret = body.edit(), new_secret() if body.secret is None else body.secret
    since = None if body.send_since is None else parse_time(body.send_since, "send_since")
    with _opened(database, data) as sender:
        asyncio.run(sender.check_destination(edit.url))
        document = _write(sender, lambda edits: edits.add(OPERATOR, edit, body.shop_id, secret, since))
    _print(document, as_json=as_json, secret=secret)


def run_edit(endpoint_id: str, chosen: Sequence[str], database: str, data: Path | None, *, as_json: bool) -> None:
    """Change an endpoint and print it."""
    number, body = _number(endpoint_id), _body(EndpointChanges, chosen)
    changes = choices(body.model_dump(exclude_unset=True))
    if not changes:
        raise ConfigurationError("Nothing to change was named. See: ombud endpoints edit --help")
    with _opened(database, data) as sender:
        if "url" in changes:
            asyncio.run(sender.check_destination(changes["url"]))
        document = _write(sender, lambda edits: edits.change(OPERATOR, number, None, **changes))
    _print(document, as_json=as_json)


def run_verb(verb: str, endpoint_id: str, database: str, data: Path | None, *, as_json: bool) -> None:
    """Pause, resume, delete or restore one; prints it as it is then."""
    number = _number(endpoint_id)
    with _opened(database, data) as sender:
        if verb == "delete":
            edits = _edits(sender)
            sender.database.write(lambda: edits.delete(OPERATOR, number))
            print(json.dumps({"id": endpoint_id, "deleted": True}) if as_json else f"{endpoint_id} is deleted.")
            return
        document = _write(sender, lambda edits: getattr(edits, verb)(OPERATOR, number))
    _print(document, as_json=as_json)


def run_test(endpoint_id: str, chosen: Sequence[str], database: str, data: Path | None, *, as_json: bool) -> None:
    """Append a test event, and print its id."""
    number, body = _number(endpoint_id), _body(TestEvent, chosen)
    with _opened(database, data) as sender:
        edits = _edits(sender)
        made = sender.database.write(lambda: edits.test(OPERATOR, number, body.event_type, body.object_id))
    event_id = format_id("evt", made)
    print(json.dumps({"id": event_id}) if as_json else f"{event_id} is on its way. See: ombud events {event_id}")


def run_secret(endpoint_id: str, chosen: Sequence[str], database: str, data: Path | None, *, as_json: bool) -> None:
    """Sign with a new secret, and print it."""
    number, body = _number(endpoint_id), _body(NewSecret, chosen)
    secret = new_secret() if body.secret is None else body.secret
    with _opened(database, data) as sender:
        document = _write(sender, lambda edits: edits.rotate_secret(OPERATOR, number, secret, body.overlap_seconds))
    _print(document, as_json=as_json, secret=secret)


def run_explain(event_id: str, database: str, data: Path | None, *, as_json: bool) -> None:
    """Print of each endpoint why an event was sent to it or not, and the request."""
    number = parse_id("evt", event_id, "EVENT_ID")
    settings = settings_of_environment()
    opened = open_existing(database_url(database, settings, data))
    vault = Vault.of(opened, settings)
    try:
        document = opened.read(lambda: explain_event(number, opened.clock(), vault))
    finally:
        opened.close()
    if as_json:
        print(json.dumps(document, indent=2))
        return
    print(f"{document['id']}  {document['event_type']}  {document['subject']}")
    for one in document["data"]:
        print(f"  {one['endpoint_id']}  {one['url']}\n    {one['verdict']}: {one['why']}")
        if one["curl"]:
            print(f"    {one['curl']}")


@contextmanager
def _opened(database: str, data: Path | None) -> Iterator[Sender]:
    settings = settings_of_environment()
    opened = open_existing(database_url(database, settings, data))
    migrate(opened, ["ombud.admin"])
    sender = Sender(opened, settings)
    try:
        sender.prepare()
        yield sender
    finally:
        sender.close()


def _edits(sender: Sender) -> EndpointEdits:
    return EndpointEdits(sender.endpoints, sender.database.clock)


def _write(sender: Sender, make: Callable[[EndpointEdits], Operation[Endpoint]]) -> Document:
    edits = _edits(sender)

    def operation() -> Operation[Document]:
        endpoint = yield from make(edits)
        [document] = yield from endpoint_documents([endpoint], whole=True)
        return document

    return sender.database.write(operation)


def _body(model: type[Body], chosen: Sequence[str], **fields: Any) -> Body:
    return body_of(model, chosen, _TEXTS, ("event_types",), **fields)


def _number(endpoint_id: str) -> int:
    return parse_id("ep", endpoint_id, "ENDPOINT_ID")


def _print(document: Document, *, as_json: bool, secret: str | None = None) -> None:
    if as_json:
        print(json.dumps(document | ({} if secret is None else {"secret": secret}), indent=2))
        return
    print(_line(document))
    if secret is not None:
        print(f"secret, shown this once: {secret}")


def _line(document: Document) -> str:
    notes = [document["description"], document["disabled_reason"] or ""]
    return "  ".join([document["id"], document["state"], document["url"], *filter(None, notes)])
