"""The ack path under WSGI: right with no event loop and no thread of ours."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ombud.db.operation import Operation
from ombud.errors import OmbudError
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Draft
from ombud.receiver.hook import NOT_STORED, OK, Known, Reply, note_use, token_of

if TYPE_CHECKING:
    from ombud.receiver.inbox import Inbox

StartResponse = Callable[..., Any]

log = logging.getLogger("ombud.receiver")


def answer_wsgi(inbox: "Inbox", environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request (PEP 3333): the last segment of the path is the token."""
    reply = _answer(inbox, environ)
    start_response(reply.line, reply.headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.text.encode()]


def _answer(inbox: "Inbox", environ: dict[str, Any]) -> Reply:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    query = environ.get("QUERY_STRING", "").encode("latin-1", "backslashreplace")
    try:
        hook, receiver = inbox.hook, inbox.receiver
        token = token_of(environ.get("PATH_INFO", ""))
        shop = hook.recall(token) or receiver.database.read(lambda: hook.learn(token))
        judged = hook.judge(shop, environ["REQUEST_METHOD"], query, headers)
        if isinstance(judged, Reply):
            return judged
        uses = [shop] if shop is not None and shop.take_note() else []
        receiver.database.write(lambda: _store(receiver.arrivals, judged, uses))
    except OmbudError as error:
        log.warning("an arrival was not stored: %s", error)
        return NOT_STORED
    return OK


def _store(arrivals: Mailbox, draft: Draft, uses: Sequence[Known]) -> Operation[None]:
    yield from arrivals.append([draft])
    for known in uses:
        yield from note_use(known)
