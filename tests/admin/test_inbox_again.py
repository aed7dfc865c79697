"""Arrivals and runs of a receiver, done again by a job: what is held, what was given up, and nothing else."""

import asyncio
from functools import partial

import pytest

from ombud.admin.access import Caller
from ombud.admin.delivery_filter import Asked, Texts
from ombud.admin.inbox_filter import AskedArrivals, AskedRuns
from ombud.admin.resender import resend_beside
from ombud.admin.resending import (
    STEP_ROWS,
    Found,
    Resending,
    count_wanted,
    find_step,
    get_resending,
    next_resending,
    start_resending,
    take_step,
)
from ombud.db.operation import Row
from ombud.errors import InvalidInput
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box, Dead, Draft
from ombud.receiver.listed import HELD
from ombud.receiver.receiver import Receiver
from ombud.receiver.shops import list_shops
from ombud.settings import Settings
from tests.admin.audited import make_receiver
from tests.admin.post import Post
from tests.mailbox.office import WatchedWriter
from tests.support.databases import Home
from tests.support.full_house import hold

EVERYBODY, STRANGER = Caller("Anna"), Caller("Berit", 7)


def open_receiver(home: Home) -> Receiver:
    """Three arrivals that are held, others that were given up, and runs that were all given up."""
    make_receiver(home)
    receiver = Receiver(home.open(), Settings(perform="elsewhere"))
    arrivals = Post(receiver.database, receiver.arrivals)
    [shop] = receiver.database.read(list_shops)
    lanes = [shop.reader_lane_id]
    drafts = [Draft(shop.id, "product.reconcile", f"product/{number}", lanes) for number in (31, 32, 33)]
    ids = arrivals.run(lambda: receiver.arrivals.append(drafts))
    arrivals.run(lambda: hold([(id_, shop.reader_lane_id, HELD) for id_ in ids]))
    arrivals.run(lambda: receiver.arrivals.append([Draft(shop.id, "order.new", "order/404", lanes)]))
    arrivals.perform(lambda _: Dead("Unconfirmed."))
    Post(receiver.database, receiver.changes).perform(lambda _: Dead("KeyError"))
    return receiver


def start(receiver: Receiver, asked: Texts, caller: Caller = EVERYBODY, per_second: int = 200) -> Resending:
    """Count, and put a job on record."""
    database = receiver.database
    now = database.clock()
    found = database.read(partial(count_wanted, caller, asked, now))
    number = database.write(partial(start_resending, caller, asked, per_second, found, now))
    return database.read(partial(get_resending, caller, number))


def take_all(receiver: Receiver, mailbox: Mailbox, job: Resending) -> int:
    """Take the steps of a job to its end; returns how many were done again."""
    while job.ended_at is None:
        keys, more = receiver.database.read(partial(find_step, job, STEP_ROWS))
        assert receiver.database.write(partial(take_step, mailbox, job, keys, more))
        job = receiver.database.read(partial(get_resending, EVERYBODY, job.id))
    return job.sent


def waiting(receiver: Receiver, box: Box) -> list[Row]:
    return Post(receiver.database, receiver.arrivals).rows(
        "select e.subject, d.generation from delivery d join lane l on l.id = d.lane_id"
        " join event e on e.day = d.day and e.id = d.event_id"
        " where l.box = :box and d.state = 0 and d.generation > 0 order by e.subject",
        box=box,
    )


async def test_held_arrivals_are_released_and_those_that_were_given_up_stay(home: Home) -> None:
    receiver = open_receiver(home)
    job = start(receiver, AskedArrivals(state="held", type="product.reconcile"))
    assert (job.found, job.asked.kind) == (3, "arrivals")
    # Each mailbox takes its own.
    assert receiver.database.read(partial(next_resending, Box.CHANGES)) is None
    assert receiver.database.read(partial(next_resending, Box.INBOX)) == job
    assert take_all(receiver, receiver.arrivals, job) == 3
    assert [row["subject"] for row in waiting(receiver, Box.INBOX)] == ["product/31", "product/32", "product/33"]
    assert take_all(receiver, receiver.arrivals, start(receiver, AskedArrivals(state="dead", subject="404"))) == 1
    assert {row["subject"] for row in waiting(receiver, Box.INBOX)} >= {"order/404", "product/31"}
    receiver.close()


async def test_runs_of_one_handler_are_made_again(home: Home) -> None:
    receiver = open_receiver(home)
    assert start(receiver, AskedRuns(state="dead", handler="left")).found == 0
    job = start(receiver, AskedRuns(state="dead", handler="ship"), per_second=1)
    assert job.found == 1
    assert take_all(receiver, receiver.changes, job) == job.found == len(waiting(receiver, Box.CHANGES))
    receiver.close()


async def test_nobody_does_again_what_is_not_theirs_or_waits(home: Home) -> None:
    receiver = open_receiver(home)
    nothing = Found(0, whole=True)
    read, now = receiver.database.read, receiver.database.clock()
    assert read(partial(count_wanted, STRANGER, AskedRuns(state="dead"), now)) == nothing
    assert read(partial(count_wanted, STRANGER, AskedArrivals(state="held"), now)) == nothing
    for asked in (AskedRuns(), AskedRuns(state="held"), AskedArrivals(state="stored"), Asked(state="pending")):
        with pytest.raises(InvalidInput) as refused:
            start(receiver, asked)
        assert refused.value.field == "state"
    with pytest.raises(InvalidInput, match="not the number of a shop"):
        read(partial(count_wanted, EVERYBODY, AskedRuns(state="dead", shop="x"), now))
    receiver.close()


async def test_whoever_works_on_the_database_takes_the_steps(home: Home) -> None:
    receiver = open_receiver(home)
    jobs = [start(receiver, AskedArrivals(state="held")), start(receiver, AskedRuns(state="dead"))]

    writer = WatchedWriter(receiver.database)
    receiver.writer.close()
    receiver.writer = writer

    def now() -> list[Resending]:
        return [receiver.database.read(partial(get_resending, EVERYBODY, job.id)) for job in jobs]

    await resend_beside(receiver, partial(writer.until, lambda: all(job.state == "done" for job in now())))
    assert [job.sent for job in now()] == [job.found for job in jobs]
    await asyncio.to_thread(receiver.close)
