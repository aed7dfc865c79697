"""405, with every method that a path has: Starlette names those of its first route alone."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from ombud.web.problems import problem


def name_methods(app: FastAPI, routers: Sequence[APIRouter], beside: Mapping[str, str]) -> None:
    """Have an app name them. `beside`: a method that is served elsewhere, by its path."""

    @app.exception_handler(HTTPStatus.METHOD_NOT_ALLOWED)
    async def _not_allowed(request: Request, _: Exception) -> Response:
        path = request.url.path
        allowed = _methods_of(routers, request.scope) | ({beside[path]} if path in beside else set())
        headers = {"Allow": ", ".join(sorted(allowed))}
        return problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} has no {request.method}.", headers=headers)


def _methods_of(routers: Sequence[APIRouter], scope: Scope) -> set[str]:
    routes = [route for router in routers for route in router.routes if route.matches(scope)[0] is not Match.NONE]
    return {method for route in routes for method in getattr(route, "methods", None) or ()}
