# ruff: noqa: RUF001 - letters that look like others are the point
"""The grammar of an endpoint's URL: what is accepted, as what, and what is refused with which words."""

import pytest

from ombud.errors import InvalidInput
from ombud.sender.url import LONGEST_URL, check_endpoint_url, parse_url, redacted

# URL: host, port and target as the request will have them, and the Host header.
GOOD = {
    "http://example.com": ("example.com", 80, "/", "example.com"),
    "https://example.com": ("example.com", 443, "/", "example.com"),
    "https://example.com/": ("example.com", 443, "/", "example.com"),
    "https://example.com/hooks/qb": ("example.com", 443, "/hooks/qb", "example.com"),
    "https://example.com?token=1": ("example.com", 443, "/?token=1", "example.com"),
    "https://example.com/?": ("example.com", 443, "/?", "example.com"),
    "https://example.com//a//b": ("example.com", 443, "//a//b", "example.com"),
    "https://example.com/a/../b/./c": ("example.com", 443, "/a/../b/./c", "example.com"),
    "https://example.com/%2e%2E/%00%0d%0a": ("example.com", 443, "/%2e%2E/%00%0d%0a", "example.com"),
    "https://example.com/a?b=c?d=e/f": ("example.com", 443, "/a?b=c?d=e/f", "example.com"),
    "https://example.com/a@b:c": ("example.com", 443, "/a@b:c", "example.com"),
    "https://example.com?user@other.example": ("example.com", 443, "/?user@other.example", "example.com"),
    "https://example.com/?a[]=1": ("example.com", 443, "/?a[]=1", "example.com"),
    "https://example.com/-._~!$&'()*+,;=:@": ("example.com", 443, "/-._~!$&'()*+,;=:@", "example.com"),
    "HTTPS://EXAMPLE.COM/A": ("example.com", 443, "/A", "example.com"),
    "hTtP://ExAmPlE.CoM": ("example.com", 80, "/", "example.com"),
    "https://example.com.": ("example.com", 443, "/", "example.com"),
    "https://example.com.:8443/": ("example.com", 8443, "/", "example.com:8443"),
    "http://example.com:80/": ("example.com", 80, "/", "example.com"),
    "https://example.com:443/": ("example.com", 443, "/", "example.com"),
    "http://example.com:443/": ("example.com", 443, "/", "example.com:443"),
    "https://example.com:80/": ("example.com", 80, "/", "example.com:80"),
    "https://example.com:1": ("example.com", 1, "/", "example.com:1"),
    "https://example.com:65535": ("example.com", 65535, "/", "example.com:65535"),
    "https://example.com:00443/": ("example.com", 443, "/", "example.com"),
    "https://example.com:08443?a": ("example.com", 8443, "/?a", "example.com:8443"),
    "http://localhost/": ("localhost", 80, "/", "localhost"),
    "http://a": ("a", 80, "/", "a"),
    "https://a-b.example": ("a-b.example", 443, "/", "a-b.example"),
    "https://a--b.example": ("a--b.example", 443, "/", "a--b.example"),
    "https://_hooks.my_shop.example": ("_hooks.my_shop.example", 443, "/", "_hooks.my_shop.example"),
    "https://4711.example": ("4711.example", 443, "/", "4711.example"),
    "https://1.2.3.4.example": ("1.2.3.4.example", 443, "/", "1.2.3.4.example"),
    "https://0x7f.0.0.example": ("0x7f.0.0.example", 443, "/", "0x7f.0.0.example"),
    "https://127.0.0.1.nip.example": ("127.0.0.1.nip.example", 443, "/", "127.0.0.1.nip.example"),
    "https://1e100.example": ("1e100.example", 443, "/", "1e100.example"),
    "https://example.1a": ("example.1a", 443, "/", "example.1a"),
    f"https://{'a' * 63}.example": (f"{'a' * 63}.example", 443, "/", f"{'a' * 63}.example"),
    f"https://{'a.' * 125}abc": (f"{'a.' * 125}abc", 443, "/", f"{'a.' * 125}abc"),
    # Names in other scripts, as DNS knows them.
    "https://åäö.example/": ("xn--4cab6c.example", 443, "/", "xn--4cab6c.example"),
    "https://ÅÄÖ.EXAMPLE/": ("xn--4cab6c.example", 443, "/", "xn--4cab6c.example"),
    "https://xn--4cab6c.example/": ("xn--4cab6c.example", 443, "/", "xn--4cab6c.example"),
    "https://straße.example/": ("xn--strae-oqa.example", 443, "/", "xn--strae-oqa.example"),
    "https://bücher.example:8443/": ("xn--bcher-kva.example", 8443, "/", "xn--bcher-kva.example:8443"),
    "https://例え.テスト/": ("xn--r8jz45g.xn--zckzah", 443, "/", "xn--r8jz45g.xn--zckzah"),
    # Other spellings of ASCII come out as what they are, and are judged as that.
    "https://ｅｘａｍｐｌｅ.com/": ("example.com", 443, "/", "example.com"),
    "https://example。com/": ("example.com", 443, "/", "example.com"),
    "https://example．com/": ("example.com", 443, "/", "example.com"),
    "https://example｡com/": ("example.com", 443, "/", "example.com"),
    "http://①②⑦.0.0.1/": ("127.0.0.1", 80, "/", "127.0.0.1"),
    "http://１２７.０.０.１/": ("127.0.0.1", 80, "/", "127.0.0.1"),
    "http://127。0。0。1/": ("127.0.0.1", 80, "/", "127.0.0.1"),
    "http://localhoſt/": ("localhost", 80, "/", "localhost"),
    "http://exam\u00adple.com/": ("example.com", 80, "/", "example.com"),
    # Addresses.
    "http://192.0.2.1": ("192.0.2.1", 80, "/", "192.0.2.1"),
    "http://192.0.2.1.": ("192.0.2.1", 80, "/", "192.0.2.1"),
    "http://0.0.0.0:81/": ("0.0.0.0", 81, "/", "0.0.0.0:81"),
    "http://255.255.255.255": ("255.255.255.255", 80, "/", "255.255.255.255"),
    "http://[::1]": ("::1", 80, "/", "[::1]"),
    "http://[::]:8080/x": ("::", 8080, "/x", "[::]:8080"),
    "https://[2001:DB8::00A]/": ("2001:db8::a", 443, "/", "[2001:db8::a]"),
    "https://[2001:db8:0:0:0:0:0:1]?a": ("2001:db8::1", 443, "/?a", "[2001:db8::1]"),
    "https://[64:ff9b::192.0.2.1]": ("64:ff9b::c000:201", 443, "/", "[64:ff9b::c000:201]"),
}


