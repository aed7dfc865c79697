"""The whole chain as processes: publisher → serve → receive → work → handler → sink, and a shop that confirms orders.

The publisher, the shop and the sinks are never killed; the three in the middle are. They keep what they have in two
databases, the sender's and the receiver's.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from ombud.client import ShopClient
from ombud.db.connect import open_database
from ombud.db.database import Database
from ombud.db.operation import Operation, Statement
from tests.faults.history import Findings, check, read
from tests.faults.mailbox.crew import wait_until
from tests.faults.mailbox.post import pending
from tests.support.processes import PATIENCE_SECONDS, ROOT, Commands, Ombud, Ombuds

EVENTS_PER_SECOND = 200
WINDOW_CAP = 64
TOKEN = "a-token-for-this-test-only"
# Orders in one request to the shop.
BATCH = 200
# Seconds after the last kill until everything that was accepted must be done.
DRAIN_SECONDS = 60.0

ROLES = ("serve", "receive", "work")


@contextmanager
def helper(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that writes a history and is never killed while the test runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.faults.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


# Seconds from now.
_WAITING = Statement(
    "lanes_that_wait",
    "select l.id, l.crashes, l.window_size, l.probes, l.closed_at, l.lease_token is not null as leased,"
    " (l.wake_at - :now) / 1000000 as wakes_in, (l.hold_until - :now) / 1000000 as held_for, count(*) as pending,"
    " min(d.due_at - :now) / 1000000 as due_in, max(d.attempts) as attempts"
    " from lane l join delivery d on d.lane_id = l.id where d.state = 0 group by l.id order by l.id limit 30",
)


@dataclass
class Chain:
    """The killed processes, and how to start each again. `broken` names a broken build for a role."""

    ombuds: Ombuds
    databases: Mapping[str, str]
    shop: Ombud
    sink_url: str
    folder: Path
    broken: dict[str, str] = field(default_factory=dict)
    running: dict[str, Ombud] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=dict)

    def start(self, roles: Sequence[str]) -> None:
        """Start roles beside each other, each on the port that it had before."""
        with ThreadPoolExecutor(len(roles)) as pool:
            list(pool.map(self._start, roles))

    def _start(self, role: str) -> None:
        arguments = {
            "serve": ["serve", "--database", self.databases["sender"], "--port", self.ports.get(role, "0")],
            "receive": ["receive", "tests.faults.handler_app:inbox", "--no-work", "--port", self.ports.get(role, "0")],
            "work": ["work", "tests.faults.handler_app:inbox"],
        }[role]
        program = ("-m", "tests.faults.broken", self.broken[role]) if role in self.broken else ()
        environment = self._environment(role) | ({"BROKEN_MARKER": str(self.marker)} if program else {})
        self.running[role] = ombud = self.ombuds.start(*arguments, program=program, **environment)
        address = ombud.card.get("api") or ombud.card.get("receiver_api")
        if address:
            self.ports[role] = str(urlsplit(address).port)

    @property
    def marker(self) -> Path:
        """What a broken build makes when the moment for a kill has come."""
        return self.folder / "marker"

    def kill(self, roles: Sequence[str]) -> None:
        """Kill roles at once, then start them again."""
        for role in roles:
            self.running[role].process.kill()
        for role in roles:
            self.running[role].kill()
        self.start(roles)

    def _environment(self, role: str) -> dict[str, str]:
        # On PostgreSQL what a killed process held is free when its lease ends.
        soon = {"OMBUD_LEASE_SECONDS": "1", "OMBUD_RETRY_SECONDS": ",".join(["0.2"] * 200)}
        if role == "serve":
            return {**soon, "OMBUD_ALLOW_NETWORKS": "127.0.0.0/8"}
        return {
            **soon,
            "OMBUD_DATABASE_URL": self.databases["receiver"],
            "OMBUD_TOKEN": TOKEN,
            "OMBUD_API_KEY": self.shop.card["shop_key"],
            "OMBUD_API_URL": self.shop.card["shop_api"],
            "OMBUD_READS_PER_SECOND": "2000",
            "SINK_URL": self.sink_url,
        }


def paid_orders(shop: Ombud, count: int) -> list[str]:
    """Have the shop hold paid orders that it told nobody about; returns their ids."""
    ids: list[str] = []
    with ShopClient(shop.card["shop_key"], base_url=shop.card["shop_api"]) as client:
        product = next(iter(client.products()))
        order = {"products": [{"product_id": product.id, "qty": 1}], "customer": {"email": "anna@example.test"}}
        while len(ids) < count:
            created = client.create_orders([order] * BATCH)
            client.update_orders([{"order_id": one, "status": "paid", "skip_webhook": True} for one in created])
            ids += created
    paid_at = int(time.time())
    # A receiver that begins within this second tells them: they may have been paid since.
    wait_until(lambda: int(time.time()) > paid_at, lambda: "the clock stands still")
    return ids


@dataclass(frozen=True)
class Result:
    """What the histories say of the sender's deliveries, and of the handler's runs."""

    deliveries: Findings
    runs: Findings


@dataclass
class Campaign:
    """One run of the chain, from the first event until everything has drained."""

    ombuds: Ombuds
    commands: Commands
    databases: Mapping[str, str]
    orders: int

    @contextmanager
    def flowing(self, broken: dict[str, str]) -> Iterator[Chain]:
        """Let events flow until the block ends, and drain."""
        with ExitStack() as stack:
            sink = stack.enter_context(helper("sink", str(self._arrived)))
            publisher = stack.enter_context(helper("publisher", str(self._sent), str(EVENTS_PER_SECOND)))
            assert sink.stdout is not None
            assert publisher.stdin is not None
            sink_url = f"http://127.0.0.1:{sink.stdout.readline().strip()}/"
            key = self.commands.run("keys", "add", "test", "--database", self.databases["sender"]).out.strip()
            store = f"sqlite:///{self.commands.folder}/shop.db"
            shop = self.ombuds.start("shop", "--port", "0", "--database", store, program=("-m", "ombud"))
            orders = paid_orders(shop, self.orders)
            chain = Chain(self.ombuds, self.databases, shop, sink_url, self.commands.folder, broken)
            chain.start(ROLES)
            api = chain.running["serve"].card["api"]
            hook = f"http://127.0.0.1:{chain.ports['receive']}/hooks/{TOKEN}"
            with httpx2.Client(base_url=api, headers={"Authorization": f"Bearer {key}"}) as client:
                for url in (sink_url, hook):
                    assert client.post("/endpoints", json={"url": url}).status_code == 201
            publisher.stdin.write(json.dumps({"api": api, "api_key": key, "orders": orders}) + "\n")
            publisher.stdin.flush()
            yield chain
            publisher.stdin.close()  # which tells it to end
            publisher.wait(PATIENCE_SECONDS)
            drain(chain)
            ended = {role: ombud.process.returncode for role, ombud in chain.running.items() if not alive(ombud)}
            assert not ended, f"ended by themselves, with exit code: {ended}"

    def delivered(self) -> int:
        """How much the sink has heard of."""
        return sum(what == "deliver" for what, _, _ in read([self._arrived])) if self._arrived.exists() else 0

    def result(self) -> Result:
        """What the histories say, once everything has drained."""
        lines = read([self._sent, self._arrived])
        return Result(check(lines, "deliver"), check(lines, "handle"))

    @property
    def _sent(self) -> Path:
        return self.commands.folder / "publisher.history"

    @property
    def _arrived(self) -> Path:
        return self.commands.folder / "sink.history"


def killings(chance: random.Random, kills: int) -> Iterator[Sequence[str]]:
    """Return who is killed: each alone and all together, before any of these comes again."""
    while kills > 0:
        ways: list[Sequence[str]] = [*((role,) for role in ROLES), ROLES]
        chance.shuffle(ways)
        yield from ways[:kills]
        kills -= len(ways)


def campaign(
    ombuds: Ombuds, commands: Commands, databases: Mapping[str, str], kills: int, seed: int, broken: dict[str, str]
) -> Result:
    """Kill random roles, alone and all together, while events come in; judge once everything has drained."""
    chance = random.Random(seed)
    run = Campaign(ombuds, commands, databases, (kills + 5) * EVENTS_PER_SECOND * 2)
    with run.flowing(broken) as chain:
        for roles in killings(chance, kills):
            pause(chain.running["serve"], chance.uniform(0.05, 1.0))
            chain.kill(roles)
    result = run.result()
    print(f"seed {seed}, {kills} kills; deliveries: {result.deliveries}; runs: {result.runs}")
    return result


def pause(ombud: Ombud, seconds: float) -> None:
    """How long a process lives before the kill is the fault's own random variable."""
    try:
        code = ombud.process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError(f"it ended by itself, with exit code {code}")


def alive(ombud: Ombud) -> bool:
    """Whether it runs."""
    return ombud.process.poll() is None


def drain(chain: Chain) -> None:
    """Wait until nothing is pending any more, in either database."""
    drain_databases(list(chain.databases.values()), lambda: pause(chain.running["serve"], 0.1))


def lanes_that_wait(database: Database) -> list[Any]:
    """Return the lanes of which something is pending: whether each is slow or stuck is seen by its times."""

    def read_them() -> Operation[list[Any]]:
        return (yield _WAITING, {})

    return database.read(read_them)


def drain_databases(urls: Sequence[str], rest: Callable[[], None], seconds: float = DRAIN_SECONDS) -> None:
    """Wait until nothing is pending any more in these databases; `rest` between two looks."""
    opened = [open_database(url) for url in urls]
    deadline = time.monotonic() + seconds
    try:
        while waiting := sum(map(pending, opened)):
            assert time.monotonic() < deadline, f"{waiting} deliveries are not done: {[*map(lanes_that_wait, opened)]}"
            rest()
    finally:
        for database in opened:
            database.close()
