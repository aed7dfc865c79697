"""Finding deliveries and sending them again, on each of the databases."""

from functools import partial
from typing import Any

import pytest

from ombud.admin.access import Caller
from ombud.admin.deliveries import Cursor, Filter, get_delivery, list_deliveries, read_cursor, resend, waiting
from ombud.admin.delivery_filter import Asked
from ombud.admin.resending import (
    HIGHEST_PER_SECOND,
    STEP_ROWS,
    STILL,
    Found,
    Resending,
    cancel_resending,
    count_wanted,
    find_step,
    get_resending,
    list_resendings,
    next_resending,
    start_resending,
    take_step,
)
from ombud.admin.webhooks import list_doings
from ombud.db.migrate import migrate
from ombud.errors import InvalidInput, NotFound
from ombud.mailbox.ids import ID_LIMIT, first_id_of
from ombud.mailbox.model import Box, Dead, Done, State
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.admin.post import Post
from tests.support.databases import Home

EVERYBODY, SEVEN, EIGHT = Caller("everybody"), Caller("seven", 7), Caller("eight", 8)


class Desk:
    """A sender whose deliveries end as a test says: those whose subject has a `9` in it are dead."""

    def __init__(self, home: Home) -> None:
        self.database = home.open()
        migrate(self.database, ["ombud.admin"])
        self.sender = Sender(self.database, Settings())
        self.mailbox = self.sender.outbox.mailbox

    def add(self, url: str, shop_id: int) -> int:
        endpoints = self.sender.endpoints
        return self.database.write(lambda: endpoints.add(EndpointEdit(url), shop_id)).id

    def perform(self) -> None:
        post = Post(self.database, self.mailbox)
        while leased := post.lease():
            for lane, loaded in leased:
                post.settle(lane, *((one, outcome_of(one.subject)) for one in loaded.deliveries))

    def resend(self, caller: Caller, asked: Asked, per_second: int = 200) -> Resending:
        now = self.mailbox.clock()
        found = self.database.read(partial(count_wanted, caller, asked, now))
        number = self.database.write(partial(start_resending, caller, asked, per_second, found, now))
        return self.database.read(partial(get_resending, caller, number))

    def find(self, caller: Caller = EVERYBODY, rows: int = 100, **wanted: Any) -> list[Any]:
        found: list[Any] = []
        cursor = Cursor()
        while True:
            page, more = self.database.read(partial(list_deliveries, caller, Filter(**wanted), cursor, rows))
            found += page
            if more is None:
                return found
            cursor = read_cursor(str(more))


def outcome_of(subject: str) -> Done | Dead:
    return Dead("answered 503", status=503) if "9" in subject else Done(200)


@pytest.fixture
def desk(home: Home) -> Any:
    made = Desk(home)
    for shop_id in (7, 8, 0):
        made.add(f"https://8.8.8.8/{shop_id}?secret", shop_id)
    for events in ([Event("order.new", str(number), 7) for number in range(20)], [Event("product.add", "9", 8)]):
        made.database.write(partial(made.sender.outbox.publish, events))
    made.perform()
    yield made
    made.sender.writer.close()
    made.database.close()


async def test_pages_have_every_delivery_once_and_a_filter_its_own(desk: Desk) -> None:
    every = desk.find()
    assert len(every) == 42
    for rows in (1, 5, 41):
        assert desk.find(rows=rows) == every
    first = every[0]
    assert (first["event_type"], first["subject"], first["state"]) == ("product.add", "product/9", "dead")
    assert first["last_attempt"]["status"] == 503
    assert first["url"] == "https://8.8.8.8/…"
    assert {one["shop_id"] for one in desk.find(SEVEN)} == {7}
    assert len(desk.find(SEVEN)) == 20
    assert len(desk.find(EIGHT)) == 1
    assert [one["subject"] for one in desk.find(SEVEN, state=State.DEAD)] == ["order/19", "order/9"]
    assert len(desk.find(statuses=(500, 599))) == 6
    assert len(desk.find(statuses=(200, 200), subject="order/3")) == 2
    assert len(desk.find(event_type="product.add")) == 2
    for nothing in ({"state": State.PENDING}, {"until": 1}, {"since": desk.mailbox.clock() + 1_000_000}):
        assert desk.find(**nothing) == []
    [endpoint, *_] = desk.database.read(lambda: desk.sender.endpoints.list(ID_LIMIT - 1, 9, 7))
    assert len(desk.find(endpoint_id=endpoint.id)) == 20
    for bad in ("dlv_", "evt_" + "0" * 26, "dlv_" + "!" * 26):
        with pytest.raises(InvalidInput):
            read_cursor(bad)


