"""The inbox whose acknowledgements are measured, in its ways of being served."""

from fastapi import FastAPI

from ombud import Inbox
from ombud.cli.collector import collect_rarely

inbox = Inbox.from_env()
asgi = inbox.asgi
rsgi = inbox.rsgi
fast = FastAPI()
fast.mount("/hooks", inbox.asgi)
# As docs/reference.md advises; the Flask view has it, too.
collect_rarely()
