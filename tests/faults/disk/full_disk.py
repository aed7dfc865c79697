"""A real disk that is full: a small tmpfs in a mount namespace of its own, under a real `ombud` that takes events.

usage: unshare --mount --map-root-user python -m tests.faults.disk.full_disk VERB ROUNDS SEED FOLDER MODULE
VERB is serve or receive, MODULE is ombud or a broken build of it. Prints the findings as a line of JSON. The mount is
gone with the process.
"""

import contextlib
import http.client
import itertools
import json
import queue
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import apsw
import httpx2

from tests.faults.disk.letters import stored_subjects
from tests.support.endpoint import Endpoint
from tests.support.processes import PATIENCE_SECONDS, Commands, Ombud, Ombuds

# Room for the file, a log of SQLite's usual length, and some thousand events.
SIZE_MIB = 24
BALLAST = "ballast"
TOKEN = "a-token-for-this-test-only"
ACCEPTED, REFUSED = (200, 201), 503
CLIENTS = 2


@dataclass
class Findings:
    """What came of it. `lost` must be empty, `statuses` holds only acceptances and 503."""

    verb: str
    rounds: int
    seed: int
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    # Seconds from the moment when there was space again to the first acceptance.
    resumed_seconds: list[float] = field(default_factory=list)
    integrity: str = ""
    # Of the sender: accepted, and not delivered after the last round.
    undelivered: int = 0


class Load:
    """Clients that ask one after the other, as fast as they are answered."""

    def __init__(self, verb: str, address: str, key: str) -> None:
        self.accepted: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._request = self._publish if verb == "serve" else self._call_hook
        self._netloc, self._key = urlsplit(address).netloc, key
        self._numbers = itertools.count(1)
        self._answered = threading.Condition()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, *statuses: int) -> float:
        """Wait until one of these is answered again; returns when (monotonic seconds)."""
        with self._answered:
            before = self._count(statuses)
            assert self._answered.wait_for(lambda: self._count(statuses) > before, PATIENCE_SECONDS), (
                f"no {statuses} in {PATIENCE_SECONDS} seconds: {self.statuses}"
            )
        return time.monotonic()

    def close(self) -> None:
        """Ask nothing more."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _count(self, statuses: tuple[int, ...]) -> int:
        return sum(self.statuses[status] for status in statuses)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._netloc, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            while not self._stopped.is_set():
                number = str(next(self._numbers))
                self._request(connection, number)
                answer = connection.getresponse()
                answer.read()
                with self._answered:
                    self.statuses[answer.status] += 1
                    if answer.status in ACCEPTED:
                        self.accepted.append(number)
                    self._answered.notify_all()

    def _publish(self, connection: http.client.HTTPConnection, number: str) -> None:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        body = json.dumps({"event_type": "order.new", "order_id": number})
        connection.request("POST", "/v1/events", body, headers)

    def _call_hook(self, connection: http.client.HTTPConnection, number: str) -> None:
        connection.request("GET", f"/hooks/{TOKEN}?event_type=order.new&order_id={number}")


def start(verb: str, ombuds: Ombuds, folder: Path, endpoint: Endpoint) -> tuple[Ombud, str]:
    """Start a process on the small disk; returns it, and the key to publish with."""
    database = f"sqlite:///{folder}/ombud.db"
    if verb == "receive":
        settings = {"OMBUD_DATABASE_URL": database, "OMBUD_TOKEN": TOKEN}
        return ombuds.start("receive", "tests.faults.handler_app:inbox", "--port", "0", "--no-work", **settings), ""
    key = Commands(folder.parent).run("keys", "add", "test", "--database", database).out.strip()
    ombud = ombuds.start("serve", "--database", database, "--port", "0", OMBUD_ALLOW_NETWORKS="127.0.0.0/8")
    with httpx2.Client(base_url=ombud.card["api"], headers={"Authorization": f"Bearer {key}"}) as client:
        client.post("/endpoints", json={"url": endpoint.url}).raise_for_status()
    return ombud, key


def fill(folder: Path) -> None:
    """Take all the space that is left."""
    with (folder / BALLAST).open("ab", buffering=0) as ballast:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    ballast.write(bytes(size))


def campaign(verb: str, rounds: int, seed: int, folder: Path, module: str) -> Findings:
    """Fill the disk at random moments, wait for a refusal, make space, wait for an acceptance; then kill and count."""
    findings, chance = Findings(verb, rounds, seed), random.Random(seed)
    ombuds, endpoint = Ombuds(program=("-m", module)), Endpoint()
    with contextlib.ExitStack() as stack:
        stack.callback(endpoint.close)
        stack.callback(ombuds.end)
        ombud, key = start(verb, ombuds, folder, endpoint)
        load = Load(verb, ombud.card.get("api") or ombud.card["receiver_api"], key)
        with contextlib.closing(load):
            for _ in range(rounds):
                load.wait_for(*ACCEPTED)
                # When the disk is full, and for how long, is the fault's own random variable.
                time.sleep(chance.uniform(0.0, 0.5))
                fill(folder)
                load.wait_for(REFUSED)
                time.sleep(chance.uniform(0.0, 0.5))
                (folder / BALLAST).unlink()
                began = time.monotonic()
                findings.resumed_seconds.append(round(load.wait_for(*ACCEPTED) - began, 3))
        if verb == "serve":
            findings.undelivered = len(set(load.accepted) - arrived(endpoint, load.accepted))
    findings.acknowledged = len(load.accepted)
    findings.statuses = {str(status): count for status, count in load.statuses.items()}
    with contextlib.closing(apsw.Connection(str(folder / "ombud.db"))) as connection:
        findings.integrity = str(connection.execute("pragma integrity_check").get)
        stored = stored_subjects(connection)
    findings.lost = [number for number in load.accepted if f"order/{number}" not in stored]
    return findings


def arrived(endpoint: Endpoint, wanted: Sequence[str]) -> set[str]:
    """Wait until the endpoint has heard of all of these, and as long as it hears of more; returns what it heard."""
    missing, heard = set(wanted), set[str]()
    with contextlib.suppress(queue.Empty):
        while missing:
            number = parse_qs(endpoint.next().query)["order_id"][0]
            missing.discard(number)
            heard.add(number)
    return heard


def main() -> None:
    verb, rounds, seed, folder, module = sys.argv[1:]
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "none", folder], check=True)
    print(json.dumps(asdict(campaign(verb, int(rounds), int(seed), Path(folder), module))))


if __name__ == "__main__":
    main()