async def test_one_delivery_is_seen_and_sent_again_by_its_own_shop(desk: Desk) -> None:
    [dead, _] = desk.find(SEVEN, state=State.DEAD)
    key = read_cursor(dead["id"])
    now = desk.mailbox.clock()
    for stranger in (EIGHT,):
        with pytest.raises(NotFound):
            desk.database.read(partial(get_delivery, stranger, key.event_id, key.lane_id))
        with pytest.raises(NotFound):
            desk.database.write(partial(resend, desk.mailbox, stranger, key.event_id, key.lane_id, now))
    again = partial(resend, desk.mailbox, SEVEN, key.event_id, key.lane_id, now)
    assert [desk.database.write(again), desk.database.write(again)] == [1, 0]
    assert sum(desk.database.read(lambda: waiting([key.lane_id], 5)).values()) == 1
    desk.perform()
    one = desk.database.read(partial(get_delivery, SEVEN, key.event_id, key.lane_id))
    assert [attempt["generation"] for attempt in one["attempts"]] == [0, 1]
    assert (one["replays"], one["state"]) == (1, "dead")


async def test_many_are_counted_and_sent_again_with_their_progress(desk: Desk) -> None:
    asked, now = Asked(state="dead"), desk.mailbox.clock()
    assert desk.database.read(partial(count_wanted, EVERYBODY, asked, now)) == Found(6, whole=True)
    assert desk.database.read(partial(count_wanted, SEVEN, asked, now)) == Found(2, whole=True)
    for useless in (Asked(), Asked(state="pending")):
        with pytest.raises(InvalidInput):
            desk.database.read(partial(count_wanted, SEVEN, useless, now))
    job = desk.resend(EVERYBODY, asked, per_second=4)
    with pytest.raises(NotFound):
        desk.database.read(partial(get_resending, EIGHT, job.id))
    keys, more = desk.database.read(partial(find_step, job, STEP_ROWS))
    assert len(keys) == 4
    step = partial(take_step, desk.mailbox, job, keys, more)
    # Two processes that have read the same page: one of them takes the step.
    assert [desk.database.write(step), desk.database.write(step)] == [True, False]
    job = desk.database.read(partial(get_resending, EVERYBODY, job.id))
    assert (job.sent, job.state, str(more)) == (4, "running", job.cursor)
    assert job.reached is not None
    assert job.stands_still(job.seen_at + STILL + 1)
    assert not job.stands_still(job.seen_at + STILL)
    # Four a second: the next step is not to be taken yet.
    assert 0.9e6 < job.next_at - job.made_at < 1.1e6
    assert desk.database.read(partial(next_resending, Box.OUTBOX)) is None
    # What fails again at once is not found by the same job a second time.
    desk.perform()
    keys, more = desk.database.read(partial(find_step, job, STEP_ROWS))
    assert (len(keys), more) == (2, None)
    assert desk.database.write(partial(take_step, desk.mailbox, job, keys, more))
    desk.perform()
    job = desk.database.read(partial(get_resending, EVERYBODY, job.id))
    assert (job.sent, job.state, job.found) == (6, "done", 6)
    assert [one["replays"] for one in desk.find(state=State.DEAD)] == [1] * 6
    other = desk.resend(SEVEN, asked)
    cancel = partial(cancel_resending, SEVEN, other.id, desk.mailbox.clock())
    assert [desk.database.write(cancel).state, desk.database.write(cancel).state] == ["cancelled"] * 2
    found = desk.database.read(partial(find_step, other, STEP_ROWS))
    assert not desk.database.write(partial(take_step, desk.mailbox, other, *found))
    assert [one.id for one in desk.database.read(partial(list_resendings, EVERYBODY, None, ID_LIMIT - 1, 9))] == [
        other.id,
        job.id,
    ]
    assert [one.id for one in desk.database.read(partial(list_resendings, SEVEN, Box.OUTBOX, ID_LIMIT - 1, 9))] == [
        other.id
    ]
    for wrong in (0, HIGHEST_PER_SECOND + 1):
        with pytest.raises(InvalidInput):
            desk.resend(SEVEN, asked, wrong)


async def test_how_endpoints_do(desk: Desk) -> None:
    read = partial(list_doings, desk.sender.endpoints, SEVEN, ID_LIMIT - 1, 10, desk.mailbox.clock())
    doings = desk.database.read(read)
    [doing] = doings
    assert (doing.tries, doing.share, doing.p95, doing.last_at, doing.waiting) == (0, None, None, None, 0)
    assert doing.shown_url == "https://8.8.8.8/…"
    assert len(doing.bars) == 24
    assert first_id_of(0) == 0
