"""What is wrong is seen, and that it is over: each cause by the real part that suffers it, on every database."""

from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from ombud.admin.alarms.alarms import Watch
from ombud.admin.alarms.causes import Cause, Finding
from ombud.admin.alarms.watch_inbox import watch_inbox
from ombud.admin.alarms.watch_machine import watch_disks, watch_work
from ombud.admin.alarms.watch_sender import watch_sender
from ombud.client.budget import Priority
from ombud.db.database import Database
from ombud.db.operation import Operation
from ombud.mailbox.model import Box, Dead, Draft
from ombud.receiver.meter import HOUR, Meter, note_told
from ombud.receiver.options import HandlerFacts
from ombud.receiver.receiver import Receiver
from ombud.receiver.registry import register_handlers
from ombud.receiver.shops import add_shop
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.notices import Notice
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.web.alarm_words import FIXES, HEADLINES, NAMES, headline
from ombud.web.words import words_in
from tests.admin.alarming import cleared
from tests.admin.post import Post, once

SECOND, DAY = 1_000_000, 86_400_000_000
SETTINGS = Settings(allow_networks=(ip_network("127.0.0.0/8"),), alarm_silence_seconds=86_400.0)
INBOX_TABLES = ("inbox_shop", "inbox_dead", "meter", "handler")


async def found(watch: Watch, now: int) -> list[Finding]:
    findings = list((await watch(now)).findings)
    for one in findings:
        # Each can be said, in both languages, with nothing left open.
        for language in ("en", "sv"):
            assert "%" not in headline(one.cause, one.facts, words_in(language)).replace(" %", "")
    return findings


def test_every_cause_has_its_words() -> None:
    assert set(NAMES) == set(HEADLINES) == set(FIXES) == set(Cause)


@pytest.fixture
def endpoint(database: Database, sender: Sender) -> int:
    cleared(database)
    edit = EndpointEdit("http://127.0.0.1:9/secret-path", event_types=["order.new"])
    return database.write(lambda: sender.endpoints.add(edit)).id


def publish(sender: Sender, events: int) -> None:
    drafts = [Event("order.new", str(number)) for number in range(events)]
    sender.database.write(lambda: sender.outbox.publish(drafts))


async def test_endpoints(database: Database, sender: Sender, endpoint: int, run_sql: Callable[..., Any]) -> None:
    watch, now = watch_sender(sender), database.clock()
    assert await found(watch, now) == []
    run_sql("update endpoint set closed_since = :now where id = :id", now=now, id=endpoint)
    [failing] = await found(watch, now)
    assert (failing.cause, failing.shop_id, failing.since) == (Cause.ENDPOINT_FAILING, 1, now)
    assert "secret-path" not in failing.text
    database.write(lambda: sender.notices.disable(1, endpoint, "It answered 410 (gone) twice, an hour apart."))
    [disabled] = await found(watch, now)
    assert (disabled.cause, disabled.about) == (Cause.ENDPOINT_DISABLED, failing.about)
    database.write(lambda: sender.endpoints.change(endpoint, enabled=True))
    run_sql("update endpoint set closed_since = null")
    assert await found(watch, now) == []
    # What a person has switched off is no alarm.
    database.write(lambda: sender.endpoints.change(endpoint, enabled=False))
    assert await found(watch, now) == []


