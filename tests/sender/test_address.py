"""Which addresses may be sent to: every literal by name, every way to embed one in another, and the allow list."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ombud.sender.address import embedded_addresses, refusal
from ombud.sender.verdict import Failure

CREDENTIALS = Failure.ADDRESS_OF_CREDENTIALS
PUBLIC, PRIVATE, METADATA = "public", "private", "metadata"
EVERYTHING = [ip_network("0.0.0.0/0"), ip_network("::/0")]

# The edges of every range of the IANA special-purpose registries, from both sides, and some of their midst.
LITERALS = {
    PUBLIC: [
        "1.0.0.0",
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "93.184.216.34",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "128.0.0.1",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "185.0.0.1",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.1.255",
        "192.0.3.0",
        "192.31.196.1",
        "192.52.193.1",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "192.175.48.1",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::1",
        "2000:ffff::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7::1",
        "2001:db9::1",
        "2003::1",
        "2400:cb00::1",
        "2606:4700:4700::1111",
        "2620:4f:8000::1",
        "2a00:1450::1",
        "2a01:4f8::1",
        "3000::1",
        "3ffe::1",
        "3fff:1000::1",
        "3fff:ffff::1",
        "2001:200::a9fe:a9fe",
        "2a00::7f00:1",
    ],
    PRIVATE: [
        "0.0.0.0",
        "0.0.0.1",
        "0.255.255.255",
        "10.0.0.0",
        "10.1.2.3",
        "10.255.255.255",
        "100.64.0.0",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.0",
        "127.0.0.1",
        "127.0.0.53",
        "127.1.2.3",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.1.1",
        "169.254.255.255",
        "172.16.0.0",
        "172.17.0.1",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.8",
        "192.0.0.170",
        "192.0.0.255",
        "192.0.2.0",
        "192.0.2.1",
        "192.0.2.255",
        "192.88.99.0",
        "192.88.99.1",
        "192.88.99.255",
        "192.168.0.0",
        "192.168.1.1",
        "192.168.255.255",
        "198.18.0.0",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.0",
        "198.51.100.7",
        "198.51.100.255",
        "203.0.113.0",
        "203.0.113.99",
        "203.0.113.255",
        "224.0.0.0",
        "224.0.0.1",
        "239.255.255.250",
        "239.255.255.255",
        "240.0.0.0",
        "240.0.0.1",
        "255.255.255.254",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::7f00:1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::ffff:8.8.8.8",
        "::ffff:10.0.0.1",
        "::ffff:0:7f00:1",
        "::ffff:0:808:808",
        "::1:0:0:0:1",
        "64:ff9b::7f00:1",
        "64:ff9b::8.8.8.8",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "64:ff9b:1::7f00:1",
        "64:ff9b:1:ffff::",
        "100::",
        "100::1",
        "100:0:0:1::1",
        "200::1",
        "1000::1",
        "1fff:ffff::1",
        "2001::",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:1::1",
        "2001:1::2",
        "2001:2::1",
        "2001:3::1",
        "2001:4:112::1",
        "2001:10::1",
        "2001:20::1",
        "2001:30::1",
        "2001:1ff:ffff::1",
        "2001:db8::",
        "2001:db8::1",
        "2001:db8:ffff::1",
        "2002::",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "2002:a00:1::",
        "2002:ffff:ffff::1",
        "3fff::",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "8000::1",
        "c000::1",
        "e000::1",
        "f000::1",
        "fb00::1",
        "fc00::",
        "fc00::1",
        "fd00::1",
        "fd12:3456:789a::1",
        "fdff:ffff::1",
        "fe00::1",
        "fe80::",
        "fe80::1",
        "fe80::1%eth0",
        "fe80::1%1",
        "febf:ffff::1",
        "fec0::1",
        "feff::1",
        "ff00::",
        "ff01::1",
        "ff02::1",
        "ff05::2",
        "ff0e::1",
        "ff0e::1%eth0",
        "2a00::1%eth0",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ],
    METADATA: [
        # AWS, Google, Azure, DigitalOcean, OpenStack and others; AWS again by IPv6, for containers and for pods.
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        # Azure's wire server, Alibaba, Oracle twice, Scaleway.
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "169.254.42.42",
        "fd00:42::42",
        "fd00:c1::a9fe:a9fe",
        # The same, embedded or with a zone.
        "fd00:ec2::254%eth0",
        "::a9fe:a9fe",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:aa02",
        "::ffff:168.63.129.16",
        "::ffff:0:a9fe:a9fe",
        "::ffff:0:6464:64c8",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::100.100.100.200",
        "64:ff9b:1:a9fe:a9:fe00::",
        "64:ff9b:1:a9fe:a9:fe00:1234:5678",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:fffe::a9fe:a9fe",
        "64:ff9b:1:a9:fe:a9fe::",
        "64:ff9b:1:0:a9:fea9:fe00::",
        "2002:a9fe:a9fe::1",
        "2002:a83f:8110:1::5",
        "2001:0:a9fe:a9fe::1",
        "2001::5601:5601",
        "2001:0:808:808:0:0:57c0:7eef",
        "::ffff:169.254.169.254%eth0",
    ],
}
CLASS_OF = {text: kind for kind, texts in LITERALS.items() for text in texts}


def class_of(text: str) -> str:
    failure = refusal(ip_address(text), [])
    return PUBLIC if failure is None else {CREDENTIALS: METADATA, Failure.ADDRESS_PRIVATE: PRIVATE}[failure]


@pytest.mark.parametrize("text", CLASS_OF)
def test_the_class_of_an_address(text: str) -> None:
    assert class_of(text) == CLASS_OF[text]


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(CLASS_OF) == sum(len(texts) for texts in LITERALS.values()) >= 200


@pytest.mark.parametrize("text", LITERALS[METADATA])
def test_where_credentials_are_is_never_allowed(text: str) -> None:
    address = ip_address(text)
    itself = ip_network(text.partition("%")[0])

    for allowed in (EVERYTHING, [itself], [*EVERYTHING, itself]):
        assert refusal(address, allowed) is CREDENTIALS


@pytest.mark.parametrize("text", LITERALS[PRIVATE])
def test_whatever_else_is_refused_can_be_allowed(text: str) -> None:
    assert refusal(ip_address(text), EVERYTHING) is None


def mapped(address: int) -> int:
    return 0xFFFF << 32 | address


def compatible(address: int) -> int:
    return address


def translated(address: int) -> int:
    return 0xFFFF << 48 | address


def nat64(address: int) -> int:
    return 0x64FF9B << 96 | address


def local_nat64_48(address: int) -> int:
    return 0x64FF9B0001 << 80 | (address >> 16) << 64 | (address & 0xFFFF) << 40


def local_nat64_56(address: int) -> int:
    return 0x64FF9B0001 << 80 | 0xAB << 72 | (address >> 24) << 64 | (address & 0xFFFFFF) << 32


def local_nat64_64(address: int) -> int:
    return 0x64FF9B0001 << 80 | 0xABCD << 64 | address << 24


def local_nat64_96(address: int) -> int:
    return 0x64FF9B0001 << 80 | 0xFFFE << 64 | address


def six_to_four(address: int) -> int:
    return 0x2002 << 112 | address << 80 | 0xBEEF


def teredo_server(address: int) -> int:
    return 0x20010000 << 96 | address << 64 | 0x8000F227BEEF0000


def teredo_client(address: int) -> int:
    return 0x20010000 << 96 | 0x41000001 << 64 | 0x8000F227 << 32 | (address ^ 0xFFFFFFFF)


EMBEDDINGS = [
    mapped, compatible, translated, nat64, local_nat64_48, local_nat64_56, local_nat64_64, local_nat64_96, six_to_four,
    teredo_server, teredo_client,
]  # fmt: skip
# Half of what is drawn lies where the rules change.
BORDERS = st.sampled_from([int(IPv4Address(text)) for text in CLASS_OF if ":" not in text])
ANY_V4 = BORDERS | st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("embed", EMBEDDINGS)
@settings(deadline=None)
@given(number=ANY_V4)
@example(int(IPv4Address("169.254.169.254")))
@example(int(IPv4Address("127.0.0.1")))
def test_an_address_stays_refused_however_it_is_embedded(embed: Callable[[int], int], number: int) -> None:
    inner, outer = IPv4Address(number), IPv6Address(embed(number))

    assert inner in embedded_addresses(outer)
    if refusal(inner, []) is not None:
        assert refusal(outer, []) is not None
    # To allow the outer ranges does not open the way to credentials.
    if refusal(inner, []) is CREDENTIALS:
        assert refusal(outer, EVERYTHING) is CREDENTIALS


@settings(deadline=None)
@given(st.ip_addresses(v=6))
def test_outside_of_2000_3_nothing_is_public(address: IPv6Address) -> None:
    assume(address not in IPv6Network("2000::/3"))
    assert refusal(address, []) is not None


@settings(deadline=None)
@given(st.ip_addresses())
def test_what_the_standard_library_calls_private_is_refused(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast:
        assert refusal(address, []) is not None


@pytest.mark.parametrize(
    ("allowed", "lifted", "kept"),
    [
        ("127.0.0.0/8", ["127.0.0.1", "127.255.255.255"], ["10.0.0.1", "::1", "::ffff:127.0.0.1", "128.0.0.1"]),
        ("127.0.0.1/32", ["127.0.0.1"], ["127.0.0.2", "127.0.0.0"]),
        ("10.1.0.0/16", ["10.1.0.0", "10.1.255.255"], ["10.0.255.255", "10.2.0.0", "2002:a01::"]),
        ("::1/128", ["::1"], ["::2", "127.0.0.1", "::"]),
        ("fd00:1234::/32", ["fd00:1234::1"], ["fd00:1235::1", "fd00:ec2::254"]),
        ("::ffff:0:0/96", ["::ffff:10.0.0.1"], ["10.0.0.1", "::ffff:169.254.169.254"]),
        ("169.254.0.0/16", ["169.254.1.1"], ["169.254.169.254", "169.254.170.2", "169.254.170.23"]),
        ("0.0.0.0/0", ["10.0.0.1", "255.255.255.255"], ["::1", "169.254.169.254", "168.63.129.16"]),
        ("::/0", ["::1", "fe80::1%eth0", "2002:a00:1::"], ["127.0.0.1", "fd00:ec2::254", "64:ff9b::a9fe:a9fe"]),
        ("fe80::/10", ["fe80::1", "fe80::1%eth0"], ["fec0::1"]),
    ],
)
def test_an_allowed_range_lifts_the_rule_for_itself_alone(allowed: str, lifted: list[str], kept: list[str]) -> None:
    networks = [ip_network(allowed)]

    assert [text for text in lifted if refusal(ip_address(text), networks)] == []
    for text in kept:
        assert refusal(ip_address(text), networks) == refusal(ip_address(text), [])


@settings(deadline=None)
@given(network=st.ip_addresses(v=4), bits=st.integers(0, 32), address=ANY_V4)
def test_an_allowed_range_changes_nothing_outside_of_it(network: IPv4Address, bits: int, address: int) -> None:
    allowed, judged = IPv4Network((network, bits), strict=False), IPv4Address(address)
    if judged not in allowed:
        assert refusal(judged, [allowed]) == refusal(judged, [])
    elif CLASS_OF.get(str(judged)) != METADATA:
        assert refusal(judged, [allowed]) is None
