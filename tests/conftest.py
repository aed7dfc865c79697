"""Fixtures for every folder of tests: real processes of Ombud, and real endpoints to send to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.endpoint import Endpoint
from tests.support.processes import Commands, Ombuds


@pytest.fixture
def ombuds() -> Iterator[Ombuds]:
    """Start processes of Ombud; they end with the test."""
    started = Ombuds()
    yield started
    started.end()


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Run `ombud` to its end, in an empty folder."""
    return Commands(tmp_path)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A foreign endpoint."""
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def new_endpoint() -> Iterator[Callable[[], Endpoint]]:
    """Make several foreign endpoints."""
    made: list[Endpoint] = []

    def make() -> Endpoint:
        made.append(Endpoint())
        return made[-1]

    yield make
    for one in made:
        one.close()
