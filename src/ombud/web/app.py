"""The sender's web app: its hot path as plain ASGI, everything else by FastAPI."""

from starlette.types import ASGIApp, Receive, Scope, Send

from ombud.receiver.receiver import Receiver
from ombud.sender.sender import Sender
from ombud.web.api import create_router
from ombud.web.api_headers import ApiHeaders
from ombud.web.auth import BearerKeys, RequireKey
from ombud.web.gate import Place
from ombud.web.intake import INTAKE_PATH, Intake
from ombud.web.limits import LimitBody
from ombud.web.panel import Sides, TryIt, create_panel, is_api_path
from ombud.web.people_api import create_people_router
from ombud.web.rate import LimitRate
from ombud.web.rest import RestApi

PUBLIC_PATHS = frozenset({"/openapi.json"})


class SenderApp:
    """Sends `POST /v1/events` to the intake, the panel's paths to the panel and every other request to FastAPI."""

    def __init__(self, sender: Sender, receiver: Receiver | None = None, try_it: TryIt | None = None) -> None:
        """`receiver`: the panel shows this receiver's side as well."""
        self.people = sender.writer
        keys = BearerKeys(self.people)
        self.api = create_api(sender)
        place = Place(sender.settings.public_url)
        rest = RequireKey(LimitRate(LimitBody(self.api)), keys, PUBLIC_PATHS)
        self._intake: ASGIApp = ApiHeaders(RequireKey(Intake(sender), keys), place)
        self._rest: ASGIApp = ApiHeaders(rest, place)
        self._panel: ASGIApp = create_panel(Sides(sender, receiver, try_it), self.people, sender.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request."""
        await self._app_for(scope)(scope, receive, send)

    def _app_for(self, scope: Scope) -> ASGIApp:
        if scope["type"] != "http":
            return self._rest
        if scope["path"] == INTAKE_PATH and scope["method"] == "POST":
            return self._intake
        return self._rest if is_api_path(scope["path"]) else self._panel


def create_api(sender: Sender) -> RestApi:
    """Return the app that answers whatever is not hot."""
    people = create_people_router(sender.writer, sender.writer, sender.settings.public_url)
    return RestApi("Ombud", [create_router(sender), people], intake=True)
