"""The panel: for this machine alone, without secrets, and the same without JavaScript."""

import hashlib
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

import ombud.web
from ombud.db.database import Database
from ombud.db.files import beside
from ombud.db.locks import FileLock
from ombud.db.migrate import migrate
from ombud.db.operation import Operation, Statement
from ombud.mailbox.model import Box
from ombud.receiver.inbox import Inbox
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.web.app import SenderApp
from ombud.web.panel import TryIt
from ombud.web.receiver_app import ReceiverApp
from tests.support.people import log_in

BASE = "http://127.0.0.1:8700"
PATHS = ["/", "/panel/stream", "/panel/static/panel.css", "/panel/nowhere"]
FOLDER = Path(ombud.web.__file__).parent
TOKEN = "a-token-of-the-tests"
PLANTED = "planted0secret0planted0"
VENDORED = {
    "htmx-4.0.1.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    "uplot-1.6.32.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uplot-1.6.32.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
}


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    """An inbox that nobody performs."""
    made = Inbox(Settings(database_url=f"sqlite:///{tmp_path}/receiver.db", token=TOKEN, perform="elsewhere"))
    yield made
    made.receiver.close()


@pytest.fixture
def orders() -> list[int]:
    """Orders that the button has placed."""
    return []


@pytest.fixture
def both(sender: Sender, inbox: Inbox, orders: list[int]) -> SenderApp:
    """The demo's web app: both sides and a button."""

    async def place_order() -> int:
        orders.append(90002)
        return 90002

    return SenderApp(sender, inbox.receiver, TryIt(place_order, "http://127.0.0.1:8701"))


@asynccontextmanager
async def browser(
    app: SenderApp | ReceiverApp, base: str = BASE, peer: str = "127.0.0.1"
) -> AsyncIterator[httpx2.AsyncClient]:
    """Something that asks like a browser in which an owner is logged in."""
    transport = httpx2.ASGITransport(app, client=(peer, 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url=base) as client:
        client.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in log_in(app.people).items())
        yield client


async def look(app: SenderApp | ReceiverApp, path: str = "/") -> str:
    """Return a page as it is for somebody without JavaScript."""
    async with browser(app) as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def arrive(inbox: Inbox, query: str) -> None:
    """Let a webhook arrive."""
    async with browser(ReceiverApp(inbox)) as client:
        assert (await client.get(f"/hooks/{TOKEN}?{query}")).status_code == 200


async def add_endpoint(sender: Sender, url: str, description: str = "") -> None:
    """Add an endpoint that wants everything."""
    edit = EndpointEdit(url, description=description)
    await sender.writer.write(lambda: sender.endpoints.add(edit))


def write(database: Database, text: str, **values: Any) -> None:
    """Write what the product itself does not write in a test."""

    def change() -> Operation[None]:
        yield Statement("test", text), values

    database.write(change)


@pytest.mark.parametrize("base", [BASE, "http://localhost", "http://LOCALHOST:1", "http://[::1]:8700"])
async def test_names_of_this_machine(both: SenderApp, base: str) -> None:
    async with browser(both, base) as client:
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("host", ["ombud.example.test", "127.0.0.1.example.test", "192.0.2.1:8700", "0.0.0.0", ""])
@pytest.mark.parametrize("path", PATHS)
async def test_other_names_are_refused(both: SenderApp, inbox: Inbox, host: str, path: str) -> None:
    for app in (both, ReceiverApp(inbox)):
        async with browser(app) as client:
            answer = await client.get(path, headers={"Host": host})
            assert answer.status_code == 421
            assert "this machine alone" in answer.text


