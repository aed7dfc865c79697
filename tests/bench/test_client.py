"""The bench of the delivery client: every way to drive it delivers, and counts what it has delivered."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from bench.client import CASES, Case, Drive, host

ENDPOINTS = 3


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_what_is_counted_was_delivered(case: Case) -> None:
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                asked += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    small = Case(case.loop, case.drive, 4, ENDPOINTS, case.signed)
    servers = [server async for server in _started(serve)]
    per_second, per_core_second = await Drive(small, servers[0].sockets[0].getsockname()[1], 0.2).run()
    for server in servers:
        server.close()
    await asyncio.sleep(0.05)

    assert 0 < per_second * 0.2 <= asked
    assert per_core_second > 0


async def _started(serve: Any) -> Any:
    port = 0
    for number in range(ENDPOINTS):
        server = await asyncio.start_server(serve, host(number), port)
        port = server.sockets[0].getsockname()[1]
        yield server


def test_an_answer_that_is_no_acknowledgement_ends_it() -> None:
    async def run() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), host(0), 0)
        async with server:
            with pytest.raises(TypeError, match="closed before an answer"):
                await Drive(
                    Case("asyncio", "runners", 1, 1, signed=False), server.sockets[0].getsockname()[1], 0.1
                ).run()

    asyncio.run(run())


def test_every_endpoint_has_an_address_of_its_own() -> None:
    made: Iterator[str] = (host(number) for number in range(1_000))

    assert len({address for address in made if address.startswith("127.0.")}) == 1_000
