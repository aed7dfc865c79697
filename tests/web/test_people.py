"""People at the panel's door: a link that opens once, passwords, sessions, roles, and who changed what."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import httpx2
import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError
from starlette.applications import Starlette
from starlette.routing import Route

from ombud.admin.access import Role
from ombud.admin.links import PATH as SET_UP
from ombud.admin.links import first_link, new_token
from ombud.admin.sessions import IDLE
from ombud.db.operation import Operation, Statement
from ombud.sender.sender import Sender
from ombud.web.app import SenderApp
from ombud.web.brakes import ACCOUNT_TRIES, LoginBrakes
from ombud.web.gate import LOGIN, STATIC, Gate
from ombud.web.passwords import NOBODY, Passwords, check_password, common_passwords
from tests.support.people import cookie_name, log_in, somebody

BASE = "http://127.0.0.1:8700"
OWN = {"Origin": BASE}
PASSWORD = "correct horse battery"


@asynccontextmanager
async def browser(app: SenderApp, peer: str = "127.0.0.1", base: str = BASE) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser in which nobody is logged in yet."""
    transport = httpx2.ASGITransport(app, client=(peer, 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url=base, headers={"Origin": base}) as client:
        yield client


def logged_in(
    client: httpx2.AsyncClient, app: SenderApp, role: Role = Role.OWNER, shop_id: int = 0
) -> httpx2.AsyncClient:
    client.cookies.update(log_in(app.people, role, shop_id))
    return client


def routes(app: SenderApp) -> list[Route]:
    """Return every route of the panel, from its own router."""
    assert isinstance(app._panel, Gate)
    inner = app._panel._app
    assert isinstance(inner, Starlette)
    found = [route for route in inner.routes if isinstance(route, Route)]
    assert len(found) >= 35
    return found


IDS = {
    "endpoint_id": "ep_0000000000000",
    "event_id": "evt_0000000000000",
    "delivery_id": "dlv_" + "0" * 26,
    "channel_id": "alc_0000000000000",
    "number": "1",
    "token": "x",
}


def path_of(route: Route) -> str:
    return re.sub(r"\{([a-z_]+)\}", lambda match: IDS[match[1]], route.path)


def is_post(route: Route) -> bool:
    return "POST" in (route.methods or ())


@pytest.fixture
def token(app: SenderApp) -> str:
    """The link of a first start."""
    made = new_token()
    database = app.people.database
    assert database.write(lambda: first_link(made, database.clock()))
    return made


async def set_up(
    client: httpx2.AsyncClient, token: str, name: str = "Anna", password: str = PASSWORD
) -> httpx2.Response:
    return await client.post(SET_UP + token, data={"name": name, "password": password})


async def enter(client: httpx2.AsyncClient, name: str, password: str, **more: str) -> httpx2.Response:
    return await client.post(LOGIN, data={"name": name, "password": password, **more})


async def test_a_fresh_start_is_unusable_without_its_link_and_the_link_opens_once(app: SenderApp, token: str) -> None:
    async with browser(app) as client:
        for route in routes(app):
            if not is_post(route) and path_of(route) not in (LOGIN, f"{SET_UP}x"):
                answer = await client.get(path_of(route))
                assert (answer.status_code, answer.headers["Location"][:6]) == (303, "/login")
        assert (await enter(client, "admin", "admin")).status_code == 403
        assert (await set_up(client, new_token())).status_code == 404
        page = await client.get(SET_UP + token)
        assert "This link works once" in page.text
        for poor in ("short", "password1", "12345678", "x" * 257, "annaanna"):
            assert (await set_up(client, token, password=poor)).status_code == 422
        assert (await set_up(client, token, name="a\nb")).status_code == 422
        done = await set_up(client, token)
        assert (done.status_code, done.headers["Location"]) == (303, "/")
        cookie = done.headers["Set-Cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert (await client.get("/people")).status_code == 200
        assert (await set_up(client, token, name="Eve")).status_code == 404
        assert (await client.get(SET_UP + token)).status_code == 404


async def test_logging_in_and_out(app: SenderApp, token: str) -> None:
    async with browser(app) as first, browser(app) as second:
        await set_up(first, token)
        fixed = cookie_name(app.people)
        second.cookies.set(fixed, "chosen by somebody else", domain="127.0.0.1")
        answer = await enter(second, "ANNA", PASSWORD, next="/keys?a=1")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/keys?a=1")
        given = re.match(rf"{fixed}=([^;]+)", answer.headers["Set-Cookie"])
        assert given is not None
        assert len(given[1]) == 43
        second.cookies.clear()
        stolen = {"Cookie": f"{fixed}={given[1]}"}
        assert (await second.get("/keys", headers=stolen)).status_code == 200
        assert (await second.post("/logout", headers=stolen)).status_code == 303
        assert (await second.get("/keys", headers=stolen)).status_code == 303
        for elsewhere in ("//evil.example.test", "https://evil.example.test", "/\\evil", "evil"):
            assert (await enter(second, "Anna", PASSWORD, next=elsewhere)).headers["Location"] == "/"
        # Another password ends every other session.
        changed = {"old": PASSWORD, "password": "another horse battery"}
        refused = await first.post(
            "/account/password", data=changed | {"old": "wrong"}, headers={"Accept-Language": "sv"}
        )
        assert (refused.status_code, "Det gamla lösenordet är ett annat." in refused.text) == (422, True)
        assert (await first.post("/account/password", data=changed)).status_code == 303
        assert (await first.get("/account?done=password")).status_code == 200
        assert (await second.get("/account")).status_code == 303
        assert (await enter(second, "Anna", PASSWORD)).status_code == 403
        assert (await enter(second, "Anna", "another horse battery")).status_code == 303
        assert (await second.post("/account/end-others")).status_code == 303
        assert (await first.get("/account")).status_code == 303


async def test_a_session_ends_when_nobody_uses_it(
    app: SenderApp, rows: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, now = app.people.database, app.people.database.clock()
    async with browser(app) as client:
        logged_in(client, app)
        for later, status in [(IDLE - 1, 200), (2 * IDLE - 2, 200), (3 * IDLE, 303), (0, 200)]:
            monkeypatch.setattr(database, "clock", lambda later=later: now + later)
            assert (await client.get("/account")).status_code == status
    # The marks are written behind the request.
    app.people.close()
    assert rows("select seen_at from session")[0]["seen_at"] >= now + IDLE - 1


async def test_a_wrong_name_and_a_wrong_password_are_told_apart_by_nothing(
    app: SenderApp, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []
    async with browser(app) as client:
        await set_up(client, token)

        async def noted(_: Passwords, stored: str | None, _password: str) -> bool:
            compared.append(str(stored)[:9])
            return False

        monkeypatch.setattr(Passwords, "matches", noted)
    async with browser(app) as client:
        wrong, nobody = await enter(client, "Anna", "wrong"), await enter(client, "Nobody", "wrong")
    assert compared == ["$argon2id", "None"]
    assert wrong.status_code == nobody.status_code == 403
    assert wrong.text.replace("Anna", "Nobody") == nobody.text


async def test_passwords_are_argon2id_and_nobody_is_compared_too() -> None:
    passwords = Passwords()
    stored = await passwords.hash(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.matches(stored, PASSWORD)
    assert not await passwords.matches(stored, PASSWORD + " ")
    assert not await passwords.matches(None, PASSWORD)
    assert extract_parameters(NOBODY) == extract_parameters(stored), "it takes as long"
    with pytest.raises(VerifyMismatchError):  # and is no hash that is refused unread
        PasswordHasher().verify(NOBODY, PASSWORD)
    assert not await passwords.matches("no hash", PASSWORD)
    assert len(common_passwords()) == 3_000
    check_password("x" * 64, "Anna")


async def test_a_crowd_at_the_door_is_told_what_it_is(app: SenderApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ombud.web.passwords.WAITING", 0)
    async with browser(app) as client:
        crowded = await enter(client, "Anna", PASSWORD)
    assert (crowded.status_code, "Too many people log in at this moment" in crowded.text) == (503, True)


async def test_guessing_is_slow_and_locks_nobody_out(
    app: SenderApp, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = 0
    matches = Passwords.matches

    async def counted(self: Passwords, stored: str | None, password: str) -> bool:
        nonlocal compared
        compared += 1
        return password == PASSWORD and await matches(self, stored, password)

    async with browser(app) as known:
        await set_up(known, token)
        monkeypatch.setattr(Passwords, "matches", counted)
        for guess in range(200):
            async with browser(app, peer=f"127.0.0.{guess % 100 + 1}") as stranger:
                answer = await enter(stranger, "Anna", f"guess {guess}")
        assert compared == ACCOUNT_TRIES
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 72
        assert "Too many tries" in answer.text
        # A browser that was let in before has tries of its own.
        await known.post("/logout")
        assert (await enter(known, "Anna", PASSWORD)).status_code == 303
    async with browser(app) as other:
        assert (await enter(other, "Bo", "guess")).status_code == 403


def test_the_brakes_let_sixty_guesses_an_hour_through() -> None:
    now = 0.0
    brakes = LoginBrakes(lambda: now)
    passed = 0
    for guess in range(36_000):
        now = guess / 10
        passed += brakes.take("anna", f"192.0.2.{guess % 100}", None) == 0
    assert passed <= 60
    assert brakes.take("anna", "198.51.100.1", b"a browser that was in") == 0
    # One address alone, at many names.
    assert sum(brakes.take(f"name {guess}", "203.0.113.9", None) == 0 for guess in range(1_000)) == 20
    brakes.succeeded("anna", "203.0.113.9", None)
    assert brakes.take("bo", "203.0.113.9", None) == 0


def test_a_brake_forgets_what_it_counted_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ombud.web.brakes.MOST_COUNTED", 3)
    brakes = LoginBrakes(lambda: 0.0)
    for number in range(10):
        brakes.take(f"name {number}", f"192.0.2.{number}", None)
    assert len(brakes._accounts._buckets) == 3


# What each page is for: everybody may look at the others, and editors may change.
OWNERS = ("/people", "/keys", "/audit")
EVERYBODY = (LOGIN, SET_UP, "/logout", "/account", "/language")


async def test_every_route_asks_for_its_role(app: SenderApp) -> None:
    for role in Role:
        async with browser(app) as client:
            logged_in(client, app, role)
            for route in sorted(routes(app), key=lambda one: one.path == "/logout"):
                path = path_of(route)
                answer = await client.request("POST" if is_post(route) else "GET", path)
                # What an editor alone needs to see.
                editing = is_post(route) or path.endswith(("/new", "/edit")) or "/resend" in path
                needed = Role.OWNER if path.startswith(OWNERS) else Role.EDITOR if editing else Role.READER
                if path.startswith(EVERYBODY):
                    needed = Role.READER
                told = f"for people with the role {needed}" in answer.text and answer.status_code == 403
                assert told == (not role.includes(needed)), (role, path, answer.status_code)


async def test_somebody_of_one_shop_is_no_operator(app: SenderApp) -> None:
    for route in routes(app):
        path = path_of(route)
        if path.startswith(OWNERS):
            async with browser(app) as client:
                answer = await logged_in(client, app, Role.OWNER, 7).request("POST" if is_post(route) else "GET", path)
                assert answer.status_code == 403, path


async def test_every_form_must_come_from_a_page_of_ours(app: SenderApp) -> None:
    foreign = [{}, {"Origin": "https://evil.example.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
    async with browser(app) as client:
        logged_in(client, app)
        del client.headers["Origin"]
        for headers in foreign:
            for route in routes(app):
                if is_post(route):
                    answer = await client.post(path_of(route), headers=headers)
                    assert answer.status_code == 403
                    assert "not sent by a page of this panel" in answer.text


async def test_looking_changes_no_row(app: SenderApp, rows: Callable[..., list[Any]]) -> None:
    tables = [row["name"] for row in rows("select name from sqlite_master where type = 'table'")]
    async with browser(app) as client:
        logged_in(client, app)
        before = {table: rows(f"select * from {table}") for table in tables}
        for route in routes(app):
            if not is_post(route):
                assert (await client.get(path_of(route))).status_code in (200, 303, 404, 422)
        assert (await client.get(f"{STATIC}/panel.css")).status_code == 200
    assert len(tables) > 15
    assert {table: rows(f"select * from {table}") for table in tables} == before


async def test_an_owner_lets_people_in(app: SenderApp, rows: Callable[..., list[Any]]) -> None:
    async with browser(app) as owner, browser(app) as guest:
        logged_in(owner, app)
        page = await owner.post("/people/invite", data={"role": "editor", "shop": "7"})
        [link] = re.findall(rf"{BASE}({SET_UP}[\w-]+)", page.text)
        assert link not in (await owner.get("/people")).text
        assert "Shop 7" in (await guest.get(link)).text
        assert (await guest.post(link, data={"name": "Bo", "password": PASSWORD})).status_code == 303
        assert (await guest.get("/account")).status_code == 200
        [bo] = rows("select id from person where name = 'Bo'")
        assert (await owner.post("/people/role", data={"person": bo["id"], "role": "reader"})).status_code == 303
        assert (await owner.post("/people/role", data={"person": bo["id"], "role": "king"})).status_code == 422
        assert (await owner.post("/people/role", data={"person": "x", "role": "reader"})).status_code == 422
        assert "Role: <b>reader</b>" in (await guest.get("/account")).text
        page = await owner.post("/people/reset", data={"person": bo["id"]})
        [link] = re.findall(rf"{BASE}({SET_UP}[\w-]+)", page.text)
        assert (await guest.post(link, data={"password": PASSWORD + "2"})).status_code == 303
        assert (await owner.post("/people/remove", data={"person": bo["id"]})).status_code == 303
        assert (await guest.get("/account")).status_code == 303
        log = re.findall(r"<td>(person\.\w+)</td><td>([^<]*)</td>", (await owner.get("/audit")).text)
    did = [f"{action} {target}" for action, target in reversed(log)]
    assert did[1:] == [
        "person.invite editor",
        "person.add Bo",
        "person.login Bo",
        "person.role Bo",
        "person.reset Bo",
        "person.password Bo",
        "person.login Bo",
        "person.remove Bo",
    ]


async def test_an_owner_makes_keys_and_revokes_them(app: SenderApp) -> None:
    async with browser(app) as owner:
        logged_in(owner, app)
        page = await owner.post("/keys/add", data={"name": "ERP", "scope": "read"})
        [key] = re.findall(r"ombud_[\w-]{43}", page.text)
        assert key not in (await owner.get("/keys")).text
        bearer = {"Authorization": f"Bearer {key}"}
        assert (await owner.get("/v1/events", headers=bearer)).status_code == 200
        refused = await owner.post("/keys/add", data={"name": "ERP", "scope": "read", "shop": "7"})
        assert (refused.status_code, 'name="shop" value="7"' in refused.text) == (422, True)
        assert re.findall(r'value="([\w:]+)" checked', refused.text) == ["read"]
        assert (await owner.post("/keys/add", data={"name": "CRM"})).status_code == 422
        assert (await owner.post("/keys/revoke", data={"name": "ERP"})).status_code == 303
        assert (await owner.post("/keys/revoke", data={"name": "ERP"})).status_code == 404


async def test_keys_open_no_page_and_sessions_no_api(app: SenderApp, key: str) -> None:
    async with browser(app) as client:
        assert (await client.get("/keys", headers={"Authorization": f"Bearer {key}"})).status_code == 303
        cookies = log_in(app.people)
        client.cookies.update(cookies)
        client.cookies.set(cookie_name(app.people), key, domain="127.0.0.1")
        assert (await client.get("/keys")).status_code == 303
        [session] = cookies.values()
        for header in ({}, {"Authorization": f"Bearer {session}"}):
            assert (await client.get("/v1/events", headers=header)).status_code == 401
        answer = await client.get("/v1/events", params={"api_key": key})
        assert answer.status_code == 400
        assert key not in answer.text


async def test_elsewhere_needs_a_public_address_with_tls(sender: Sender) -> None:
    sender.settings = replace(sender.settings, public_url="https://ombud.example.test")
    app = SenderApp(sender)
    somebody(app.people)
    async with browser(app, "192.0.2.7", "https://ombud.example.test") as client:
        answer = await client.get(LOGIN)
        assert answer.status_code == 200
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
        [(name, value)] = log_in(app.people).items()
        assert (await client.get("/account", headers={"Cookie": f"{name}={value}"})).status_code == 303
        secure = {"Cookie": f"__Host-{name}={value}"}
        assert (await client.get("/account", headers=secure)).status_code == 200
        entered = await client.post(LOGIN, data={"name": "x", "password": "y"})
        assert entered.status_code == 403
    # As a proxy passes it on that has taken TLS off.
    async with browser(app, "192.0.2.7", "http://ombud.example.test") as client:
        for path in ("/", "/settings/webhooks"):
            assert "curl https://ombud.example.test/v1/endpoints" in (await client.get(path, headers=secure)).text
    async with browser(app, "192.0.2.7", "https://other.example.test") as client:
        assert (await client.get(LOGIN)).status_code == 421


async def test_strangers_behind_a_trusted_proxy_are_told_apart(sender: Sender, rows: Callable[..., list[Any]]) -> None:
    sender.settings = replace(sender.settings, trusted_proxies=(ip_network("127.0.0.0/8"),))
    app, made = SenderApp(sender), new_token()
    database = app.people.database
    database.write(lambda: first_link(made, database.clock()))
    async with browser(app) as client:
        client.headers["X-Forwarded-For"] = "203.0.113.66, 198.51.100.7"
        assert (await set_up(client, made)).status_code == 303
    assert [row["address"] for row in rows("select address from session")] == ["198.51.100.7"]


async def test_the_secure_cookie_is_for_this_host_alone(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    base = "https://ombud.example.test"
    sender.settings = replace(sender.settings, public_url=base)
    app, made = SenderApp(sender), new_token()
    database = app.people.database
    database.write(lambda: first_link(made, database.clock()))
    async with browser(app, "192.0.2.7", base) as client:
        cookie = (await set_up(client, made)).headers["Set-Cookie"]
    assert re.match(r"__Host-ombud-[0-9a-f]{8}=[\w-]{43}; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax; Secure$", cookie)


async def test_a_database_in_trouble_is_said_at_the_door(app: SenderApp, tmp_path: Any) -> None:
    cookies = log_in(app.people)
    app.people.database.close()
    async with browser(app) as client:
        client.cookies.update(cookies)
        answer = await client.get("/people")
    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text


def test_the_database_holds_no_password_and_no_token(app: SenderApp, rows: Callable[..., list[Any]]) -> None:
    [token] = log_in(app.people).values()

    def everything() -> Operation[list[Any]]:
        return (yield Statement("all", "select * from session, person"), {})

    assert token.encode() not in repr(app.people.database.read(everything)).encode()
