"""Endpoints that write down what they hear of, and answer 200 a while later. usage: slow_sink.py HISTORY SECONDS

Prints its port. Each answer takes a random time up to SECONDS. A line names the order and the path of the endpoint.
"""

import asyncio
import random
import sys
from pathlib import Path
from urllib.parse import parse_qs

from tests.faults.history import History


async def main() -> None:
    history, longest = History(Path(sys.argv[1])), float(sys.argv[2])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                path, _, query = request.split(b" ", 2)[1].decode().partition("?")
                history.write("deliver", f"{parse_qs(query)['order_id'][0]}@{path}")
                await asyncio.sleep(random.uniform(0, longest))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4_096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
