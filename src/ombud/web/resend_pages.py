"""Doing again everything that a filter finds: counted first, then done behind the page, with its progress."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import Role
from ombud.admin.delivery_filter import Texts
from ombud.admin.resending import MOST_COUNTED, PER_SECOND
from ombud.db.database import Writer
from ombud.mailbox.ids import ID_LIMIT
from ombud.web.forms import number_of, read_form, whole_number
from ombud.web.house import House, action_route, page_route
from ombud.web.pages import PAGE_ROWS
from ombud.web.replay_desk import ReplayDesk

# What a person may choose of, deliveries a second: a trickle for a fragile endpoint, and what a sound one takes.
SPEEDS = (1, 10, 50, PER_SECOND, 1_000)


class ResendPages:
    """The dry run, the jobs, and how far each has come: of what is found by one kind of filter."""

    def __init__(self, house: House, writer: Writer, kind: type[Texts]) -> None:
        self._house = house
        self._desk = ReplayDesk(writer)
        self._kind = kind
        self._path = f"/{kind.kind}/resend"

    def routes(self) -> list[Route]:
        """Return their routes; they come before those of one thing of its kind."""
        one = self._path + "/{number}"
        return [
            page_route(self._path, self.count, Role.EDITOR),
            action_route(self._path, self.start),
            page_route(f"{self._path}/all", self.index, Role.EDITOR),
            page_route(one, self.show, Role.EDITOR),
            action_route(one + "/cancel", self.cancel),
        ]

    async def count(self, request: Request) -> Response:
        asked = self._kind.read(request.query_params)
        found = await self._desk.count(self._house.caller(request), asked)
        shown: dict[str, Any] = {"asked": asked, "found": found, "most": MOST_COUNTED}
        return self._page(request, "resend.html", **shown, speeds=SPEEDS, usual=PER_SECOND)

    async def start(self, request: Request) -> Response:
        form = await read_form(request)
        asked, per_second = self._kind.parse(form.get("filter")), whole_number(form, "per_second")
        job = await self._desk.start(self._house.caller(request), asked, per_second)
        return RedirectResponse(f"{self._path}/{job.id}", 303)

    async def index(self, request: Request) -> Response:
        caller, before = self._house.caller(request), request.query_params.get("before", "")
        below = number_of(before, "before") if before else ID_LIMIT - 1
        jobs = await self._desk.list(caller, below, PAGE_ROWS, self._kind.box)
        more = jobs[-1].id if len(jobs) == PAGE_ROWS else None
        return self._page(request, "resendings.html", jobs=jobs, more=more)

    async def show(self, request: Request) -> Response:
        number = number_of(request.path_params["number"], "number")
        job = await self._desk.get(self._house.caller(request), number)
        template = "resending_state.html" if request.headers.get("hx-request") else "resending.html"
        still = job.stands_still(self._desk.clock())
        return self._page(request, template, job=job, asked=job.asked, still=still)

    async def cancel(self, request: Request) -> Response:
        number = number_of(request.path_params["number"], "number")
        await self._desk.cancel(self._house.caller(request), number)
        return RedirectResponse(f"{self._path}/{number}", 303)

    def _page(self, request: Request, template: str, **shown: Any) -> Response:
        return self._house.page(request, template, kind=self._kind.kind, path=self._path, **shown)
