"""Looking changes nothing: a walk along every link of the panel leaves each row of both databases as it was."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from ombud.web.house import House
from tests.support.full_house import FullHouse

SITE = "http://127.0.0.1:8700"
# Links of one panel; more would be a maze.
MOST_PAGES = 400
# What is for people who are not logged in.
BEFORE_LOG_IN = {"/login", "/set-up/{token}"}
# What never ends: parts of pages that are visited, made as for those.
STREAMS = {"/panel/stream", "/overview/stream", "/deliveries/stream"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[FullHouse]:
    made = FullHouse(tmp_path, 2)
    yield made
    made.close()


def walk(house: FullHouse) -> set[str]:
    """Follow every link and every part that a page loads by itself; returns the paths that were seen."""
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in house.cookies.items())}
    with TestClient(house.app, base_url=SITE, client=("127.0.0.1", 50_000), headers=headers) as client:
        found, left = {"/", house.test_path}, ["/", house.test_path]
        while left:
            path = left.pop()
            answer = client.get(path)
            assert answer.status_code == 200, path
            links = re.findall(r'<a [^>]*?href="(/[^"]*)"|hx-get="(/[^"]*)"', answer.text)
            new = {unescape(one or other).partition("#")[0] for one, other in links} - found
            found |= new
            left += new
            assert len(found) < MOST_PAGES
    return found


def pages_of(app: Starlette) -> list[Route]:
    """Return the routes of pages that are only looked at."""
    return [route for route in app.routes if isinstance(route, Route) and (route.name or "").startswith("GET ")]


def test_a_walk_through_the_whole_panel_changes_no_row(house: FullHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    before = house.rows()
    found = walk(house)
    assert house.rows() == before
    assert sum(len(rows) for rows in before.values()) > 50
    paths = {path.partition("?")[0] for path in found}
    apps: list[Starlette] = []
    monkeypatch.setattr(House, "behind", lambda _, app: apps.append(app))
    type(house.app)(house.sender, house.inbox.receiver)
    missed = [
        route.path
        for route in pages_of(apps[0])
        if route.path not in BEFORE_LOG_IN | STREAMS and not any(route.path_regex.fullmatch(path) for path in paths)
    ]
    assert missed == []


def test_a_row_that_changes_is_noticed(house: FullHouse) -> None:
    before = house.rows()
    house.spoil([f"text {number}" for number in range(99)])
    assert house.rows() != before
