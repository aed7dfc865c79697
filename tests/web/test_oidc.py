"""Logging in by an OpenID provider, a real one on loopback; and every lie that it or somebody between may tell."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from ombud.admin.access import EVERY_SHOP, OPERATOR, Role
from ombud.admin.oidc_people import add_address
from ombud.errors import Forbidden
from ombud.sender.sender import Sender
from ombud.web.app import SenderApp
from ombud.web.oidc import ANSWER_BYTES, KEYS_AGAIN_SECONDS, Attempt, Client, Provider
from ombud.web.oidc_pages import BACK, OUT
from tests.support.people import somebody
from tests.support.provider import CLIENT_ID, CLIENT_SECRET, Claims, Lies, OpenIdProvider, new_key, run_provider, sign

BASE = "http://127.0.0.1:8700"


@pytest.fixture(scope="module")
def running() -> Iterator[OpenIdProvider]:
    with run_provider() as made:
        yield made


@pytest.fixture
def provider(running: OpenIdProvider) -> OpenIdProvider:
    """A provider that says what is so."""
    running.email, running.subject, running.kid, running.lies = "anna@example.test", "subject 1", "one", Lies()
    return running


@pytest.fixture
def app(sender: Sender, provider: OpenIdProvider) -> SenderApp:
    """A panel that knows the provider, and somebody who is invited."""
    sender.settings = replace(
        sender.settings,
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_domain=("staff.example.test", "reader"),
    )
    made = SenderApp(sender)
    somebody(made.people)
    invite(made, "Anna@example.test")
    return made


def invite(app: SenderApp, address: str, role: Role = Role.EDITOR) -> None:
    database = app.people.database
    database.write(lambda: add_address(OPERATOR, address, role, EVERY_SHOP, database.clock()))


@asynccontextmanager
async def browser(app: SenderApp, peer: str = "127.0.0.1") -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app, client=(peer, 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE, headers={"Origin": BASE}) as client:
        yield client


async def away(client: httpx2.AsyncClient, where: str = "/") -> str:
    """Go to the provider and log in there; returns the way back that it names."""
    out = await client.get(OUT, params={"next": where})
    assert out.status_code == 303, out.text
    return await abroad(out.headers["Location"])


async def abroad(address: str) -> str:
    """Log in at the provider; returns the way back that it names."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(address)
    assert answer.status_code == 302
    return answer.headers["Location"].removeprefix(BASE)


async def come_in(app: SenderApp, client: httpx2.AsyncClient, where: str = "/") -> httpx2.Response:
    return await client.get(await away(client, where))


async def test_somebody_who_is_invited_comes_in_and_is_known_from_then_on(
    app: SenderApp, provider: OpenIdProvider, rows: Callable[..., list[Any]]
) -> None:
    async with browser(app) as client:
        assert OUT in (await client.get("/login")).text
        answer = await come_in(app, client, "/deliveries?state=dead")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/deliveries?state=dead")
        assert (await client.get("/account")).status_code == 200
        assert "Role: <b>editor</b>" in (await client.get("/account")).text
        assert (await client.get("/people")).status_code == 403
    # An address may change hands: the provider's own name decides.
    provider.email = "anna.new@example.test"
    async with browser(app) as client:
        answer = await come_in(app, client, '/deliveries?subject=€;"')
        assert (answer.status_code, answer.headers["Location"]) == (303, "/deliveries?subject=%E2%82%AC;%22")
    assert [row["name"] for row in rows("select name from person where subject is not null")] == ["Anna@example.test"]
    provider.email, provider.subject = "anna@example.test", "somebody else"
    async with browser(app) as client:
        assert (await come_in(app, client)).status_code == 403
    assert [row["action"] for row in rows("select action from audit_entry order by id")].count("person.bind") == 1


async def test_a_domain_may_be_let_in_without_an_invitation(app: SenderApp, provider: OpenIdProvider) -> None:
    for email, status in (
        ("bo@staff.example.test", 303),
        ("bo@example.test", 403),
        ("bo@notstaff.example.test", 403),
        ("bo@staff.example.test.evil.test", 403),
    ):
        provider.email, provider.subject = email, email
        async with browser(app) as client:
            assert (await come_in(app, client)).status_code == status, email
            if status == 303:
                assert "Role: <b>reader</b>" in (await client.get("/account")).text


def none(claims: Claims) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "kid": "one"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def changed(claims: Claims) -> str:
    """Return a good token whose claims were exchanged."""
    head, _, tail = sign(claims, new_key()).split(".")
    return ".".join([head, base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode(), tail])


