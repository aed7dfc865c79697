"""An inbox for `ombud receive`."""

from ombud.receiver.inbox import Inbox

inbox = Inbox.from_env()
