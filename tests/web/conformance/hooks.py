"""Values of our own formats, for Schemathesis: what a pattern cannot say."""

import json
from datetime import UTC, datetime
from typing import Any

import schemathesis
import trustme
from hypothesis import strategies as st

from ombud.wire import EVENT_TYPES, PARAMETER_OF

_TARGETS = st.from_regex(r"(/[A-Za-z0-9_~.-]{0,9}){1,3}(\?[a-z]{1,4}=[A-Za-z0-9%20_-]{0,0})?", fullmatch=True)
# Addresses alone, so that no name is looked for; loopback is allowed to these servers.
_HOSTS = st.sampled_from(["127.0.0.1:9", "127.9.8.7", "[2606:4700::1]", "8.8.8.8", "8.8.4.4:8443"])
_URLS = st.builds("{}://{}{}".format, st.sampled_from(["http", "https"]), _HOSTS, _TARGETS)
_PAST = st.datetimes(datetime(1971, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)  # noqa: DTZ001
_ADDRESSES = st.from_regex(r"[a-z]{1,9}(\.[a-z0-9]{1,9})?@[a-z]{1,9}\.se", fullmatch=True)
_IDS = st.from_regex(r"[0-9A-Za-z_.:-]{1,64}", fullmatch=True)
_EVENTS = st.sampled_from(list(EVENT_TYPES)).flatmap(
    lambda name: st.fixed_dictionaries({"event_type": st.just(name), PARAMETER_OF[name]: _IDS})
)
_LINES = st.lists(_EVENTS.map(json.dumps), max_size=5).map("\n".join)


def before_load_schema(context: object, raw_schema: dict[str, Any]) -> None:
    """Let examples name addresses: no name of anybody's is to be looked for."""
    text = json.dumps(raw_schema).replace("https://example.com/", "https://8.8.8.8/")
    raw_schema.clear()
    raw_schema.update(json.loads(text))


schemathesis.hook(before_load_schema)
schemathesis.openapi.format("webhook-url", _URLS)
schemathesis.openapi.format("e-mail-address", _ADDRESSES)
schemathesis.openapi.format("time-zone", st.sampled_from(["Europe/Stockholm", "UTC", "America/New_York"]))
schemathesis.openapi.format("past-date-time", _PAST)
schemathesis.openapi.format("pem", st.just(trustme.CA().cert_pem.bytes().decode()))
schemathesis.openapi.media_type("application/x-ndjson", _LINES.map(str.encode))
