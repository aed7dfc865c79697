"""Settings → Webhooks and the deliveries as a person uses them; every page works without JavaScript."""

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from ombud.admin.access import Role
from ombud.admin.delivery_filter import Asked
from ombud.admin.resender import resend_some
from ombud.db.operation import Operation, Statement
from ombud.mailbox.ids import parse_id
from ombud.mailbox.model import Dead, Done
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.web.app import SenderApp
from ombud.web.delivery_files import cell
from ombud.wire import EVENT_TYPES
from tests.admin.post import Post
from tests.support.endpoint import Endpoint
from tests.support.people import log_in, version_on

BASE = "http://127.0.0.1:8700"
WEBHOOKS = "/settings/webhooks"
FORM = {"url": "https://8.8.8.8/hook?token=secret", "event_type": ["order.new"], "enabled": "on"}


@asynccontextmanager
async def person(app: SenderApp, role: Role = Role.OWNER, shop_id: int = 0) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE, headers={"Origin": BASE}) as client:
        client.cookies.update(log_in(app.people, role, shop_id))
        yield client


@pytest.fixture
async def owner(app: SenderApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with person(app) as client:
        yield client


async def add(client: httpx2.AsyncClient, **more: Any) -> str:
    """Add an endpoint by the form; returns the path of its page."""
    page = await client.post(f"{WEBHOOKS}/new", data=FORM | more)
    assert page.status_code == 200, page.text
    [path] = re.findall(rf'href="({WEBHOOKS}/ep_\w+)"', page.text)
    return str(path)


async def settle_all(sender: Sender, outcome: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every delivery that waits end so."""

    async def perform(*_: Any) -> Any:
        return outcome

    monkeypatch.setattr(sender, "_perform", perform)
    running = asyncio.create_task(sender.run())

    async def settled() -> bool:
        return not await asyncio.to_thread(sender.database.read, pending)

    await until(settled)
    sender.stop()
    await running


async def until(there: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what another task does."""
    async with asyncio.timeout(30):
        while not await there():  # noqa: ASYNC110 - what is waited for is seen in pages alone
            await asyncio.sleep(0.01)


def pending() -> Operation[int]:
    rows = yield Statement("pending", "select count(*) as n from delivery where state = 0"), {}
    return int(rows[0]["n"])


async def test_the_life_of_an_endpoint(owner: httpx2.AsyncClient) -> None:
    assert "No endpoint yet" in (await owner.get(WEBHOOKS)).text
    form = (await owner.get(f"{WEBHOOKS}/new")).text
    assert [form.count(f'value="{one}" checked') for one in EVENT_TYPES] == [1] * 6
    page = await owner.post(f"{WEBHOOKS}/new", data=FORM)
    [secret] = re.findall(r"whsec_[\w+/=]+", page.text)
    [path] = re.findall(rf'href="({WEBHOOKS}/ep_\w+)"', page.text)
    for shown in (await owner.get(path), await owner.get(WEBHOOKS)):
        assert secret not in shown.text
        assert "token=secret" not in shown.text
    edit = (await owner.get(f"{path}/edit")).text
    assert "token=secret" in edit
    changed = FORM | version_on(edit) | {"description": "Lager", "headers": "X-Key: 1", "rate": "60"}
    assert (await owner.post(f"{path}/edit", data=changed)).status_code == 303
    again = await owner.post(f"{path}/edit", data=changed | {"description": "Other"})
    assert again.status_code == 422
    assert "changed meanwhile" in again.text
    text = (await owner.get(path)).text
    assert "Lager" in text
    assert "60 a minute" in text
    for verb, word in (("pause", "Paused"), ("resume", "")):
        assert (await owner.post(f"{path}/{verb}")).status_code == 303
        assert word in (await owner.get(path)).text
    seen = version_on((await owner.get(path)).text)
    rotated, again = [await owner.post(f"{path}/secret", data=seen) for _ in range(2)]
    assert [len(re.findall(r"whsec_[\w+/=]+", answer.text)) for answer in (rotated, again)] == [1, 0]
    assert (again.status_code, "changed meanwhile" in again.text) == (412, True)
    deleted = await owner.post(f"{path}/delete")
    listed = (await owner.get(deleted.headers["Location"])).text
    assert f'action="{path}/restore"' in listed
    assert (await owner.get(path)).status_code == 404
    assert (await owner.post(f"{path}/restore")).status_code == 303
    assert (await owner.get(path)).status_code == 200


async def test_a_form_leaves_the_events_that_it_does_not_show(owner: httpx2.AsyncClient, sender: Sender) -> None:
    path = await add(owner)
    number, wanted = parse_id("ep", path.rpartition("/")[2]), (*EVENT_TYPES, "endpoint.closed")
    sender.database.write(lambda: sender.endpoints.change(number, event_types=wanted))
    assert "<option>endpoint.closed" not in (await owner.get(path)).text
    assert "6/6" in (await owner.get(WEBHOOKS)).text
    changed = FORM | version_on((await owner.get(f"{path}/edit")).text) | {"event_type": ["order.new"]}
    assert (await owner.post(f"{path}/edit", data=changed)).status_code == 303
    found = sender.database.read(lambda: sender.endpoints.get(number))
    assert found.edit.event_types == ("order.new", "endpoint.closed")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"url": "http://10.0.0.1/"}, "private"),
        ({"url": "ftp://8.8.8.8/"}, "http"),
        ({"event_type": []}, "Choose at least one"),
        ({"headers": "no colon"}, "one header in each line"),
        ({"rate": "0"}, "whole number"),
        ({"rate": "many"}, "cannot be read"),
    ],
)
async def test_what_cannot_be_is_said_in_the_form(owner: httpx2.AsyncClient, typed: Any, words: str) -> None:
    filled = FORM | {"description": "kept", "headers": "X-Key: 1", "rate": "60", "shop": "7"} | typed
    page = await owner.post(f"{WEBHOOKS}/new", data=filled)
    assert page.status_code == 422
    assert words in page.text
    for name in ("description", "rate", "shop"):
        assert f'name="{name}" value="{filled[name]}"' in page.text
    assert f">{filled['headers']}</textarea>" in page.text


