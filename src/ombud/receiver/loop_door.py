"""The ack path on an event loop, whatever the server's interface is: the loop never waits for the disk."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from ombud.errors import OmbudError
from ombud.receiver.gathering import Gathering
from ombud.receiver.hook import NOT_STORED, OK, Asked, Known, Reply, token_of
from ombud.receiver.notes import write_notes

if TYPE_CHECKING:
    from ombud.receiver.inbox import Inbox, Opened
    from ombud.receiver.receiver import Receiver

log = logging.getLogger("ombud.receiver")


class LoopDoor:
    """Takes webhooks in for the tasks of an event loop."""

    def __init__(self, inbox: "Inbox") -> None:
        self._inbox = inbox
        self._gathering: Gathering | None = None
        self._told_of_lazy_start = False

    def answer(self, path: str, asked: Asked) -> Awaitable[Reply]:
        """Judge a request and store what it brings; the last segment of the path is the token.

        Most webhooks wait for their commit and for nothing else: they are given its future, and no coroutine.
        """
        opened, token = self._inbox.opened, token_of(path)
        if opened is not None and (shop := opened.hook.recall(token)) is not None:
            return self._take_in(opened, shop, asked)
        return self._look_up(token, asked)

    async def _look_up(self, token: str, asked: Asked) -> Reply:
        """Answer a request whose token did not come a moment ago."""
        try:
            opened = self._inbox.opened
            if opened is None:
                opened = await asyncio.to_thread(self._inbox.open)
            receiver, hook = opened
            shop = await receiver.database.fetch(lambda: hook.learn(token))
        except OmbudError as error:
            return _not_stored(error)
        return await self._take_in(opened, shop, asked)

    def _take_in(self, opened: "Opened", shop: Known | None, asked: Asked) -> Awaitable[Reply]:
        judged = opened.hook.judge(shop, asked)
        if isinstance(judged, Reply):
            return _at_once(judged)
        try:
            return self._gathering_for(opened.receiver).store(judged)
        except OmbudError as error:
            return _at_once(_not_stored(error))

    def owes_work(self, reply: Reply) -> bool:
        """Whether something is left to do after this answer."""
        opened = self._inbox.opened
        if opened is not None and opened.hook.notebook.waiting:
            return True
        return reply is OK and not self._told_of_lazy_start and not self._inbox.started

    async def afterwards(self, reply: Reply) -> None:
        """Do what the answer need not wait for: what was stored is stored."""
        opened = self._inbox.opened
        if opened is not None and (notes := opened.hook.notebook.take()):
            with contextlib.suppress(OmbudError):
                await opened.receiver.writer.write(lambda: write_notes(notes))
        if reply is OK and not self._inbox.started:
            await self._start_lazily()

    def _gathering_for(self, receiver: "Receiver") -> Gathering:
        gathering, loop = self._gathering, asyncio.get_running_loop()
        if gathering is None or gathering.receiver is not receiver or gathering.loop is not loop:
            gathering = self._gathering = Gathering(receiver, loop)
        return gathering

    async def _start_lazily(self) -> None:
        """A mounted app gets no lifespan from its host: work would wait for nobody, so begin now, and say so.

        After the answer: what was stored is stored, whether the work can begin or not.
        """
        if self._told_of_lazy_start:
            return
        self._told_of_lazy_start = True
        log.warning(
            "the inbox starts with its first webhook, so what waited since the last stop has waited until now."
            " Start it with the app: lifespan=inbox.lifespan, or run `ombud work`."
        )
        try:
            await asyncio.to_thread(self._inbox.start_embedded)
        except OmbudError as error:
            log.error("webhooks are stored, and wait: %s", error)  # noqa: TRY400 - its text says it all


async def _at_once(reply: Reply) -> Reply:
    return reply


def _not_stored(error: OmbudError) -> Reply:
    log.warning("an arrival was not stored: %s", error)
    return NOT_STORED
