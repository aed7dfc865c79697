"""A REST API as one app: its routers, errors as problems, and a document that is made when somebody asks for it."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

import ombud
from ombud.web.intake import INTAKE_PATH
from ombud.web.methods import name_methods
from ombud.web.problems import answer_with_problems


class RestApi(FastAPI):
    """Everything but what is hot. It asks nobody for a key: RequireKey stands before it."""

    def __init__(self, title: str, routers: Sequence[APIRouter], *, intake: bool = False) -> None:
        """`intake`: `POST /v1/events` is served beside it, and described with it."""
        super().__init__(title=title, version=ombud.__version__, openapi_url=None, redirect_slashes=False)
        self.add_route("/openapi.json", self._document, include_in_schema=False)
        self._intake = intake
        answer_with_problems(self)
        for router in routers:
            self.include_router(router)
        name_methods(self, routers, {INTAKE_PATH: "POST"} if intake else {})

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI 3.1 document of every path below /v1."""
        if not self.openapi_schema:
            # Some fifty models of pydantic, for this document alone: a fifteenth of the time that a start takes.
            from ombud.web.openapi import complete  # noqa: PLC0415

            self.openapi_schema = complete(super().openapi(), intake=self._intake)
        return self.openapi_schema

    def _document(self, _: Request) -> JSONResponse:
        """In a thread, where Starlette runs what is not async: made for the first time it takes 150 ms."""
        return JSONResponse(self.openapi())
