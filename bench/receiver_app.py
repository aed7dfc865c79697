"""The inbox whose acknowledgements are measured."""

from ombud import Inbox

inbox = Inbox.from_env()
