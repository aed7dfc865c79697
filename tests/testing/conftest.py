"""The fixture of ombud.testing, as anybody's project takes it."""

from ombud.testing.plugin import trial

__all__ = ["trial"]
