"""The inbox whose acknowledgements are measured, in its ways of being served."""

from fastapi import FastAPI

from ombud import Inbox

inbox = Inbox.from_env()
asgi = inbox.asgi
rsgi = inbox.rsgi
fast = FastAPI()
fast.mount("/hooks", inbox.asgi)