async def test_a_test_event_shows_request_and_answer(
    owner: httpx2.AsyncClient, app: SenderApp, sender: Sender, endpoint: Endpoint
) -> None:
    path = await add(owner, url=f"{endpoint.url}?token=secret")
    sent = await owner.post(f"{path}/test", data={"event_type": "order.new"})
    where = sent.headers["Location"].partition("#")[0]
    assert "On its way" in (await owner.get(where)).text
    running = asyncio.create_task(sender.run())
    part = where.replace("?test=", "/test/")

    async def answered() -> bool:
        return "On its way" not in (await owner.get(part)).text

    await until(answered)
    page = await owner.get(part)
    sender.stop()
    await running
    assert "token=secret&amp;event_type=order.new&amp;order_id=0 HTTP/1.1" in page.text
    assert "Acknowledged: the endpoint works." in page.text
    assert "hx-get" not in page.text
    await owner.post(f"{path}/pause")
    refused = await owner.post(f"{path}/test", data={})
    assert refused.status_code == 409
    assert "paused" in refused.text


async def test_a_timeline_says_who_has_sent_again(owner: httpx2.AsyncClient, sender: Sender) -> None:
    await add(owner)
    await sender.publish([Event("order.new", "1")])
    post = Post(sender.database, sender.outbox.mailbox)
    post.perform(lambda _: Dead("no", status=404))
    [path] = re.findall(r'href="(/deliveries/dlv_\w+)"', (await owner.get("/deliveries")).text)
    assert "Resent" not in (await owner.get(path)).text
    assert (await owner.post(f"{path}/resend")).status_code == 303
    post.perform(lambda _: Dead("no", status=404))
    assert (await owner.get(path)).text.count("Resent by owner 0") == 1
    job = {"filter": "state=dead", "per_second": "50"}
    assert (await owner.post("/deliveries/resend", data=job)).status_code == 303
    assert await resend_some(sender.writer, sender.outbox.mailbox)
    post.perform(lambda _: Dead("no", status=404))
    page = (await owner.get(path)).text
    assert (page.count("Resent by owner 0"), page.count("Resent with others")) == (1, 1)


