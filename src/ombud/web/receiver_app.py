"""The receiver's web app: hooks as plain ASGI, arrivals by FastAPI."""

from starlette.types import ASGIApp, Receive, Scope, Send

from ombud.db.database import Writer
from ombud.receiver.inbox import Inbox
from ombud.receiver.receiver import Receiver
from ombud.web.alarm_desk import AlarmDesk
from ombud.web.alarms_api import add_alarm_routes
from ombud.web.api_headers import ApiHeaders
from ombud.web.auth import BearerKeys, RequireKey
from ombud.web.gate import Place
from ombud.web.inbox_api import create_inbox_router
from ombud.web.limits import LimitBody
from ombud.web.panel import Sides, create_panel, is_api_path
from ombud.web.people_api import create_people_router
from ombud.web.rate import LimitRate
from ombud.web.rest import RestApi

HOOKS = "/hooks/"
# Paths that anybody may read.
PUBLIC = frozenset({"/openapi.json"})


class ReceiverApp:
    """Sends hooks to the inbox, the panel's paths to the panel and every other request to FastAPI."""

    def __init__(self, inbox: Inbox, people: Writer | None = None) -> None:
        """`people` writes where those are who may see this panel: the receiver's own database if it is None."""
        writer = inbox.receiver.writer
        self.people = people or writer
        self.api = create_api(inbox.receiver, self.people)
        self._hooks: ASGIApp = inbox.asgi
        rest = RequireKey(LimitRate(LimitBody(self.api)), BearerKeys(writer), PUBLIC)
        self._rest: ASGIApp = ApiHeaders(rest, Place(inbox.settings.public_url))
        sides = Sides(receiver=inbox.receiver, confirms=inbox.settings.confirm == "api")
        self._panel: ASGIApp = create_panel(sides, self.people, inbox.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request."""
        if scope["type"] == "http" and scope["path"].startswith(HOOKS):
            await self._hooks(scope, receive, send)
        elif scope["type"] != "http" or is_api_path(scope["path"]):
            await self._rest(scope, receive, send)
        else:
            await self._panel(scope, receive, send)


def create_api(receiver: Receiver, people: Writer) -> RestApi:
    """Return the app of everything but the hooks. `people` writes where those are who may see the panel."""
    inbox = create_inbox_router(receiver)
    add_alarm_routes(inbox, AlarmDesk(people, receiver.settings))
    people_router = create_people_router(people, receiver.writer, receiver.settings.public_url)
    return RestApi("Ombud receiver", [inbox, people_router])
