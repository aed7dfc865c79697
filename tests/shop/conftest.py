"""A shop with the three products and the unpaid order of a first start."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.shop.world import KEY, World, close_world, open_world


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[World]:
    """A shop with nothing in it but its key."""
    world = open_world(tmp_path)
    await world.shop.set_key(KEY)
    yield world
    await close_world(world)


@pytest.fixture
async def world(empty: World) -> World:
    """Products 101, 102 and 103, and order 90001, which nobody has paid."""
    await empty.shop.seed()
    return empty