async def test_failures_are_told_and_sent_again(
    owner: httpx2.AsyncClient, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await add(owner)
    await sender.publish([Event("order.new", str(number)) for number in range(5)])
    reason = "Answered 503: the endpoint failed inside: it is not available now. See whether the program runs."
    await settle_all(sender, Dead(reason, status=503), monkeypatch)
    page = (await owner.get(path, headers={"Accept-Language": "sv"})).text
    assert "Svarade 503: mottagaren misslyckades inuti: den är inte tillgänglig nu. Se efter om programmet kör." in page
    failed = (await owner.get("/deliveries?state=dead&status=5xx")).text
    ids = re.findall(r'href="/deliveries/(dlv_\w+)"', failed)
    assert len(ids) == 5
    one = (await owner.get(f"/deliveries/{ids[0]}")).text
    assert "curl -i &#39;https://8.8.8.8/hook?token=secret&amp;event_type=order.new&amp;order_id=4&#39;" in one
    sent = await owner.post(f"/deliveries/{ids[0]}/resend")
    assert "It is sent again" in (await owner.get(sent.headers["Location"])).text
    again = await owner.post(f"/deliveries/{ids[0]}/resend")
    assert "It still waits" in (await owner.get(again.headers["Location"])).text
    [event] = re.findall(r'href="(/events/evt_\w+)"', (await owner.get(f"/deliveries/{ids[0]}")).text)
    why = (await owner.get(event, headers={"Accept-Language": "sv"})).text
    assert "Ska skickas nu, och väntar på den som skickar." in why
    assert f'href="/deliveries/{ids[0]}"' in why
    given_up = (await owner.get(f"/deliveries/{ids[1]}")).text
    assert "it is not available now" in given_up
    counted = (await owner.get("/deliveries/resend?state=dead&time=7d")).text
    assert "<b>4</b> deliveries are sent again" in " ".join(counted.split())
    job = {"filter": "state=dead&time=7d", "per_second": "50"}
    started = (await owner.post("/deliveries/resend", data=job)).headers["Location"]
    assert "<b>0</b> sent again of 4," in " ".join((await owner.get(started)).text.split())
    while await resend_some(sender.writer, sender.outbox.mailbox):
        pass
    progress = " ".join((await owner.get(started)).text.split())
    assert "<b>4</b> sent again of 4, all of them" in progress
    assert "at most 50 a second" in progress
    idle = (await owner.post("/deliveries/resend", data=job)).headers["Location"]
    assert "progress" in (await owner.get(idle)).text
    monkeypatch.setattr("ombud.admin.resending.STILL", -1)
    assert "it stood still: no process delivers now" in (await owner.get(idle)).text
    await owner.post(f"{idle}/cancel")
    listed = " ".join((await owner.get("/deliveries/resend/all")).text.split())
    assert "<b>0</b> sent again, then cancelled" in listed
    assert "<b>4</b> sent again of 4, all of them" in listed
    assert await asyncio.to_thread(sender.database.read, pending) == 5
    nothing = (await owner.get("/deliveries/resend?state=dead")).text
    assert "finds nothing to resend" in nothing
    assert (await owner.get("/deliveries/resend?state=pending")).status_code == 422
    assert (
        await owner.post("/deliveries/resend", data={"filter": "state=pending", "per_second": "1"})
    ).status_code == 422


async def test_the_list_keeps_its_filter_in_the_address(owner: httpx2.AsyncClient, sender: Sender) -> None:
    path = await add(owner)
    await sender.publish([Event("order.new", str(number)) for number in range(60)])
    query = f"endpoint={path.rpartition('/')[2]}&type=order.new&state=pending"
    found, address = [], f"/deliveries?{query}"
    while address:
        page = (await owner.get(address)).text
        found += re.findall(r">order/(\d+)<", page)
        more = re.findall(r'rel="next" href="([^"]+)"', page)
        address = more[0].replace("&amp;", "&") if more else ""
        assert not address or set(query.split("&")) < set(address.partition("?")[2].split("&"))
    assert found == [str(number) for number in reversed(range(60))]
    assert ">order/7<" in (await owner.get("/deliveries?subject=7")).text
    assert "No delivery is like that" in (await owner.get("/deliveries?subject=order/777")).text
    live = (await owner.get("/deliveries?live=1")).text
    assert 'data-stream="/deliveries/stream?"' in live
    part = (await owner.get("/deliveries/stream")).text
    assert part.count("data: ") > part.count("data: </tr>") > 0
    assert "<html" not in part
    for bad in ("type=x", "state=x", "status=9", "time=2y", "endpoint=x", "since=x", "cursor=x"):
        assert (await owner.get(f"/deliveries?{bad}")).status_code == 422, bad


async def test_a_filter_goes_into_files(
    owner: httpx2.AsyncClient, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(owner)
    await sender.publish([Event("order.new", str(number)) for number in range(3)])
    await settle_all(sender, Done(200), monkeypatch)
    answer = await owner.get("/deliveries.csv?state=done")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="deliveries.csv"'
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["subject"], row["last_status"], row["state"]) for row in table] == [
        (f"order/{number}", "200", "done") for number in (2, 1, 0)
    ]
    lines = [json.loads(line) for line in (await owner.get("/deliveries.ndjson")).text.splitlines()]
    assert [line["id"] for line in lines] == [row["id"] for row in table]
    assert [cell(value) for value in ("=1+1", "+1", "-1", "@x", "\tx", "x=1", 5)] == [
        *("'=1+1", "'+1", "'-1", "'@x", "'\tx", "x=1", 5)
    ]


