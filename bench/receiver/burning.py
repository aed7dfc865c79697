"""An inbox whose one handler burns a core, and never succeeds."""

import time

from ombud import Inbox, OrderId, Retry

# Seconds of one run.
BURN_SECONDS = 0.5

inbox = Inbox.from_env()


@inbox.on("order.new", retry_seconds=(0.01,) * 300)
def burn(order_id: OrderId) -> None:
    """Spin."""
    end = time.monotonic() + BURN_SECONDS
    while time.monotonic() < end:
        pass
    raise Retry(f"{order_id} is burnt again", after=0.01)
