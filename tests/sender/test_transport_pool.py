"""Connections that are kept: when one is used again, when it must not be, and what becomes of one that was closed."""

import asyncio
import resource
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import trustme

from ombud.errors import NetworkError
from ombud.sender import transport_connection
from ombud.sender.answer import Answer
from ombud.sender.deliver import Deliverer
from ombud.sender.request import request_bytes
from ombud.sender.transport import MOST_FILES, Transport, allow_more_files
from ombud.sender.transport_connection import Connection, NotHeard
from ombud.sender.url import parse_url
from ombud.sender.verdict import DeliveryFailed, Failure

FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
# What a peer does after each request on one connection: say this; go away instead, before or after it.
Turn = bytes | None


class Keeper:
    """A server that keeps its connections: each request takes the next turn; the last goes on."""

    def __init__(self, *turns: Turn) -> None:
        self.turns = list(turns) or [FINAL]
        # How many requests each connection brought, in the order of the connections.
        self.requests: list[int] = []
        self.closed = asyncio.Event()
        self.url = ""
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
        self._server = await asyncio.start_server(self._serve, host, port, **options)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if options else 'http'}://{host}:{self.port}/"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        place = len(self.requests)
        self.requests.append(0)
        self.writers.append(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests[place] += 1
                turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
                if turn is None:
                    break
                writer.write(turn)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort()
            self.closed.set()


@pytest.fixture
async def new_keeper() -> AsyncIterator[Callable[..., Any]]:
    """Start servers that keep their connections."""
    made: list[Keeper] = []

    async def make(*turns: Turn, **options: Any) -> Keeper:
        made.append(Keeper(*turns))
        await made[-1].start(**options)
        return made[-1]

    yield make
    for keeper in made:
        await keeper.close()


def idle(deliverer: Deliverer) -> int:
    return deliverer.transport.idle


async def idle_becomes(deliverer: Deliverer, wanted: int) -> None:
    async with asyncio.timeout(10):
        while idle(deliverer) != wanted:  # noqa: ASYNC110 - the event loop has no event for it
            await asyncio.sleep(0)


async def test_one_connection_serves_many_requests(new_keeper: Any, deliverer: Any) -> None:
    keeper, one = await new_keeper(), deliverer()

    for _ in range(20):
        assert (await one.send(keeper.url)).status == 200

    assert keeper.requests == [20]
    assert idle(one) == 1


async def test_requests_at_the_same_time_take_a_connection_each(new_keeper: Any, deliverer: Any) -> None:
    keeper, one = await new_keeper(), deliverer()

    for _ in range(3):
        await asyncio.gather(*(one.send(keeper.url) for _ in range(10)))

    assert sum(keeper.requests) == 30
    assert len(keeper.requests) == 10
    assert idle(one) == 10


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        # Something behind the end could be taken for the next answer.
        FINAL + b"H",
        FINAL + FINAL,
        FINAL + b"\x00",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK, ok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk",
        FINAL + b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
async def test_a_connection_that_must_not_be_used_again(new_keeper: Any, deliverer: Any, answer: bytes) -> None:
    keeper, one = await new_keeper(answer), deliverer()

    for _ in range(3):
        assert (await one.send(keeper.url)).status == 200

    assert keeper.requests == [1, 1, 1]
    assert idle(one) == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + FINAL,
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + b"a" * 65_536,
    ],
)
async def test_a_connection_whose_answer_is_whole_is_used_again(new_keeper: Any, deliverer: Any, answer: bytes) -> None:
    keeper, one = await new_keeper(answer), deliverer()

    for _ in range(3):
        assert (await one.send(keeper.url)).status == int(answer.rpartition(b"HTTP/1.")[2][2:5])

    assert keeper.requests == [3]


async def test_one_that_was_closed_meanwhile_is_replaced_in_silence(new_keeper: Any, deliverer: Any) -> None:
    keeper, one = await new_keeper(FINAL, None, FINAL), deliverer()

    assert (await one.send(keeper.url)).status == 200
    # The second request goes out on the kept connection, which is closed instead of an answer.
    assert (await one.send(keeper.url)).status == 200

    assert keeper.requests == [2, 1]


async def test_one_that_says_goodbye_is_forgotten(new_keeper: Any, deliverer: Any) -> None:
    keeper, one = await new_keeper(), deliverer()
    await one.send(keeper.url)
    keeper.writers[0].transport.abort()
    await idle_becomes(one, 0)

    assert (await one.send(keeper.url)).status == 200
    assert keeper.requests == [1, 1]


async def test_a_request_is_sent_again_once_and_no_more(new_keeper: Any, deliverer: Any) -> None:
    keeper, one = await new_keeper(FINAL, None), deliverer()
    await one.send(keeper.url)

    with pytest.raises(DeliveryFailed, match="closed before an answer") as caught:
        await one.send(keeper.url)

    assert caught.value.failure is Failure.ANSWER_MISSING
    assert keeper.requests == [2, 1]


