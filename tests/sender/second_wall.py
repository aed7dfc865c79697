"""A network of its own in which every address answers, and a sender whose own rules are switched off.

usage: unshare --net --map-root-user python -m tests.sender.second_wall
Prints as JSON what came of a request to each address before the second wall of docs/destinations.md stands, and after.
"""

import asyncio
import json
import re
import subprocess
from pathlib import Path

from ombud.sender import guard
from ombud.sender.deliver import Deliverer
from ombud.sender.verdict import DeliveryFailed

PAGE = (Path(__file__).parents[2] / "docs" / "destinations.md").read_text()
INSIDE = [
    *("10.0.0.1", "100.64.0.1", "100.100.100.200", "168.63.129.16", "169.254.169.254", "172.16.0.1", "192.0.0.192"),
    *("192.168.0.1", "198.18.0.1", "203.0.113.1", "64:ff9b::a9fe:a9fe", "2001:db8::1", "2002:7f00:1::1"),
    "fd00:ec2::254",
]
OUTSIDE = ["8.8.8.8", "2a00::1"]
PORT = 8080
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def ip(*words: str) -> None:
    """Run `ip`; a word with a colon is of IPv6."""
    family = ["-6"] if any(":" in word for word in words) else []
    subprocess.run(["ip", *family, *words], check=True)


def build_world() -> None:
    """Have every address on this machine, which is alone in its network."""
    ip("link", "set", "lo", "up")
    for address in [*INSIDE, *OUTSIDE]:
        ip("addr", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo")


def build_wall() -> None:
    """Refuse what the page has the kernel refuse, by rules that stand before those for addresses of this machine."""
    for line in re.findall(r"^IPAddressDeny=(.*)$", PAGE, re.MULTILINE):
        for network in line.split():
            ip("rule", "add", "pref", "10", "to", network, "prohibit")
    for family in ("-4", "-6"):
        ip(family, "rule", "add", "pref", "20", "lookup", "local")
        ip(family, "rule", "del", "pref", "0")


async def ask_all(heard: set[str]) -> dict[str, list[object]]:
    """Return of each address what came of a request, and whether somebody there heard of a connection."""
    deliverer = Deliverer((), 2.0)
    found: dict[str, list[object]] = {}
    for address in [*INSIDE, *OUTSIDE]:
        heard.clear()
        host = f"[{address}]" if ":" in address else address
        try:
            came: object = (await deliverer.send(f"http://{host}:{PORT}/")).status
        except DeliveryFailed as error:
            came = error.failure.value
        found[address] = [came, bool(heard)]
    deliverer.close()
    return found


async def main() -> None:
    """Ask without the wall, and with it."""
    vars(guard)["refusal"] = lambda *_: None
    heard: set[str] = set()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.add(str(writer.get_extra_info("sockname")[0]))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_OK)
        await writer.drain()
        writer.close()

    build_world()
    for host in ("0.0.0.0", "::"):
        await asyncio.start_server(hear, host, PORT)
    without = await ask_all(heard)
    build_wall()
    print(json.dumps({"without": without, "with": await ask_all(heard)}))


if __name__ == "__main__":
    asyncio.run(main())
