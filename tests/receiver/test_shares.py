"""One budget for a key on several machines, which share a database."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ombud.client.budget import Budget
from ombud.client.budgets import Budgets
from ombud.receiver.receiver import Receiver
from ombud.receiver.shares import Shares
from ombud.settings import Settings
from tests.support.databases import Home

KEY = "a-key-of-tests"
RATE = 20.0
SECONDS = 1.5
# Asks as fast as it may; the second argument says whether it shares with other machines.
MACHINE = """
import asyncio, sys, time
from ombud.client.budget import Budget
from ombud.client.budgets import Budgets
from ombud.db.postgres import PostgresDatabase
from ombud.receiver import shares
url, rate, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
shares.RENEW_SECONDS = 0.1
async def main():
    database = PostgresDatabase(url)
    budgets = Budgets(shared=True)
    budget = budgets.of("a-key-of-tests", lambda: Budget(rate, most_per_second=rate, burst=1))
    sharing = shares.Shares(database.open_writer(), budgets)
    if sys.argv[4] == "sharing":
        running = asyncio.create_task(sharing.run())
    print("ready", flush=True)
    sys.stdin.readline()
    turns, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        ticket = budget.join()
        while budget.ask(ticket) and time.monotonic() < until:
            await asyncio.sleep(0.005)
        turns += ticket.number is not None
        budget.leave(ticket)
    print(turns, flush=True)
asyncio.run(main())
"""


class Machine:
    """A machine with a budget and a share of it."""

    def __init__(self, receiver: Receiver, node: str) -> None:
        budgets = Budgets()
        self.now = 1_000.0
        self.budget = budgets.of(KEY, lambda: Budget(RATE, most_per_second=RATE, burst=1, clock=lambda: self.now))
        self.shares = Shares(receiver.writer, budgets, node)

    def ask(self, times: int) -> None:
        """Have so many turns, however long that takes."""
        for _ in range(times):
            ticket = self.budget.join()
            while wait := self.budget.ask(ticket):
                self.now += wait

    @property
    def rate(self) -> float:
        """Turns per second, as they come."""
        self.ask(1)
        began = self.now
        self.ask(10)
        return 10 / (self.now - began)


async def test_each_takes_the_part_it_asks_for(home: Home) -> None:
    receiver = Receiver(home.open(), Settings(token="a-token-of-tests"))
    one, other = Machine(receiver, "one"), Machine(receiver, "other")
    for machine in (one, other, one):
        await machine.shares.renew()
    assert one.rate == pytest.approx(RATE)
    one.ask(19)
    for machine in (one, other, one):
        await machine.shares.renew()
    # The one has asked thirty times, the other never.
    assert other.rate == pytest.approx(RATE / 32)
    assert one.rate == pytest.approx(RATE)
    await other.shares.renew()
    await one.shares.renew()
    # Eleven times each.
    assert one.rate == pytest.approx(RATE / 2)
    receiver.close()


async def test_a_pause_is_that_of_every_machine(home: Home) -> None:
    receiver = Receiver(home.open(), Settings(token="a-token-of-tests"))
    one, other = Machine(receiver, "one"), Machine(receiver, "other")
    await one.shares.renew()
    ticket = one.budget.join()
    assert one.budget.ask(ticket) == 0.0
    one.budget.limited(ticket, 30.0)
    for machine in (one, other):
        await machine.shares.renew()
    assert other.budget.state().paused_seconds == pytest.approx(30.0, abs=1.0)
    receiver.close()


def spent(home: Home, folder: Path, how: str) -> list[int]:
    """Let two machines ask as fast as they may; returns how often each did."""
    machines = []
    for name in ("one", "other"):
        own = folder / f"{how}-{name}"
        own.mkdir(mode=0o700)
        command = [sys.executable, "-c", MACHINE, home.url, str(RATE), str(SECONDS), how]
        environment = os.environ | {"XDG_RUNTIME_DIR": str(own)}
        pipe = subprocess.PIPE
        machines.append(subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True))
    for machine in machines:
        assert machine.stdout is not None
        assert machine.stdout.readline() == "ready\n"
    for machine in machines:
        assert machine.stdin is not None
        machine.stdin.write("go\n")
        machine.stdin.flush()
    return [int(machine.communicate(timeout=30)[0]) for machine in machines]


@pytest.mark.parametrize("home", ["postgres-newest"], indirect=True)
def test_two_machines_share_the_rate(home: Home, tmp_path: Path) -> None:
    Receiver(home.open(), Settings(token="a-token-of-tests")).close()
    assert sum(spent(home, tmp_path, "sharing")) < 1.5 * RATE * SECONDS
    # Without that each has a budget of its own.
    assert sum(spent(home, tmp_path, "alone")) > 1.7 * RATE * SECONDS
