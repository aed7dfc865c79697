"""Arrivals and runs in the panel and by the API: with few rows and none, for each role, and only from our own page."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ombud.admin.access import Role, Scope
from ombud.admin.keys import add_key, new_key
from ombud.admin.resender import resend_some
from ombud.mailbox.ids import parse_id
from ombud.mailbox.model import Dead, Draft
from ombud.receiver.inbox import Inbox
from ombud.receiver.listed import HELD
from ombud.receiver.meter import note_refused, note_restless
from ombud.receiver.shops import list_shops
from ombud.settings import Settings
from ombud.web.receiver_app import ReceiverApp
from tests.admin.audited import make_receiver
from tests.admin.post import Post
from tests.support.databases import Home
from tests.support.full_house import hold
from tests.support.people import log_in, version_on

BASE = "http://127.0.0.1:8702"
SCRIPT = "<script>alert(1)</script>"

Browse = Callable[..., httpx2.AsyncClient]


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    """An inbox that nobody performs: read and unread, told and given up, and one arrival that is held."""
    home = Home(f"sqlite:///{tmp_path}/receiver.db")
    make_receiver(home)
    made = Inbox(Settings(database_url=home.url, perform="elsewhere"))
    database, receiver = made.receiver.database, made.receiver
    (shop,) = database.read(list_shops)
    draft = Draft(shop.id, "product.reconcile", "product/31", [shop.reader_lane_id])
    [held] = database.write(lambda: receiver.arrivals.append([draft]))
    database.write(lambda: hold([(held, shop.reader_lane_id, HELD)]))
    reason = f"KeyError: {SCRIPT} token=planted0secret0planted0"
    Post(database, receiver.changes).perform(lambda _: Dead(reason))
    yield made
    receiver.close()


@pytest.fixture
def browse(inbox: Inbox) -> Browse:
    """Makes something that asks like a browser in which somebody of that role is logged in."""
    app = ReceiverApp(inbox)

    def open_browser(role: Role = Role.EDITOR, shop_id: int = 0, **headers: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
        cookie = "; ".join(f"{name}={value}" for name, value in log_in(app.people, role, shop_id).items())
        given = {"Cookie": cookie, "Origin": BASE} | headers
        return httpx2.AsyncClient(transport=transport, base_url=BASE, headers=given)

    return open_browser


async def first(client: httpx2.AsyncClient, path: str) -> str:
    """Return where the first row of a list leads."""
    page = (await client.get(path)).text
    return page.partition('<a class="row" href="')[2].partition('"')[0]


async def test_lists_show_what_their_filter_says(browse: Browse) -> None:
    async with browse() as client:
        for path, shown, others in [
            ("/arrivals", ["product/31", "order/1", "malformed"], []),
            ("/arrivals?state=held", ["product/31", "so many products are missing"], ["order/1", "malformed"]),
            ("/arrivals?state=stored", ["malformed", "no event_type"], ["order/1", "a=b"]),
            ("/arrivals?subject=product/7", ["product/7"], ["order/1"]),
            ("/arrivals?subject=1", ["order/1"], ["product/7"]),
            ("/arrivals?state=dead", ["No arrival is like that."], ["product/31"]),
            ("/arrivals?time=1h", ["product/31"], []),
            ("/runs", ["product/7", "order/1", "webhook", "left"], []),
            ("/runs?handler=ship&state=dead", ["ship", "KeyError"], [">left</a>"]),
            ("/runs?state=skipped", ["No run is like that."], ["order/1"]),
        ]:
            answer = await client.get(path)
            rows = answer.text.partition('role="search"')[2].partition("</form>")[2]
            assert answer.status_code == 200
            assert [word for word in shown if word not in rows] == [], path
            assert [word for word in (*others, SCRIPT, "planted0") if word in rows] == [], path
        for path in ("/arrivals?state=x", "/arrivals?type=x", "/runs?time=x", "/runs?cursor=x", "/runs?shop=x"):
            assert (await client.get(path)).status_code == 422
        for path in ("/arrivals/evt_0000000000000", f"/runs/dlv_{'0' * 26}"):
            assert (await client.get(path)).status_code == 404


async def test_an_editor_releases_retries_and_skips_by_button(browse: Browse) -> None:
    async with browse() as client:
        held = await first(client, "/arrivals?state=held")
        page = (await client.get(held)).text
        assert f'action="{held}/release"' in page
        assert "/retry" not in page
        assert (await client.post(f"{held}/retry")).status_code == 409
        done = await client.post(f"{held}/release")
        assert (done.status_code, done.headers["Location"]) == (303, f"{held}?done=released")
        assert "It is released" in (await client.get(f"{held}?done=released")).text
        run = await first(client, "/runs?state=dead&handler=ship")
        page = (await client.get(run)).text
        for words in (
            "Run again",
            "Skip",
            "KeyError: &lt;script&gt;",
            "The shop's API answered 200",
            "Before and after",
        ):
            assert words in page
        assert (await client.post(f"{run}/skip")).headers["Location"] == f"{run}?done=skipped"
        assert "skipped by hand" in (await client.get(run)).text
        assert (await client.post(f"{run}/retry")).status_code == 303
        assert "Next try" in (await client.get(run)).text
        assert "utelämna" not in page
    async with browse(Role.OWNER) as client:
        log = (await client.get("/audit")).text
    for action in ("arrival.release", "run.skip", "run.retry"):
        assert action in log


async def test_all_that_a_filter_finds_is_done_again(browse: Browse, inbox: Inbox) -> None:
    receiver = inbox.receiver
    async with browse() as client:
        for kind, box, state, words in (
            ("arrivals", receiver.arrivals, "held", ["Release them", "<b>1</b> arrival is read again"]),
            ("runs", receiver.changes, "dead", ["Run them again", "<b>1</b> run is made again"]),
        ):
            page = (await client.get(f"/{kind}?state={state}&time=7d")).text
            path = f"/{kind}/resend"
            assert f'href="{path}?state={state}&amp;time=7d"' in page
            assert path not in (await client.get(f"/{kind}?state=pending")).text.replace(f"{path}/all", "")
            counted = " ".join((await client.get(f"{path}?state={state}&time=7d")).text.split())
            assert [one for one in words if one not in counted] == []
            started = await client.post(path, data={"filter": f"state={state}&time=7d", "per_second": "200"})
            job = started.headers["Location"]
            while await resend_some(receiver.writer, box):
                pass
            progress = " ".join((await client.get(job)).text.split())
            assert "again of" in progress
            assert "all of them" in progress
            assert f'href="{job}"' in (await client.get(f"{path}/all")).text
            assert "finds nothing to do again" in (await client.get(f"{path}?state={state}")).text
            assert (await client.get(f"{path}?state=pending")).status_code == 422
    async with browse(Role.OWNER) as client:
        log = (await client.get("/audit")).text
    for action in ("arrival.retry_many", "run.retry_many"):
        assert action in log


@pytest.mark.parametrize("verb", ["release", "retry", "skip"])
async def test_who_may_not_changes_nothing(browse: Browse, verb: str) -> None:
    async with browse(Role.READER) as reader, browse(Role.EDITOR, 7) as stranger:
        held, run = await first(reader, "/arrivals?state=held"), await first(reader, "/runs?state=dead")
        one = held if verb == "release" else run
        page = (await reader.get(one)).text
        assert '<form method="post" action="/runs' not in page
        assert '<form method="post" action="/arrivals' not in page
        assert (await reader.post(f"{one}/{verb}")).status_code == 403
        for path in (held, run):
            assert (await stranger.get(path)).status_code == 404
        assert (await stranger.post(f"{one}/{verb}")).status_code == 404
        for path in ("/arrivals", "/runs"):
            assert "order/1" not in (await stranger.get(path)).text
    async with browse(Origin="https://evil.example.test") as elsewhere:
        assert (await elsewhere.post(f"{one}/{verb}")).status_code == 403
    async with browse() as editor:
        assert (await first(editor, "/arrivals?state=held"), await first(editor, "/runs?state=dead")) == (held, run)


async def test_a_shop_is_paused_resumed_and_given_a_new_token(browse: Browse, inbox: Inbox) -> None:
    async with browse(Role.OWNER) as client:
        shop = await first(client, "/shops")
        page = (await client.get(shop)).text
        for words in (
            "What was lost on its way",
            "by their webhook",
            "the present one: never used",
            "No address is on",
        ):
            assert words in page
        assert "somebody else has its token" not in page
        number, clock = parse_id("shop", shop.rpartition("/")[2], "shop"), inbox.receiver.arrivals.clock
        inbox.receiver.database.write(lambda: note_refused(number, clock()))
        assert "somebody else has its token" in (await client.get(shop)).text
        inbox.receiver.database.write(lambda: note_restless(number, "images.*.image", clock()))
        assert "<code>OMBUD_VOLATILE_FIELDS=images.*.image</code>" in (await client.get(shop)).text
        assert (await client.post(f"{shop}/pause")).headers["Location"] == shop
        assert "Paused: webhooks are stored" in (await client.get(shop)).text
        assert 'class="state paused"' in (await client.get("/shops")).text
        assert (await client.post(f"{shop}/resume")).status_code == 303
        seen = version_on((await client.get(shop)).text)
        assert (await client.post(f"{shop}/end-token", data=seen)).status_code == 409
        made = (await client.post(f"{shop}/token", data=seen)).text
        for form in ("token", "end-token"):  # of somebody who has not seen the new one
            assert (await client.post(f"{shop}/{form}", data=seen)).status_code == 412
        token = made.partition("<code>/hooks/")[2].partition("<")[0]
        for known in (token, "a-token-of-tests"):
            assert (await client.get(f"/hooks/{known}?event_type=order.new&order_id=5")).status_code == 200
        again = (await client.get(shop)).text
        assert token not in again
        assert "the one before" in again
        assert (await client.post(f"{shop}/end-token", data=version_on(again))).status_code == 303
        log = (await client.get("/audit")).text
        assert [word for word in ("pause", "resume", "token", "end_token") if f"shop.{word}" not in log] == []
        assert token not in log
    async with browse(Role.EDITOR) as editor, browse(Role.EDITOR, 7) as stranger:
        assert (await editor.post(f"{shop}/token")).status_code == 403
        assert (await editor.post(f"{shop}/pause")).status_code == 303
        assert (await stranger.get(shop)).status_code == 404
        assert (await stranger.post(f"{shop}/resume")).status_code == 404
        assert "shop_" not in (await stranger.get("/shops")).text


async def test_in_swedish_reasons_are_swedish(browse: Browse) -> None:
    async with browse(**{"Accept-Language": "sv"}) as client:
        assert "så många produkter saknas" in (await client.get("/arrivals?state=held")).text
        assert "Vad som bevisar det" in (await client.get(await first(client, "/runs"))).text
        assert "täcks av evt_" in (await client.get("/arrivals?subject=order/1")).text


async def test_an_empty_inbox_says_the_next_step(tmp_path: Path) -> None:
    made = Inbox(Settings(database_url=f"sqlite:///{tmp_path}/empty.db", perform="elsewhere"))
    app = ReceiverApp(made)
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE, cookies=log_in(app.people)) as client:
        assert f"--to {BASE}/hooks/YOUR_TOKEN" in (await client.get("/arrivals")).text
        assert "No handler was called yet." in (await client.get("/runs")).text
        assert "ombud shops add" in (await client.get("/shops")).text
    made.receiver.close()


async def test_the_api_does_what_the_buttons_do(inbox: Inbox) -> None:
    app, database, key = ReceiverApp(inbox), inbox.receiver.database, new_key()
    database.write(partial(add_key, "tests", key, 1, tuple(Scope), 0))
    headers = {"Authorization": f"Bearer {key}"}
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:

        async def ask(method: str, path: str) -> Any:
            answer = await client.request(method, f"/v1{path}")
            return answer.json() if answer.status_code == 200 else answer.status_code

        [held] = (await ask("GET", "/arrivals?state=held"))["data"]
        assert await ask("POST", f"/arrivals/{held['id']}/retry") == 409
        assert (await ask("POST", f"/arrivals/{held['id']}/release"))["state"] == "pending"
        [dead] = (await ask("GET", "/runs?state=dead&limit=2"))["data"]
        assert (await ask("POST", f"/runs/{dead['id']}/skip"))["state"] == "skipped"
        whole = await ask("POST", f"/runs/{dead['id']}/retry")
        assert (whole["state"], whole["replays"], len(whole["attempts"])) == ("pending", 1, 1)
        assert await ask("POST", f"/runs/{dead['id']}/retry") == 409
        [shop] = (await ask("GET", "/shops"))["data"]
        assert (await ask("POST", f"/shops/{shop['id']}/pause"))["paused_at"] is not None
        whole = await ask("GET", f"/shops/{shop['id']}")
        told = {"order inferred": 1, "product webhook": 2}
        assert whole["learned"]["hour"] == whole["learned"]["month"] == told
        assert len((await ask("POST", f"/shops/{shop['id']}/token"))["token"]) > 20
        page = await ask("GET", "/runs?limit=1")
        assert (await ask("GET", f"/runs?limit=1&cursor={page['next_cursor']}"))["data"] != page["data"]
        assert await ask("GET", "/runs?state=held") == 422
        dead = {"of": "runs", "state": "dead", "handler": "ship"}
        counted = (await client.post("/v1/replays/dry-run", json=dead)).json()
        made = (await client.post("/v1/replays", json=dead | {"per_second": 2})).json()
        assert (made["of"], made["count"], made["filter"]["handler"]) == ("runs", counted["count"], "ship")
        for wrong, field in (
            (dead | {"of": "x"}, "body"),
            (dead | {"of": "arrivals"}, "handler"),
            ({"of": "runs"}, "state"),
        ):
            answer = await client.post("/v1/replays", json=wrong)
            assert (answer.status_code, answer.json()["field"]) == (422, field)