LIES = {
    "no issuer though it promises one": Lies(described={"authorization_response_iss_parameter_supported": True}),
    "another nonce": Lies({"nonce": "another"}),
    "no nonce": Lies({"nonce": None}),
    "another audience": Lies({"aud": "another client"}),
    "several audiences and no azp": Lies({"aud": [CLIENT_ID, "another client"]}),
    "made for another of several": Lies({"aud": [CLIENT_ID, "another"], "azp": "another"}),
    "another issuer": Lies({"iss": "https://evil.example.test"}),
    "no signature": Lies(token=none),
    "signed with the client's secret": Lies(token=lambda claims: sign(claims, CLIENT_SECRET, "HS256")),
    "signed with another key": Lies(token=lambda claims: sign(claims, new_key())),
    "signed with a key that is not known": Lies(token=lambda claims: sign(claims, new_key(), kid="two")),
    "changed on the way": Lies(token=changed),
    "no token at all": Lies(token=lambda _: "x.y.z"),
    "expired": Lies({"exp": int(time.time()) - 120}),
    "without an end": Lies({"exp": None}),
    "not yet": Lies({"iat": int(time.time()) + 900, "nbf": int(time.time()) + 900}),
    "an address that nobody verified": Lies({"email_verified": False}),
    "verified in words": Lies({"email_verified": "true"}),
    "no word of its being verified": Lies({"email_verified": None}),
    "no address": Lies({"email": None}),
    "an address that is none": Lies({"email": ["anna@example.test"]}),
    "no name": Lies({"sub": None}),
    "a name that is none": Lies({"sub": "subject\x00"}),
    "half a character in a name": Lies({"sub": "\ud800"}),
    "half a character in an address": Lies({"email": "\ud800@staff.example.test"}),
    "half a character as nonce": Lies({"nonce": "\ud800"}),
    "another state": Lies(answer={"state": "another"}),
    "another code": Lies(answer={"code": "another"}),
    "an answer of somebody else": Lies(answer={"iss": "https://evil.example.test"}),
    "nobody who is invited": Lies({"email": "eve@example.test", "sub": "eve"}),
}


async def test_no_lie_lets_anybody_in(
    app: SenderApp, provider: OpenIdProvider, rows: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = rows("select * from person order by id")
    for number, (name, lies) in enumerate(LIES.items(), 1):
        # What the provider says of itself is kept for an hour; a lie in that comes first, and is not kept.
        monkeypatch.setattr("ombud.web.oidc.KEPT_SECONDS", -1.0 if lies.described else 3_600.0)
        provider.lies = lies
        async with browser(app, f"127.0.0.{number}") as client:
            answer = await come_in(app, client)
            assert answer.status_code == 403, (name, answer.text)
            assert 'role="alert"' in answer.text, name
            assert (await client.get("/account")).status_code == 303, name
    assert rows("select * from session") == []
    assert rows("select * from person order by id") == people


async def test_a_log_in_comes_back_once_and_to_the_browser_that_began_it(app: SenderApp) -> None:
    async with browser(app) as client, browser(app) as thief:
        back = await away(client)
        assert (await thief.get(back)).status_code == 403
        kept = dict(client.cookies)
        assert (await client.get(back)).status_code == 303
        client.cookies.clear()
        for name, value in kept.items():
            client.cookies.set(name, value, domain="127.0.0.1")
        assert (await client.get(back)).status_code == 403
        assert (await client.get(BACK)).status_code == 403


async def test_whoever_runs_it_reads_why_nobody_comes_in(
    app: SenderApp, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.lies = Lies(answer={"code": "another"})
    async with browser(app) as client:
        assert (await come_in(app, client)).status_code == 403
    assert "the OpenID provider refuses a token: 400, invalid_grant" in caplog.text
    assert CLIENT_SECRET not in caplog.text


async def test_a_key_that_is_not_known_is_looked_for_twice_a_minute(provider: OpenIdProvider) -> None:
    now = 1_000.0
    client = Provider(Client(provider.issuer, CLIENT_ID, CLIENT_SECRET), lambda: now)

    async def log_in() -> str:
        attempt = Attempt.new()
        back = await abroad(await client.address(attempt, BASE + BACK))
        return (await client.identity(attempt, dict(parse_qsl(urlsplit(back).query)), BASE + BACK)).subject

    assert await log_in() == "subject 1"
    provider.key, provider.kid = new_key(), "another"
    now += KEYS_AGAIN_SECONDS
    with pytest.raises(Forbidden, match="a key that the provider does not have"):
        await log_in()
    now += 1
    assert await log_in() == "subject 1"


async def test_a_refusal_of_the_provider_is_said(app: SenderApp) -> None:
    async with browser(app) as client:
        state = dict(part.split("=") for part in urlsplit(await away(client)).query.split("&"))["state"]
        answer = await client.get(BACK, params={"error": "access_denied", "state": state})
    assert answer.status_code == 403
    assert "did not let you in" in answer.text


async def test_passwords_go_on_beside_it_and_who_has_none_needs_none(app: SenderApp, provider: OpenIdProvider) -> None:
    # Somebody with a password is not taken over by an address.
    provider.email = "owner 0"
    async with browser(app) as client:
        assert (await come_in(app, client)).status_code == 403
        for password in ("", "no hash", "anna@example.test"):
            entered = await client.post("/login", data={"name": "anna@example.test", "password": password})
            assert entered.status_code == 403


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://evil.example.test"},
        {"token_endpoint": "http://192.0.2.1/token"},
        {"jwks_uri": 7},
        {"more": "x" * ANSWER_BYTES},
    ],
)
async def test_a_provider_that_describes_somebody_else_is_asked_nothing(
    app: SenderApp, provider: OpenIdProvider, described: dict[str, Any]
) -> None:
    provider.lies = Lies(described=described)
    async with browser(app) as client:
        answer = await client.get(OUT)
    assert answer.status_code == 502
    assert "does not answer as it should" in answer.text


async def test_without_a_provider_there_is_no_way_out(sender: Sender) -> None:
    async with browser(SenderApp(sender)) as client:
        assert OUT not in (await client.get("/login")).text
        assert (await client.get(OUT)).status_code in (303, 404)
