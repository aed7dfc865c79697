"""The examples of docs/client.md run as they stand, each in a process of its own, against the pretend shop."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn

from ombud.shop import create_app
from tests.shop.world import KEY, World

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
async def environment(world: World, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """What a reader has set, with the shop behind it."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(world.shop), lifespan="off", log_level="critical"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONWARNINGS": "error",
        "QUICKBUTIK_API_KEY": KEY,
        "OMBUD_API_URL": f"http://127.0.0.1:{listening.getsockname()[1]}/v1",
        "OMBUD_TOKEN": "a-token-of-a-hook",
        "OMBUD_READS_PER_SECOND": "1000",
        "OMBUD_DATABASE_URL": f"sqlite:///{tmp_path}/ombud.db",
    }
    server.should_exit = True
    await serving


async def run(block: str, environment: dict[str, str], folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", block, env=environment, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


def test_the_page_has_examples() -> None:
    assert len(BLOCKS) >= 8
    assert PAGE.count("```") == 2 * len(BLOCKS)


# What some of them print, by their place on the page.
SAID = {
    1: "Mug 249.50 40",
    2: "There is no order 999999.",
    3: "next time, since",
    4: "999999 is gone",
    7: "Kitchen > Mugs",
    8: "548.00 3",
    9: "GET /products (('product_id', '101'),",
}


@pytest.mark.parametrize("place", range(1, len(BLOCKS) + 1))
async def test_an_example_runs(environment: dict[str, str], tmp_path: Path, world: World, place: int) -> None:
    said = await run(BLOCKS[place - 1], environment, tmp_path)

    assert SAID.get(place, "") in said
    assert KEY not in said
    assert await world.get("/v1/products/count") == {"count": "3"}


async def test_an_example_that_is_wrong_is_caught(environment: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no_such_method"):
        await run(BLOCKS[0].replace("shop.product(", "shop.no_such_method("), environment, tmp_path)
