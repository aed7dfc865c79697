"""Try your handlers: a pretend shop, your inbox on a real database, and a clock that waits for nobody.

Needs the `server` extra. With pytest: `pytest_plugins = ["ombud.testing.plugin"]` in conftest.py gives the fixture
`trial`; without: `with open_trial(inbox, folder) as trial:`. docs/handlers.md shows both at work.
"""

from ombud.testing.crashes import CrashReport, Point
from ombud.testing.outside import Effect, Outside
from ombud.testing.shop import PretendShop, Webhook
from ombud.testing.trial import Run, Trial, open_trial

__all__ = ["CrashReport", "Effect", "Outside", "Point", "PretendShop", "Run", "Trial", "Webhook", "open_trial"]
