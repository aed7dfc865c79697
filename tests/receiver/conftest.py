"""A shop that answers, and an inbox that reads it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.receiver.fronts import FRONTS, Front
from tests.receiver.store import Store, run_store
from tests.receiver.world import Desk, settings_for


@pytest.fixture(scope="session")
def running_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with run_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def store(running_store: Store) -> Iterator[Store]:
    """A shop whose API tells the truth until a test says otherwise. Its orders and products are those of all tests."""
    running_store.dials.reset()
    yield running_store
    running_store.dials.reset()


@pytest.fixture
async def desk(tmp_path: Path, store: Store) -> AsyncIterator[Desk]:
    """An inbox for that shop; it works inside `desk.at_work()`."""
    made = Desk(settings_for(tmp_path, store, perform="elsewhere"))
    yield made
    made.inbox.close()


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Desk]:
    """An inbox that only takes in; it needs neither a shop nor a key."""
    made = Desk(settings_for(tmp_path, api_key=None, perform="elsewhere"))
    yield made
    made.inbox.close()


@pytest.fixture
def believing(tmp_path: Path) -> Iterator[Desk]:
    """An inbox with no key, which passes on every webhook."""
    made = Desk(settings_for(tmp_path, api_key=None, confirm="none", perform="elsewhere"))
    yield made
    made.inbox.close()


@pytest.fixture(params=FRONTS)
def front(request: pytest.FixtureRequest) -> Front:
    """One door after the other."""
    return FRONTS[request.param]
