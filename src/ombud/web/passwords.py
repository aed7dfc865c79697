"""Passwords: which may be chosen, and argon2id, one at a time so that deliveries keep the processor."""

import asyncio
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from ombud.errors import InvalidInput, TooManyLogins
from ombud.web.words import mark

T = TypeVar("T")

# Characters. OWASP ASVS 5.0, 6.2: at least 8, better 15; 64 and more must do; no rule about which.
SHORTEST = 8
LONGEST = 256
# Hashes that may wait for their turn: at 30 ms each nobody waits longer than about a second.
WAITING = 32

_COMMON = mark("This password is among those that are tried first everywhere. Choose another.")
_NAME = mark("This password is the name. Choose another.")

# OWASP's password storage cheat sheet: 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# What a name that nobody has is compared with, so that it takes as long: salt and hash are zeros, in base 64.
_EFFORT = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
NOBODY = f"$argon2id$v=19${_EFFORT}${'A' * 22}${'A' * 43}"


@cache
def common_passwords() -> frozenset[str]:
    """Return the passwords that are tried first everywhere."""
    return frozenset(files("ombud.web").joinpath("data/common_passwords.txt").read_text("utf-8").split())


def check_password(password: str, name: str) -> None:
    """Raise InvalidInput for a password that may not be chosen by somebody of this name."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput("password", f"A password has {SHORTEST} to {LONGEST} characters; 15 or more are good.")
    if password.casefold() in common_passwords():
        raise InvalidInput("password", _COMMON)
    if name and password.casefold() in (name.casefold(), name.casefold() * 2, "ombud" + name.casefold()):
        raise InvalidInput("password", _NAME)


class Passwords:
    """Hashes and compares, one at a time, in a thread."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Return what is stored of a password."""
        return await self._in_turn(_hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Return whether a password is the stored one; None takes as long and never is."""
        return await self._in_turn(_matches, stored or NOBODY, password) and stored is not None

    async def _in_turn(self, work: Callable[..., T], *values: str) -> T:
        if self._waiting >= WAITING:
            raise TooManyLogins
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *values)
        finally:
            self._waiting -= 1


def _matches(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (Argon2Error, InvalidHashError):
        return False
