"""What can come of an attempt, and what it means: the one table, in words that a merchant can act on.

`docs/verdicts.md` is written from it. A status is looked up by itself, else by its class (`4xx`), else as `other`.
"""

from dataclasses import dataclass
from enum import StrEnum

from ombud.errors import NetworkError, Refused
from ombud.mailbox.model import Fault


class Failure(StrEnum):
    """Why an attempt has no answer: the key of its row."""

    URL_UNUSABLE = "url-unusable"
    KEY_MISSING = "key-missing"
    ADDRESS_PRIVATE = "address-private"
    ADDRESS_OF_CREDENTIALS = "address-of-credentials"
    PORT_REFUSED = "port-refused"
    NAME_UNKNOWN = "name-unknown"
    NAME_WITHOUT_ADDRESS = "name-without-address"
    NAME_SERVER_FAILED = "name-server-failed"
    NAME_TIMEOUT = "name-timeout"
    CONNECTION_REFUSED = "connection-refused"
    CONNECTION_TIMEOUT = "connection-timeout"
    CONNECTION_UNREACHABLE = "connection-unreachable"
    CONNECTION_FAILED = "connection-failed"
    OURS = "ours"
    TLS_TIMEOUT = "tls-timeout"
    TLS_NOT_SPOKEN = "tls-not-spoken"
    TLS_CLOSED = "tls-closed"
    TLS_TOO_OLD = "tls-too-old"
    TLS_FAILED = "tls-failed"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_NOT_YET_VALID = "certificate-not-yet-valid"
    CERTIFICATE_OF_ANOTHER = "certificate-of-another"
    CERTIFICATE_UNTRUSTED = "certificate-untrusted"
    CERTIFICATE_INVALID = "certificate-invalid"
    ANSWER_TIMEOUT = "answer-timeout"
    ANSWER_MISSING = "answer-missing"
    ANSWER_CUT = "answer-cut"
    ANSWER_NOT_HTTP = "answer-not-http"
    ANSWER_OTHER_PROTOCOL = "answer-other-protocol"
    ANSWER_TOO_LONG = "answer-too-long"


class Again(StrEnum):
    """When there is another try."""

    NEVER = "not needed"
    SCHEDULE = "as scheduled"
    ASKED = "as scheduled, or later if `Retry-After` says so (24 hours at most)"
    GONE = "as scheduled; when a try an hour later says it again, the endpoint is disabled"
    FREE = "soon; this try does not count"


@dataclass(frozen=True, slots=True)
class Row:
    """What happened and how to mend it, in a sentence each; whom it counts against; when there is another try.

    `words` may name {host}, {port}, {address}, {place} (`shop.example is at 10.0.0.7,`) and {detail}, which is what the
    other side or the system said.
    """

    words: str
    fix: str
    against: Fault | None = Fault.LANE
    again: Again = Again.SCHEDULE


_REFUSES = "the endpoint refuses this request"
_FIREWALL = "Check the token in the URL, and whatever login, firewall or bot filter is in front of the endpoint."
_FAILED = "the endpoint failed inside"
_PROXY = "the proxy in front of the endpoint"
_FASTER = "Store the event, answer 200, and do the work afterwards."
_ALLOW = "Use a public address; an operator may allow a range with OMBUD_ALLOW_NETWORKS."
_NAME = "The name {host} could not be resolved"
_CERTIFICATE = "The TLS certificate is not valid for {host}: {detail}."
_RENEW = "Renew the certificate and have the server load it; keep its clock right."
_LATER = "Nothing can be mended here; if it lasts, ask whoever runs the name servers of {host}."
_HTTP = "Check that the URL leads to a web server that speaks HTTP/1.1, and the port."

