"""A PostgreSQL of its own for whoever measures."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.postgres import PostgresServers

# What a server of this size is usually given: the defaults of the tests are for many on a small machine.
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}


@contextmanager
def lent_database() -> Iterator[str]:
    """Lend the URL of an empty database; the newest server, durable, is gone afterwards."""
    servers = PostgresServers()
    try:
        server = servers["newest"]
        server.stop()
        server.start(**SETTINGS)
        with server.database() as name:
            yield server.url(name)
    finally:
        servers.remove()
