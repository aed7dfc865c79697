"""TLS: whom to trust, and what a failed handshake means."""

import ssl
from functools import lru_cache

from ombud.errors import InvalidInput
from ombud.sender.verdict import DeliveryFailed, Failure

# Contexts of private authorities that are kept: each holds a parsed certificate, some tens of kilobytes.
CONTEXTS = 1_024

# OpenSSL's X509_V_ERR_…, from its x509_vfy.h; the module `ssl` has no names for them.
_CERTIFICATE_FAILURES = {
    9: Failure.CERTIFICATE_NOT_YET_VALID,
    10: Failure.CERTIFICATE_EXPIRED,
    62: Failure.CERTIFICATE_OF_ANOTHER,
    64: Failure.CERTIFICATE_OF_ANOTHER,
    18: Failure.CERTIFICATE_UNTRUSTED,
    19: Failure.CERTIFICATE_UNTRUSTED,
    20: Failure.CERTIFICATE_UNTRUSTED,
    21: Failure.CERTIFICATE_UNTRUSTED,
}
_TOO_OLD = ("UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE")
_NOT_SPOKEN = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


@lru_cache(maxsize=CONTEXTS)
def context_of(authority: str | None) -> ssl.SSLContext:
    """Return what trusts this authority alone (PEM), or with None the public ones of the system.

    Raises ssl.SSLError or ValueError for what is no certificate.
    """
    if authority is not None and not (authority.strip() and authority.isascii()):
        # For an empty text the public ones would be taken.
        raise ValueError("there is no certificate")
    context = ssl.create_default_context(cadata=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def check_authority(pem: str, field: str = "authority") -> None:
    """Raise InvalidInput for what is not at least one certificate in PEM."""
    try:
        context_of(pem)
    except (ssl.SSLError, ValueError):
        raise InvalidInput(
            field, "It is not a certificate in PEM: -----BEGIN CERTIFICATE----- and what follows."
        ) from None


def failed_handshake(error: OSError, host: str, port: int) -> DeliveryFailed:
    """Return what a handshake that failed with this error means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        failure = _CERTIFICATE_FAILURES.get(error.verify_code, Failure.CERTIFICATE_INVALID)
        return DeliveryFailed(failure, host=host, detail=error.verify_message.rstrip("."))
    detail = getattr(error, "reason", None) or error.strerror or str(error) or "no reason given"
    return DeliveryFailed(_handshake_failure(error, detail), host=host, port=port, detail=detail)


def _handshake_failure(error: OSError, detail: str) -> Failure:
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError):
        return Failure.TLS_CLOSED
    if any(word in detail for word in _TOO_OLD):
        return Failure.TLS_TOO_OLD
    return Failure.TLS_NOT_SPOKEN if any(word in detail for word in _NOT_SPOKEN) else Failure.TLS_FAILED
