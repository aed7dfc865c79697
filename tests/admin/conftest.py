"""A database with the tables of a sender and of keys, on each of the databases."""

from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest

from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.admin.post import once
from tests.support.databases import KINDS, Home, lend_home
from tests.support.postgres import PostgresServers


@pytest.fixture(scope="module", params=KINDS)
def shared_home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_servers: PostgresServers
) -> Iterator[Home]:
    """A place for a database that the tests of a file share."""
    with lend_home(request.param, tmp_path_factory.mktemp("shared"), postgres_servers) as lent:
        yield lent


@pytest.fixture(scope="module")
def shared(shared_home: Home) -> Iterator[Database]:
    """The database in it, with the tables of a sender and of keys."""
    made = shared_home.open()
    migrate(made, ["ombud.admin", "ombud.mailbox", "ombud.sender"])
    yield made
    made.close()


@pytest.fixture
def database(shared: Database) -> Database:
    """The same, without what other tests have left."""
    for table in ("api_key", "event", "delivery", "attempt", "endpoint", "subscription", "lane"):
        shared.write(partial(once, f"delete from {table}"))
    return shared


@pytest.fixture
def sender(database: Database) -> Iterator[Sender]:
    """A sender that performs nothing."""
    made = Sender(database, Settings(allow_networks=(ip_network("127.0.0.0/8"),)))
    yield made
    made.writer.close()


@pytest.fixture
def run_sql(database: Database) -> Callable[..., list[Any]]:
    """Run a statement."""
    return lambda text, **values: database.write(lambda: once(text, **values))
