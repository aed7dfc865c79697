"""How much a request may bring."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ombud.errors import InvalidInput, OmbudError, TooLarge
from ombud.web.problems import problem, problem_of

# Bytes of a body: 1,000 events with the longest ids and keys fit in half of it.
BODY_BYTES = 1024 * 1024

_NOT_JSON = "The body is to be JSON, and to say so: Content-Type: application/json."


async def read_body(receive: Receive, limit: int = BODY_BYTES) -> bytes:
    """Read the body of a request; raises TooLarge as soon as it is, however it was announced.

    A body that was cut off is refused, too: what came of it may read as a whole, and the client will send it again.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidInput("body", "The connection ended before the body did.")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge(f"The body has more than {limit} bytes. Send less at once.")
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def is_json(scope: Scope) -> bool:
    """Return whether a request says that its body is JSON (RFC 6839, 3.1)."""
    named = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    kind = named.partition(b";")[0].strip().lower()
    return kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))


class LimitBody:
    """ASGI middleware: reads the whole body, bounded and in JSON, before the app sees the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 to what is too large, 415 to what is no JSON, and pass the rest on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body: bytes | None = await read_body(receive)
        except OmbudError as error:
            await problem_of(error)(scope, receive, send)
            return
        if body and not is_json(scope):
            await problem(415, _NOT_JSON)(scope, receive, send)
            return

        async def replay() -> Message:
            nonlocal body
            if body is None:
                return await receive()
            message: Message = {"type": "http.request", "body": body, "more_body": False}
            body = None
            return message

        await self._app(scope, replay, send)