@pytest.mark.parametrize("url", GOOD)
def test_a_good_url_is_read_into_the_parts_of_the_request(url: str) -> None:
    parts = check_endpoint_url(url)

    assert (parts.host, parts.port, parts.target, parts.authority) == GOOD[url]
    assert parts.scheme == url.partition(":")[0].lower()


NOT_A_URL = "This is not a URL"
SCHEME = "must start with https:// or http://"
USER = "user name or password"
CONTROL = "a space, a control character or a backslash"
FRAGMENT = "a fragment"
NAME = "is not a host name"
ADDRESS = "neither a host name nor an address"
V6 = "is not an IPv6 address"
ENCODED = "must be percent-encoded"

BAD = {
    SCHEME: [
        "",
        "example.com",
        "/hooks",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://h:70/_",
        "javascript:alert(1)",
        "data:,x",
        "ws://example.com/",
        "unix:/var/run/x",
        "httpss://example.com/",
        "http:example.com",
        "http:/example.com",
        "https:/example.com",
        ":https://example.com",
        "url:https://example.com",
        "dict://127.0.0.1:11211/",
        "http",
        "h\u0165tp://example.com",
        "httpſ://example.com/",
        "httpſ://example.com:443/",
        "ＨＴＴＰ://example.com/",
        "http+unix://x/",
    ],
    USER: [
        "https://user@example.com/",
        "https://user:word@example.com/",
        "https://@example.com/",
        "https://:@example.com/",
        "https://example.com@127.0.0.1/",
        "https://a@b@c/",
        "https://example.com:443@127.0.0.1/",
        "http://[::1]@example.com/",
        "https://user:word@example.com:8443/h?a",
        "https://example.com%40@127.0.0.1/",
        "https://a:b:c@d/",
    ],
    CONTROL: [
        " https://example.com/",
        "https://example.com/ ",
        "https://exa mple.com/",
        "https://example.com/a b",
        "https://example.com/\t",
        "\thttps://example.com/",
        "ht\ttps://example.com/",
        "https://exam\tple.com/",
        "https://example.com/\r\nX-Evil: 1",
        "https://example.com/\n",
        "https://example.com\r",
        "https://exam\nple.com/",
        "https://example.com/\x00",
        "https://example\x00.com/",
        "https://example.com/\x7f",
        "https://example.com/\x1f",
        "https://example.com/\x85",
        "https://example.com/\x9f",
        "https://example.com\\@127.0.0.1/",
        "https:\\\\example.com/",
        "https://example.com\\",
        "https://example.com/a\\b",
        "https://127.0.0.1\\.example.com/",
        "https://example.com/?a=\\",
        "https://example.com/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "https://\x01example.com/",
    ],
    FRAGMENT: [
        "https://example.com/#",
        "https://example.com/#top",
        "https://example.com#",
        "https://example.com/?a#b",
        "https://example.com#@127.0.0.1/",
        "https://#example.com/",
        "https://127.0.0.1#.example.com/",
        "#",
    ],
    NOT_A_URL: [
        "https://",
        "http://",
        "https:///",
        "https:///path",
        "https://?a",
        "https://:443/",
        "https://:/",
        "https://[",
        "https://]",
        "https://[]/",
        "https://[::1",
        "https://::1/",
        "https://2001:db8::1/",
        "https://[::1]x/",
        "https://[::1]:/",
        "https://[::1]:x/",
        "https://[::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[v1.x]/",
        "https://[example.com]/",
        "https://[127.0.0.1",
        "https://[::1]]/",
        "https://[[::1]]/",
        "https://a[b]/",
        "https://example.com:/",
        "https://example.com:port/",
        "https://example.com:-1/",
        "https://example.com:+80/",
        "https://example.com:4a/",
        "https://example.com:443:443/",
        "https://example.com:000443/",
        "https://example.com:65536000/",
        "https://example.com:４４３/",
        "https://example.com:٤٤٣/",
        "https://example.com:0x50/",
    ],
    "does not exist: ports go from 1": [
        "https://example.com:0/",
        "https://example.com:00000",
        "https://example.com:65536/",
        "https://example.com:99999?a",
        "http://[::1]:0/",
    ],
    V6: [
        "https://[:]/",
        "https://[:::]/",
        "https://[1]/",
        "https://[127.0.0.1]/",
        "https://[::12345]/",
        "https://[::1::]/",
        "https://[1:2:3:4:5:6:7]/",
        "https://[1:2:3:4:5:6:7:8:9]/",
        "https://[::256.0.0.1]/",
        "https://[::1.2.3]/",
        "https://[::01.2.3.4]/",
    ],
    ADDRESS: [
        "http://0/",
        "http://1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://2130706433/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://127.0.0.01/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0x7f.1/",
        "http://127.0.0.0x1/",
        "http://0X7F.0X1/",
        "http://256.0.0.1/",
        "http://1.2.3.4.5/",
        "http://999.999.999.999/",
        "http://127.0.0.1e0.1/",
        "http://192.168.257/",
        "http://00000177.0.0.1/",
        "http://4294967296/",
        "http://0x/",
        "http://127.0.0.0x/",
        "http://example.0/",
        "http://example.1/",
        "http://example.com.0x7f/",
        "http://1.1/",
        "http://①②⑦.①/",
        "http://２１３０７０６４３３/",
        "http://０x７f.1/",
        "http://127。1/",
        "http://0177。0。0。1/",
    ],
    NAME: [
        "http://./",
        "http://../",
        "http://.example.com/",
        "http://example..com/",
        "http://example.com../",
        "http://-example.com/",
        "http://example-.com/",
        "http://example.-com/",
        "http://exam%70le.com/",
        "http://%31/",
        "http://127.0.0.1%2f/",
        "http://example.com,evil.example/",
        "http://a;b/",
        "http://a=b/",
        "http://a|b/",
        "http://a^b/",
        "http://a`b/",
        "http://{a}/",
        "http://<a>/",
        'http://"a"/',
        "http://a!b/",
        "http://$a/",
        "http://a&b/",
        "http://*.example.com/",
        "http://(a)/",
        "http://a+b/",
        "http://a~b/",
        f"http://{'a' * 64}.example/",
        f"http://{'a.' * 126}ab/",
        "http://a／b/",
        "http://a＠b/",
        "http://a：80/",
        "http://a＃b/",
        "http://a？b/",
        "http://\u202eexample.com/",
        "http://\u200b/",
        "http://\ud800.example/",
        "http://\U000e0001/",
        "http://xn--ä.example/",
        "http://ä..example/",
        "http://\u0301a.example/",
        "http://💩.example/",
        "http://a\u2024b/",
        "http://a\u2100b/",
    ],
    ENCODED: [
        "https://example.com/å",
        "https://example.com/?a=ö",
        "https://example.com/<script>",
        'https://example.com/"',
        "https://example.com/{id}",
        "https://example.com/a|b",
        "https://example.com/^",
        "https://example.com/`",
        "https://example.com/%",
        "https://example.com/%2",
        "https://example.com/%zz",
        "https://example.com/%u0041",
        "https://example.com/?%",
        "https://example.com/\u2028",
        "https://example.com/\ud800",
        "https://example.com/\u00a0",
    ],
}


