"""An endpoint as the vendor's page describes it, in Flask. Prints a line for each request."""

import json
import socket

from flask import Flask, request
from werkzeug.serving import make_server

app = Flask(__name__)


@app.route("/webhooks/quickbutik", methods=["GET"])
def webhook() -> tuple[str, int]:
    print(
        json.dumps(
            {
                "method": request.method,
                "url": request.full_path,
                "headers": [part for pair in request.headers for part in pair],
                "event_type": request.args.get("event_type"),
                "order_id": request.args.get("order_id"),
                "product_id": request.args.get("product_id"),
            }
        ),
        flush=True,
    )
    return "OK", 200


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = make_server("127.0.0.1", 0, app, fd=listening.fileno())
        print(listening.getsockname()[1], flush=True)
        server.serve_forever()
