"""The ack path on an event loop, whatever the server's interface is: the loop never waits for the disk."""

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from ombud.errors import OmbudError
from ombud.receiver.gathering import Gathering
from ombud.receiver.hook import NOT_STORED, OK, Asked, Reply, token_of
from ombud.receiver.notes import write_notes

if TYPE_CHECKING:
    from ombud.receiver.inbox import Inbox
    from ombud.receiver.receiver import Receiver

log = logging.getLogger("ombud.receiver")


class LoopDoor:
    """Takes webhooks in for the tasks of an event loop."""

    def __init__(self, inbox: "Inbox") -> None:
        self._inbox = inbox
        self._gathering: Gathering | None = None
        self._told_of_lazy_start = False

    async def answer(self, path: str, asked: Asked) -> Reply:
        """Judge a request and store what it brings; the last segment of the path is the token."""
        try:
            opened = self._inbox.opened
            if opened is None:
                opened = await asyncio.to_thread(self._inbox.open)
            receiver, hook = opened
            token = token_of(path)
            shop = hook.recall(token) or await receiver.database.fetch(lambda: hook.learn(token))
            judged = hook.judge(shop, asked)
            if isinstance(judged, Reply):
                return judged
            await self._gathering_for(receiver).store(judged)
        except OmbudError as error:
            log.warning("an arrival was not stored: %s", error)
            return NOT_STORED
        return OK

    def owes_work(self, reply: Reply) -> bool:
        """Whether something is left to do after this answer."""
        opened = self._inbox.opened
        if opened is not None and not opened.hook.notebook.is_empty:
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