async def test_dead_deliveries_are_counted_for_a_day(
    database: Database, sender: Sender, endpoint: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.admin.alarms.watch_sender.STEP", 4)
    watch, post = watch_sender(sender), Post(database, sender.outbox.mailbox)
    publish(sender, 10)
    post.perform(lambda _: Dead("no"))
    now = database.clock()
    [dead] = await found(watch, now)
    assert (dead.cause, dead.facts["amount"]) == (Cause.DELIVERY_DEAD, 10)
    assert database.read(partial(once, "select * from dead_letter")) == []
    publish(sender, 1)
    post.perform(lambda _: Dead("no"))
    [dead] = await found(watch, database.clock())
    assert dead.facts["amount"] == 11
    assert len(await found(watch, now + DAY - 2 * HOUR)) == 1
    assert await found(watch, now + DAY) == []


async def test_what_dies_is_on_record_with_its_death(database: Database, sender: Sender, endpoint: int) -> None:
    """A process that dies after the settle has lost nothing; one whose settle is undone has written nothing."""
    watch_sender(sender)
    publish(sender, 1)
    post = Post(database, sender.outbox.mailbox)

    def fail(_: Notice) -> Operation[None]:
        yield from ()
        raise RuntimeError("undone")

    sender.notices.also.append(fail)
    leased = post.lease()
    for lane, loaded in leased:
        with pytest.raises(RuntimeError, match="undone"):
            post.settle(lane, *((delivery, Dead("no")) for delivery in loaded.deliveries))
    assert database.read(partial(once, "select * from dead_letter")) == []
    sender.notices.also.remove(fail)
    for lane, loaded in leased:
        post.settle(lane, *((delivery, Dead("no")) for delivery in loaded.deliveries))
    assert len(database.read(partial(once, "select * from dead_letter"))) == 1
    assert len(database.read(partial(once, "select 1 from delivery where state = 2"))) == 1


async def test_work_that_nobody_does(database: Database, sender: Sender, endpoint: int) -> None:
    watch, now = watch_work([(database, Box.OUTBOX)], SETTINGS), database.clock()
    publish(sender, 1)
    assert await found(watch, now + 299 * SECOND) == []
    [late] = await found(watch, now + 302 * SECOND)
    assert (late.cause, late.about) == (Cause.WORK_LATE, "outbox")
    # What is held or closed waits for its endpoint.
    database.write(partial(once, "update lane set closed_at = 1 where box = 1"))
    assert await found(watch, now + 302 * SECOND) == []


async def test_a_disk(tmp_path: Path) -> None:
    full, roomy = (watch_disks([tmp_path / "x.db"], Settings(alarm_disk_percent=percent)) for percent in (1, 99))
    [disk] = await found(full, 7)
    assert (disk.cause, disk.about) == (Cause.DISK_FULL, str(tmp_path))
    assert 1 <= int(disk.facts["percent"]) <= 100
    assert await found(roomy, 7) == []


@pytest.fixture
def receiver(database: Database) -> Iterator[Receiver]:
    made = Receiver(database, SETTINGS)
    cleared(database)
    for table in INBOX_TABLES:
        database.write(partial(once, f"delete from {table}"))
    database.write(lambda: add_shop(made.arrivals, "Anna's", "a-token-of-anna", None))
    yield made
    made.writer.close()


def shop_of(receiver: Receiver) -> Any:
    [shop] = receiver.database.read(partial(once, "select id, reader_lane_id, created_at from inbox_shop"))
    return shop


async def test_a_key_that_is_refused(receiver: Receiver) -> None:
    shop, watch = shop_of(receiver), watch_inbox(receiver, alone=True)
    meter = Meter(receiver.writer, receiver.arrivals.clock)
    hear, now = meter.hears(shop["id"]), receiver.arrivals.clock()
    for statuses, count in (((200, 503, 429), 0), ((401,), 1), ((500,), 1), ((401, 401), 1), ((401, 200), 0)):
        for status in statuses:
            hear(Priority.CONFIRM_ORDER, status)
        await meter.flush()
        refused = await found(watch, now)
        assert [one.cause for one in refused] == [Cause.KEY_REFUSED] * count
        assert [one.shop_id for one in refused] == [shop["id"]] * count
    hear(Priority.CONFIRM_ORDER, 401)
    await meter.flush()
    assert [one.shop_id for one in await found(watch_inbox(receiver, alone=False), now)] == [0]


async def test_webhooks_that_stay_away(receiver: Receiver) -> None:
    shop, watch, clock = shop_of(receiver), watch_inbox(receiver, alone=True), receiver.arrivals.clock
    last = clock() - 3 * DAY

    def tell(source: str, at: int) -> None:
        receiver.database.write(lambda: note_told(shop["id"], "order", source, at))

    used = "update inbox_shop set created_at = 1, token_used_at = :at"
    receiver.database.write(partial(once, used, at=last))
    # A quiet shop, and one whose webhooks come.
    assert await found(watch, last + 2 * DAY) == []
    tell("webhook", last)
    tell("reconcile", last - HOUR)
    assert await found(watch, last + 2 * DAY) == []
    # One order is chance, until the day is over; three are none.
    tell("reconcile", last + 2 * HOUR)
    assert await found(watch, last + 3 * HOUR) == []
    [missing] = await found(watch, last + DAY)
    assert (missing.cause, missing.since, missing.facts["amount"]) == (Cause.WEBHOOKS_MISSING, last, 1)
    tell("reconcile", last + 3 * HOUR)
    tell("reconcile", last + 3 * HOUR)
    assert len(await found(watch, last + 4 * HOUR)) == 1
    receiver.database.write(partial(once, used, at=last + 4 * HOUR))
    assert await found(watch, last + 2 * DAY) == []


async def test_what_an_inbox_gives_up(receiver: Receiver) -> None:
    shop, watch, database = shop_of(receiver), watch_inbox(receiver, alone=True), receiver.database
    handlers = [HandlerFacts("ship", ["order.new"], 1.0)]
    database.write(lambda: register_handlers(receiver.changes, handlers))
    [handler] = database.read(partial(once, "select id from handler"))
    lane = database.write(lambda: receiver.changes.add_lane(shop["id"], handler["id"]))
    runs = [Draft(shop["id"], "order.new", f"order/{number}", [lane]) for number in range(2)]
    reads = [Draft(shop["id"], "order.new", f"order/{number}", [shop["reader_lane_id"]]) for number in range(2)]
    database.write(lambda: receiver.changes.append(runs))
    database.write(lambda: receiver.arrivals.append(reads))
    Post(database, receiver.changes).perform(lambda _: Dead("no"))
    # What is held waits for a person, and is not given up.
    Post(database, receiver.arrivals).perform(
        lambda delivery: Dead("held: older than the inbox" if delivery.subject == "order/0" else "no")
    )
    now = database.clock()
    by_cause = {one.cause: one for one in await found(watch, now)}
    assert {cause: one.facts["amount"] for cause, one in by_cause.items()} == {Cause.RUN_DEAD: 2, Cause.READ_DEAD: 1}
    assert by_cause[Cause.RUN_DEAD].facts["handler"] == "ship"
    assert await found(watch, now + DAY) == []
