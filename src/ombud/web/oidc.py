"""OpenID Connect: the provider's side of it, asked and checked. Authorization code with PKCE, state and nonce.

OpenID Connect Core 1.0, 3.1; RFC 7636 (PKCE); RFC 9207 (the issuer in the answer); RFC 8725 (algorithms are ours to
choose). What is fetched is small, comes from the issuer that was configured, and no redirect is followed.
"""

import base64
import hashlib
import hmac
import json
import logging
import math
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import jwt

from ombud.errors import Forbidden, NetworkError
from ombud.web.local import is_loopback
from ombud.web.words import mark

log = logging.getLogger("ombud.web")

# Signatures with a key that only the provider has. `none`, and HS256 with the client's secret, are not among them.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
# Seconds that the provider's clock may differ from ours.
LEEWAY_SECONDS = 60
# Seconds for each request to the provider: somebody waits for the page.
TIMEOUT_SECONDS = 5.0
# Seconds that the provider's description and keys are kept, and between two looks for a key that is not among them.
KEPT_SECONDS = 3_600.0
KEYS_AGAIN_SECONDS = 30.0
# Bytes of an answer of the provider: tokens with many groups are large, and this is larger.
ANSWER_BYTES = 256 * 1024
# Characters of a refusal's code that are logged.
LONGEST_CODE = 60
# What a provider may call somebody (OpenID Connect Core 1.0, 2).
_SUBJECT = re.compile(r"[ -~]{1,255}")

_WRONG = "The provider's answer cannot be believed: {}. Log in again; if it stays so, ask whoever runs Ombud."
_AWAY = mark("The provider of the log-in does not answer as it should. Try again in a minute.")
_NOT_LET_IN = mark("The provider did not let you in. Log in again, or ask whoever runs it.")
_UNVERIFIED = mark("The provider does not say that your e-mail address is verified. Verify it there, then log in.")


