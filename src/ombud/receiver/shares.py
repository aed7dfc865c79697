"""One budget for a key on several machines: each takes the share of the rate that it has asked for lately.

Asking costs nothing more: every two seconds a machine reads what the others have asked for, and writes what it has, if
anything. So for two seconds it may be too much, as when two machines begin at once; after that the shares add up to one
whole. A pause that the API asks one of them for becomes everybody's as soon.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import NamedTuple

from ombud.client.budget import Budget, Budgets
from ombud.client.sharing import node_name
from ombud.db.database import Writer
from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import OmbudError

sql = read_queries("ombud.receiver")

log = logging.getLogger("ombud.receiver")

SECOND = 1_000_000
# Seconds between two looks at what other machines ask for, and after which one that was silent asks for nothing.
RENEW_SECONDS = 2.0
SILENT_SECONDS = 7.0
# Seconds after which its row goes.
FORGET_SECONDS = 86_400.0


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
        self._turns: dict[str, int] = {}

    async def run(self) -> None:
        """Renew them every few seconds, until cancelled."""
        while True:
            await self.renew()
            await asyncio.sleep(RENEW_SECONDS)

    async def renew(self) -> None:
        """Renew them now; without success each goes on with the share it has."""
        budgets = self._budgets.known()
        own = {name: self._own(name, budget) for name, budget in budgets.items()}
        try:
            shares = await self._writer.database.fetch(lambda: self._read(own))
            if any(one.demand for one in own.values()):
                await self._writer.write(lambda: self._put(own))
        except OmbudError as error:
            log.warning("the shares of other machines in the shops' budgets are not known: %s", error)
            return
        for name, share in shares.items():
            budgets[name].take_share(share.part, share.paused_seconds)

    def _own(self, name: str, budget: Budget) -> Own:
        state = budget.state()
        # Of the file that the processes of a machine share: one that is new there may have fewer.
        turns = max(0, state.turns - self._turns.get(name, state.turns))
        self._turns[name] = state.turns
        return Own(turns + state.waiting, state.paused_seconds)

    def _read(self, own: Mapping[str, Own]) -> Operation[dict[str, Share]]:
        now, shares = self._writer.database.clock(), {}
        for name, one in own.items():
            values = {"name": name, "node": self._node, "since": now - round(SILENT_SECONDS * SECOND)}
            rows = yield sql["budget_shares"], values
            # One more for each: who has asked for nothing has something to begin with.
            whole = one.demand + 1 + sum(row["demand"] + 1 for row in rows)
            paused = max([0, *(row["paused_until"] - now for row in rows)]) / SECOND
            shares[name] = Share((one.demand + 1) / whole, paused)
        return shares

    def _put(self, own: Mapping[str, Own]) -> Operation[None]:
        now = self._writer.database.clock()
        # Everywhere in the same succession: two that write each other's names would wait for each other.
        for name, one in sorted(own.items()):
            if one.demand:
                paused_until = now + round(one.paused_seconds * SECOND)
                row = {"name": name, "node": self._node, "demand": one.demand, "paused_until": paused_until}
                yield sql["put_budget_share"], row | {"now": now}
        yield sql["forget_budget_shares"], {"before": now - round(FORGET_SECONDS * SECOND)}
