"""TLS: the name that was asked for, a certificate that holds, nothing older than TLS 1.2."""

import asyncio
import ssl
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from ombud.errors import InvalidInput, NetworkError
from ombud.mailbox.model import Delivery, Done, Retry
from ombud.sender.transport_tls import check_authority


@pytest.fixture(autouse=True)
def known(names: Any) -> None:
    """Have the names of these tests lead to this machine."""
    names.are("shop.example", ["127.0.0.1"])
    names.are("other.example", ["127.0.0.1"])


def server(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def test_a_certificate_that_holds(authority: trustme.CA, new_peer: Any, deliverer: Any) -> None:
    asked: list[Any] = []
    context = server(authority.issue_cert("shop.example"))
    context.sni_callback = lambda _, name, __: asked.append(name)
    context.set_alpn_protocols(["h2", "http/1.1"])
    peer = await new_peer(ssl=context)

    answer = await deliverer().send(f"https://shop.example:{peer.port}/hooks")

    assert answer.status == 200
    assert asked == ["shop.example"]
    assert peer.requests[0].startswith(f"GET /hooks HTTP/1.1\r\nHost: shop.example:{peer.port}\r\n".encode())


async def test_a_certificate_for_an_address(authority: trustme.CA, new_peer: Any, deliverer: Any) -> None:
    peer = await new_peer(ssl=server(authority.issue_cert("127.0.0.1")))

    assert (await deliverer().send(f"https://127.0.0.1:{peer.port}/")).status == 200


async def test_a_certificate_for_another_host(authority: trustme.CA, new_peer: Any, deliverer: Any) -> None:
    peer = await new_peer(ssl=server(authority.issue_cert("shop.example", "127.0.0.1")))

    with pytest.raises(NetworkError, match=r"The TLS certificate is not valid for other\.example: Hostname mismatch"):
        await deliverer().send(f"https://other.example:{peer.port}/")
    assert peer.requests == []


async def test_a_certificate_that_signed_itself(authority: trustme.CA, new_peer: Any, deliverer: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("shop.example").configure_cert(context)
    peer = await new_peer(ssl=context)

    with pytest.raises(NetworkError, match=r"not valid for shop\.example: (self-signed|unable to get local issuer)"):
        await deliverer().send(f"https://shop.example:{peer.port}/")
    assert peer.requests == []


async def test_a_certificate_that_has_expired(authority: trustme.CA, new_peer: Any, deliverer: Any) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    peer = await new_peer(ssl=server(authority.issue_cert("shop.example", not_before=past, not_after=past)))

    with pytest.raises(NetworkError, match=r"not valid for shop\.example: certificate has expired"):
        await deliverer().send(f"https://shop.example:{peer.port}/")
    assert peer.requests == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_a_protocol_that_is_too_old(authority: trustme.CA, new_peer: Any, deliverer: Any) -> None:
    context = server(authority.issue_cert("shop.example"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    peer = await new_peer(ssl=context)

    with pytest.raises(NetworkError, match=r"^(No connection|TLS failed): \w.*\.$"):
        await deliverer().send(f"https://shop.example:{peer.port}/")
    assert peer.requests == []


async def test_an_endpoint_without_tls(authority: trustme.CA, new_peer: Any, deliverer: Any) -> None:
    async def protest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 No\r\n\r\n")
        await reader.read()

    peer = await new_peer(protest, limit=16)

    with pytest.raises(NetworkError, match="TLS failed: "):
        await deliverer().send(f"https://shop.example:{peer.port}/")


async def test_an_endpoint_that_hangs_up_in_the_handshake(authority: trustme.CA, new_peer: Any, deliverer: Any) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    peer = await new_peer(hang_up, limit=16)

    with pytest.raises(NetworkError, match=r"^(No connection|TLS failed): \w.*\.$"):
        await deliverer().send(f"https://shop.example:{peer.port}/")


async def test_an_endpoint_with_tls_that_is_asked_without(authority: trustme.CA, new_peer: Any, deliverer: Any) -> None:
    peer = await new_peer(ssl=server(authority.issue_cert("shop.example")))

    with pytest.raises(NetworkError, match=r"closed before an answer|not HTTP"):
        await deliverer().send(f"http://shop.example:{peer.port}/")
    assert peer.requests == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-----BEGIN CERTIFICATE-----",
        "pem",
        "å",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
)
def test_what_is_no_authority(text: str) -> None:
    with pytest.raises(InvalidInput, match="It is not a certificate in PEM") as caught:
        check_authority(text, "authority")
    assert caught.value.field == "authority"


def test_an_authority_is_one_certificate_or_several() -> None:
    one, other = (trustme.CA().cert_pem.bytes().decode() for _ in range(2))

    check_authority(one)
    check_authority(one + other)


async def test_an_endpoint_with_an_authority_of_its_own_trusts_no_other(
    authority: trustme.CA, new_peer: Any, deliverer: Any
) -> None:
    private = trustme.CA()
    certificates = [made.issue_cert("shop.example") for made in (private, authority)]
    delivery = Delivery(1, 1, 1 << 50, 1, "order.new", "order/90017", None, 0, 0, 0, 0, 0, None)
    outcomes = []
    for certificate in certificates:
        peer = await new_peer(ssl=server(certificate))
        facts = {"url": f"https://shop.example:{peer.port}/", "authority": private.cert_pem.bytes().decode()}
        outcomes.append(await deliverer().perform(delivery, facts))

    assert outcomes[0] == Done(status=200)
    assert isinstance(outcomes[1], Retry)
    assert "The TLS certificate is not valid for shop.example" in outcomes[1].reason


async def test_a_row_with_no_certificate_at_all_is_a_failed_attempt(new_peer: Any, deliverer: Any) -> None:
    peer = await new_peer()
    delivery = Delivery(1, 1, 1 << 50, 1, "order.new", "order/90017", None, 0, 0, 0, 0, 0, None)

    for text in (" ", "pem", "å"):
        outcome = await deliverer().perform(delivery, {"url": f"https://127.0.0.1:{peer.port}/", "authority": text})
        assert isinstance(outcome, Retry)
        assert "not a certificate in PEM" in outcome.reason
    assert peer.requests == []
