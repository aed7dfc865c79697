"""Where many requests lead to one place, they are few at once and evenly spread: nobody is flooded from here.

A place is a host, and each of its addresses (of IPv6, the network of 64 bits), whatever endpoints and shops lead there.
What the operator allows by OMBUD_ALLOW_NETWORKS is not counted. The limits are of one process.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from ombud.errors import InvalidInput, OmbudError
from ombud.sender.address import Network, is_allowed
from ombud.sender.guard import Guard, Vetted
from ombud.sender.request import prepare

# Seconds between two requests to an endpoint that has not acknowledged one yet, as far as this process knows: whoever
# enters somebody else's address is heard there once a second.
NEW_ENDPOINT_SECONDS = 1.0
# Of the starts of a second, how many may be at once, and how many follow in that second: what is left is for those that
# the network, or a busy machine, holds up for a tenth of a second and lets go together.
BURST_SHARE, REST_SHARE = 0.05, 0.85
# Seconds until a request is tried again whose name leads to an address that has its fill; up to as much again.
LATER_SECONDS = 1.0
# Places remembered, past which those at rest are forgotten; and endpoints that have acknowledged, past which all are.
PLACES = 20_000
ACKNOWLEDGED = 100_000
# How the place of an endpoint begins that has not acknowledged anything yet.
NEW = "endpoint "
# Bits of an address of IPv6 that one customer of a network has to themselves.
IPV6_BITS = 64


class Crowded(OmbudError):
    """As many requests as one place is sent are under way there already."""


def later() -> float:
    """Return the seconds after which a request that was Crowded is tried again."""
    return LATER_SECONDS * (1 + random.random())  # noqa: S311 - it spreads, it guards nothing


class _Place:
    """What is under way to one place, and who waits. Times are of the loop's clock."""

    __slots__ = ("burst", "connections", "free_at", "in_flight", "name", "pause", "timer", "waiting")

    def __init__(self, name: str, connections: int, burst: float, pause: float) -> None:
        self.name = name
        self.connections, self.burst, self.pause = connections, burst, pause
        self.in_flight = 0
        self.free_at = 0.0  # when all that has started would have, evenly spread
        self.waiting: dict[int, Callable[[], None]] = {}
        self.timer: asyncio.TimerHandle | None = None

    def at_rest(self, now: float) -> bool:
        return not self.in_flight and not self.waiting and self.free_at <= now

    def wait_at(self, now: float) -> float:
        """Return when the next may start, as far as time is what it waits for."""
        return max(now, self.free_at - self.burst)

    def admits(self, now: float) -> bool:
        return self.in_flight < self.connections and self.free_at - self.burst <= now

    def enter(self, now: float) -> None:
        self.in_flight += 1
        self.free_at = max(self.free_at, now) + self.pause


class _Route:
    """Where a URL leads, as long as its name leads where it did."""

    __slots__ = ("key", "places", "vetted")

    def __init__(self, key: tuple[str, int], vetted: Vetted | None, places: list[_Place]) -> None:
        self.key, self.vetted, self.places = key, vetted, places


