"""One budget for a key on several machines: each takes the share of the rate that it has asked for lately.

Asking costs nothing more: every two seconds a process reads what other machines have asked for, and writes what its own
has, if anything. So for two seconds it may be too much, as when two machines begin at once; after that the shares add
up to one whole. A pause that the API asks one of them for becomes everybody's as soon.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import NamedTuple

from ombud.client.budget import Budget
from ombud.client.budgets import Budgets
from ombud.client.sharing import node_name
from ombud.db.database import Writer
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import OmbudError

sql = read_queries("ombud.receiver")

log = logging.getLogger("ombud.receiver")

SECOND = 1_000_000
# Seconds between two looks at what other machines ask for, and after which one that was silent asks for nothing.
RENEW_SECONDS = 2.0
SILENT_SECONDS = 7.0
# Seconds after which its row goes: every look reads all that there are.
FORGET_SECONDS = 60.0


class Own(NamedTuple):
    """What this machine asks of one budget: requests since the last look and in the queue, and its pause in seconds."""

    demand: int
    paused_seconds: float


class Share(NamedTuple):
    """What comes of it: the part of the rate, and for how long the API is to be left alone, in seconds."""

    part: float
    paused_seconds: float


class Shares:
    """Renews this machine's shares of all budgets that this process uses. For one event loop."""

    def __init__(self, writer: Writer, budgets: Budgets, node: str | None = None) -> None:
        """`node`: the name of this machine, its own if none is given."""
        self._writer = writer
        self._budgets = budgets
        self._node = node or node_name()
        # By the names of budgets: how often this process has asked, the turns of the machine, and what was taken.
        self._asked: dict[str, int] = {}
        self._turns: dict[str, int] = {}
        self._parts: dict[str, Share] = {}

    async def run(self) -> None:
        """Renew them every few seconds, until cancelled."""
        while True:
            await self.renew()
            await asyncio.sleep(RENEW_SECONDS)

    async def renew(self) -> None:
        """Renew them now; without success each goes on with the share it has."""
        budgets = self._budgets.known()
        own = {name: self._own(name, budget) for name, budget in budgets.items() if self._is_used(name, budget)}
        try:
            shares = await self._writer.database.fetch(lambda: self._read(own))
            if own:
                await self._writer.write(lambda: self._put(own))
        except OmbudError as error:
            log.warning("the shares of other machines in the shops' budgets are not known: %s", error)
            return
        # Who is named no more has the whole again.
        for name in {*shares, *self._parts} & budgets.keys():
            share = shares.get(name, Share(1.0, 0.0))
            if share != self._parts.get(name, Share(1.0, 0.0)):
                budgets[name].take_share(*share)
        self._parts = {name: share for name, share in shares.items() if share != Share(1.0, 0.0)}

    def _is_used(self, name: str, budget: Budget) -> bool:
        """Whether this process has used it since the last look; of ten thousand keys few are at a time."""
        asked, self._asked[name] = self._asked.get(name, 0), budget.asked
        return budget.asked != asked or budget.is_waited_for

    def _own(self, name: str, budget: Budget) -> Own:
        state = budget.state()
        # Of the file that the processes of a machine share: one that is new there may have fewer.
        turns = max(0, state.turns - self._turns.get(name, state.turns - budget.asked))
        self._turns[name] = state.turns
        return Own(turns + state.waiting, state.paused_seconds)

    def _read(self, own: Mapping[str, Own]) -> Operation[dict[str, Share]]:
        now = self._writer.database.clock()
        rows = yield sql["budget_shares"], {"node": self._node, "since": now - round(SILENT_SECONDS * SECOND)}
        theirs: dict[str, list[Row]] = {}
        for row in rows:
            theirs.setdefault(row["name"], []).append(row)
        shares = {}
        for name in own.keys() | theirs.keys():
            mine, others = own.get(name, Own(0, 0.0)).demand + 1, theirs.get(name, [])
            # One more for each: who has asked for nothing has something to begin with.
            whole = mine + sum(row["demand"] + 1 for row in others)
            paused = max([0, *(row["paused_until"] - now for row in others)]) / SECOND
            shares[name] = Share(mine / whole, paused)
        return shares

    def _put(self, own: Mapping[str, Own]) -> Operation[None]:
        now = self._writer.database.clock()
        # Everywhere in the same succession: two that write each other's names would wait for each other.
        rows = [
            (name, self._node, one.demand, now + round(one.paused_seconds * SECOND), now)
            for name, one in sorted(own.items())
        ]
        yield sql["put_budget_shares"], rows
        yield sql["forget_budget_shares"], {"before": now - round(FORGET_SECONDS * SECOND)}
