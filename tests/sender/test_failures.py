"""Every way to have no answer, brought about with real sockets, names and certificates: each is told as what it is."""

import asyncio
import resource
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
import trustme

from ombud.mailbox.model import Delivery, Interrupted, Retry
from ombud.sender.deliver import Deliverer
from ombud.sender.verdict import Failure
from tests.support.name_server import FAILURE, SILENCE, UNKNOWN, NameServer, Says

EVERYTHING = (ip_network("0.0.0.0/0"), ip_network("::/0"))
PAST = datetime(2020, 1, 1, tzinfo=UTC)
FUTURE = datetime(2090, 1, 1, tzinfo=UTC)


class Trouble:
    """Brings failures about: a method for each, named like it, which returns the URL that runs into it."""

    def __init__(self, names: NameServer, new_peer: Callable[..., Any], authority: trustme.CA) -> None:
        self.names = names
        self.new_peer = new_peer
        self.authority = authority
        self.open: list[socket.socket] = []
        self.threads: list[threading.Thread] = []

    async def url_unusable(self) -> str:
        return "http://127.0.0.1/?order_id=1"

    async def address_of_credentials(self) -> str:
        return "http://[64:ff9b::169.254.169.254]/latest/meta-data/"

    async def name_unknown(self) -> str:
        return self._named(UNKNOWN)

    async def name_without_address(self) -> str:
        return self._named(Says())

    async def name_server_failed(self) -> str:
        return self._named(FAILURE)

    async def name_timeout(self) -> str:
        return self._named(SILENCE)

    async def connection_refused(self) -> str:
        peer = await self.new_peer()
        await peer.close()
        return str(peer.url)

    async def connection_timeout(self) -> str:
        listening = self._socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        # They fill the queue of the kernel, which from then on lets connections wait.
        for filling in (self._socket(), self._socket()):
            filling.setblocking(False)
            filling.connect_ex(listening.getsockname())
        return f"http://127.0.0.1:{listening.getsockname()[1]}/"

    async def connection_unreachable(self) -> str:
        return "http://255.255.255.255/"

    async def connection_failed(self) -> str:
        # Good on one interface alone, and none is named.
        return "http://[fe80::1]/"

    async def tls_timeout(self) -> str:
        return await self._raw_tls(hang)

    async def tls_not_spoken(self) -> str:
        async def protest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 This is not TLS\r\n\r\n")
            await reader.read()

        return await self._raw_tls(protest)

    async def tls_closed(self) -> str:
        async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        return await self._raw_tls(leave)

    async def tls_too_old(self) -> str:
        context = self._context(self.authority.issue_cert("127.0.0.1"))
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        return self._blocking(context)

    async def tls_failed(self) -> str:
        context = self._context(self.authority.issue_cert("127.0.0.1"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        return self._blocking(context)

    async def certificate_expired(self) -> str:
        return await self._certified(self.authority.issue_cert("127.0.0.1", not_before=PAST, not_after=PAST))

    async def certificate_not_yet_valid(self) -> str:
        return await self._certified(self.authority.issue_cert("127.0.0.1", not_before=FUTURE, not_after=FUTURE))

    async def certificate_of_another(self) -> str:
        return await self._certified(self.authority.issue_cert("shop.example", "127.0.0.2"))

    async def certificate_untrusted(self) -> str:
        return await self._certified(trustme.CA().issue_cert("127.0.0.1"))

    async def certificate_invalid(self) -> str:
        # Signed by somebody who has a certificate, and is no authority.
        other = self.authority.issue_cert("shop.example")
        signer = trustme.CA.from_pem(other.cert_chain_pems[0].bytes(), other.private_key_pem.bytes())
        signed = signer.issue_cert("127.0.0.1")
        chain = trustme.Blob(signed.cert_chain_pems[0].bytes() + other.cert_chain_pems[0].bytes())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with signed.private_key_pem.tempfile() as key, chain.tempfile() as certificates:
            context.load_cert_chain(certificates, key)
        return await self._tls(context)

    async def answer_timeout(self) -> str:
        return await self._saying(hang)

    async def answer_missing(self) -> str:
        return await self._saying(b"")

    async def answer_cut(self) -> str:
        return await self._saying(b"HTTP/1.1 200 OK\r\nContent-")

    async def answer_not_http(self) -> str:
        return await self._saying(b"220 mail.example ESMTP\r\n")

    async def answer_other_protocol(self) -> str:
        return await self._saying(b"HTTP/2.0 200 OK\r\n\r\n")

    async def answer_too_long(self) -> str:
        return await self._saying(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000)

    def _named(self, says: Says) -> str:
        self.names.are("shop.example", says)
        return "http://shop.example/"

    def _socket(self) -> socket.socket:
        self.open.append(socket.socket())
        return self.open[-1]

    def _context(self, certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    async def _saying(self, script: Any) -> str:
        return str((await self.new_peer(script)).url)

    async def _raw_tls(self, script: Any) -> str:
        peer = await self.new_peer(script, limit=16)
        return f"https://127.0.0.1:{peer.port}/"

    async def _tls(self, context: ssl.SSLContext) -> str:
        peer = await self.new_peer(ssl=context)
        return f"https://127.0.0.1:{peer.port}/"

    def _blocking(self, context: ssl.SSLContext) -> str:
        """Serve one handshake with OpenSSL alone, which says why it fails; asyncio's servers hang up without a word."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.open.append(listening)

        def serve() -> None:
            connection, _ = listening.accept()
            connection.settimeout(10)
            with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as served:
                with suppress(OSError):
                    served.do_handshake()
                # What was said must not be lost in a reset.
                socket.socket.shutdown(served, socket.SHUT_WR)
                while socket.socket.recv(served, 1_024):
                    pass

        self.threads.append(threading.Thread(target=serve))
        self.threads[-1].start()
        return f"https://127.0.0.1:{listening.getsockname()[1]}/"

    async def _certified(self, certificate: trustme.LeafCert) -> str:
        return await self._tls(self._context(certificate))


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1_024):
        pass


@pytest.fixture
async def trouble(names: NameServer, new_peer: Any) -> AsyncIterator[Trouble]:
    """Bring failures about."""
    made = Trouble(names, new_peer, trustme.CA())
    yield made
    for one in made.open:
        one.close()
    for thread in made.threads:
        thread.join(10)


def delivery() -> Delivery:
    return Delivery(1, 1, 1 << 50, 1, "order.new", "order/90017", None, 0, 0, 0, 0, 0, None)


async def attempt(deliverer: Deliverer, url: str, authority: trustme.CA | None = None) -> Any:
    pem = None if authority is None else authority.cert_pem.bytes().decode()
    return await deliverer.perform(delivery(), {"url": url, "authority": pem})


# These need a stricter guard, a poorer process, or a key file, and have tests of their own.
ELSEWHERE = {Failure.ADDRESS_PRIVATE, Failure.PORT_REFUSED, Failure.OURS, Failure.KEY_MISSING}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
@pytest.mark.parametrize("failure", sorted(set(Failure) - ELSEWHERE))
async def test_every_failure_comes_about_and_is_told_as_what_it_is(
    failure: Failure, trouble: Trouble, deliverer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ombud.sender import outcome

    told: list[Failure] = []

    def listen(error: Any, kind: Failure) -> Any:
        told.append(kind)
        return outcome.outcome_of_failure(error, kind)

    for name in ("attempt", "deliver"):
        monkeypatch.setattr(f"ombud.sender.{name}.outcome_of_failure", listen)
    url = await getattr(trouble, failure.value.replace("-", "_"))()
    slow = failure.value.endswith("-timeout")
    one = deliverer(allowed=EVERYTHING, timeout_seconds=0.3 if slow else 10.0)

    result = await attempt(one, url, trouble.authority)

    assert told == [failure]
    assert isinstance(result, Retry)
    assert "{" not in result.reason


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1/", "127.0.0.1 is a private, local or reserved address"),
        ("http://8.8.8.8:22/", "Port 22 is not one for webhooks"),
        ("http://metadata.example/", "metadata.example is at 169.254.169.254, an address where a cloud hands out"),
    ],
)
async def test_a_refusal_is_an_attempt_with_plain_words(
    names: NameServer, deliverer: Any, url: str, words: str
) -> None:
    names.are("metadata.example", ["169.254.169.254"])

    result = await attempt(deliverer(allowed=()), url)

    assert isinstance(result, Retry)
    assert result.reason.startswith(words)


async def test_a_client_certificate_that_tls_13_asks_for_too_late(trouble: Trouble, deliverer: Any) -> None:
    context = trouble._context(trouble.authority.issue_cert("127.0.0.1"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED

    result = await attempt(deliverer(), trouble._blocking(context), trouble.authority)

    assert isinstance(result, Retry)
    assert "CERTIFICATE_REQUIRED" in result.reason


@pytest.fixture
def few_files() -> Iterator[Callable[[int], None]]:
    """Lower this process's limit of open files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def lower(most: int) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))

    yield lower
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_what_this_process_lacks_is_nobodys_fault(
    new_peer: Any, deliverer: Any, few_files: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.sender.attempt.OURS_SECONDS", 0.0)
    peer, one = await new_peer(), deliverer()
    with socket.socket() as highest:
        few_files(highest.fileno())

    result = await attempt(one, peer.url)

    assert isinstance(result, Interrupted)
    assert result.reason.startswith("The sender ran out of something: Too many open files.")


async def test_an_alias_that_leads_to_itself_ends(names: NameServer, deliverer: Any) -> None:
    names.are("shop.example", Says(aliases=["other.example", "shop.example"]))

    result = await attempt(deliverer(), "http://shop.example/")

    assert isinstance(result, Retry)
    assert "could not be resolved" in result.reason


@pytest.mark.parametrize("rcode", ["FORMERR", "SERVFAIL", "NOTIMP", "REFUSED"])
async def test_what_name_servers_say_instead(names: NameServer, deliverer: Any, rcode: str) -> None:
    names.are("shop.example", Says(rcode=rcode))

    result = await attempt(deliverer(), "http://shop.example/")

    assert isinstance(result, Retry)
    assert result.reason.startswith("The name shop.example could not be resolved: its name servers failed (")


@pytest.mark.parametrize(
    "garble",
    [
        lambda raw: raw[:2] + b"\x81\x80" + raw[4:6] + b"\xff\xff" + raw[8:],
        lambda raw: raw[:2] + b"\xff" * 30,
        lambda raw: raw[:5],
        lambda _: b"",
        lambda raw: raw,
        lambda raw: bytes([raw[0] ^ 1]) + raw[1:2] + b"\x81\x80" + raw[4:],
    ],
    ids=["counts of nothing", "ones", "half a head", "empty", "an echo", "another's"],
)
async def test_garbage_from_name_servers_ends_too(names: NameServer, deliverer: Any, garble: Any) -> None:
    names.are("shop.example", Says(raw=garble))

    async with asyncio.timeout(10):
        result = await attempt(deliverer(timeout_seconds=1.0), "http://shop.example/")
    assert isinstance(result, Retry)
    assert "could not be resolved" in result.reason
