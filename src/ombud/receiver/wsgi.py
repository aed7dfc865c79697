"""The ack path under WSGI: right with no event loop and no thread of ours."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ombud.db.operation import Operation
from ombud.errors import OmbudError
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Draft
from ombud.receiver.hook import LOOKED_AT, NOT_STORED, OK, Asked, Reply, token_of
from ombud.receiver.notes import Note, write_notes
from ombud.receiver.source import source_of
from ombud.setting_values import TrustedProxy

if TYPE_CHECKING:
    from ombud.receiver.inbox import Inbox

StartResponse = Callable[..., Any]

# Under which name each header stands in the environment of a request (PEP 3333).
_LOOKED_AT = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in LOOKED_AT}

log = logging.getLogger("ombud.receiver")


def answer_wsgi(inbox: "Inbox", environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request (PEP 3333): the last segment of the path is the token."""
    reply = _answer(inbox, environ)
    start_response(reply.line, reply.headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.text.encode()]


def _answer(inbox: "Inbox", environ: dict[str, Any]) -> Reply:
    try:
        receiver, hook = inbox.open()
        token = token_of(environ.get("PATH_INFO", ""))
        shop = hook.recall(token) or receiver.database.read(lambda: hook.learn(token))
        judged = hook.judge(shop, _asked(environ, receiver.settings.trusted_proxies))
        notes = hook.notebook.take()
        if isinstance(judged, Draft):
            receiver.database.write(lambda: _store(receiver.arrivals, [judged], notes))
        elif notes:
            receiver.database.write(lambda: _store(receiver.arrivals, [], notes))
    except OmbudError as error:
        log.warning("an arrival was not stored: %s", error)
        return NOT_STORED
    return OK if isinstance(judged, Draft) else judged


def _store(arrivals: Mailbox, drafts: Sequence[Draft], notes: Sequence[Note]) -> Operation[None]:
    yield from arrivals.append(drafts)
    yield from write_notes(notes)


def _asked(environ: dict[str, Any], trusted: tuple[TrustedProxy, ...]) -> Asked:
    headers = {name: str(environ[key]) for name, key in _LOOKED_AT.items() if key in environ}
    source = source_of(environ.get("REMOTE_ADDR", ""), headers.get("x-forwarded-for", ""), trusted)
    query = environ.get("QUERY_STRING", "").encode("latin-1", "backslashreplace")
    return Asked(environ["REQUEST_METHOD"], query, headers, source)
