"""One message for a cause, whoever looks and whatever dies; channels that are down or quiet: on every database."""

import asyncio
import re
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from ombud.admin.access import Caller
from ombud.admin.alarms import book, telling
from ombud.admin.alarms.book import Look, list_alarms, present_alarms
from ombud.admin.alarms.causes import Cause, Finding
from ombud.admin.alarms.channel import channel_document
from ombud.db.database import Database
from ombud.errors import StorageUnavailable
from ombud.mailbox.ids import ID_LIMIT
from ombud.sender.sender import Sender
from tests.admin.alarming import NOON, SECOND, Told, cleared

FAILING, DISABLED = Cause.ENDPOINT_FAILING, Cause.ENDPOINT_DISABLED


class Trouble:
    """What is wrong, as a test says."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.whole = True
        self.abouts: list[str] | None = None

    def set(self, *abouts: str, cause: Cause = FAILING, shop_id: int = 1) -> None:
        self.findings = [
            Finding(cause, about, shop_id, NOON, {"endpoint_id": about, "url": "https://x.test/…", "reason": "no"})
            for about in abouts
        ]

    async def watch(self, _: int) -> Look:
        return Look((FAILING, DISABLED), self.findings, self.whole, self.abouts)


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
def told(database: Database, sender: Sender, trouble: Trouble) -> Told:
    cleared(database)
    return Told(database, sender.writer, [trouble.watch])


def subjects(messages: list[tuple[str, str]]) -> list[str]:
    return [text.partition("\n")[0] for _, text in messages]


async def check_one_message(told: Told, trouble: Trouble) -> None:
    told.add()
    other = told.node([trouble.watch])
    other.courier = told.alarms.courier
    said = await told.after(0)
    trouble.set("ep_1")
    for _ in range(30):
        said += await told.after(10)
        # Another process looks at the same moment, and this one is started anew.
        await asyncio.gather(other.look(), told.alarms.look())
        await asyncio.gather(other.tell(), told.alarms.tell())
        told.alarms = told.node([trouble.watch])
        told.alarms.courier = other.courier
    trouble.set()
    for _ in range(30):
        said += await told.after(10)
        await asyncio.gather(other.look(), told.alarms.look())
        await asyncio.gather(other.tell(), told.alarms.tell())
    said += await told.after(0)
    assert subjects(said) == [
        "[Ombud] https://x.test/… (ep_1) does not take webhooks",
        "[Ombud] Over: https://x.test/… (ep_1) does not take webhooks",
    ]


async def test_one_message_while_it_lasts_and_one_when_it_is_over(told: Told, trouble: Trouble) -> None:
    await check_one_message(told, trouble)


async def test_a_cause_told_twice_would_be_noticed(told: Told, trouble: Trouble, monkeypatch: Any) -> None:
    """The negative control: alarms that forget what they have told."""
    forget = monkeypatch.setattr
    real = book._known
    forget(book, "_known", lambda row: real({**row, "began_at": None}))
    begin = book.sql["begin_alarm"]
    text = begin.sql.replace("began_at is null and", "")
    forget(book, "sql", {**{one.name: one for one in book.sql}, "begin_alarm": type(begin)(begin.name, text)})
    with pytest.raises(AssertionError):
        await check_one_message(told, trouble)


async def test_a_message_says_what_is_wrong_and_what_mends_it(told: Told, trouble: Trouble) -> None:
    told.add(language="sv")
    trouble.set("ep_1", cause=DISABLED)
    await told.after(0)
    [(target, text)] = await told.after(60)
    assert target == "anna@example.com"
    assert "https://x.test/… (ep_1)" in text
    assert "2027-01-11 13:00 CET" in text
    assert "https://ombud.test/settings/alarms" in text


async def test_each_hears_what_concerns_them(told: Told, trouble: Trouble) -> None:
    told.add("everything@x.se")
    told.add("shop1@x.se", shop_id=1)
    told.add("shop2@x.se", shop_id=2)
    told.add("disabled@x.se", causes=(DISABLED,))
    told.change(told.add("off@x.se"), enabled=False)
    trouble.set("ep_1")
    assert sorted(target for target, _ in await told.passing(120)) == ["everything@x.se", "shop1@x.se"]
    mine, theirs = Caller("mine", 1), Caller("theirs", 2)
    for caller, count in ((mine, 1), (theirs, 0)):
        assert len(told.database.read(partial(present_alarms, caller, 10))) == count
        assert len(told.database.read(partial(list_alarms, caller, ID_LIMIT - 1, 10))) == count


async def test_many_at_once_are_one_message(told: Told, trouble: Trouble) -> None:
    told.add()
    trouble.set(*(f"ep_{number}" for number in range(40)))
    await told.after(0)
    [(_, text)] = await told.after(60)
    assert text.startswith("[Ombud] 40 alarms\n")
    assert len(re.findall("does not take webhooks", text)) == 30
    assert "And 10 more." in text
    trouble.set("ep_0")
    [(_, text)] = await told.passing(120)
    assert text.startswith("[Ombud] 39 over\n")


async def test_no_more_than_one_message_in_a_while(told: Told, trouble: Trouble) -> None:
    told.add()
    trouble.set("ep_1")
    await told.after(0)
    await told.after(50)
    trouble.set("ep_1", "ep_2")
    assert len(await told.after(10)) == 1
    trouble.set("ep_1", "ep_2", "ep_3")
    assert await told.after(10) == []
    said = await told.passing(120, 12)
    assert 1 <= len(said) <= 2
    assert "ep_2" in "".join(text for _, text in said)


async def test_at_night_nobody_is_told_and_in_the_morning_once(told: Told, trouble: Trouble) -> None:
    channel = told.add(quiet_hours="13:00-14:00")
    trouble.set("ep_1")
    assert await told.passing(600) == []
    trouble.set("ep_2")
    assert await told.passing(600) == []
    assert told.get(channel).waiting == 3
    assert await told.after(2_399) == []
    [(_, text)] = await told.after(1)
    assert text.startswith("[Ombud] 1 alarm, 1 over\n")
    assert text.index("Over: https://x.test/… (ep_1)") < text.index("(ep_2)")
    assert told.get(channel).waiting == 0


async def test_quiet_hours_that_somebody_ends_are_over(told: Told, trouble: Trouble) -> None:
    channel = told.add(quiet_hours="13:00-14:00")
    trouble.set("ep_1")
    assert await told.passing(120) == []
    told.change(channel, quiet_hours="")
    assert len(await told.after(1)) == 1


async def test_a_channel_that_is_down_is_tried_again_and_shown(told: Told, trouble: Trouble) -> None:
    channel, well = told.add(), told.add("well@x.se")
    tries = []
    told.courier.down = "The mail server took too long."
    told.courier.before = lambda: tries.append(told.now)
    trouble.set("ep_1")
    await told.passing(60)
    told.change(well, enabled=False)
    await told.passing(1_000, 250)
    shown = told.get(channel)
    assert (shown.reason, shown.waiting) == ("The mail server took too long.", 1)
    assert shown.failed_at == tries[0]
    pauses = [(later - earlier) // SECOND for earlier, later in pairwise(tries[2:])]
    assert all(later >= 2 * earlier for earlier, later in pairwise(pauses))
    assert len(tries) <= 9
    trouble.set("ep_1", "ep_2")
    told.courier.down = None
    [(_, text)] = await told.passing(3_600, 60)
    assert "ep_1" in text
    assert "ep_2" in text
    shown = told.get(channel)
    assert (shown.reason, shown.failed_at, shown.failures, shown.waiting) == (None, None, 0, 0)


async def test_what_nobody_could_be_told_for_days_is_dropped(told: Told, trouble: Trouble) -> None:
    channel = told.add()
    told.courier.down = "no"
    trouble.set("ep_1")
    await told.passing(120)
    assert channel_document(told.get(channel))["next_try_at"] is not None
    # After an edit it is tried at once.
    told.change(channel, name="Anna")
    assert channel_document(told.get(channel))["next_try_at"] is None
    await told.after(4 * 86_400)
    assert told.get(channel).waiting == 0


async def test_who_dies_after_sending_leaves_it_to_the_next(told: Told, trouble: Trouble) -> None:
    channel = told.add()
    trouble.set("ep_1")
    await told.after(0)
    told.now += 60 * SECOND
    await told.alarms.look()
    [dying] = await told.writer.write(lambda: telling.claim(told.now))
    assert await told.after(30) == []
    assert len(await told.after(31)) == 1
    # The one that was thought dead comes back: what it says changes nothing.
    await told.writer.write(lambda: telling.failed(dying, "late", told.now))
    assert told.get(channel).reason is None
    assert await told.passing(120) == []


async def test_a_look_that_fails_ends_nothing(told: Told, trouble: Trouble) -> None:
    told.add()
    trouble.set("ep_1")
    await told.passing(120)

    async def blind(_: int) -> Look:
        raise StorageUnavailable

    courier = told.alarms.courier
    told.alarms = told.node([blind])
    told.alarms.courier = courier
    assert await told.passing(600) == []


async def test_each_process_judges_what_it_looks_at(told: Told, trouble: Trouble) -> None:
    """A sender and a receiver on one database are looked at by a process each."""
    told.add()
    trouble.set("outbox")
    trouble.abouts = ["outbox"]
    other = Trouble()
    other.abouts = ["inbox"]
    receiver = told.node([other.watch])
    for _ in range(30):
        assert len(await told.after(10)) <= 1
        await receiver.look()
    assert [one["ended_at"] for one in told.database.read(partial(present_alarms, Caller("owner"), 10))] == [None]


async def test_a_look_at_a_part_says_nothing_of_the_rest(told: Told, trouble: Trouble) -> None:
    told.add()
    trouble.set("ep_1")
    await told.passing(120)
    trouble.whole = False
    trouble.set("ep_2")
    assert subjects(await told.passing(600)) == ["[Ombud] https://x.test/… (ep_2) does not take webhooks"]


async def test_what_is_over_is_kept_for_a_month(told: Told, trouble: Trouble) -> None:
    everybody = Caller("owner")

    def kept() -> list[Any]:
        return told.database.read(lambda: list_alarms(everybody, ID_LIMIT - 1, 10))

    for about in ("ep_1", "ep_2"):
        trouble.set(about)
        await told.passing(120)
        trouble.set()
        await told.passing(120)
        told.now += 0 if about == "ep_2" else 31 * 86_400 * SECOND
    assert [(one["about"], one["ended_at"] is not None) for one in kept()] == [("ep_2", True)]
