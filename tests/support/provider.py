"""A small OpenID provider on loopback: real codes, PKCE and signatures, and lies when a test wants them."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

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
    """It runs until `close`. Whoever comes is logged in at once, as `email` with the name `subject`."""

    def __init__(self) -> None:
        self.email, self.subject, self.lies = "anna@example.test", "subject 1", Lies()
        self.key = new_key()
        self._codes: dict[str, dict[str, str]] = {}
        routes = [
            Route("/.well-known/openid-configuration", self._description),
            Route("/keys", self._keys),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
        ]
        config = uvicorn.Config(Starlette(routes=routes), port=0, lifespan="off", log_config=None)
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        self.issuer = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join()

    async def _description(self, _: Request) -> Response:
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        found = {name: f"{self.issuer}/{path}" for name, path in places.items()}
        return JSONResponse({"issuer": self.issuer, **found, **self.lies.described})

    async def _keys(self, _: Request) -> Response:
        found = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return JSONResponse({"keys": [{**found, "kid": "one", "use": "sig", "alg": "ES256"}]})

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
        token = self.lies.token(claims) if self.lies.token else sign(claims, self.key)
        return JSONResponse({"id_token": token, "access_token": "not looked at", "token_type": "Bearer"})