class Targets:
    """The gate of a sender. For one event loop."""

    def __init__(self, guard: Guard, connections: int, per_second: int, free: Sequence[Network] = ()) -> None:
        """`connections` at once and starts `per_second`, of one place; what is in the ranges `free` is not counted."""
        self._guard = guard
        self.connections, self.per_second = connections, per_second
        self._pause = 1 / (per_second * REST_SHARE)
        self._burst = max(0.0, per_second * BURST_SHARE - 1) * self._pause
        self._free = tuple(free)
        self._places: dict[str, _Place] = {}
        self._most_places = PLACES
        self._routes: dict[str, _Route] = {}
        # With each the hash of the URL where it has.
        self._acknowledged: dict[int, int] = {}
        self._waits_at: dict[int, _Place] = {}

    def enter(self, facts: Mapping[str, Any]) -> object | None:
        """Count a request at every place that it leads to; None while one of them has no room."""
        places = self._of(facts)
        return places if not places or self._enter(places) else None

    def leave(self, entered: object) -> None:
        """Have the next one go."""
        assert isinstance(entered, list)
        for place in entered:
            place.in_flight -= 1
            self._let_in(place)

    def wait(self, lane_id: int, facts: Mapping[str, Any], then: Callable[[], None]) -> None:
        """Let a lane stand in the line of a place that has no room; where it stands already, it keeps its turn."""
        full = self._full(self._of(facts))
        place = self._waits_at.get(lane_id)
        if place not in full:
            self.forget(lane_id)
            if not full:
                asyncio.get_running_loop().call_soon(then)
                return
            place = self._waits_at[lane_id] = full[0]
        place.waiting[lane_id] = then
        self._plan(place)

    def forget(self, lane_id: int) -> None:
        """Take a lane out of its line."""
        place = self._waits_at.pop(lane_id, None)
        if place is not None:
            place.waiting.pop(lane_id, None)

    def waiting(self) -> dict[int, str]:
        """Return the lanes that wait now, each with its place: `host H`, `address A`, or NEW and the endpoint's id."""
        return {lane_id: place.name for lane_id, place in self._waits_at.items()}

    def acknowledged(self, endpoint_id: int, url: str) -> None:
        """An endpoint has answered there as one does: until it leads elsewhere it is as any other."""
        if self._acknowledged.get(endpoint_id) == hash(url):
            return
        if len(self._acknowledged) >= ACKNOWLEDGED:
            self._acknowledged.clear()
        self._acknowledged[endpoint_id] = hash(url)
        place = self._places.pop(f"{NEW}{endpoint_id}", None)
        if place is not None:
            place.connections, place.free_at = self.connections, 0.0
            self._let_in(place)

    @contextmanager
    def at(self, before: Sequence[str], addresses: Sequence[str]) -> Iterator[None]:
        """Count a request at addresses that were not known when it started; raises Crowded.

        `before`: those that were.
        """
        counted = {_name(address) for address in before}
        names = [] if self._is_free(addresses) else dict.fromkeys(map(_name, addresses))
        places = [self._place(name) for name in names if name not in counted]
        if not self._enter(places):
            raise Crowded
        try:
            yield
        finally:
            self.leave(places)

    def _enter(self, places: Sequence[_Place]) -> bool:
        """Count a request at all of these places, or at none when one of them has no room; returns whether it did."""
        now = asyncio.get_running_loop().time()
        for place in places:
            if not place.admits(now):
                return False
        for place in places:
            place.enter(now)
        return True

    def _full(self, places: Sequence[_Place]) -> list[_Place]:
        now = asyncio.get_running_loop().time()
        return [place for place in places if not place.admits(now)]

    def _of(self, facts: Mapping[str, Any]) -> list[_Place]:
        text, endpoint_id = facts["url"], facts["endpoint_id"]
        route = self._routes.get(text)
        if route is None or route.vetted is not self._guard.last_vetted(route.key):
            route = self._route(text)
        if not route.places or self._acknowledged.get(endpoint_id) == hash(text):
            return route.places
        return [*route.places, self._place(f"{NEW}{endpoint_id}", 1, NEW_ENDPOINT_SECONDS)]

    def _route(self, text: str) -> _Route:
        try:
            url = prepare(text).url
        except InvalidInput:
            # Its try says so, and goes nowhere.
            return _Route(("", 0), None, [])
        key, addresses = (url.host, url.port), self._guard.last_known(url)
        names = [] if addresses and self._is_free(addresses) else [f"host {url.host}", *map(_name, addresses)]
        route = _Route(key, self._guard.last_vetted(key), [self._place(name) for name in dict.fromkeys(names)])
        if len(self._routes) >= PLACES:
            self._routes.clear()
        self._routes[text] = route
        return route

    def _is_free(self, addresses: Sequence[str]) -> bool:
        return all(is_allowed(ip_address(address), self._free) for address in addresses)

    def _place(self, name: str, connections: int = 0, pause: float = 0.0) -> _Place:
        place = self._places.get(name)
        if place is None:
            if len(self._places) >= self._most_places:
                self._forget_places()
            limits = (connections, 0.0, pause) if connections else (self.connections, self._burst, self._pause)
            place = self._places[name] = _Place(name, *limits)
        return place

    def _forget_places(self) -> None:
        now = asyncio.get_running_loop().time()
        self._places = {name: place for name, place in self._places.items() if not place.at_rest(now)}
        # Where nearly all are in use, each new one would have all looked at.
        self._most_places = max(PLACES, 2 * len(self._places))
        self._routes.clear()

    def _let_in(self, place: _Place) -> None:
        """Have lanes go that wait, as many as there is room for; and have the next looked at when it is time."""
        loop = asyncio.get_running_loop()
        room = place.connections - place.in_flight
        while place.waiting and room > 0 and place.admits(loop.time()):
            room -= 1
            lane_id = next(iter(place.waiting))
            then = place.waiting.pop(lane_id)
            self._waits_at.pop(lane_id, None)
            then()
        self._plan(place)

    def _plan(self, place: _Place) -> None:
        """Have a line looked at when it is time; while every connection is in use, whoever leaves does it."""
        if place.waiting and place.timer is None and place.in_flight < place.connections:
            loop = asyncio.get_running_loop()
            place.timer = loop.call_at(place.wait_at(loop.time()), self._tick, place)

    def _tick(self, place: _Place) -> None:
        place.timer = None
        self._let_in(place)


def _name(address: str) -> str:
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        return f"address {ip_network((parsed, IPV6_BITS), strict=False)}"
    return f"address {parsed}"