async def test_the_first_request_of_a_connection_is_never_sent_again(new_keeper: Any, deliverer: Any) -> None:
    keeper, one = await new_keeper(None), deliverer()

    with pytest.raises(DeliveryFailed, match="closed before an answer"):
        await one.send(keeper.url)
    assert keeper.requests == [1]


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"\x00"])
async def test_what_was_answered_in_part_is_never_sent_again(new_peer: Any, deliverer: Any, begun: bytes) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(FINAL)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    peer, one = await new_peer(say), deliverer()
    await one.send(peer.url)

    with pytest.raises(NetworkError, match=r"closed before an answer was whole|not HTTP"):
        await one.send(peer.url)
    assert peer.connections == 1


async def test_one_that_speaks_unasked_is_dropped(new_keeper: Any, deliverer: Any) -> None:
    keeper, one = await new_keeper(), deliverer()
    await one.send(keeper.url)
    keeper.writers[0].write(b"HTTP/1.1 500 Injected\r\nContent-Length: 0\r\n\r\n")
    await idle_becomes(one, 0)

    assert (await one.send(keeper.url)).status == 200
    assert keeper.requests == [1, 1]


class Wire(asyncio.WriteTransport):
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: Any) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted


async def test_what_it_says_before_the_request_has_left_is_no_answer() -> None:
    """Requests leave at the end of the turn in which they are made; nobody has heard this one."""
    loop, owner, wire = asyncio.get_running_loop(), Transport(), Wire()
    connection = Connection(owner, ("http", "a.example", 80, None, "192.0.2.1"), loop, b"first", loop.time() + 9)

    def say(text: bytes) -> None:
        owner.buffer[: len(text)] = text
        connection.buffer_updated(len(text))

    connection.connection_made(wire)
    say(FINAL)
    assert (await connection.first).status == 200
    waiter: asyncio.Future[Answer] = loop.create_future()
    connection.ask(b"second", loop.time() + 9, waiter)
    say(b"HTTP/1.1 408 Too Slow\r\nContent-Length: 0\r\n\r\n")
    assert wire.aborted
    connection.connection_lost(None)
    with pytest.raises(NotHeard):
        await waiter
    assert wire.written == [b"first"]