@pytest.mark.parametrize(
    ("peer", "status"),
    [("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("192.0.2.7", 421), ("2001:db8::7", 421), ("?", 421)],
)
async def test_who_connects_from_elsewhere_is_refused_whatever_it_calls_us(
    both: SenderApp, peer: str, status: int
) -> None:
    async with browser(both, peer=peer) as client:
        assert (await client.get("/")).status_code == status


async def test_the_apis_have_their_keys_and_answer_to_any_name(both: SenderApp, inbox: Inbox, key: str) -> None:
    bearer = {"Authorization": f"Bearer {key}"}
    async with browser(both, "http://ombud.example.test", "192.0.2.7") as client:
        assert (await client.get("/v1/events")).status_code == 401
        assert (await client.get("/v1/nowhere")).status_code == 401
        assert (await client.get("/nowhere")).status_code == 421
        assert (await client.get("/v1/events", headers=bearer)).status_code == 200


async def test_the_button_places_an_order(both: SenderApp, orders: list[int]) -> None:
    async with browser(both) as client:
        answer = await client.post("/panel/order", headers={"Origin": BASE})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/?placed=90002")
        assert "Order 90002 is placed and paid." in (await client.get("/?placed=90002")).text
        assert "placed and paid" not in (await client.get("/?placed=<b>")).text
    assert orders == [90002]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8702"},
        {"Origin": "https://evil.example.test", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_forms_of_other_pages_are_refused(both: SenderApp, orders: list[int], headers: dict[str, str]) -> None:
    async with browser(both) as client:
        answer = await client.post("/panel/order", headers=headers)
    assert answer.status_code == 403
    assert "not sent by a page of this panel" in answer.text
    assert orders == []


async def test_without_a_shop_there_is_no_button(app: SenderApp) -> None:
    async with browser(app) as client:
        assert (await client.post("/panel/order", headers={"Origin": BASE})).status_code == 404
        assert (await client.get("/panel/order")).status_code == 404
    assert "Place and pay an order" not in await look(app)


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_says_what_browsers_may_do(both: SenderApp, path: str) -> None:
    async with browser(both) as client:
        headers = (await client.get(path)).headers
    assert set(headers["Content-Security-Policy"].split("; ")) == {
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


async def test_no_secret_is_on_the_page(both: SenderApp, sender: Sender, inbox: Inbox, key: str) -> None:
    await add_endpoint(
        sender, f"https://shop.example.test/{PLANTED}?token={PLANTED}", f"See http://x.test/?k={PLANTED}"
    )
    await sender.publish([Event("order.new", "1")])
    reason = f"KeyError at https://x.test/{PLANTED}: password={PLANTED} {PLANTED}"
    write(sender.database, "update delivery set reason = :reason", reason=reason)
    for query in (f"token={PLANTED}", f"event_type=order.refunded&token={PLANTED}", f"event_type={PLANTED}", "%ff"):
        await arrive(inbox, query)
    for page in (await look(both), await look(ReceiverApp(inbox))):
        for secret in (PLANTED, TOKEN, key):
            assert secret not in page
    assert "https://shop.example.test/…" in page_of(await look(both), "endpoints")
    arrivals = page_of(await look(both), "arrivals")
    assert "an event type that is not known here (order.refunded)" in arrivals
    assert "no event_type" in arrivals


async def test_hostile_text_is_text(both: SenderApp, sender: Sender, inbox: Inbox) -> None:
    script = "<script>alert(1)</script>"
    await add_endpoint(sender, "https://shop.example.test/", script)
    await sender.publish([Event("order.new", "1")])
    write(sender.database, "update delivery set reason = :reason", reason=f'"{script}')
    for query in (
        f"event_type={script}",
        f"event_type=order.new&order_id={script}",
        script,
        "event_type=order.new&order_id=1",
    ):
        await arrive(inbox, query)
    write(inbox.receiver.database, "update inbox_shop set name = :name", name=script)
    page = await look(both)
    assert script not in page
    assert page.count("&lt;script&gt;") >= 3


async def test_an_empty_page_says_the_next_step(both: SenderApp, app: SenderApp, inbox: Inbox) -> None:
    alone, receiver = await look(app), await look(ReceiverApp(inbox))
    assert f"curl {BASE}/v1/endpoints" in alone
    assert f"curl {BASE}/v1/events" in alone
    assert "Arrivals" not in alone
    assert f"--to {BASE}/hooks/YOUR_TOKEN" in receiver
    assert "Endpoints" not in receiver
    demo = await look(both)
    assert "Nothing has happened yet. Place and pay an order" in demo
    assert "YOUR_SHOP_KEY" in demo
    assert "http://127.0.0.1:8701/v1/orders" in demo


@pytest.mark.parametrize(("count", "shown"), [(3, 3), (120, 50)])
async def test_few_and_many(both: SenderApp, sender: Sender, inbox: Inbox, count: int, shown: int) -> None:
    await add_endpoint(sender, "https://shop.example.test/")
    await sender.publish([Event("order.new", str(number)) for number in range(count)])
    for number in range(count):
        await arrive(inbox, f"event_type=order.new&order_id={number}")
    page = await look(both)
    assert page.count('id="story-evt_') == page.count('<li id="evt_') == page.count('<li id="arrival-evt_') == shown
    assert page.count(f"The {shown} newest.") == (2 if count > shown else 0)
    assert f"order/{count - 1}" in page
    assert ("order/0<" in page.replace(" ", "").replace("\n", "")) == (count == shown)


async def test_a_line_joins_event_and_arrival(both: SenderApp, sender: Sender, inbox: Inbox) -> None:
    await arrive(inbox, "event_type=order.new&order_id=7")
    await sender.publish([Event("order.new", "7"), Event("order.new", "8")])
    assert "arrived" not in page_of(await look(both), "story")
    await arrive(inbox, "event_type=order.done&order_id=7")
    await arrive(inbox, "event_type=order.new&order_id=70")
    assert "arrived" not in page_of(await look(both), "story")
    await arrive(inbox, "event_type=order.new&order_id=7")
    story = page_of(await look(both), "story")
    [seven] = re.findall(r'<li id="story-[^"]+">(?:(?!</li>).)*order/7\b.*?</li>', story, re.DOTALL)
    assert story.count("arrived") == seven.count("arrived") == 1
    assert "read waits" in seven


async def test_work_that_nobody_performs_is_red(both: SenderApp, inbox: Inbox, sender: Sender) -> None:
    await arrive(inbox, "event_type=order.new&order_id=7")
    database = inbox.receiver.database
    assert 'class="alert"' not in await look(both)
    write(database, "update delivery set due_at = due_at - 720000000")
    page = await look(both)
    assert '<span role="alert">Arrivals wait and nobody performs</span>: the oldest has waited 12 min.' in page
    assert page.count('class="alert') == 1
    lock = FileLock(beside(Path(database.name), f"{Box.INBOX.name.lower()}.performer"))
    assert lock.try_acquire()
    busy = await look(both)
    lock.close()
    assert "Arrivals wait and nobody performs" not in busy
    assert "Reading arrivals is behind</span>: the oldest has waited 12 min." in busy


async def test_the_page_says_who_performs(both: SenderApp, inbox: Inbox) -> None:
    words = " ".join((await look(both)).split())
    assert "Sending: nobody performs" in words
    lock = FileLock(beside(Path(inbox.receiver.database.name), "changes.performer"))
    assert lock.try_acquire()
    words = " ".join((await look(both)).split())
    lock.close()
    assert "Calling handlers: a process performs" in words
    assert "Reading arrivals: nobody performs" in words


async def test_reads_leave_the_event_loop_alone(
    both: SenderApp, inbox: Inbox, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    async with browser(both) as client:
        hear_of_reads(monkeypatch, (sender.database, inbox.receiver.database), threads)
        assert (await client.get("/panel/stream")).status_code == 200
    assert len(threads) >= 5
    assert threading.main_thread() not in threads


def hear_of_reads(monkeypatch: pytest.MonkeyPatch, databases: Any, threads: list[threading.Thread]) -> None:
    """Note in which threads databases are read."""
    for database in databases:
        read = database.read

        def noted(make: Callable[[], Any], read: Callable[..., Any] = read) -> Any:
            threads.append(threading.current_thread())
            return read(make)

        monkeypatch.setattr(database, "read", noted)


async def test_a_database_in_trouble_is_said_without_its_path(both: SenderApp, inbox: Inbox, tmp_path: Path) -> None:
    inbox.receiver.database.close()
    async with browser(both) as client:
        answer = await client.get("/")
    assert answer.status_code == 503
    assert "That did not work" in answer.text
    assert str(tmp_path) not in answer.text


def test_every_look_is_bounded_and_uses_an_index(sender: Sender, inbox: Inbox) -> None:
    from ombud.admin import overview

    text = Path(overview.__file__).read_text()
    for name in re.findall(r'sql\["([a-z_]+)"\]', text):
        statement = overview.sql[name]
        values = dict.fromkeys(re.findall(r":([a-z_]+)", statement.sql), 1)
        on_sender = "endpoint" in statement.sql or name in {"overview_events", "newest_of_lanes", "delivery_of_lane"}
        database = sender.database if on_sender else inbox.receiver.database

        def explain(sql: str = statement.sql, values: dict[str, int] = values) -> Operation[list[str]]:
            rows = yield Statement("explain", f"explain query plan {sql}"), values
            return [row["detail"] for row in rows]

        plan = database.read(explain)
        # What a subquery has found may be scanned, a table may not.
        tables = r"SCAN (event|delivery|attempt|lane|endpoint|reading|document|mirror|ledger|handler|inbox_shop)\b"
        assert not [step for step in plan if re.match(tables, step)], (name, plan)
        assert name != "reading_after" or any("reading_of_subject" in step for step in plan), plan


@pytest.mark.parametrize("template", sorted(FOLDER.glob("templates/*.html")), ids=lambda path: path.name)
def test_nothing_on_a_page_needs_what_the_policy_forbids(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|hx-vals|hx-headers|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert not re.search(r'hx-trigger="[^"]*\[', text)
    # What gettext returns counts as safe: only a template's own texts may go through it.
    assert not re.search(r"\b_\((?![\"'])|\|\s*safe\b|autoescape", text)
    assert not re.search(r'(?:src|href|action|hx-get)="(?:https?:)?//', text)


def test_what_is_vendored_is_pinned_and_has_its_licence() -> None:
    vendored = FOLDER / "static" / "vendor"
    licences = {path.name: path.read_text() for path in vendored.glob("*.LICENSE.txt")}
    assert licences.keys() == {"htmx-4.0.1.LICENSE.txt", "uplot-1.6.32.LICENSE.txt"}
    assert all("Permission" in text for text in licences.values())
    others = {path.name: path.read_bytes() for path in vendored.iterdir() if path.name not in licences}
    assert {name: hashlib.sha256(content).hexdigest() for name, content in others.items()} == VENDORED


def page_of(page: str, section: str) -> str:
    """Return one section of a page."""
    return page.partition(f'<section aria-labelledby="{section}">')[2].partition("</section>")[0]


async def test_the_audit_log_has_the_changes_of_both_sides(both: SenderApp, sender: Sender, inbox: Inbox) -> None:
    migrate(inbox.receiver.database, ["ombud.admin"])
    await arrive(inbox, "event_type=order.new&order_id=7")
    write(inbox.receiver.database, "update delivery set state = 2")
    async with browser(both) as client:
        client.headers["Origin"] = BASE
        [path] = re.findall(r'href="(/arrivals/evt_[^"]+)"', (await client.get("/arrivals")).text)
        assert (await client.post(f"{path}/skip")).status_code == 303
        made = await client.post("/keys/add", data={"name": "later", "scope": "read"})
        assert made.status_code == 200
        log = (await client.get("/audit")).text
    assert log.index("key.add") < log.index("arrival.skip")
