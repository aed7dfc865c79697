"""The addresses that a shop's webhooks come from: learned at first, then compared.

No vendor's list exists, and who enforces a wrong one loses every webhook in silence: so the default only learns.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_network

from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput, NotFound
from ombud.receiver.shop_changes import find_shop
from ombud.receiver.source import UNREADABLE, is_within
from ombud.setting_values import Network
from ombud.settings import Settings

sql = read_queries("ombud.receiver")

# Addresses kept of a shop: a platform sends from few, and whoever has a token could send from many.
MOST_SOURCES = 200
DAY_MICROSECONDS = 86_400_000_000


class Verdict(StrEnum):
    """What a request's address says of it."""

    KNOWN = "known"
    LEARNED = "learned"
    STRANGE = "strange"
    REFUSED = "refused"


@dataclass(frozen=True)
class Sources:
    """What is known of a shop's addresses. `learning`: those that come now are its own."""

    learning: bool = True
    enforcing: bool = False
    known: frozenset[str] = frozenset()
    ranges: tuple[Network, ...] = ()
    last_at: Mapping[str, int] = field(default_factory=dict)  # UTC microseconds, of every address on record

    def judge(self, address: str) -> Verdict:
        """Judge the address of a request."""
        if address in self.known or is_within(address, self.ranges):
            return Verdict.KNOWN
        if self.learning:
            return Verdict.KNOWN if address == UNREADABLE else Verdict.LEARNED
        return Verdict.REFUSED if self.enforcing else Verdict.STRANGE


def sources_of(shop_id: int, created_at: int, now: int, settings: Settings) -> Operation[Sources]:
    """Return what is known of a shop's addresses under these settings. Times are UTC microseconds."""
    rows = yield sql["sources_of_shop"], {"shop_id": shop_id}
    known = [row["address"] for row in rows if row["known"]]
    return Sources(
        learning=settings.sources == "learn" or now < created_at + settings.source_learn_days * DAY_MICROSECONDS,
        enforcing=settings.sources == "enforce",
        known=frozenset(address for address in known if "/" not in address),
        ranges=tuple(ip_network(address) for address in known if "/" in address),
        last_at={row["address"]: row["last_at"] or 0 for row in rows},
    )


def note_source(shop_id: int, address: str, *, known: bool) -> Operation[None]:
    """Note that a request came from there. What is on record stays known or not; of new ones there is a bound."""
    values = {"shop_id": shop_id, "address": address, "known": int(known), "most": MOST_SOURCES}
    yield sql["note_source"], values


def list_sources(name: str) -> Operation[list[Row]]:
    """Return the addresses of a shop, those that came last first. Raises NotFound."""
    shop = yield from find_shop(name)
    rows: list[Row] = yield sql["sources_of_shop"], {"shop_id": shop.id}
    return rows


def change_sources(name: str, allow: Iterable[str], forget: Iterable[str]) -> Operation[None]:
    """Allow addresses or ranges from now on, and forget others. Raises NotFound, InvalidInput."""
    shop = yield from find_shop(name)
    for text in allow:
        yield sql["allow_source"], {"shop_id": shop.id, "address": _address(text, "--allow")}
    for text in forget:
        address = _address(text, "--forget")
        rows = yield sql["forget_source"], {"shop_id": shop.id, "address": address}
        if not rows:
            raise NotFound(f"{address} is not on record for shop {name!r}.")


def _address(text: str, option: str) -> str:
    """Return an address as it is stored, or a range."""
    try:
        network = ip_network(text)
    except ValueError:
        raise InvalidInput(
            option, f"{option}: {text!r} is neither an address nor a range such as 192.0.2.0/24."
        ) from None
    return str(network.network_address) if network.num_addresses == 1 else str(network)
