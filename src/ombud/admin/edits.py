"""Changes of endpoints by somebody: only what that one sees, only as it was when they read it, and on record."""

import re
from dataclasses import replace
from typing import Any

from ombud.admin.access import Caller
from ombud.admin.audit_log import record
from ombud.db.database import Clock
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.db.turns import lock
from ombud.errors import InvalidInput, NotFound, Outdated
from ombud.mailbox.ids import format_id
from ombud.sender.endpoint import Endpoint, EndpointEdit
from ombud.sender.endpoints import OVERLAP_SECONDS, Endpoints
from ombud.signing import read_secret

sql = read_queries("ombud.admin")

# An If-Match (RFC 9110, 13.1.1): whatever is there, or one of these versions, of which there may be none; a weak one
# never is.
ANY = "*"
_TAG = r'(?:W/)?"[!#-~]*"'
_IF_MATCH = rf"\*|(?:{_TAG})?(?: *,(?: *{_TAG})?)* *"


def etag_of(endpoint: Endpoint) -> str:
    """Return the tag of an endpoint as it was chosen: another after every edit."""
    return f'"{endpoint.updated_at:x}"'


def check_match(match: str | None, tag: str, what: str) -> None:
    """Check an If-Match against the tag of what is there. Raises InvalidInput, or Outdated for another version.

    What it is about was locked before it was read: until the commit, a match that was right stays right.
    """
    if match is None:
        return
    if not re.fullmatch(_IF_MATCH, match):
        raise InvalidInput("If-Match", 'It is the ETag that was read, with its quotes: "645a1b2c3d", or *.')
    if match != ANY and tag not in re.findall(_TAG, match):
        raise Outdated(f"{what} was changed meanwhile. Read it again, then change it.")


class EndpointEdits:
    """What people and keys may do to the endpoints that they see. Each raises NotFound for others.

    `match` is an If-Match: Outdated is raised when it names another version.
    """

    def __init__(self, endpoints: Endpoints, clock: Clock) -> None:
        self._endpoints = endpoints
        self._clock = clock

    def get(self, caller: Caller, endpoint_id: int) -> Operation[Endpoint]:
        """Return an endpoint."""
        yield from self._check_seen(caller, endpoint_id)
        return (yield from self._endpoints.get(endpoint_id))

    def add(
        self, caller: Caller, edit: EndpointEdit, shop_id: int, secret: str | None, since: int | None = None
    ) -> Operation[Endpoint]:
        """Add one; the shop has been checked (Caller.shop_for)."""
        endpoint = yield from self._endpoints.add(edit, shop_id, secret, since)
        yield from self._note(caller, "endpoint.add", endpoint, _host(edit.url))
        return endpoint

    def change(self, caller: Caller, endpoint_id: int, match: str | None, **changes: Any) -> Operation[Endpoint]:
        """Change some of the fields of EndpointEdit."""
        yield from lock(format_id("ep", endpoint_id))
        old = yield from self.get(caller, endpoint_id)
        # What would be refused anyway is told so, whatever the version (RFC 9110, 13.2.1).
        replace(old.edit, **changes).check()
        check_match(match, etag_of(old), format_id("ep", endpoint_id))
        endpoint = yield from self._endpoints.change(endpoint_id, **changes)
        names = [f"url ({_host(endpoint.edit.url)})" if name == "url" else name for name in changes]
        yield from self._note(caller, "endpoint.change", endpoint, ", ".join(names))
        return endpoint

    def delete(self, caller: Caller, endpoint_id: int, match: str | None = None) -> Operation[None]:
        """Delete one; it can be restored."""
        endpoint = yield from self._get_matching(caller, endpoint_id, match)
        yield from self._endpoints.delete(endpoint_id)
        yield from self._note(caller, "endpoint.delete", endpoint, _host(endpoint.edit.url))

    def restore(self, caller: Caller, endpoint_id: int) -> Operation[Endpoint]:
        """Undo the deletion."""
        yield from self._check_seen(caller, endpoint_id)
        endpoint = yield from self._endpoints.restore(endpoint_id)
        yield from self._note(caller, "endpoint.restore", endpoint)
        return endpoint

    def pause(self, caller: Caller, endpoint_id: int, match: str | None = None) -> Operation[Endpoint]:
        """Send it nothing until it is resumed."""
        yield from self._get_matching(caller, endpoint_id, match)
        endpoint = yield from self._endpoints.pause(endpoint_id)
        yield from self._note(caller, "endpoint.pause", endpoint)
        return endpoint

    def resume(self, caller: Caller, endpoint_id: int, match: str | None = None) -> Operation[Endpoint]:
        """Send again."""
        yield from self._get_matching(caller, endpoint_id, match)
        endpoint = yield from self._endpoints.resume(endpoint_id)
        yield from self._note(caller, "endpoint.resume", endpoint)
        return endpoint

    def test(self, caller: Caller, endpoint_id: int, event_type: str | None, object_id: str) -> Operation[int]:
        """Send it a test event; returns the event's id."""
        # Two at once must count each other's, and see that it is paused.
        endpoint = yield from self._get_matching(caller, endpoint_id, None)
        event_id = yield from self._endpoints.test(endpoint_id, event_type, object_id)
        yield from self._note(caller, "endpoint.test", endpoint)
        return event_id

    def rotate_secret(
        self,
        caller: Caller,
        endpoint_id: int,
        secret: str,
        overlap_seconds: int = OVERLAP_SECONDS,
        match: str | None = None,
    ) -> Operation[Endpoint]:
        """Sign with another secret from now on."""
        read_secret(secret)
        yield from self._get_matching(caller, endpoint_id, match)
        endpoint = yield from self._endpoints.rotate_secret(endpoint_id, secret, overlap_seconds)
        yield from self._note(caller, "endpoint.secret", endpoint)
        return endpoint

    def _get_matching(self, caller: Caller, endpoint_id: int, match: str | None) -> Operation[Endpoint]:
        yield from lock(format_id("ep", endpoint_id))
        endpoint = yield from self.get(caller, endpoint_id)
        check_match(match, etag_of(endpoint), format_id("ep", endpoint_id))
        return endpoint

    def _check_seen(self, caller: Caller, endpoint_id: int) -> Operation[None]:
        rows = yield sql["shop_of_endpoint"], {"id": endpoint_id}
        if not rows or not caller.sees(rows[0]["shop_id"]):
            raise NotFound(f"There is no endpoint {format_id('ep', endpoint_id)}.")

    def _note(self, caller: Caller, action: str, endpoint: Endpoint, detail: str = "") -> Operation[None]:
        target, now = format_id("ep", endpoint.id), self._clock()
        yield from record(caller, action, target, now, shop_id=endpoint.shop_id, detail=detail)


def _host(url: str) -> str:
    """Return what the log says of a URL: its path and query may be secret."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0]
