"""Settings → Alarms and its REST API: channels that are added, tried and changed, by whom that may, and on record."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import httpx2
import pytest

from ombud.admin.access import Role
from ombud.admin.alarms.book import Look, note, sql
from ombud.admin.alarms.causes import ALL_CAUSES, Cause, Finding
from ombud.sender.sender import Sender
from ombud.web.app import SenderApp
from ombud.web.words import COOKIE
from tests.admin.post import once
from tests.support.endpoint import Endpoint
from tests.support.mail_server import MailServer
from tests.support.people import log_in

BASE = "http://127.0.0.1:8700"
PATH, API = "/settings/alarms", "/v1/alarm-channels"
ADD = f"{PATH}/new"


def person(app: SenderApp, role: Role = Role.OWNER, shop_id: int = 0) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
    client = httpx2.AsyncClient(transport=transport, base_url=BASE, headers={"Origin": BASE})
    client.cookies.update(log_in(app.people, role, shop_id))
    return client


def filled(**more: Any) -> dict[str, Any]:
    form = {"kind": "webhook", "cause": list(ALL_CAUSES), "language": "en", "zone": "Europe/Stockholm", "enabled": "on"}
    return form | more


async def one_of(client: httpx2.AsyncClient) -> str:
    [path] = re.findall(rf'href="({PATH}/alc_\w+)/edit"', (await client.get(PATH)).text)
    return str(path)


async def test_a_life_of_a_channel(app: SenderApp, endpoint: Endpoint, rows: Callable[..., list[Any]]) -> None:
    async with person(app) as owner:
        assert "Nobody is told yet" in (await owner.get(PATH)).text
        assert "E-mail is not set up here" in (await owner.get(ADD)).text
        url = f"{endpoint.url}?token=secret"
        refused = await owner.post(ADD, data=filled(target="http://10.0.0.1/", shop="7"))
        assert (refused.status_code, "private" in refused.text) == (422, True)
        assert 'name="shop" value="7"' in refused.text
        assert (await owner.post(ADD, data=filled(target=url, name="Chat"))).status_code == 303
        one = await one_of(owner)
        tested = await owner.post(f"{one}/test", follow_redirects=True)
        assert "The test was sent to" in tested.text
        request = endpoint.next()
        assert request.target == "/webhooks?token=secret"
        assert json.loads(request.body)["text"].startswith("*[Ombud] A test*")
        again = await owner.post(f"{one}/test")
        assert (again.status_code, "a moment ago" in again.text) == (409, True)
        form = (await owner.get(f"{one}/edit")).text
        for page in (form, tested.text, (await owner.get(PATH)).text):
            assert "token=secret" not in page
        [etag] = re.findall(r'name="etag" value="&#34;(\w+)&#34;"', form)
        night = {"quiet_from": "22:00", "quiet_until": "07:00", "cause": ["disk.full"]}
        changed = filled(**night, etag=f'"{etag}"', name="Night")
        assert (await owner.post(f"{one}/edit", data=changed)).status_code == 303
        page = (await owner.get(PATH)).text
        assert "22:00\u201307:00" in page
        assert rows("select target, causes from alarm_channel") == [{"target": url, "causes": "disk.full"}]
        late = await owner.post(f"{one}/edit", data=changed)
        assert (late.status_code, "changed meanwhile" in late.text) == (422, True)
        assert (await owner.post(f"{one}/delete")).status_code == 303
        assert "Nobody is told yet" in (await owner.get(PATH)).text
    entries = rows("select action, detail from audit_entry where action like 'alarm.%' order by id")
    assert [entry["action"] for entry in entries] == ["alarm.add", "alarm.test", "alarm.change", "alarm.delete"]
    assert entries[2]["detail"] == "name, causes, quiet_hours"
    assert "secret" not in str(entries)


async def test_what_goes_wrong_with_a_test_is_said_and_stays(app: SenderApp, endpoint: Endpoint) -> None:
    async with person(app) as owner:
        owner.cookies[COOKIE] = "sv"
        await owner.post(ADD, data=filled(target=endpoint.url))
        endpoint.answer(500)
        failed = await owner.post(f"{await one_of(owner)}/test", follow_redirects=True)
        assert "Testet nådde inte" in failed.text
        for page in (failed.text, (await owner.get(PATH)).text):
            assert "Svarade 500" in page
            assert "nere" in page


async def test_an_e_mail_is_tried(sender: Sender, mail_server: MailServer) -> None:
    sender.settings = replace(sender.settings, **mail_server.settings)
    async with person(SenderApp(sender)) as owner:
        wrong = await owner.post(ADD, data=filled(kind="email", target="anna@example.com, eve@example.com"))
        assert "one e-mail address" in wrong.text
        await owner.post(ADD, data=filled(kind="email", target="anna@räksmörgås.example", language="sv"))
        tested = await owner.post(f"{await one_of(owner)}/test", follow_redirects=True)
        assert "The test was sent to anna@xn--" in tested.text
    [message] = mail_server.messages
    assert message["Subject"] == "[Ombud] Ett test"
    assert message["To"] == "anna@xn--rksmrgs-5wao1o.example"


@pytest.mark.parametrize("language", ["en", "sv"])
async def test_alarms_are_shown_to_whom_they_concern(app: SenderApp, language: str) -> None:
    def found(about: str, shop_id: int) -> Finding:
        return Finding(
            Cause.ENDPOINT_FAILING, about, shop_id, 1, {"endpoint_id": about, "url": f"https://{about}.test/"}
        )

    async with person(app) as owner, person(app, Role.READER, 7) as reader:
        here, gone = [found("mine", 7), found("theirs", 8)], [found("gone", 7)]
        for now, seen in ((1, here + gone), (2, here + gone), (3, here), (4, here)):
            app.people.database.write(partial(note, [Look([Cause.ENDPOINT_FAILING], seen)], now, 0))
        for client, seen_by in ((owner, {"mine", "theirs", "gone"}), (reader, {"mine", "gone"})):
            client.cookies[COOKIE] = language
            page = (await client.get(PATH)).text
            assert {name for name in ("mine", "theirs", "gone") if f"https://{name}.test/" in page} == seen_by
            assert ("does not take webhooks" in page) == (language == "en")


async def test_who_may_do_what(app: SenderApp, endpoint: Endpoint) -> None:
    async with person(app, Role.READER) as reader, person(app, Role.EDITOR, 7) as merchant, person(app) as owner:
        assert (await merchant.post(ADD, data=filled(target=endpoint.url, shop="8"))).status_code == 403
        await merchant.post(ADD, data=filled(target=endpoint.url))
        one = await one_of(merchant)
        assert "Shop 7" in (await owner.get(PATH)).text
        assert "Add a channel" not in (await reader.get(PATH)).text
        for path in (ADD, f"{one}/edit", f"{one}/delete", f"{one}/test"):
            assert (await reader.post(path, data=filled(target=endpoint.url))).status_code == 403
        foreign = {"Origin": "https://evil.example"}
        assert (await owner.post(f"{one}/delete", headers=foreign)).status_code == 403
        await owner.post(ADD, data=filled(target=endpoint.url))
        *_, theirs = set(re.findall(r"alc_\w+", (await owner.get(PATH)).text)) - {one.rpartition("/")[2]}
        assert (await merchant.post(f"{PATH}/{theirs}/delete")).status_code == 404
    assert endpoint.requests == []


async def test_many_channels_have_pages(app: SenderApp, rows: Callable[..., list[Any]]) -> None:
    values = {"kind": "email", "target": "x", "causes": "", "language": "en", "zone": "UTC", "enabled": 1}
    values |= {"shop_id": 7, "quiet_from": None, "quiet_until": None, "now": 1}
    for number in range(60):
        insert = partial(once, sql["insert_channel"].sql, **values, id=number + 1, name=f"channel {number}")
        app.people.database.write(insert)
    async with person(app) as owner:
        first = (await owner.get(PATH)).text
        [older] = re.findall(r'rel="next" href="([^"]+)"', first)
        second = (await owner.get(older)).text
    assert [page.count(">Test</button>") for page in (first, second)] == [50, 10]
    assert len(rows("select 1 from alarm_channel")) == 60


async def test_the_api(client: httpx2.AsyncClient, is_problem: Callable[..., None], endpoint: Endpoint) -> None:
    body = {"kind": "webhook", "target": endpoint.url, "name": "x"}
    for field, value in (
        *(("kind", "sms"), ("target", "http://169.254.169.254/"), ("target", "ftp://x"), ("name", "\n")),
        *(("causes", ["all"]), ("language", "no"), ("zone", "Mars"), ("quiet_hours", "7"), ("zone", "/etc/passwd")),
    ):
        is_problem(await client.post(API, json=body | {field: value}), 422, field)
    no_mail = await client.post(API, json=body | {"kind": "email", "target": "a@b.se"})
    is_problem(no_mail, 409, words="OMBUD_SMTP_HOST")
    made = await client.post(API, json=body | {"causes": list(ALL_CAUSES)})
    one = f"{API}/{made.json()['id']}"
    assert made.json()["causes"] == list(ALL_CAUSES)
    tag = {"If-Match": made.headers["ETag"]}
    assert (await client.patch(one, json={"enabled": False}, headers=tag)).json()["enabled"] is False
    is_problem(await client.patch(one, json={"name": "y"}, headers=tag), 412)
    is_problem(await client.patch(one, json={"target": "https://8.8.8.8/"}), 422, "target")
    assert (await client.post(f"{one}/test")).json() == {"sent": True, "reason": None}
    is_problem(await client.post(f"{one}/test"), 409)
    assert (await client.delete(one)).status_code == 204
    is_problem(await client.get(one), 404)
    for _ in range(20):
        assert (await client.post(API, json=body)).status_code == 201
    is_problem(await client.post(API, json=body), 409, words="20 alarm channels")
    page = (await client.get(API, params={"limit": 15})).json()
    more = (await client.get(API, params={"limit": 15, "cursor": page["next_cursor"]})).json()
    assert len({channel["id"] for channel in page["data"] + more["data"]}) == 20
    assert more["next_cursor"] is None