TABLE: dict[str, Row] = {
    "2xx": Row("acknowledged.", "Nothing to mend.", None, Again.NEVER),
    "not-200": Row(
        "this endpoint takes nothing but 200 for an acknowledgement.",
        "Have it answer 200, or switch that off.",
        Fault.DELIVERY,
    ),
    "3xx": Row("a redirect; redirects are not followed.", "Enter the final URL."),
    "401": Row(f"{_REFUSES}: it wants to know who asks.", _FIREWALL, Fault.DELIVERY),
    "403": Row(f"{_REFUSES}: it is not allowed.", _FIREWALL, Fault.DELIVERY),
    "404": Row(f"{_REFUSES}: nothing is at this path.", "Check the path of the URL.", Fault.DELIVERY),
    "405": Row(
        f"{_REFUSES}: it takes no GET.", "Webhooks are GET requests: have the path answer them.", Fault.DELIVERY
    ),
    "408": Row(f"{_REFUSES}: it waited too long for it.", "Look into the server's log.", Fault.DELIVERY),
    "410": Row(
        f"{_REFUSES}: it is gone for good.", "Delete the endpoint, or mend its URL.", Fault.DELIVERY, Again.GONE
    ),
    "414": Row(f"{_REFUSES}: the URL is too long for it.", "Shorten the URL.", Fault.DELIVERY),
    "429": Row(
        "too many requests.", "Raise the endpoint's limit, or let it say when in Retry-After.", again=Again.ASKED
    ),
    "4xx": Row(f"{_REFUSES}.", "Check its path, its token and its firewall.", Fault.DELIVERY),
    "502": Row(f"{_FAILED}: {_PROXY} had no good answer from it.", "See whether the program behind the proxy runs."),
    "503": Row(f"{_FAILED}: it is not available now.", "See whether the program runs.", again=Again.ASKED),
    "504": Row(f"{_FAILED}: {_PROXY} waited too long for it.", _FASTER),
    "5xx": Row(f"{_FAILED}.", "Look into its log."),
    "other": Row("an unknown status.", "Have the endpoint answer 200.", Fault.DELIVERY),
    Failure.URL_UNUSABLE: Row("{detail}", "Enter the URL again."),
    Failure.KEY_MISSING: Row(
        "The sender cannot read the endpoint's secret or headers: its key file lacks their key.",
        "The endpoint is not to blame: the operator puts the key file back.",
    ),
    Failure.ADDRESS_PRIVATE: Row("{place} a private, local or reserved address, not one on the internet.", _ALLOW),
    Failure.ADDRESS_OF_CREDENTIALS: Row(
        "{place} an address where a cloud hands out credentials; it is never used.",
        "Use another address.",
    ),
    Failure.PORT_REFUSED: Row(
        "Port {port} is not one for webhooks.",
        "Use 80, 443, 8080 or 8443; an operator may allow a range of addresses with OMBUD_ALLOW_NETWORKS.",
    ),
    Failure.NAME_UNKNOWN: Row(f"{_NAME}: it does not exist.", "Check the spelling, and that the domain is paid for."),
    Failure.NAME_WITHOUT_ADDRESS: Row(f"{_NAME}: it has no address.", "Give it an A or AAAA record."),
    Failure.NAME_SERVER_FAILED: Row(f"{_NAME}: its name servers failed ({{detail}}).", _LATER),
    Failure.NAME_TIMEOUT: Row(f"{_NAME} in time: its name servers did not answer.", _LATER),
    Failure.CONNECTION_REFUSED: Row(
        "Connection refused: nothing listens on port {port}.", "Start the server, or check the port."
    ),
    Failure.CONNECTION_TIMEOUT: Row(
        "The connection was not made in time: {address} does not answer on port {port}.",
        "Check that the server runs and that its firewall lets the sender in.",
    ),
    Failure.CONNECTION_UNREACHABLE: Row(
        "No connection: there is no way to {address} ({detail}).",
        "Check the address; one of IPv6 alone needs a sender with IPv6.",
    ),
    Failure.CONNECTION_FAILED: Row(
        "No connection: {detail}.", "See whether the server or a firewall cuts connections."
    ),
    Failure.OURS: Row(
        "The sender ran out of something: {detail}.",
        "The endpoint is not to blame: the operator raises the limit of open files or of ports.",
        None,
        Again.FREE,
    ),
    Failure.TLS_TIMEOUT: Row(
        "Connected, but TLS did not begin in time.",
        "Check that the port speaks TLS, and that the server is not overloaded.",
    ),
    Failure.TLS_NOT_SPOKEN: Row(
        "TLS failed: port {port} does not speak TLS ({detail}).", "Use http://, or the port that has TLS."
    ),
    Failure.TLS_CLOSED: Row(
        "TLS failed: the connection was closed in the middle ({detail}).",
        "See the server's log; it may want another name, a newer protocol or a certificate of the client.",
    ),
    Failure.TLS_TOO_OLD: Row(
        "TLS failed: the server offers nothing newer than TLS 1.1 ({detail}).", "Switch on TLS 1.2 or 1.3."
    ),
    Failure.TLS_FAILED: Row("TLS failed: {detail}.", "See the server's log."),
    Failure.CERTIFICATE_EXPIRED: Row(_CERTIFICATE, _RENEW),
    Failure.CERTIFICATE_NOT_YET_VALID: Row(_CERTIFICATE, _RENEW),
    Failure.CERTIFICATE_OF_ANOTHER: Row(
        _CERTIFICATE, "Have a certificate made for this name, or enter the name it is made for."
    ),
    Failure.CERTIFICATE_UNTRUSTED: Row(
        _CERTIFICATE,
        "Send the intermediate certificates too; give a private authority's certificate with the endpoint.",
    ),
    Failure.CERTIFICATE_INVALID: Row(_CERTIFICATE, "Have a new certificate made."),
    Failure.ANSWER_TIMEOUT: Row("Connected, but the answer did not come in time.", _FASTER),
    Failure.ANSWER_MISSING: Row(
        "The connection was closed before an answer.", "See whether the program crashed; look into its log."
    ),
    Failure.ANSWER_CUT: Row(
        "The connection was closed before an answer was whole.", "See whether the program crashed; look into its log."
    ),
    Failure.ANSWER_NOT_HTTP: Row("The answer is not HTTP.", _HTTP),
    Failure.ANSWER_OTHER_PROTOCOL: Row("The answer is not HTTP/1.1.", _HTTP),
    Failure.ANSWER_TOO_LONG: Row(
        "The answer has more than {detail} bytes of headers.", "Send fewer headers and cookies."
    ),
}


class DeliveryFailed(NetworkError):
    """An attempt that has no answer. `failure` is the key of its row; the message is words and fix."""

    def __init__(self, failure: Failure, **said: object) -> None:
        super().__init__(reason(TABLE[failure], **said))
        self.failure = failure


class DestinationRefused(Refused):
    """Nothing may be sent there. `failure` is the key of its row; the message is words and fix."""

    def __init__(self, failure: Failure, **said: object) -> None:
        super().__init__(reason(TABLE[failure], **said))
        self.failure = failure


def row_of(status: int) -> Row:
    """Return the row of a status from 200 to 999."""
    return TABLE.get(str(status)) or TABLE.get(f"{status // 100}xx") or TABLE["other"]


def reason(row: Row, **said: object) -> str:
    """Return what a merchant reads about a row: what happened, and how to mend it."""
    return f"{row.words} {row.fix}".format(**said)
