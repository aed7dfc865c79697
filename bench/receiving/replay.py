"""The same traffic through the real receiver: its hook, its mailbox, its reads, on a clock that is moved."""

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from bench.receiving.rules import Score
from bench.receiving.traffic import Session
from ombud import Inbox, Product
from ombud.client.budget import Budget
from ombud.client.budgets import Budgets
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.model import Draft
from ombud.receiver.arrival import read_query
from ombud.receiver.receiver import Receiver
from ombud.receiver.shops import list_shops
from ombud.settings import Settings
from ombud.testing.shop import serve_app
from ombud.testing.work import Heard, VirtualClock, Work

SECOND = 1_000_000
KEY = "key-of-a-benchmark"
TOKEN = "token-of-a-benchmark"  # noqa: S105 - it opens a benchmark and nothing else
FIRST_ID = 1_000
# Seconds by which the clock is moved at once.
STEP_SECONDS = 0.25
REST_STEP_SECONDS = 1.0
# Seconds after the last webhook, in which second looks are due.
REST_SECONDS = 90.0
FOR_EVER = 315_360_000.0
# Requests that may be on their way at once: how fast they may be is tried elsewhere.
ROOM = 1_000_000


class SlowCopies:
    """A shop's API that answers as its products were a while ago."""

    def __init__(self, sessions: Sequence[Session], lag_seconds: float, seed: int) -> None:
        self.sessions = sessions
        self._lag_seconds = lag_seconds
        self._chance = random.Random(seed)  # noqa: S311 - the same for a seed
        self.now = 0.0
        self.reads = 0

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answer a read of one product, or of a page of them, all from one copy."""
        query = parse_qs(scope["query_string"].decode())
        self.reads += 1
        lag = self._chance.expovariate(1 / self._lag_seconds) if self._lag_seconds else 0.0
        if "product_id" in query:
            found: Any = {"product": self._product(int(query["product_id"][0]) - FIRST_ID, lag)}
        else:
            offset, limit = int(query["offset"][0]), int(query["limit"][0])
            numbers = range(len(self.sessions))[offset : offset + limit]
            found = [self._product(number, lag) for number in numbers]
        body = json.dumps(found).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _product(self, number: int, lag: float) -> dict[str, str]:
        version = self.sessions[number].version_at(self.now - lag)
        return {"id": str(FIRST_ID + number), "title": "A product", "price": str(version), "qty": "1"}


def replay(sessions: Sequence[Session], lag_seconds: float, seed: int, folder: Path) -> Score:
    """Have the receiver live through the traffic, with its settings as they are by default."""
    api = SlowCopies(sessions, lag_seconds, seed)
    seen: dict[str, int] = {}
    inbox = Inbox(Settings(database_url="sqlite:////nowhere/at/all.db"))

    @inbox.on("product.update")
    async def note(product: Product) -> None:
        seen[product.id] = max(seen.get(product.id, 0), int(product.price or 0))

    with _at_work(inbox, api, folder) as (receiver, work):
        _live(api, receiver, work)
    stale = sum(seen.get(str(FIRST_ID + n), 0) < len(one.saves) for n, one in enumerate(sessions))
    return Score(stale / len(sessions), api.reads / sum(len(one.saves) for one in sessions))


@contextmanager
def _at_work(inbox: Inbox, api: SlowCopies, folder: Path) -> Iterator[tuple[Receiver, Work]]:
    clock = VirtualClock()
    with serve_app(api) as url:
        settings = replace(Settings(), api_url=f"{url}/v1", api_key=KEY, token=TOKEN, lease_seconds=FOR_EVER)
        receiver = Receiver(SqliteDatabase(folder / "inbox.db", clock), settings)
        receiver.writer.close()
        receiver.writer = writer = Heard(receiver.database)
        receiver.budgets, receiver.patience_seconds, receiver.reconciles = Budgets(), 0.0, False
        receiver.budgets.of(KEY, lambda: Budget(1_000.0, burst=ROOM, clock=lambda: clock() / SECOND))
        inbox.open_on(receiver)
        work = Work(receiver, writer, inbox, clock)
        try:
            work.start()
            work.pass_by(60)
            yield receiver, work
        finally:
            work.stop()
            inbox.close()


def _live(api: SlowCopies, receiver: Receiver, work: Work) -> None:
    due = sorted((moment, number) for number, one in enumerate(api.sessions) for moment in one.arrivals)
    [shop] = receiver.database.read(list_shops)
    delay = round(receiver.settings.quiet_seconds[0] * SECOND)
    end, place, api.reads = due[-1][0] + REST_SECONDS, 0, 0
    while api.now < end:
        step = STEP_SECONDS if place < len(due) else REST_STEP_SECONDS
        api.now += step
        drafts = []
        while place < len(due) and due[place][0] <= api.now:
            arrival = read_query(f"event_type=product.update&product_id={FIRST_ID + due[place][1]}".encode())
            drafts.append(Draft(shop.id, arrival.event_type, arrival.subject, [shop.reader_lane_id], None, delay))
            place += 1
        receiver.database.write(partial(receiver.arrivals.append, drafts))
        work.pass_by(step)
