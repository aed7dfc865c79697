"""The budgets of a process, one for each API key."""

import threading
from collections.abc import Callable
from contextlib import suppress

from ombud.client.budget import Budget
from ombud.client.secret import Secret
from ombud.client.sharing import budget_file, budget_name


class Budgets:
    """One budget for each API key of this process. Of the keys only fingerprints are kept.

    `shared`: each is one with those of this user's other processes on this machine that ask the same API.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        self._known: dict[str, Budget] = {}
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Budgets of {len(self._known)} keys>"

    def known(self) -> dict[str, Budget]:
        """Return the budgets in use by their names, which tell nothing of the keys."""
        with self._lock:
            return {self._names[fingerprint]: budget for fingerprint, budget in self._known.items()}

    def of(self, api_key: str, make: Callable[[], Budget] = Budget, api_url: str = "") -> Budget:
        """Return the budget of a key, made at its first use. Raises `ConfigurationError` for an impossible key."""
        fingerprint = Secret(api_key).fingerprint()
        with self._lock:
            if fingerprint not in self._known:
                made = self._known[fingerprint] = make()
                self._names[fingerprint] = budget_name(fingerprint, api_url)
                path = budget_file(fingerprint, api_url) if self._shared else None
                if path is not None:
                    # Without a file it is this process's own.
                    with suppress(OSError):
                        made.share(path)
            return self._known[fingerprint]
