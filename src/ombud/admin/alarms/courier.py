"""Carries a message to where somebody is told: by e-mail, or by a POST as Slack and others take it."""

import hashlib
import json
from dataclasses import dataclass
from html import escape

from ombud.admin.alarms.channel import Kind
from ombud.admin.alarms.mail import MAIL_SECONDS, Mailer, MailFailed, MailServer
from ombud.errors import InvalidInput
from ombud.mailbox.model import Done
from ombud.sender.attempt import Wanted
from ombud.sender.deliver import Deliverer
from ombud.sender.guard import Guard
from ombud.sender.url import check_endpoint_url
from ombud.settings import Settings


@dataclass(frozen=True)
class Message:
    """What somebody reads."""

    subject: str
    text: str


class Courier:
    """Has connections of its own, so that no channel stands in the way of a delivery. For one event loop."""

    def __init__(self, settings: Settings, mailer: Mailer | None = None) -> None:
        """`mailer` stands in for one with the server of the settings. Raises ConfigurationError."""
        server = MailServer.of(settings)
        self._mailer = mailer or (None if server is None else Mailer(server))
        self._deliverer = Deliverer(settings.allow_networks, min(settings.timeout_seconds, MAIL_SECONDS))

    @property
    def guard(self) -> Guard:
        """The rules for URLs: those of endpoints."""
        return self._deliverer.guard

    @property
    def mails(self) -> bool:
        """Whether there is a mail server."""
        return self._mailer is not None

    async def send(self, kind: str, target: str, message: Message, key: object) -> str | None:
        """Send a message, the same under the same key; returns why it failed, None when it was taken."""
        if kind == Kind.WEBHOOK:
            return await self._post(target, message)
        if self._mailer is None:
            return "E-mail is not set up here any more: an operator sets OMBUD_SMTP_HOST and OMBUD_MAIL_FROM."
        name = "ombud." + hashlib.sha256(repr(key).encode()).hexdigest()[:32]
        try:
            await self._mailer.send(target, message.subject, message.text, name)
        except MailFailed as error:
            return str(error)
        return None

    def close(self) -> None:
        """Close what is kept open. Call it on the event loop."""
        self._deliverer.close()

    async def _post(self, target: str, message: Message) -> str | None:
        try:
            url = check_endpoint_url(target)
        except InvalidInput as error:
            return str(error)
        # These three are marks in Slack's texts: https://docs.slack.dev/messaging/formatting-message-text#escaping
        text = escape(f"*{message.subject}*\n{message.text}", quote=False)
        body = json.dumps({"text": text}, ensure_ascii=False).encode()
        lines = f"Host: {url.authority}\r\nUser-Agent: Ombud\r\nContent-Type: application/json\r\nConnection: close\r\n"
        head = f"POST {url.target} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        outcome = await self._deliverer.attempt(Wanted(url, head.encode("ascii") + body), 0)
        return None if isinstance(outcome, Done) else outcome.reason
