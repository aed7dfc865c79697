"""Fixtures for every folder of tests: real processes of Ombud, and real endpoints to send to."""

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from ombud.db.postgres import PostgresDatabase
from tests.receiver.reports import Reports
from tests.support.databases import KINDS, Home, lend_home
from tests.support.endpoint import Endpoint
from tests.support.mail_server import MailServer
from tests.support.order import InOrder, in_order, is_alone
from tests.support.postgres import PostgresServers
from tests.support.processes import Commands, Ombuds
from tests.support.turns import Turns

TURNS = pytest.StashKey[Turns]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Join the processes of the run."""
    session.stash[TURNS] = Turns()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave them."""
    session.stash[TURNS].end()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage among all that is imported for ten thousand tests: neither meanwhile nor ever after."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in order."""
    items[:] = in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> InOrder:
    """Deal them out in that order."""
    return InOrder(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Give each test its turn, before its time limit begins to run."""
    with item.session.stash[TURNS].alone() if is_alone(item) else nullcontext():
        return (yield)


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
async def mail_server() -> AsyncIterator[MailServer]:
    """A foreign mail server."""
    made = await MailServer().start()
    yield made
    await made.close()


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


@pytest.fixture(scope="session", autouse=True)
def _key_file_of_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep keys of databases that have no folder out of the working folder."""
    path = tmp_path_factory.mktemp("keys") / "ombud.key"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PostgresDatabase, "key_file", path)
        yield


@pytest.fixture
def reports() -> Iterator[Reports]:
    """What handlers did, in whatever process."""
    made = Reports()
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[PostgresServers]:
    """Real PostgreSQL servers, started when a test asks for one; they end with the session."""
    servers = PostgresServers()
    yield servers
    servers.remove()


@pytest.fixture(params=KINDS)
def home(request: pytest.FixtureRequest, tmp_path: Path, postgres_servers: PostgresServers) -> Iterator[Home]:
    """An empty place for a database, of every kind in turn."""
    with lend_home(request.param, tmp_path, postgres_servers) as lent:
        yield lent
