"""The overview: how the sender does over a chosen time, in figures, charts and a table of the same numbers."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ombud.admin.figures import DEFAULT, PERIODS, QUANTILES, read_figures
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
        return [page_route(PATH, self.show)]

    async def show(self, request: Request) -> Response:
        caller, database = self._house.caller(request), self._sender.database
        period = PERIODS.get(request.query_params.get("period", ""), DEFAULT)
        now = database.clock()
        figures = await look(database, lambda: read_figures(self._sender.endpoints, caller, period, now))
        template = "overview_live.html" if request.headers.get("hx-request") else "overview.html"
        shown: dict[str, Any] = {"figures": figures, "periods": PERIODS, "quantiles": QUANTILES}
        shown["late_seconds"] = WAIT_SECONDS
        return self._house.page(request, template, **shown)
