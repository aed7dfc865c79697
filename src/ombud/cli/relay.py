"""`ombud relay`: the receiver for people who do not write Python: what it has confirmed goes on to their endpoint."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from ombud.cli.receive import Receiving, serve_receiver
from ombud.cli.wiring import settings_of_environment
from ombud.clock import utc
from ombud.errors import ConfigurationError, InvalidInput
from ombud.logs import log_to_stderr
from ombud.mailbox.model import Outcome
from ombud.receiver.inbox import Inbox
from ombud.receiver.model import Call
from ombud.receiver.options import HandlerFacts
from ombud.receiver.receiver import Receiver
from ombud.sender.attempt import Wanted
from ombud.sender.deliver import Deliverer
from ombud.sender.request import Prepared, prepare, signature_lines
from ombud.sender.url import check_endpoint_url, redacted
from ombud.signing import Signer, read_secret
from ombud.wire import EVENT_TYPES, PARAMETER_OF

# The one handler of a relay: its runs are what went on to the endpoint.
NAME = "relay"
# Whoever starts a relay names the endpoint: any address will do but those where clouds hand out credentials.
ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@dataclass(frozen=True)
class RelayOptions:
    """Where to, and how. `to` is a URL, or `-` for one on standard input."""

    to: str
    secret_file: Path | None = None
    post: bool = False


class Relay:
    """Runs calls by sending them on. For one event loop."""

    def __init__(self, deliverer: Deliverer, url: str, keys: Sequence[bytes], *, post: bool) -> None:
        self._deliverer = deliverer
        self._prepared = prepare(url)
        self._signer = Signer(keys)
        self._request = post_request if post else get_request

    async def run(self, call: Call) -> Outcome:
        """Send one on; any 2xx is its end."""
        request = self._request(self._prepared, call, self._signer, int(time.time()))
        return await self._deliverer.attempt(Wanted(self._prepared.url, request), call.attempt - 1)


def get_request(prepared: Prepared, call: Call, signer: Signer, now: int) -> bytes:
    """Return the GET as it is on the wire; with a key it has the three headers of a signature."""
    target = prepared.target_of(call.event_type, call.subject)
    lines = signature_lines(call.key, now, signer.sign(call.key, now, target)) if signer else ""
    return prepared.request(target, lines)


def post_request(prepared: Prepared, call: Call, signer: Signer, now: int) -> bytes:
    """Return a POST with the event and its object as JSON. Its key is the same on every repetition."""
    body = json.dumps(body_of(call), ensure_ascii=False).encode("utf-8", "replace")
    lines = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: {call.key}\r\n"
    if signer:
        lines += signature_lines(call.key, now, signer.sign_body(call.key, now, body))
    return f"POST {prepared.url.target} HTTP/1.1\r\n{prepared.lines}{lines}\r\n".encode("ascii") + body


def body_of(call: Call) -> dict[str, Any]:
    """Return what a POST carries: the object as it is now (null when it is gone) and as the endpoint last had it."""
    kind, _, object_id = call.subject.partition("/")
    return {
        "event_type": call.event_type,
        PARAMETER_OF[call.event_type]: object_id,
        "shop": call.shop,
        "key": call.key,
        "source": call.source,
        "received_at": utc(call.received_at).isoformat().replace("+00:00", "Z"),
        kind: call.after,
        "before": call.before,
    }


class RelayWork:
    """The receiver's work, with the relay as its one handler."""

    def __init__(self, receiver: Receiver, options: RelayOptions, url: str, keys: Sequence[bytes]) -> None:
        self._receiver = receiver
        self._deliverer = Deliverer(ANYWHERE, receiver.settings.timeout_seconds, receiver.settings.retry_seconds)
        self._relay = Relay(self._deliverer, url, keys, post=options.post)
        self._facts = HandlerFacts(NAME, tuple(EVENT_TYPES), needs_object=options.post)

    async def run(self) -> None:
        """Read and send on until `stop`."""
        try:
            await self._receiver.run([self._facts], self._relay)
        finally:
            self._deliverer.close()

    def stop(self) -> None:
        """End `run`."""
        self._receiver.stop()


def run_relay(options: RelayOptions, host: str, port: int, *, as_json: bool) -> int:
    """Serve hooks, API and panel, and send on what is confirmed; returns the exit code."""
    log_to_stderr(as_json=as_json)
    url = sys.stdin.readline().strip() if options.to == "-" else options.to
    check_endpoint_url(url, "--to")
    keys = [] if options.secret_file is None else [_key(options.secret_file)]
    inbox = Inbox(settings_of_environment())
    inbox.receiver.check_keys()
    receiving = Receiving(inbox, lambda: RelayWork(inbox.receiver, options, url, keys), {"to": redacted(url)})
    return serve_receiver(receiving, host, port, as_json=as_json)


def _key(file: Path) -> bytes:
    try:
        return read_secret(file.read_text("utf-8").strip(), "--secret-file")
    except OSError as error:
        raise ConfigurationError(f"--secret-file cannot be read: {error}.") from None
    except UnicodeDecodeError:
        raise InvalidInput("--secret-file", "--secret-file is not text in UTF-8.") from None
