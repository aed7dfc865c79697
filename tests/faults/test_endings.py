"""A sender with 500 endpoints ends under load, by SIGTERM and by kill -9, and is started again: nothing is lost.

Where endpoints answer within the 4 seconds that a stop leaves them, a SIGTERM repeats nothing either. The full run:
OMBUD_TEST_ENDINGS=50 OMBUD_TEST_ANSWER_SECONDS=3.5 ./test tests/faults/test_endings.py -s
"""

import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_network
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ombud.admin.keys import add_key, new_key
from ombud.clock import now_microseconds
from ombud.db.connect import open_database
from ombud.db.migrate import migrate
from ombud.db.operation import Operation
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.faults.chain import drain_databases, helper, pause
from tests.faults.history import Findings, History, check, read
from tests.support.databases import lend_home
from tests.support.postgres import PostgresServers
from tests.support.processes import Ombud, Ombuds

ENDINGS = int(os.environ.get("OMBUD_TEST_ENDINGS", "1"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# The longest that an endpoint takes to answer.
ANSWER_SECONDS = float(os.environ.get("OMBUD_TEST_ANSWER_SECONDS", "1"))
SHOPS, ENDPOINTS_PER_SHOP = 25, 20
# Events a second, each for all endpoints of its shop.
EVENTS_PER_SECOND = 25
# Seconds that a process lives: at least as long as it takes until the first answers are slow.
LIFE_SECONDS = (0.5, 1.5)
TIMEOUT_SECONDS = 10.0
# Seconds after the last ending until all is delivered. A lane that a crash has left tries one after the other at first.
DRAIN_SECONDS = 60.0 + 60.0 * ANSWER_SECONDS

End = Callable[[Ombud], None]


def terminate(ombud: Ombud) -> None:
    """As a supervisor does; what is in flight may end."""
    began = time.monotonic()
    assert ombud.stop(signal.SIGTERM) == 0
    print(f"ended after {time.monotonic() - began:.2f} s")


def kill(ombud: Ombud) -> None:
    """As a power cut does."""
    ombud.kill()


@dataclass
class Shops:
    """Publishes for shops in turn, and writes down what must arrive where."""

    history: History
    key: str
    port: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Publish until the block ends."""
        thread = threading.Thread(target=self._publish)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    def _publish(self) -> None:
        began = time.monotonic()
        for number in count():
            if self._stopped.wait(max(0.0, began + number / EVENTS_PER_SECOND - time.monotonic())):
                return
            shop_id = number % SHOPS + 1
            self._write("attempt", number, shop_id)
            if self._post({"event_type": "order.new", "order_id": number, "shop_id": shop_id}):
                self._write("ack", number, shop_id)

    def _post(self, event: dict[str, object]) -> bool:
        # A connection for each: the server comes and goes.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", "/v1/events", json.dumps(event), {"Authorization": f"Bearer {self.key}"})
            return connection.getresponse().status == http.client.CREATED
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _write(self, what: str, number: int, shop_id: int) -> None:
        for endpoint in range(ENDPOINTS_PER_SHOP):
            self.history.write(what, f"{number}@/{shop_id}/{endpoint}")


def found(url: str, sink_port: str) -> str:
    """Make the tables, the endpoints and a key; returns the key."""
    database = open_database(url)
    migrate(database, ["ombud.admin"])
    sender, key = Sender(database, Settings(allow_networks=(ip_network("127.0.0.0/8"),))), new_key()

    def add_all() -> Operation[None]:
        yield from add_key("tests", key, now_microseconds())
        for shop_id in range(1, SHOPS + 1):
            for endpoint in range(ENDPOINTS_PER_SHOP):
                edit = EndpointEdit(f"http://127.0.0.1:{sink_port}/{shop_id}/{endpoint}")
                yield from sender.endpoints.add(edit, shop_id)

    database.write(add_all)
    sender.close()
    return key


def campaign(ombuds: Ombuds, url: str, folder: Path, end: End, build: str = "") -> Findings:
    """End and start a sender as often as is wanted, drain, and judge. `build`: a broken one."""
    chance = random.Random(SEED)
    sent, arrived = folder / "sent.history", folder / "arrived.history"
    program = ("-m", "tests.faults.broken", build) if build else ()
    soon = {"OMBUD_LEASE_SECONDS": "1", "OMBUD_RETRY_SECONDS": ",".join(["0.2"] * 200)}
    with helper("slow_sink", str(arrived), str(ANSWER_SECONDS)) as sink:
        assert sink.stdout is not None
        shops = Shops(History(sent), found(url, sink.stdout.readline().strip()))
        start = partial(ombuds.start, program=program, OMBUD_ALLOW_NETWORKS="127.0.0.0/8", **soon)
        serve = start("serve", "--database", url, "--port", "0")
        shops.port = urlsplit(serve.card["api"]).port or 0
        with shops.publishing():
            for _ in range(ENDINGS):
                time.sleep(chance.uniform(*LIFE_SECONDS))  # how long it lives is the fault's own random variable
                end(serve)
                serve = start("serve", "--database", url, "--port", str(shops.port))
            time.sleep(LIFE_SECONDS[0])
        began = time.monotonic()
        drain_databases([url], partial(pause, serve, 0.05), DRAIN_SECONDS)
        drained = time.monotonic() - began
        serve.stop()
    findings = check(read([sent, arrived]))
    words = f"{ENDINGS} endings by {end.__name__}, {build or 'real'} build, drained after {drained:.1f} s"
    print(f"seed {SEED}, {words}: {findings}")
    return findings


# Each database and each end; both of both in a full run.
CASES = [("sqlite", terminate), ("postgres-newest", kill)]
ALL_CASES = [*CASES, ("sqlite", kill), ("postgres-newest", terminate)]


@pytest.mark.timeout(180 + 60 * ANSWER_SECONDS + 12 * ENDINGS)
@pytest.mark.parametrize(("kind", "end"), ALL_CASES if ENDINGS > 1 else CASES)
def test_nothing_is_lost(
    ombuds: Ombuds, kind: str, end: End, tmp_path: Path, postgres_servers: PostgresServers
) -> None:
    with lend_home(kind, tmp_path, postgres_servers) as home:
        findings = campaign(ombuds, home.url, tmp_path, end)
    assert findings.acknowledged >= 10 * ENDPOINTS_PER_SHOP
    assert (findings.lost, findings.unexpected) == (set(), set())
    if end is terminate:
        assert findings.duplicates == 0


def test_a_stop_that_leaves_no_time_is_caught(ombuds: Ombuds, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ombud.db"
    findings = campaign(ombuds, url, tmp_path, terminate, "stop_at_once")
    assert findings.lost == set()
    assert findings.duplicates > 0
