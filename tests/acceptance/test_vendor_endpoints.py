"""Endpoints written only from the vendor's page: bare Flask, and Node's own http server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import playwright
import pytest

from tests.support.processes import Ombud, Ombuds

SUPPORT = Path(__file__).parent.parent / "support"
NODE = Path(playwright.__file__).parent / "driver" / "node"

COMMANDS = {
    "flask": [sys.executable, str(SUPPORT / "flask_endpoint.py")],
    "node": [str(NODE), str(SUPPORT / "node_endpoint.js")],
}


class VendorEndpoint:
    """A process that prints its port, then a line for each request."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        port = self._line()
        if not port:
            self.close()
            raise AssertionError(f"{command[0]} does not start")
        self.port = int(port)

    def next(self) -> dict[str, Any]:
        seen: dict[str, Any] = json.loads(self._line())
        return seen

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(params=list(COMMANDS))
def vendor_endpoint(request: pytest.FixtureRequest) -> Iterator[VendorEndpoint]:
    started = VendorEndpoint(COMMANDS[request.param])
    yield started
    started.close()


@pytest.fixture
def demo(ombuds: Ombuds, tmp_path: Path) -> Ombud:
    return ombuds.start("demo", "--port", "0", "--data", str(tmp_path / "demo"))


@pytest.mark.parametrize("strict", [True, False])
def test_it_receives_the_wire_and_keeps_its_own_query(
    demo: Ombud, vendor_endpoint: VendorEndpoint, *, strict: bool
) -> None:
    own = "/webhooks/quickbutik?token=a%2Fb+c&x=%C3%A5"
    authority = f"127.0.0.1:{vendor_endpoint.port}"
    headers = {"Authorization": f"Bearer {demo.card['api_key']}"}
    with httpx2.Client(base_url=demo.card["api"], headers=headers) as api:
        choice = {"url": f"http://{authority}{own}", "strict": strict}
        assert api.post("/endpoints", json=choice).status_code == 201
        events = [
            {"event_type": "order.new", "order_id": 90017},
            {"event_type": "product.delete", "product_id": "77"},
        ]
        assert api.post("/events", json=events).status_code == 201
    seen = sorted((vendor_endpoint.next(), vendor_endpoint.next()), key=lambda request: request["event_type"])
    assert [(one["event_type"], one["order_id"], one["product_id"]) for one in seen] == [
        ("order.new", "90017", None),
        ("product.delete", None, "77"),
    ]
    assert seen[0]["method"] == "GET"
    assert seen[1]["method"] == "GET"
    received = seen[0]["headers"]
    # In strict mode the vendor's set and no others; else three more, which both leave alone.
    assert received[:6] == ["Host", authority, "User-Agent", "Quickbutik-Webhooks/1.0", "Cache-Control", "no-cache"]
    signature = ["webhook-id", "webhook-timestamp", "webhook-signature"]
    assert [name.lower() for name in received[6::2]] == ([] if strict else signature)


def test_node_sees_the_request_target_byte_for_byte(demo: Ombud) -> None:
    node = VendorEndpoint(COMMANDS["node"])
    try:
        headers = {"Authorization": f"Bearer {demo.card['api_key']}"}
        with httpx2.Client(base_url=demo.card["api"], headers=headers) as api:
            api.post("/endpoints", json={"url": f"http://127.0.0.1:{node.port}/hook.php?token=a%2fb+c&x=%C3%A5&"})
            api.post("/events", json={"event_type": "order.new", "order_id": "90017"})
        assert node.next()["url"] == "/hook.php?token=a%2fb+c&x=%C3%A5&event_type=order.new&order_id=90017"
    finally:
        node.close()
