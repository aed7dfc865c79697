"""Where the API key comes from: the environment, a file, or a person at a terminal. Never from a command line.

What stands on a command line is shown to every user of the machine and kept in a shell's history.
"""

import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from getpass import GetPassWarning, getpass

from ombud.client.budget import Budget
from ombud.client.budgets import Budgets
from ombud.errors import ConfigurationError
from ombud.settings import read_settings

# Whatever uses one key at one API on this machine shares one budget: a handler's process with the one that reads, too.
BUDGETS = Budgets(shared=True)


@dataclass(frozen=True)
class Access:
    """How to reach a shop: its key, its API's URL, and the budget of the key."""

    key: str = field(repr=False)
    api_url: str
    budget: Budget


def access_of_environment(environment: Mapping[str, str] = os.environ, *, prompt: bool = False) -> Access:
    """Read the settings; with `prompt`, ask for a key that is not among them. Raises `ConfigurationError`."""
    settings = read_settings(environment)
    key = settings.api_key or (ask_for_key() if prompt else None)
    if key is None:
        raise ConfigurationError(
            "There is no API key. Set QUICKBUTIK_API_KEY to it, or QUICKBUTIK_API_KEY_FILE to a file that holds it."
        )
    budget = BUDGETS.of(key, lambda: Budget(settings.reads_per_second), settings.api_url)
    return Access(key, settings.api_url, budget)


def ask_for_key() -> str:
    """Ask the person at the terminal, without showing what is typed. Raises `ConfigurationError` without a terminal."""
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "There is nobody to ask for the API key: this is no terminal."
            " Set QUICKBUTIK_API_KEY or QUICKBUTIK_API_KEY_FILE."
        )
    with warnings.catch_warnings():
        # Where the terminal cannot hide what is typed, getpass would warn and show it.
        warnings.simplefilter("error", GetPassWarning)
        try:
            return getpass("The shop's API key (not shown): ").strip()
        except (GetPassWarning, EOFError):
            failed = ConfigurationError("The API key could not be asked for. Set QUICKBUTIK_API_KEY_FILE.")
    raise failed
