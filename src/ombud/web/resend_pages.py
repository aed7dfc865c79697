"""Sending again everything that a filter finds: counted first, then done behind the page, with its progress."""

import asyncio
import logging
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import Caller, Role
from ombud.admin.deliveries import read_cursor
from ombud.admin.events import rfc3339
from ombud.admin.resending import (
    MOST_COUNTED,
    Resending,
    cancel_resending,
    count_wanted,
    find_step,
    get_resending,
    start_resending,
    take_step,
)
from ombud.errors import OmbudError
from ombud.sender.sender import Sender
from ombud.web.delivery_filter import Asked, read_asked
from ombud.web.delivery_pages import PATH
from ombud.web.forms import number_of, read_form
from ombud.web.house import House, action_route, page_route
from ombud.web.looking import look

RESEND = f"{PATH}/resend"

log = logging.getLogger("ombud.web")


class ResendPages:
    """The dry run, the progress, and the tasks that do it."""

    def __init__(self, house: House, sender: Sender) -> None:
        self._house = house
        self._sender = sender
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def routes(self) -> list[Route]:
        """Return their routes; they come before those of one delivery."""
        one = RESEND + "/{number}"
        return [
            page_route(RESEND, self.count, Role.EDITOR),
            action_route(RESEND, self.start),
            page_route(one, self.show, Role.EDITOR),
            action_route(one + "/continue", self.go_on),
            action_route(one + "/cancel", self.cancel),
        ]

    async def count(self, request: Request) -> Response:
        asked, caller = read_asked(request.query_params), self._house.caller(request)
        wanted = asked.filter(self._sender.database.clock())
        found, whole = await look(self._sender.database, lambda: count_wanted(caller, wanted))
        shown: dict[str, Any] = {"asked": asked, "found": found, "whole": whole, "most": MOST_COUNTED}
        return self._house.page(request, "resend.html", **shown)

    async def start(self, request: Request) -> Response:
        form, caller, now = await read_form(request), self._house.caller(request), self._sender.database.clock()
        asked = _fixed(read_asked(dict(parse_qsl(form.get("filter")))), now)
        make = lambda: start_resending(caller, asked.filter(now), asked.query(), now)  # noqa: E731
        number = await self._sender.writer.write(make)
        self._work(caller, number)
        return RedirectResponse(f"{RESEND}/{number}", 303)

    async def show(self, request: Request) -> Response:
        job, now = await self._job(request), self._sender.database.clock()
        template = "resending_state.html" if request.headers.get("hx-request") else "resending.html"
        asked = read_asked(dict(parse_qsl(job.filter)))
        return self._house.page(request, template, job=job, asked=asked, still=job.stands_still(now))

    async def go_on(self, request: Request) -> Response:
        job = await self._job(request)
        self._work(self._house.caller(request), job.id)
        return RedirectResponse(f"{RESEND}/{job.id}", 303)

    async def cancel(self, request: Request) -> Response:
        job, caller, now = await self._job(request), self._house.caller(request), self._sender.database.clock()
        await self._sender.writer.write(lambda: cancel_resending(caller, job.id, now))
        return RedirectResponse(f"{RESEND}/{job.id}", 303)

    async def _job(self, request: Request) -> Resending:
        caller, number = self._house.caller(request), number_of(request.path_params["number"], "number")
        return await look(self._sender.database, lambda: get_resending(caller, number))

    def _work(self, caller: Caller, number: int) -> None:
        if number not in self._tasks:
            task = self._tasks[number] = asyncio.get_running_loop().create_task(self._steps(caller, number))
            task.add_done_callback(lambda _: self._tasks.pop(number, None))

    async def _steps(self, caller: Caller, number: int) -> None:
        """Do a job to its end, or until it is cancelled; what fails leaves it where it can be gone on with."""
        sender = self._sender
        mailbox, clock = sender.outbox.mailbox, sender.database.clock
        try:
            job = await look(sender.database, lambda: get_resending(caller, number))
            # Whoever goes on with it: it sends what its maker could have sent.
            maker, asked = Caller(job.made_by, job.shop_id), read_asked(dict(parse_qsl(job.filter)))
            wanted = asked.filter(job.made_at)
            cursor = read_cursor(job.cursor)
            going = job.ended_at is None
            while going:
                keys, more = await look(sender.database, partial(find_step, maker, wanted, cursor))
                step = partial(take_step, mailbox, number, keys, more, clock)
                going = await sender.writer.write(step) and more is not None
                cursor = more or cursor
        except OmbudError as error:
            log.warning("resending %s stands still: %s", number, error)


def _fixed(asked: Asked, now: int) -> Asked:
    """Return a filter whose end is now: what is sent again and fails once more is not sent a third time."""
    until = rfc3339(now)
    since = rfc3339(asked.filter(now).since) if asked.time else asked.since
    return Asked(asked.endpoint, asked.type, asked.subject, asked.state, asked.status, "", since, asked.until or until)
