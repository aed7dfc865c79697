"""How both clients speak HTTP: what a request carries, and what becomes of the HTTP library's errors."""

from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypedDict

import httpx2

from ombud.client.call import Call
from ombud.client.errors import UnexpectedAnswer
from ombud.client.secret import Secret
from ombud.errors import ConfigurationError, NetworkError, OmbudError

API_URL = "https://api.quickbutik.com/v1"
TIMEOUT_SECONDS = 10.0  # for each wait: for the connection, and for each next piece of the answer


class Options(TypedDict):
    """What both kinds of `httpx2` client are made with."""

    base_url: str
    timeout: float
    headers: Mapping[str, str]
    cookies: CookieJar
    trust_env: bool
    follow_redirects: bool


def options(secret: Secret, base_url: str, timeout_seconds: float) -> Options:
    """Raises `ConfigurationError` for a URL that cannot be the API's."""
    return {
        "base_url": _checked(base_url),
        "timeout": timeout_seconds,
        "headers": _headers(secret),
        "cookies": _no_cookies(),
        "trust_env": False,
        "follow_redirects": False,
    }


def _headers(secret: Secret) -> dict[str, str]:
    return {"Authorization": secret.authorization(), "Accept": "application/json", "User-Agent": "Ombud"}


def _no_cookies() -> CookieJar:
    """Each request stands alone: a session kept on the other side would make requests wait for each other."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _checked(base_url: str) -> str:
    """The URL is not repeated in the error: a mistaken one may hold the key."""
    try:
        url = httpx2.URL(base_url)
        good = url.scheme in ("http", "https") and url.host and not (url.userinfo or url.query or url.fragment)
    except httpx2.InvalidURL:
        good = False
    if not good:
        raise ConfigurationError(
            "The API's URL must be like https://api.quickbutik.com/v1: no user, query or fragment."
        )
    return base_url


def failure(problem: httpx2.HTTPError, call: Call[Any], secret: Secret) -> OmbudError:
    """Raised after its cause is gone: the HTTP library's errors hold the request, and with it the key."""
    if isinstance(problem, httpx2.DecodingError):
        return UnexpectedAnswer("a body that does not unpack")
    if isinstance(problem, httpx2.TimeoutException):
        return NetworkError(f"The shop's API did not answer {call.method} {call.path} in time.")
    return NetworkError(
        f"The shop's API could not be reached for {call.method} {call.path}: {secret.hide(str(problem))}"
    )