async def test_a_reader_sees_no_whole_address_and_no_button(
    app: SenderApp, owner: httpx2.AsyncClient, sender: Sender
) -> None:
    path = await add(owner)
    await sender.publish([Event("order.new", "1")])
    async with person(app, Role.READER) as reader:
        for address in (WEBHOOKS, path, "/deliveries"):
            page = (await reader.get(address)).text
            assert "token=secret" not in page
            assert not re.findall(r'<form method="post" action="(?!/logout|/language)', page)
        [delivery] = re.findall(r'href="(/deliveries/dlv_\w+)"', page)
        assert "token=secret" not in (await reader.get(delivery)).text


async def test_somebody_of_one_shop_sees_that_shop_alone(
    app: SenderApp, owner: httpx2.AsyncClient, sender: Sender
) -> None:
    theirs = await add(owner, shop="8", description="word-of-8")
    mine = await add(owner, shop="7", description="word-of-7")
    every = await add(owner, shop="0", description="word-of-0")
    await sender.publish([Event("order.new", "word-of-7", 7), Event("order.new", "word-of-8", 8)])
    listed = (await owner.get("/deliveries")).text
    ids = re.findall(r'href="/deliveries/(dlv_\w+)"', listed)
    assert len(ids) == 4
    async with person(app, Role.EDITOR, 7) as editor:
        assert (await editor.get("/")).headers["Location"] == WEBHOOKS
        assert (await editor.get("/panel/stream")).status_code == 403
        for address in (WEBHOOKS, "/deliveries", "/deliveries.csv", "/deliveries.ndjson"):
            page = (await editor.get(address)).text
            assert "word-of-8" not in page
            assert "word-of-0" not in page
        seen = re.findall(r'href="/deliveries/(dlv_\w+)"', (await editor.get("/deliveries")).text)
        assert len(seen) == 1
        for other in set(ids) - set(seen):
            assert (await editor.get(f"/deliveries/{other}")).status_code == 404
            assert (await editor.post(f"/deliveries/{other}/resend")).status_code == 404
        events = [re.findall(r"/events/evt_\w+", (await owner.get(f"/deliveries/{one}")).text)[0] for one in ids]
        assert sorted({event: (await editor.get(event)).status_code for event in events}.values()) == [200, 404]
        for path in (theirs, every):
            assert (await editor.get(path)).status_code == 404
            assert (await editor.get(f"{path}/edit")).status_code == 404
            for verb in ("pause", "resume", "delete", "restore", "secret", "test", "edit"):
                assert (await editor.post(f"{path}/{verb}", data=FORM)).status_code == 404, verb
        assert (await editor.get(mine)).status_code == 200
        assert (await editor.post(f"{WEBHOOKS}/new", data=FORM | {"shop": "8"})).status_code == 403


