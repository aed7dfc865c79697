"""An inbox whose one handler says which order it was called for, in a datagram to the benchmark."""

import os
import socket

from ombud import Inbox, OrderId

# In the environment: the port that hears of it.
HEARS = "BENCH_HEARS_AT"

inbox = Inbox.from_env()
_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@inbox.on("order.new")
def tell(order_id: OrderId) -> None:
    """Say so."""
    _socket.sendto(order_id.encode(), ("127.0.0.1", int(os.environ[HEARS])))
