"""The app whose handler tells a sink, which is never killed, that it ran."""

import os
import urllib.request

from ombud import Inbox, OrderId

inbox = Inbox.from_env()


@inbox.on("order.new")
def tell(order_id: OrderId) -> None:
    with urllib.request.urlopen(f"{os.environ['SINK_URL']}?event_type=handled&order_id={order_id}", timeout=10):
        pass
