"""The sender's web app on a real database, spoken to by a real client."""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partialmethod
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ombud.admin.access import Scope
from ombud.admin.keys import add_key, new_key
from ombud.clock import now_microseconds
from ombud.db.operation import Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.sender.resolver import Resolver
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.web.app import SenderApp
from tests.support.databases import lay_tables


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """A database of its own, with the tables of a sender and of keys."""
    made = SqliteDatabase(lay_tables(tmp_path / "sender.db", "ombud.admin", "ombud.mailbox", "ombud.sender"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no name resolve: nobody listens where name servers are looked for."""
    monkeypatch.setattr(Resolver, "__init__", partialmethod(Resolver.__init__, ["127.0.0.1:1"]))


@pytest.fixture(autouse=True)
def short_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let live parts end soon: a client of these tests reads an answer whole."""
    monkeypatch.setattr("ombud.web.streams.STREAM_SECONDS", 0.3)


@pytest.fixture
def sender(database: SqliteDatabase) -> Iterator[Sender]:
    """A sender that performs nothing; loopback is allowed, the rest of the inside is not."""
    made = Sender(database, Settings(allow_networks=(ip_network("127.0.0.0/8"),), retry_seconds=(0.05,)))
    yield made
    made.writer.close()


@pytest.fixture
def key(database: SqliteDatabase) -> str:
    """A key of this installation, for everything."""
    made = new_key()
    database.write(lambda: add_key("tests", made, now_microseconds(), tuple(Scope)))
    return made


@pytest.fixture
def app(sender: Sender) -> SenderApp:
    """The web app."""
    return SenderApp(sender)


@pytest.fixture
async def anybody(app: SenderApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a key."""
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://ombud.example") as client:
        yield client


@pytest.fixture
async def client(anybody: httpx2.AsyncClient, key: str) -> httpx2.AsyncClient:
    """A client with a key."""
    anybody.headers["Authorization"] = f"Bearer {key}"
    return anybody


@pytest.fixture
def rows(database: SqliteDatabase) -> Callable[..., list[Any]]:
    """Look into the database."""

    def query(text: str, **values: Any) -> list[Any]:
        def read() -> Any:
            return (yield Statement(text, text), values)

        found: list[Any] = database.read(read)
        return found

    return query


def check_problem(answer: httpx2.Response, status: int, field: str | None = None, words: str = "") -> None:
    """Check that an answer is a problem document of RFC 9457, for this field."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert document.keys() - {"field"} == {"type", "title", "status", "detail"}
    assert (document["type"], document["status"]) == ("about:blank", status)
    assert document["title"]
    assert words in document["detail"]
    assert document.get("field") == field


@pytest.fixture
def is_problem() -> Callable[..., None]:
    """Check an answer that is a problem."""
    return check_problem