@dataclass(frozen=True)
class Attempt:
    """A log-in under way: what only this browser and we know until it comes back."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> "Attempt":
        """Return one that nobody can guess."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))

    @property
    def challenge(self) -> str:
        """What the provider is told of the verifier (RFC 7636, 4.2)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True)
class Identity:
    """Who somebody is, says the provider: a name that is theirs for ever, and an address that is verified."""

    subject: str
    email: str


@dataclass(frozen=True)
class Client:
    """What the provider knows us by. Without a `secret` it is a public client."""

    issuer: str
    id: str
    secret: str | None = field(default=None, repr=False)


class Provider:
    """An OpenID provider. For one event loop."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        # Made once: to read whom to trust takes 20 ms, in which the event loop would stand still.
        self._tls = httpx2.create_ssl_context(trust_env=False)
        # When they were asked for, and what was found.
        self._description: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, Mapping[str, jwt.PyJWK]] | None = None

    @property
    def issuer(self) -> str:
        """Who it is."""
        return self._client.issuer

    async def address(self, attempt: Attempt, redirect_uri: str) -> str:
        """Return where a browser goes to log in. Raises NetworkError."""
        described = await self._described()
        query = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": redirect_uri,
            "scope": "openid email",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        where = str(described["authorization_endpoint"])
        return where + ("&" if "?" in where else "?") + urlencode(query)

    async def identity(self, attempt: Attempt, answer: Mapping[str, str], redirect_uri: str) -> Identity:
        """Return who has logged in, from the query that their browser brought back. Raises Forbidden, NetworkError."""
        described = await self._described()
        if not _is_same(answer.get("state", ""), attempt.state):
            raise Forbidden(_WRONG.format("it belongs to another log-in"))
        named = answer.get("iss", self._client.issuer)
        if named != self._client.issuer:
            raise Forbidden(_WRONG.format("it comes from somebody else"))
        if "iss" not in answer and described.get("authorization_response_iss_parameter_supported"):
            raise Forbidden(_WRONG.format("it does not say whom it comes from"))
        if "code" not in answer:
            raise Forbidden(_NOT_LET_IN)
        token = await self._exchange(described, answer["code"], attempt, redirect_uri)
        return _identity_of(await self._claims(described, token), attempt)

    async def _exchange(self, described: Mapping[str, Any], code: str, attempt: Attempt, redirect_uri: str) -> str:
        """Return the ID token that a code stands for."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
            "client_id": self._client.id,
        }
        if self._client.secret is not None:
            form["client_secret"] = self._client.secret
        answer = await self._ask("POST", str(described["token_endpoint"]), form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Forbidden(_WRONG.format("it has no ID token"))
        return token

    async def _claims(self, described: Mapping[str, Any], token: str) -> Mapping[str, Any]:
        """Return what a token says, once its signature, issuer, audience and time are right."""
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(described, str(header.get("kid", "")))
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._client.id,
                issuer=self._client.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub", "nonce"]},
            )
        except jwt.PyJWTError as error:
            raise Forbidden(_WRONG.format(f"its ID token is not good ({type(error).__name__})")) from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self._client.id) != self._client.id:
            raise Forbidden(_WRONG.format("its ID token was made for somebody else"))
        return claims

    async def _key(self, described: Mapping[str, Any], name: str) -> jwt.PyJWK:
        """Return the provider's key of this name, the only one for none; raises Forbidden."""
        now = self._clock()
        asked_at, keys = self._keys or (-math.inf, {})
        known = name in keys or (not name and len(keys) == 1)
        if now - asked_at > (KEPT_SECONDS if known else KEYS_AGAIN_SECONDS):
            found = (await self._ask("GET", str(described["jwks_uri"]))).get("keys")
            keys = _keys_of(found if isinstance(found, list) else [])
            self._keys = (now, keys)
        if not name and len(keys) == 1:
            return next(iter(keys.values()))
        if name not in keys:
            raise Forbidden(_WRONG.format("it is signed with a key that the provider does not have"))
        return keys[name]

    async def _described(self) -> Mapping[str, Any]:
        """Return how the provider describes itself (OpenID Connect Discovery 1.0)."""
        now = self._clock()
        if self._description is not None and now - self._description[0] < KEPT_SECONDS:
            return self._description[1]
        issuer = self._client.issuer
        found = await self._ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        places = [found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if found.get("issuer") != issuer or not all(is_safe(place) for place in places):
            log.warning("%s describes itself as %s, or names places without TLS", issuer, found.get("issuer"))
            raise NetworkError(_AWAY)
        self._description = (now, found)
        return found

    async def _ask(self, method: str, url: str, form: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """Return the document that the provider answers with. Raises NetworkError, Forbidden for a code it refuses."""
        try:
            answer, body = await self._fetch(method, url, form)
            if form is not None and 400 <= answer.status_code < 500:  # noqa: PLR2004 - RFC 6749, 5.2
                log.warning("the OpenID provider refuses a token: %s, %s", answer.status_code, _code_of(body))
                raise Forbidden(_WRONG.format("it does not take back its own code"))
            answer.raise_for_status()
            return _object_of(body)
        except (httpx2.HTTPError, ValueError) as error:
            log.warning("the OpenID provider did not answer %s %s as it should: %s", method, url, error)
            raise NetworkError(_AWAY) from None

    async def _fetch(self, method: str, url: str, form: Mapping[str, str] | None) -> tuple[httpx2.Response, bytes]:
        """Return an answer and its body; raises ValueError when that is too large."""
        async with (
            httpx2.AsyncClient(
                trust_env=False, follow_redirects=False, timeout=TIMEOUT_SECONDS, verify=self._tls
            ) as client,
            client.stream(method, url, data=form, headers={"Accept": "application/json"}) as answer,
        ):
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > ANSWER_BYTES:
                    raise ValueError(f"more than {ANSWER_BYTES} bytes")
            return answer, body


def _object_of(body: bytes) -> Mapping[str, Any]:
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("no object of JSON")  # noqa: TRY004 - it is as wrong as no JSON
    return document


def _is_same(given: str, ours: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogatepass"), ours.encode())


def _code_of(refusal: bytes) -> str:
    """Return the code of a refusal (RFC 6749, 5.2), which tells a wrong secret of ours from a code that is too old."""
    try:
        return str(json.loads(refusal)["error"])[:LONGEST_CODE]
    except (ValueError, TypeError, KeyError):
        return "without a code"


def _identity_of(claims: Mapping[str, Any], attempt: Attempt) -> Identity:
    """Return who it is. Raises Forbidden for a token of another log-in, and for an address that nobody has verified."""
    if not _is_same(str(claims["nonce"]), attempt.nonce):
        raise Forbidden(_WRONG.format("its ID token belongs to another log-in"))
    subject, email = claims["sub"], claims.get("email")
    if not _SUBJECT.fullmatch(subject):
        raise Forbidden(_WRONG.format("what it calls you is no name"))
    if not isinstance(email, str) or not email.isprintable() or claims.get("email_verified") is not True:
        raise Forbidden(_UNVERIFIED)
    return Identity(subject, email)


def _keys_of(found: Sequence[Any]) -> dict[str, jwt.PyJWK]:
    """Return the keys of a set for signatures that we take, by name; what is not one is left out."""
    keys = {}
    for one in found:
        if isinstance(one, dict) and one.get("use", "sig") == "sig":
            try:
                key = jwt.PyJWK.from_dict(one)
            except jwt.PyJWTError:
                continue
            if key.algorithm_name in ALGORITHMS:
                keys[str(one.get("kid", ""))] = key
    return keys


def is_safe(url: object) -> bool:
    """Return whether what is asked there stays secret on the way: TLS, or this machine itself."""
    if not isinstance(url, str):
        return False
    parts = urlsplit(url)
    return bool(parts.netloc) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.netloc)))
