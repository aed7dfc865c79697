"""A receiver inside a Flask app, under gunicorn with several workers.

    export OMBUD_TOKEN=… QUICKBUTIK_API_KEY=… OMBUD_DATABASE_URL=sqlite:////srv/shop/inbox.db
    gunicorn --workers 4 examples.with_flask:app
    ombud work examples.with_flask:inbox

The shop's webhooks go to http://HOST:8000/hooks/TOKEN. Each worker stores what it is sent, in the request's own thread,
and answers 200 after the commit. `ombud work` is the one process that reads the shop's API and calls the handlers.
"""

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from ombud import Context, Inbox, Order, Retry

inbox = Inbox.from_env()
app = Flask(__name__)
# What Flask serves stays as it is; below /hooks the inbox answers.
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/hooks": inbox.wsgi})  # type: ignore[method-assign]


@app.get("/")
def home() -> str:
    """Your own views stand beside the hooks."""
    return "The shop's integration."


@inbox.on("order.new", retry_seconds=(60, 600, 3_600))
def ship(order: Order, context: Context) -> None:
    """Paid, confirmed by the shop's API, once per order. A plain function is called in a thread."""
    if not order.lines:
        raise Retry("the order has no lines yet")
    print(f"ship order {order.id} with {len(order.lines)} lines (key {context.key})", flush=True)
