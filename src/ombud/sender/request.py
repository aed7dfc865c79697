"""The bytes of a request: put together from parts that were checked, and never parsed again."""

from dataclasses import dataclass
from functools import lru_cache

from ombud import signing
from ombud.sender.headers import Headers, check_headers
from ombud.sender.url import EndpointUrl, check_endpoint_url
from ombud.wire import USER_AGENT, event_parameters, joinable

# Endpoints whose fixed parts are kept, by what they were made from: an edited endpoint is another one.
PREPARED = 20_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """The parts of a request that are the same for every event of an endpoint."""

    url: EndpointUrl
    target: str
    lines: str

    def target_of(self, event_type: str, subject: str) -> str:
        """Return the request target of an event; raises InvalidInput for what no event can be."""
        return self.target + event_parameters(event_type, subject)

    def request(self, target: str, more: str = "") -> bytes:
        """Return the request; `more` is whole header lines."""
        return f"GET {target} HTTP/1.1\r\n{self.lines}{more}\r\n".encode("ascii")


@lru_cache(maxsize=PREPARED)
def prepare(text: str, headers: Headers = ()) -> Prepared:
    """Check an endpoint's URL and headers and prepare its requests; raises InvalidInput."""
    url = check_endpoint_url(text)
    custom = "".join(f"{name}: {value}\r\n" for name, value in check_headers(headers))
    return Prepared(url, joinable(url.target), _lines(url) + custom)


def request_bytes(url: EndpointUrl) -> bytes:
    """Return the request for a whole URL: as the vendor's page shows it, and the line that keeps caches out of it."""
    return Prepared(url, "", _lines(url)).request(url.target)


def signature_lines(message_id: str, timestamp: int, signature: str) -> str:
    """Return the three header lines that let a receiver know the sender."""
    return (
        f"{signing.ID_HEADER}: {message_id}\r\n"
        f"{signing.TIMESTAMP_HEADER}: {timestamp}\r\n"
        f"{signing.SIGNATURE_HEADER}: {signature}\r\n"
    )


def _lines(url: EndpointUrl) -> str:
    return f"Host: {url.authority}\r\nUser-Agent: {USER_AGENT}\r\nCache-Control: no-cache\r\n"
