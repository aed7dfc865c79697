"""Apps behind a real web server, in a thread of the test's own process."""

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from ombud.cli.servers import bind, url_of
from tests.support.processes import PATIENCE_SECONDS


@contextmanager
def serve(app: Callable[..., Any], *, lifespan: Any = "off") -> Iterator[str]:
    """Serve an ASGI app from a thread; gives its URL."""
    config = uvicorn.Config(app, lifespan=lifespan, log_config=None, access_log=False, timeout_graceful_shutdown=2)
    with serve_config(config) as base:
        yield base


@contextmanager
def serve_config(config: uvicorn.Config) -> Iterator[str]:
    """Serve what is configured from a thread; gives its URL."""
    listening = bind("127.0.0.1", 0)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    try:
        yield url_of(listening)
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listening.close()
        assert not thread.is_alive(), _stacks()


def _stacks() -> str:
    """Where each thread of this process stands."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"{names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    )
