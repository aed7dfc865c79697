"""Request bodies, bounded before they are kept."""

from starlette.requests import Request

from ombud.errors import OmbudError

# Bytes; a thousand orders of a few lines each. More is refused before it fills the memory.
LARGEST_BODY = 1 << 20


class BodyTooLarge(OmbudError):
    """The body is larger than 1 MiB, which is the most. Send it in parts."""


async def read_body(request: Request) -> bytes:
    """Return the body. Raises BodyTooLarge as soon as it is known to be, whatever its Content-Length says."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise BodyTooLarge
    return bytes(body)