async def test_a_late_answer_is_never_the_answer_to_the_next_request(new_peer: Any, deliverer: Any) -> None:
    asked = 0

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            # Past the deadline: whoever is there would take it for their own.
            await reader.read(1)
            writer.write(b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(FINAL)
            await reader.read()

    peer, one = await new_peer(late), deliverer(timeout_seconds=0.2)
    with pytest.raises(DeliveryFailed, match="in time"):
        await one.send(peer.url)

    assert (await one.send(peer.url)).status == 200
    assert peer.connections == 2


async def test_each_request_on_a_connection_has_its_own_deadline(
    new_keeper: Any, deliverer: Any, new_peer: Any
) -> None:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(5):
            writer.write(FINAL)
            await reader.readuntil(b"\r\n\r\n")
        await reader.read()

    peer, one = await new_peer(answer_once), deliverer(timeout_seconds=0.3)
    loop = asyncio.get_running_loop()
    for _ in range(5):
        await one.send(peer.url)
        await asyncio.sleep(0.1)
    started = loop.time()

    # The timer was set for the first of them, and long since.
    with pytest.raises(DeliveryFailed) as caught:
        await one.send(peer.url)
    assert caught.value.failure is Failure.ANSWER_TIMEOUT
    assert 0.27 <= loop.time() - started < 5
    assert peer.connections == 1


async def test_a_shorter_deadline_than_the_one_before_is_kept(new_peer: Any) -> None:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(FINAL)
        await reader.read()

    peer, transport, loop = await new_peer(answer_once), Transport(), asyncio.get_running_loop()
    url = parse_url(peer.url)
    await transport.get(url, ["127.0.0.1"], request_bytes(url), loop.time() + 60)

    with pytest.raises(DeliveryFailed):
        async with asyncio.timeout(10):
            await transport.get(url, ["127.0.0.1"], request_bytes(url), loop.time() + 0.1)
    transport.close()


async def test_one_with_nothing_to_do_is_closed(
    new_keeper: Any, deliverer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_connection, "IDLE_SECONDS", 0.1)
    keeper, one = await new_keeper(), deliverer()
    await one.send(keeper.url)

    async with asyncio.timeout(10):
        await keeper.closed.wait()
    assert idle(one) == 0


async def test_one_that_is_old_is_made_anew(new_keeper: Any, deliverer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_connection, "LIFE_SECONDS", 0.0)
    keeper, one = await new_keeper(), deliverer()

    for _ in range(3):
        await one.send(keeper.url)
    assert keeper.requests == [1, 1, 1]


@pytest.mark.parametrize("most", [0, 1, 3])
async def test_so_many_are_kept_and_the_oldest_goes(new_keeper: Any, most: int) -> None:
    keepers = [await new_keeper() for _ in range(5)]
    transport, loop = Transport(most), asyncio.get_running_loop()

    async def get(keeper: Keeper) -> None:
        url = parse_url(keeper.url)
        assert (await transport.get(url, ["127.0.0.1"], request_bytes(url), loop.time() + 10)).status == 200

    for keeper in keepers:
        await get(keeper)
        assert transport.idle <= most
    for keeper in reversed(keepers):
        await get(keeper)

    # The latest are still there, the others had to be made anew.
    assert [len(keeper.requests) for keeper in keepers] == [2] * (5 - most) + [1] * most
    transport.close()
    assert transport.idle == 0


async def test_no_list_stays_of_places_that_are_left(new_keeper: Any, deliverer: Any) -> None:
    one = deliverer()
    for _ in range(3):
        keeper = await new_keeper()
        await asyncio.gather(*(one.send(keeper.url) for _ in range(3)))
        await keeper.close()
    await idle_becomes(one, 0)

    assert (one.transport._idle, one.transport._order) == ({}, {})


async def test_a_name_that_moves_leaves_its_old_connection(names: Any, new_keeper: Any, deliverer: Any) -> None:
    first = await new_keeper(host="127.0.0.1")
    second = await new_keeper(host="127.0.0.2", port=first.port)
    names.are("shop.example", ["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"])
    one = deliverer()

    for _ in range(3):
        await one.send(f"http://shop.example:{first.port}/")

    assert (first.requests, second.requests) == ([2], [1])


async def test_names_at_one_address_share_nothing(names: Any, new_keeper: Any, deliverer: Any) -> None:
    keeper, one = await new_keeper(), deliverer()
    names.are("a.example", ["127.0.0.1"])
    names.are("b.example", ["127.0.0.1"])

    for host in ("a.example", "b.example", "127.0.0.1", "a.example", "b.example", "127.0.0.1"):
        await one.send(f"http://{host}:{keeper.port}/")

    assert keeper.requests == [2, 2, 2]


async def test_plain_and_tls_share_nothing(new_keeper: Any, deliverer: Any, authority: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    secure, one = await new_keeper(ssl=context), deliverer()
    plain = await new_keeper()

    for _ in range(3):
        await one.send(secure.url)
        await one.send(plain.url)
        with pytest.raises(NetworkError):
            await one.send(secure.url.replace("https", "http"))

    assert secure.requests == [3]
    assert plain.requests == [3]


async def test_a_connection_of_one_authority_serves_no_endpoint_of_another(new_keeper: Any, tmp_path: Any) -> None:
    mine, theirs = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mine.issue_cert("127.0.0.1").configure_cert(context)
    keeper, transport, loop = await new_keeper(ssl=context), Transport(), asyncio.get_running_loop()
    url = parse_url(keeper.url)

    async def get(authority: trustme.CA | None) -> int:
        pem = None if authority is None else authority.cert_pem.bytes().decode()
        return (await transport.get(url, ["127.0.0.1"], request_bytes(url), loop.time() + 10, pem)).status

    assert await get(mine) == 200
    assert await get(mine) == 200
    for stranger in (theirs, None):
        with pytest.raises(DeliveryFailed) as caught:
            await get(stranger)
        assert caught.value.failure is Failure.CERTIFICATE_UNTRUSTED
    assert await get(mine) == 200

    assert keeper.requests == [3]
    transport.close()
    await asyncio.sleep(0)


async def test_a_try_that_is_cancelled_takes_no_other_with_it(new_keeper: Any, deliverer: Any) -> None:
    """An answer may have come just when its try was cancelled: then the connection is somebody else's already."""
    keeper, one = await new_keeper(), deliverer()
    await one.send(keeper.url)
    for _ in range(30):
        attempt = asyncio.ensure_future(one.send(keeper.url))
        await idle_becomes(one, 0)
        await idle_becomes(one, 1)
        # Free again, and the one that waited has not run since.
        other = asyncio.ensure_future(one.send(keeper.url))
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        assert (await other).status == 200

    assert keeper.requests == [61]


@pytest.fixture
def few_files() -> Iterator[Callable[[int], None]]:
    """Lower this process's limit of open files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def lower(most: int) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))

    yield lower
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_when_files_run_out_idle_connections_make_room(
    new_keeper: Any, deliverer: Any, few_files: Callable[[int], None]
) -> None:
    keeper, other, one = await new_keeper(), await new_keeper(), deliverer()
    await asyncio.gather(*(one.send(keeper.url) for _ in range(20)))
    with open("/dev/null") as highest:  # noqa: ASYNC230, PTH123 - for its number
        few_files(highest.fileno())

    with pytest.raises(DeliveryFailed, match="The sender ran out of something: Too many open files") as caught:
        await one.send(other.url)
    assert caught.value.failure is Failure.OURS
    assert idle(one) == 10
    # Both ends of a connection are files of this process here.
    await asyncio.sleep(0.05)
    assert (await one.send(other.url)).status == 200


def test_a_command_lets_itself_open_what_it_may(few_files: Callable[[int], None]) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    few_files(256)
    assert Transport()._most == 64

    allow_more_files()

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(hard, MOST_FILES), hard)
    assert Transport()._most == min(2_048, min(hard, MOST_FILES) // 4)


def test_a_limit_that_is_higher_stays(few_files: Callable[[int], None]) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    few_files(hard)

    allow_more_files()

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
