"""The overview: how the sender does over a chosen time, in figures, charts and a table of the same numbers."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ombud.admin.figures import DEFAULT, PERIODS, QUANTILES, Period, read_figures
from ombud.admin.overview import WAIT_SECONDS
from ombud.sender.sender import Sender
from ombud.web.house import House, page_route
from ombud.web.looking import look

PATH = "/overview"


class OverviewPages:
    """One page, and the part of it that refreshes itself."""

    def __init__(self, house: House, sender: Sender) -> None:
        self._house = house
        self._sender = sender

    def routes(self) -> list[Route]:
        """Return its route."""
        return [page_route(PATH, self.show), page_route(f"{PATH}/stream", self.stream)]

    async def show(self, request: Request) -> Response:
        return await self._page(request, "overview.html")

    async def stream(self, request: Request) -> Response:
        """Answer with the part that changes, again and again."""
        return self._house.stream(request, _period(request), lambda: self._page(request, "overview_live.html"))

    async def _page(self, request: Request, template: str) -> Response:
        caller, database, period = self._house.caller(request), self._sender.database, _period(request)
        now = database.clock()
        figures = await look(database, lambda: read_figures(self._sender.endpoints, caller, period, now))
        shown: dict[str, Any] = {"figures": figures, "periods": PERIODS, "quantiles": QUANTILES}
        shown["late_seconds"] = WAIT_SECONDS
        return self._house.page(request, template, **shown)


def _period(request: Request) -> Period:
    return PERIODS.get(request.query_params.get("period", ""), DEFAULT)
