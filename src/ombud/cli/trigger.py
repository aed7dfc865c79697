"""`ombud trigger`: one webhook, exactly as on the wire, to an endpoint that is being written."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from ipaddress import ip_network

from ombud.cli.failures import FAILURE, OK
from ombud.cli.wiring import settings_of_environment
from ombud.errors import InvalidInput
from ombud.sender.answer import Answer
from ombud.sender.deliver import Deliverer
from ombud.sender.outbox import Event
from ombud.sender.url import check_endpoint_url, redacted
from ombud.wire import EVENT_TYPES, PARAMETER_OF, event_url

# Somebody tries their own endpoint: any address will do but those where clouds hand out credentials.
ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


def run_trigger(event_type: str, ids: Mapping[str, str], to: str, *, as_json: bool) -> int:
    """Send it and print the answer; 0 when it was acknowledged, 1 when not."""
    event = _event(event_type, ids)
    url = sys.stdin.readline().strip() if to == "-" else to
    check_endpoint_url(url, "--to")
    deliverer = Deliverer(ANYWHERE, settings_of_environment().timeout_seconds)
    started = time.monotonic()
    answer = asyncio.run(_send(deliverer, event_url(url, event.event_type, event.subject)))
    milliseconds = round((time.monotonic() - started) * 1000)
    acknowledged = 200 <= answer.status < 300  # noqa: PLR2004 - RFC 9110, 15.3
    if as_json:
        print(json.dumps({"status": answer.status, "milliseconds": milliseconds, "acknowledged": acknowledged}))
    else:
        verdict = "acknowledged" if acknowledged else "not acknowledged: the shop would send it again"
        print(f"{event.event_type} {event.subject} → {redacted(url)}: {answer.status} in {milliseconds} ms, {verdict}")
    return OK if acknowledged else FAILURE


def _event(event_type: str, ids: Mapping[str, str]) -> Event:
    wanted = PARAMETER_OF.get(event_type)
    if wanted is None:
        raise InvalidInput("EVENT", f"EVENT: {event_type!r} is not one of: {', '.join(EVENT_TYPES)}.")
    option = f"--{wanted.replace('_', '-')}"
    if not ids[wanted]:
        raise InvalidInput(option, f"{event_type} needs {option}.")
    if any(value for name, value in ids.items() if name != wanted):
        raise InvalidInput(option, f"{event_type} takes {option} alone.")
    try:
        return Event(event_type, ids[wanted])
    except InvalidInput as error:
        raise InvalidInput(option, f"{option}: {error}") from None


async def _send(deliverer: Deliverer, url: str) -> Answer:
    try:
        return await deliverer.send(url)
    finally:
        deliverer.close()