@pytest.mark.parametrize(("words", "url"), [(words, url) for words, urls in BAD.items() for url in urls])
def test_a_bad_url_is_refused_and_said_why(words: str, url: str) -> None:
    for check in (parse_url, check_endpoint_url):
        with pytest.raises(InvalidInput) as caught:
            check(url, "[3].url")
        assert words in str(caught.value)
        assert caught.value.field == "[3].url"


def test_the_tables_are_as_long_as_they_should_be() -> None:
    assert len(GOOD) + sum(len(set(urls)) for urls in BAD.values()) >= 250


def test_the_longest_url() -> None:
    base = "https://example.com/"
    longest = base + "a" * (LONGEST_URL - len(base))

    assert check_endpoint_url(longest).target == longest.removeprefix("https://example.com")
    with pytest.raises(InvalidInput, match=f"{LONGEST_URL} is the most"):
        check_endpoint_url(longest + "a")


def test_a_very_long_host_is_refused_at_once() -> None:
    with pytest.raises(InvalidInput, match="characters"):
        check_endpoint_url(f"https://{'ä' * 1_000_000}/")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://example.com/", "https://example.com/"),
        ("https://example.com:8443/tok_secret", "https://example.com:8443/…"),
        ("https://example.com?key=tok_secret", "https://example.com/…"),
        ("https://example.com/?key=tok_secret", "https://example.com/…"),
        ("https://example.com/a/tok_secret?b=tok_secret&c", "https://example.com/…"),
        ("http://[2001:db8::1]:81/tok_secret", "http://[2001:db8::1]:81/…"),
        ("https://tok_secret@example.com/", "…"),
        ("https://user:tok_secret@example.com/", "…"),
        ("https://tok_secret:tok_secret@example.com/tok_secret", "…"),
        ("ftp://example.com/tok_secret", "…"),
        ("tok_secret", "…"),
        ("", "…"),
        ("https://example.com/\ntok_secret", "…"),
        ("https://example.com/#tok_secret", "…"),
        ("https://example.com:tok_secret/", "…"),
        ("https://example.com\\tok_secret/", "…"),
        ("https://exa tok_secret/", "…"),
    ],
)
def test_what_people_see_of_a_url(url: str, shown: str) -> None:
    assert redacted(url) == shown
