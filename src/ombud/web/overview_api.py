"""The REST API's route of figures: what the panel's overview shows."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from ombud.admin.events import Document
from ombud.admin.figures import PERIODS, figures_document, read_figures
from ombud.sender.sender import Sender
from ombud.web.auth import caller_of
from ombud.web.looking import look

Asked = Annotated[Literal["1h", "6h", "24h", "7d"], Query(description="How far back.")]


def add_overview_route(router: APIRouter, sender: Sender) -> None:
    """Add how the sender does."""

    @router.get("/overview", summary="How the sender does: counts and quantiles over a time", tags=["overview"])
    async def show(request: Request, period: Asked = "24h") -> Document:
        caller, database = caller_of(request), sender.database
        wanted, now = PERIODS[period], database.clock()
        return figures_document(await look(database, lambda: read_figures(sender.endpoints, caller, wanted, now)))
