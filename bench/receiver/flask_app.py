"""What the vendor's page shows, and nothing more: a view that answers 200 and stores nothing."""

from flask import Flask, request

from ombud.cli.collector import collect_rarely

app = Flask(__name__)


@app.get("/hooks/<token>")
def webhook(token: str) -> tuple[str, int]:
    """Answer a webhook."""
    return f"{token[:1]}{request.args['event_type'][:1]}OK", 200


# As the inbox beside it has it.
collect_rarely()
