"""A small OpenID provider on loopback: real codes, PKCE and signatures, and lies when a test wants them."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.support.serving import serve

CLIENT_ID, CLIENT_SECRET = "ombud", "a secret of the tests: of no use elsewhere"
Claims = dict[str, Any]


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a key to sign with."""
    return ec.generate_private_key(ec.SECP256R1())


def sign(claims: Claims, key: Any, algorithm: str = "ES256", kid: str = "one") -> str:
    """Return an ID token."""
    token: str = jwt.encode(claims, key, algorithm, {"kid": kid})
    return token


@dataclass
class Lies:
    """What it says that is not so. `token` signs the claims; `answer` is added to the way back."""

    claims: Claims = field(default_factory=dict)
    token: Callable[[Claims], str] | None = None
    answer: dict[str, str] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)


class OpenIdProvider:
    """Whoever comes is logged in at once, as `email` with the name `subject`. It signs with `key`, called `kid`."""

    def __init__(self) -> None:
        self.email, self.subject, self.lies = "anna@example.test", "subject 1", Lies()
        self.key, self.kid = new_key(), "one"
        self._codes: dict[str, dict[str, str]] = {}
        routes = [
            Route("/.well-known/openid-configuration", self._description),
            Route("/keys", self._keys),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)
        self.issuer = ""

    async def _description(self, _: Request) -> Response:
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        found = {name: f"{self.issuer}/{path}" for name, path in places.items()}
        return JSONResponse({"issuer": self.issuer, **found, **self.lies.described})

    async def _keys(self, _: Request) -> Response:
        found = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return JSONResponse({"keys": [{**found, "kid": self.kid, "use": "sig", "alg": "ES256"}]})

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (
            CLIENT_ID,
            "code",
            "S256",
        )
        assert {"openid", "email"} <= set(asked["scope"].split())
        code = secrets.token_urlsafe(16)
        self._codes[code] = dict(asked)
        answer = {"code": code, "state": asked["state"]} | self.lies.answer
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        asked = self._codes.pop(str(form["code"]), None)
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        ours = (form["client_id"], form["client_secret"]) == (CLIENT_ID, CLIENT_SECRET)
        if not (
            asked and ours and (asked["code_challenge"], asked["redirect_uri"]) == (challenge, form["redirect_uri"])
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims: Claims = {"iss": self.issuer, "aud": CLIENT_ID, "sub": self.subject, "iat": now, "exp": now + 300}
        claims |= {"nonce": asked["nonce"], "email": self.email, "email_verified": True} | self.lies.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        token = self.lies.token(claims) if self.lies.token else sign(claims, self.key, kid=self.kid)
        return JSONResponse({"id_token": token, "access_token": "not looked at", "token_type": "Bearer"})


@contextmanager
def run_provider() -> Iterator[OpenIdProvider]:
    """A provider on a port of loopback."""
    made = OpenIdProvider()
    with serve(made.app) as made.issuer:
        yield made
