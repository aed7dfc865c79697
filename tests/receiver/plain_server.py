"""The app of `mounted_plain.py` under the standard library's own server. Prints its port."""

from wsgiref.simple_server import WSGIRequestHandler, make_server

from tests.receiver.plain_app import inbox


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, inbox.wsgi, handler_class=Quiet)
    print(server.server_port, flush=True)
    server.serve_forever()
