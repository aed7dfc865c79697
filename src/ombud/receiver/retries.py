"""When a run that failed is tried again: by the handler's own pauses, or by those of the settings. Pure."""

import random
from collections.abc import Sequence
from dataclasses import replace

from ombud.mailbox.mailbox import Policy
from ombud.mailbox.model import Dead, Fault, Outcome, Retry
from ombud.mailbox.retry import retry_delay
from ombud.receiver.options import HandlerFacts
from ombud.setting_values import MOST_RETRIES
from ombud.settings import Settings

# Seconds between tries of what no schedule covers: a mistake of ours behind a handler that wants no retries.
PAUSE_SECONDS = 60.0


def calling_policy(settings: Settings) -> Policy:
    """Return the policy of handlers' runs. It never gives up before a handler's own schedule does."""
    given = tuple(settings.retry_seconds)
    pause = given[-1] if given else PAUSE_SECONDS
    return replace(Policy.of(settings), retry_seconds=given + (pause,) * (MOST_RETRIES - len(given)))


def rescheduled(outcome: Outcome, handler: HandlerFacts, usual: Sequence[float], attempt: int) -> Outcome:
    """Return what comes of a run's attempt of that number (1 is the first): its last retry is its death.

    `usual`: the pauses of the settings, in seconds.
    """
    if not isinstance(outcome, Retry):
        return outcome
    own = handler.retry_seconds
    delay = retry_delay(usual if own is None else own, attempt, random.random())  # noqa: S311 - jitter
    if delay is None:
        return Dead(f"{outcome.reason} (attempt {attempt} was the last)", fault=outcome.fault, trace=outcome.trace)
    if own is None or outcome.after is not None:
        return outcome
    # A pause that the lane's fault asks for would hold every other run: who has a schedule is taken at it, run by run.
    return replace(outcome, after=delay, fault=Fault.DELIVERY)
