"""Whatever anybody sends: never a 5xx, always a problem that can be read, and nothing stored that was refused."""

import asyncio
import json
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ombud.admin.keys import add_key, new_key
from ombud.db.migrate import migrate
from ombud.db.sqlite import SqliteDatabase
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.web.app import SenderApp
from ombud.wire import EVENT_TYPES

NAMES = st.sampled_from(
    [
        "event_type",
        "order_id",
        "product_id",
        "event_key",
        "shop_id",
        "url",
        "event_types",
        "description",
        "enabled",
        "id",
    ]
)
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=8)
USUAL = st.sampled_from(
    [
        *EVENT_TYPES,
        "http://127.0.0.1:9/",
        "https://8.8.8.8/?a",
        "https://[::1]/",
        "https://ä.example.invalid:0/",
        "90017",
        "",
    ]
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(2**62, 2**65), st.just(10**4_000), st.floats(), TEXTS, USUAL
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | TEXTS, inner, max_size=6),
    max_leaves=12,
)
EVENTS = st.fixed_dictionaries(
    {"event_type": st.sampled_from(sorted(EVENT_TYPES)) | LEAVES},
    optional={"order_id": LEAVES, "product_id": LEAVES, "event_key": LEAVES, "shop_id": LEAVES, "x": LEAVES},
)
ENDPOINTS = st.fixed_dictionaries(
    {"url": USUAL | TEXTS},
    optional={
        "event_types": st.lists(st.sampled_from(sorted(EVENT_TYPES)) | LEAVES, max_size=3) | LEAVES,
        "description": LEAVES,
        "enabled": LEAVES,
        "shop_id": LEAVES,
    },
)
BODIES = st.one_of(JSON, EVENTS, st.lists(EVENTS, max_size=3), ENDPOINTS)
ROUTES = st.sampled_from(
    [
        ("POST", "/v1/events"),
        ("POST", "/v1/endpoints"),
        ("PATCH", "/v1/endpoints/{}"),
        ("PATCH", "/v1/endpoints/ep_0000000000000"),
        ("DELETE", "/v1/endpoints/ep_0000000000000"),
        ("GET", "/v1/events"),
        ("GET", "/v1/endpoints/{}"),
        ("PUT", "/v1/endpoints/{}"),
    ]
)
KINDS = st.sampled_from(
    ["application/json", "application/json; charset=utf-16", "text/plain", "multipart/form-data", ""]
)


class World:
    """One app for a whole campaign, on an event loop of its own."""

    def __init__(self, database: SqliteDatabase) -> None:
        migrate(database, ["ombud.admin"])
        # No name can be looked up here, and none should be: the tests of names are elsewhere.
        self.sender = Sender(database, Settings(allow_networks=(ip_network("127.0.0.0/8"),)))
        key = new_key()
        database.write(lambda: add_key("tests", key, 0))
        self._runner = asyncio.Runner()
        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(SenderApp(self.sender)),
            base_url="http://ombud.example",
            headers={"Authorization": f"Bearer {key}"},
        )
        made = self.ask("POST", "/v1/endpoints", b'{"url": "https://8.8.8.8/"}', "application/json")
        self.endpoint_id = made.json()["id"]

    def ask(self, method: str, path: str, body: bytes, kind: str) -> httpx2.Response:
        return self._runner.run(self._client.request(method, path, content=body, headers={"Content-Type": kind}))

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()
        self.sender.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One app for every example."""
    made = World(SqliteDatabase(tmp_path_factory.mktemp("any_body") / "sender.db"))
    yield made
    made.close()


def check(answer: httpx2.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        document = answer.json()
        assert document["status"] == answer.status_code
        assert document["detail"]
        if answer.status_code == 422:
            assert document["field"]


CAMPAIGN = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@CAMPAIGN
@given(route=ROUTES, body=BODIES, kind=KINDS)
@example(("POST", "/v1/endpoints"), {"\ud800": 1}, "application/json")
@example(("POST", "/v1/endpoints"), {"url": "http\u017f://8.8.8.8/"}, "application/json")
@example(("POST", "/v1/endpoints"), {"url": "https://8.8.8.8/", "description": "\udfff"}, "application/json")
@example(("POST", "/v1/events"), {"event_type": "order.new", "order_id": 10**4_000}, "")
def test_any_json_to_any_route(world: World, route: tuple[str, str], body: Any, kind: str) -> None:
    method, path = route
    check(world.ask(method, path.format(world.endpoint_id), json.dumps(body).encode(), kind))


@CAMPAIGN
@given(route=ROUTES, body=st.binary(max_size=60), kind=KINDS)
def test_any_bytes_to_any_route(world: World, route: tuple[str, str], body: bytes, kind: str) -> None:
    method, path = route
    check(world.ask(method, path.format(world.endpoint_id), body, kind))


@CAMPAIGN
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
    start=st.sampled_from(["", "/v1", "/v1/events", "/v1/endpoints"]),
    path=st.lists(st.sampled_from(["events", "evt_0000000000000", "..", "%2e", "%00", "%ff", ""]) | TEXTS),
    query=st.dictionaries(
        st.sampled_from(["limit", "cursor", "x"]) | TEXTS, TEXTS | st.integers().map(str), max_size=3
    ),
)
def test_any_path_and_query(world: World, method: str, start: str, path: list[str], query: dict[str, str]) -> None:
    try:
        url = httpx2.URL("/".join([f"http://ombud.example{start}", *path]), params=query)
    except (httpx2.InvalidURL, UnicodeEncodeError):
        return
    if url.host == "ombud.example":
        answer = world.ask(method, str(url), b"", "application/json")
        assert answer.status_code < 500
        if url.path.startswith("/v1/") and method != "HEAD":
            check(answer)
