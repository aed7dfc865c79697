"""The facts of an endpoint as a try reads them: from the columns of `destination_facts` to the words of Deliverer."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ombud.sender.endpoint import headers_of
from ombud.sender.headers import Headers

# Endpoints whose headers are kept as they are used.
HEADERS = 20_000


def destination_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts with headers as pairs and secrets as a sequence; raises InvalidInput for a broken row."""
    secrets: str | None = facts["secrets"]
    return {**facts, "headers": _headers(facts["headers"]), "secrets": tuple(secrets.split(" ")) if secrets else ()}


@lru_cache(maxsize=HEADERS)
def _headers(text: str) -> Headers:
    return headers_of(text)
