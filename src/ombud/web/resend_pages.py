"""Sending again everything that a filter finds: counted first, then done behind the page, with its progress."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import Role
from ombud.admin.delivery_filter import Asked, parse_asked
from ombud.admin.resending import (
    MOST_COUNTED,
    PER_SECOND,
    cancel_resending,
    count_wanted,
    get_resending,
    list_resendings,
    start_resending,
)
from ombud.mailbox.ids import ID_LIMIT
from ombud.sender.sender import Sender
from ombud.web.delivery_pages import PATH
from ombud.web.forms import number_of, read_form, whole_number
from ombud.web.house import House, action_route, page_route
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS

RESEND = f"{PATH}/resend"
# What a person may choose of, deliveries a second: a trickle for a fragile endpoint, and what a sound one takes.
SPEEDS = (1, 10, 50, PER_SECOND, 1_000)


class ResendPages:
    """The dry run, the jobs, and how far each has come."""

    def __init__(self, house: House, sender: Sender) -> None:
        self._house = house
        self._sender = sender

    def routes(self) -> list[Route]:
        """Return their routes; they come before those of one delivery."""
        one = RESEND + "/{number}"
        return [
            page_route(RESEND, self.count, Role.EDITOR),
            action_route(RESEND, self.start),
            page_route(f"{RESEND}/all", self.index, Role.EDITOR),
            page_route(one, self.show, Role.EDITOR),
            action_route(one + "/cancel", self.cancel),
        ]

    async def count(self, request: Request) -> Response:
        asked, caller = Asked.read(request.query_params), self._house.caller(request)
        wanted = asked.filter(self._sender.database.clock())
        found = await look(self._sender.database, lambda: count_wanted(caller, wanted))
        shown: dict[str, Any] = {"asked": asked, "found": found, "most": MOST_COUNTED}
        return self._house.page(request, "resend.html", **shown, speeds=SPEEDS, usual=PER_SECOND)

    async def start(self, request: Request) -> Response:
        form, caller, now = await read_form(request), self._house.caller(request), self._sender.database.clock()
        asked, per_second = parse_asked(form.get("filter")), whole_number(form, "per_second")
        found = await look(self._sender.database, lambda: count_wanted(caller, asked.filter(now)))
        make = lambda: start_resending(caller, asked, per_second, found, now)  # noqa: E731
        number = await self._sender.writer.write(make)
        return RedirectResponse(f"{RESEND}/{number}", 303)

    async def index(self, request: Request) -> Response:
        caller, before = self._house.caller(request), request.query_params.get("before", "")
        below = number_of(before, "before") if before else ID_LIMIT - 1
        jobs = await look(self._sender.database, lambda: list_resendings(caller, below, PAGE_ROWS))
        more = jobs[-1].id if len(jobs) == PAGE_ROWS else None
        return self._house.page(request, "resendings.html", jobs=jobs, more=more)

    async def show(self, request: Request) -> Response:
        caller, number = self._house.caller(request), number_of(request.path_params["number"], "number")
        job = await look(self._sender.database, lambda: get_resending(caller, number))
        template = "resending_state.html" if request.headers.get("hx-request") else "resending.html"
        still = job.stands_still(self._sender.database.clock())
        return self._house.page(request, template, job=job, asked=job.asked, still=still)

    async def cancel(self, request: Request) -> Response:
        caller, number = self._house.caller(request), number_of(request.path_params["number"], "number")
        now = self._sender.database.clock()
        await self._sender.writer.write(lambda: cancel_resending(caller, number, now))
        return RedirectResponse(f"{RESEND}/{number}", 303)
