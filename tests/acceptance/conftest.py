"""A shop to read from, handlers that report what they did, and the environment in which both are found."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.receiver.reports import Reports
from tests.receiver.served import environment
from tests.receiver.store import Store, run_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A shop whose API answers."""
    with run_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, store: Store, reports: Reports) -> dict[str, str]:
    """The environment of a receiver with a database of its own."""
    return environment(tmp_path, store, reports)
