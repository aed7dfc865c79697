"""How often a password may be tried: so seldom that guessing is hopeless, and never so that an owner is locked out.

A browser that was let in before has tries of its own, so whoever guesses from elsewhere cannot use them up. Counted in
this process.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

# Tries of one account, from all strangers together: at once, and the seconds until another.
ACCOUNT_TRIES = 10
ACCOUNT_SECONDS = 72.0
# Tries of one address, at whatever accounts.
ADDRESS_TRIES = 20
ADDRESS_SECONDS = 30.0
# Tries of one account from one browser that was let in before.
KNOWN_TRIES = 10
KNOWN_SECONDS = 60.0
# Accounts, addresses and browsers that are counted; the one longest unused is forgotten first.
MOST_COUNTED = 10_000


@dataclass
class _Bucket:
    left: float
    at: float


class Brake:
    """A bucket of tries for each of many keys: `tries` at once, one more every `seconds`."""

    def __init__(self, tries: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._tries = tries
        self._seconds = seconds
        self._clock = clock
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def wait(self, key: Hashable) -> float:
        """Return the seconds until this key has a try; 0.0 when it has one now."""
        return max(0.0, (1 - self._bucket(key).left) * self._seconds)

    def left(self, key: Hashable) -> int:
        """Return how many tries this key has now."""
        return max(0, int(self._bucket(key).left))

    def take(self, key: Hashable, tries: int = 1) -> None:
        """Use one up, or several; more than there are is a debt."""
        self._bucket(key).left -= tries

    def forget(self, key: Hashable) -> None:
        """Give all of them back."""
        self._buckets.pop(key, None)

    def _bucket(self, key: Hashable) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.pop(key, None) or _Bucket(self._tries, now)
        bucket.left = min(self._tries, bucket.left + (now - bucket.at) / self._seconds)
        bucket.at = now
        self._buckets[key] = bucket
        while len(self._buckets) > MOST_COUNTED:
            self._buckets.popitem(last=False)
        return bucket


class LoginBrakes:
    """The brakes of the log-in page."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._accounts = Brake(ACCOUNT_TRIES, ACCOUNT_SECONDS, clock)
        self._addresses = Brake(ADDRESS_TRIES, ADDRESS_SECONDS, clock)
        self._known = Brake(KNOWN_TRIES, KNOWN_SECONDS, clock)

    def take(self, login: str, address: str, browser: bytes | None) -> float:
        """Use up one try and return 0.0, or return the seconds to wait and use up nothing.

        `browser`: the hash of a session that this account once had in this browser.
        """
        brakes: list[tuple[Brake, Hashable]] = [(self._known, (login, browser))]
        if browser is None:
            brakes = [(self._accounts, login), (self._addresses, address)]
        wait = max(brake.wait(key) for brake, key in brakes)
        if wait == 0:
            for brake, key in brakes:
                brake.take(key)
        return wait

    def succeeded(self, login: str, address: str, browser: bytes | None) -> None:
        """Give this browser's or this address's tries back; those of the account were used up by others too."""
        if browser is None:
            self._addresses.forget(address)
        else:
            self._known.forget((login, browser))
