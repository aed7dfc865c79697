"""A delivery's request as text: as it goes over the wire, and as a command that repeats it. Pure."""

import shlex
from collections.abc import Mapping
from typing import Any

from ombud.sender.endpoint import Endpoint
from ombud.sender.request import prepare
from ombud.wire import USER_AGENT


def url_of(endpoint: Endpoint, delivery: Mapping[str, Any]) -> str:
    """Return the whole URL that a delivery asks for."""
    prepared = prepare(endpoint.edit.url)
    target = prepared.target_of(delivery["event_type"], delivery["subject"])
    return f"{prepared.url.scheme}://{prepared.url.authority}{target}"


def request_of(endpoint: Endpoint, delivery: Mapping[str, Any]) -> str:
    """Return the request as it is sent, without the signature, which is another one each time."""
    prepared = prepare(endpoint.edit.url, () if endpoint.edit.strict else endpoint.edit.headers)
    target = prepared.target_of(delivery["event_type"], delivery["subject"])
    return prepared.request(target).decode("ascii").replace("\r\n", "\n").rstrip("\n")


def commands_of(endpoint: Endpoint, delivery: Mapping[str, Any]) -> dict[str, str]:
    """Return commands that repeat the request: for curl, HTTPie and Python."""
    url = url_of(endpoint, delivery)
    headers = {"User-Agent": USER_AGENT} | ({} if endpoint.edit.strict else dict(endpoint.edit.headers))
    curl = ["curl", "-i", url, *(part for name, value in headers.items() for part in ("-H", f"{name}: {value}"))]
    httpie = ["http", "--check-status", "GET", url, *(f"{name}:{value}" for name, value in headers.items())]
    lines = ("import httpx2", "", f"answer = httpx2.get({url!r}, headers={headers!r})", "print(answer.status_code)")
    return {"curl": shlex.join(curl), "HTTPie": shlex.join(httpie), "Python": "\n".join(lines)}
