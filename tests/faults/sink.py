"""An endpoint that writes down what it hears of before it answers 200. usage: sink.py HISTORY; prints its port.

A delivery of the sender is `deliver`; what a handler tells it is `handle`.
"""

import asyncio
import sys
from pathlib import Path
from urllib.parse import parse_qs

from tests.faults.history import History


async def main() -> None:
    history = History(Path(sys.argv[1]))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        query = parse_qs(request.split(b" ", 2)[1].decode().partition("?")[2])
        what = "handle" if query["event_type"] == ["handled"] else "deliver"
        history.write(what, query["order_id"][0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