# What runs where text is not text, in the places that pages have: between tags, in attributes, in addresses.
PAYLOADS = [
    "<script>window.__xss=1</script>",
    '"><img src=x onerror=window.__xss=1>',
    "'><svg onload=window.__xss=1>",
    "javascript:window.__xss=1",
    "{{7*7}}<b>${7*7}</b>",
    '" autofocus onfocus=window.__xss=1 x="',
    "</title><script>window.__xss=1</script>",
    "<iframe srcdoc='<script>parent.__xss=1</script>'>",
]


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_hostile_text_stays_text_on_every_page(owner: httpx2.AsyncClient, sender: Sender, payload: str) -> None:
    path = await add(owner)
    await sender.publish([Event("order.new", "1")])
    columns = [
        *("endpoint.description", "endpoint.disabled_reason", "endpoint.retry", "delivery.reason", "event.subject"),
        *("event.type", "audit_entry.actor", "audit_entry.action", "audit_entry.target", "audit_entry.detail"),
        *("session.agent", "session.address", "api_key.name", "api_key.scopes", "person.name"),
    ]

    def spoil() -> Operation[None]:
        yield Statement("key", "insert into api_key(hash, name, created_at) values (x'00', 'k', 1)"), {}
        for column in columns:
            table, _, name = column.partition(".")
            yield Statement("spoil", f"update {table} set {name} = :payload"), {"payload": payload}

    sender.database.write(spoil)
    pages = [WEBHOOKS, path, f"{path}/edit", "/deliveries", "/people", "/keys", "/audit", "/account", "/"]
    listed = (await owner.get("/deliveries")).text
    pages += re.findall(r'href="(/deliveries/dlv_\w+)"', listed)
    assert len(pages) == 10
    shown = 0
    for address in pages:
        page = (await owner.get(address)).text
        assert payload not in page or payload.startswith("javascript:"), address
        assert not re.search(r"""(?:href|src|action)=["']?javascript:""", page)
        shown += "__xss" in page or "7*7" in page
    assert shown >= 8
    reflected = await owner.get("/deliveries", params={"subject": payload, "cursor": payload})
    assert payload not in reflected.text or payload.startswith("javascript:")


def test_a_filter_is_read_and_written_again() -> None:
    asked = Asked.read({"state": " dead ", "unknown": "x", "time": "24h", "subject": "90017"})
    assert asked == Asked(state="dead", time="24h", subject="90017")
    assert asked.query(cursor="c") == "subject=90017&state=dead&time=24h&cursor=c"
    wanted = asked.filter(1_800_000_000_000_000)
    assert (wanted.subject, wanted.since) == ("order/90017", 1_800_000_000_000_000 - 24 * 3_600_000_000)
    assert asked.without("time").query() == "subject=90017&state=dead"
