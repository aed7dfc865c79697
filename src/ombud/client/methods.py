"""Makes a method look like the function it was made of: its name, its words and its parameters."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

M = TypeVar("M", bound=Callable[..., Any])

_SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)


def dress(method: M, make: Callable[..., Any]) -> M:
    """Return `method`, dressed; what it returns is left out of its signature, for a client gives something else."""
    method.__doc__, method.__name__, method.__qualname__ = make.__doc__, make.__name__, make.__name__
    given = inspect.signature(make).parameters.values()
    setattr(method, "__signature__", inspect.Signature([_SELF, *given]))  # noqa: B010 - no stub declares it
    return method
