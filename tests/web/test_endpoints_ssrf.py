"""The routes that take a URL: each refuses what no delivery may reach, and changes nothing."""

from typing import Any

import httpx2
import pytest

from tests.support.ssrf import ADDRESSES, DEVANAGARI, embeddings, spellings

REFUSED = ["http://8.8.8.8:22/", "http://[::1]/", "http://[fd00:ec2::254]/"]
HOSTS = [host for text in ADDRESSES if not text.startswith("127.") for host in [*spellings(text), *embeddings(text)]]
# Names to us and to the system: only a name server can say where they lead, and it is asked at every attempt.
NAMES = ("0b", "0o", *DEVANAGARI)


@pytest.mark.parametrize(
    "urls",
    [REFUSED, *([f"http://{host}/" for host in HOSTS[part::8] if not host.startswith(NAMES)] for part in range(8))],
)
async def test_no_route_takes_a_url_that_leads_inside(
    client: httpx2.AsyncClient, rows: Any, is_problem: Any, urls: list[str]
) -> None:
    good = (await client.post("/v1/endpoints", json={"url": "https://8.8.8.8/"})).json()
    before = rows("select * from endpoint")

    for url in urls:
        is_problem(await client.post("/v1/endpoints", json={"url": url}), 422, "url")
        is_problem(await client.patch(f"/v1/endpoints/{good['id']}", json={"url": url}), 422, "url")

    assert rows("select * from endpoint") == before
