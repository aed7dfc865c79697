"""Publishes events at a steady rate until its standard input closes; a refusal or a broken connection is not an ack.

usage: publisher.py HISTORY RATE; standard input: a line of JSON {"api": URL, "api_key": KEY, "orders": [ID, …]}.
The server is expected to come and go: each event is tried once.
"""

import http.client
import json
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.faults.history import History

TIMEOUT_SECONDS = 5.0


def publish(connection: http.client.HTTPConnection, key: str, number: str) -> bool:
    body = json.dumps({"event_type": "order.new", "order_id": number})
    connection.request("POST", "/v1/events", body, {"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status == 201


def stop_at_end_of_input(stopped: threading.Event) -> None:
    sys.stdin.read()
    stopped.set()


def main() -> None:
    history, rate = History(Path(sys.argv[1])), float(sys.argv[2])
    card = json.loads(sys.stdin.readline())
    address = urlsplit(card["api"])
    assert address.hostname is not None
    stopped = threading.Event()
    threading.Thread(target=stop_at_end_of_input, args=(stopped,), daemon=True).start()
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=TIMEOUT_SECONDS)
    began = time.monotonic()
    for sent, number in enumerate(card["orders"]):
        if stopped.wait(max(0.0, began + sent / rate - time.monotonic())):
            break
        history.write("attempt", number)
        try:
            acknowledged = publish(connection, card["api_key"], number)
        except (OSError, http.client.HTTPException):
            connection.close()
            continue
        if acknowledged:
            history.write("ack", number)


if __name__ == "__main__":
    main()
