"""Sends one e-mail over an SMTP server (RFC 5321), in a thread of its own that nothing waits for longer than it may.

The library blocks, and a server may drip: each step has a time limit, and all of them together have one.
"""

import asyncio
import contextlib
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from ipaddress import ip_address
from types import TracebackType

from ombud.admin.alarms.channel import check_address
from ombud.errors import ConfigurationError, InvalidInput, NetworkError
from ombud.settings import Settings

# Seconds for a whole message, and for one answer of the server: less than a process may hold a channel (telling.CLAIM).
MAIL_SECONDS = 20.0
ANSWER_SECONDS = 10.0
# Submission with STARTTLS (RFC 6409), with TLS from the beginning (RFC 8314), and the old one.
PORTS = {"starttls": 587, "tls": 465, "none": 25}
# Characters of what a server says that are shown.
LONGEST_DETAIL = 200
# What a header must not have: control characters, and what else Python takes for the end of a line.
_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# What may go wrong and how to mend it; `{detail}` is what the server or the system says.
TROUBLES: Mapping[str, tuple[str, str]] = {
    "reach": (
        "The mail server could not be reached: {detail}.",
        "Check OMBUD_SMTP_HOST and OMBUD_SMTP_PORT, and the firewall on the way.",
    ),
    "late": ("The mail server took too long.", "Check that it is well, and that OMBUD_SMTP_PORT is the right one."),
    "secure": (
        "The connection to the mail server could not be secured: {detail}.",
        "Check OMBUD_SMTP_SECURITY and the server's certificate.",
    ),
    "login": ("The mail server refused the login.", "Check OMBUD_SMTP_USER and OMBUD_SMTP_PASSWORD."),
    "address": ("The mail server refused the address: {detail}.", "Check how it is spelled."),
    "message": (
        "The mail server refused the message: {detail}.",
        "Check that it may be used for what is sent from OMBUD_MAIL_FROM.",
    ),
}


class MailFailed(NetworkError):
    """The mail was not sent."""

    def __init__(self, trouble: str, detail: object = "") -> None:
        words = " ".join(TROUBLES[trouble])
        shown = _NOT_IN_A_LINE.sub(" ", str(detail)).strip().rstrip(".")[:LONGEST_DETAIL]
        super().__init__(words.replace("{detail}", shown))


@dataclass(frozen=True)
class MailServer:
    """Where e-mail is handed in, and as whom. `security`: one of PORTS."""

    host: str
    port: int
    security: str
    sender: str
    user: str = ""
    password: str | None = field(default=None, repr=False)

    @property
    def domain(self) -> str:
        """The domain of the sender."""
        return self.sender.rpartition("@")[2]

    @classmethod
    def of(cls, settings: Settings) -> "MailServer | None":
        """Return the server of an installation, None when it has none; raises ConfigurationError."""
        if not settings.smtp_host and not settings.mail_from:
            return None
        if not settings.smtp_host or not settings.mail_from:
            raise ConfigurationError("OMBUD_SMTP_HOST and OMBUD_MAIL_FROM go together. Set both, or none.")
        if bool(settings.smtp_user) != (settings.smtp_password is not None):
            raise ConfigurationError("OMBUD_SMTP_USER and OMBUD_SMTP_PASSWORD go together. Set both, or none.")
        security = settings.smtp_security
        if settings.smtp_user and security == "none" and not _is_here(settings.smtp_host):
            raise ConfigurationError(
                "OMBUD_SMTP_SECURITY=none would send the password in the clear. Use starttls or tls."
            )
        try:
            sender = check_address(settings.mail_from, "OMBUD_MAIL_FROM")
        except InvalidInput as error:
            raise ConfigurationError(f"OMBUD_MAIL_FROM: {error}") from None
        port = settings.smtp_port or PORTS[security]
        return cls(settings.smtp_host, port, security, sender, settings.smtp_user, settings.smtp_password)


class Mailer:
    """Sends e-mail for one installation. For one event loop."""

    def __init__(self, server: MailServer, tls: ssl.SSLContext | None = None) -> None:
        """`tls` stands in for one that trusts public authorities, or those of SSL_CERT_FILE."""
        self._server = server
        self._tls = tls

    async def send(self, to: str, subject: str, text: str, message_id: str) -> None:
        """Send a text; `message_id` is the same when it is sent again. Raises MailFailed."""
        loop = asyncio.get_running_loop()
        sending = _Sending(self._server, self._tls, self._message(to, subject, text, message_id))
        done: asyncio.Future[MailFailed | None] = loop.create_future()

        def run() -> None:
            result = sending.run()
            # A loop that has been closed has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_end, done, result)

        threading.Thread(target=run, name="ombud-mail", daemon=True).start()
        try:
            async with asyncio.timeout(MAIL_SECONDS):
                failure = await done
        except TimeoutError:
            raise MailFailed("late") from None
        finally:
            sending.abort()
        if failure is not None:
            raise failure

    def _message(self, to: str, subject: str, text: str, message_id: str) -> EmailMessage:
        """Return the e-mail as it is sent. No answer is wanted (RFC 3834)."""
        message = EmailMessage()
        message["From"], message["To"] = self._server.sender, to
        message["Subject"] = _NOT_IN_A_LINE.sub(" ", subject)
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = f"<{message_id}@{self._server.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message


class _Sending:
    """One message on its way, in a thread; `abort` comes from another."""

    def __init__(self, server: MailServer, tls: ssl.SSLContext | None, message: EmailMessage) -> None:
        self._server = server
        self._tls = tls
        self._message = message
        self._socket: socket.socket | None = None
        self._given_up = False

    def run(self) -> MailFailed | None:
        """Send it, and return what went wrong."""
        try:
            # Made in this thread: its authorities are read from files.
            tls = self._tls or ssl.create_default_context()
            with _Connection(self._server, tls, self._hold) as connection:
                if self._server.security == "starttls":
                    connection.starttls(context=tls)
                    self._hold(connection.sock)
                if self._server.user:
                    connection.login(self._server.user, self._server.password or "")
                connection.send_message(self._message)
        except Exception as error:  # noqa: BLE001 - told to whoever waits, whatever it is
            return _failure_of(error)
        return None

    def abort(self) -> None:
        """End it, wherever it is; where there is no connection yet, as soon as there is one."""
        self._given_up = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _hold(self, made: socket.socket | None) -> None:
        self._socket = made
        if self._given_up:
            self.abort()


class _Connection(smtplib.SMTP):
    """A connection whose socket is known from its first moment, and whose end changes nothing."""

    def __init__(self, server: MailServer, tls: ssl.SSLContext, hold: Callable[[socket.socket], None]) -> None:
        self._tls = tls if server.security == "tls" else None
        self._hold = hold
        # Our own name is not looked up: that may take as long as a name server likes.
        super().__init__(server.host, server.port, local_hostname=server.domain, timeout=ANSWER_SECONDS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What was taken is taken, whatever the answer to QUIT: called a failure, it would be sent again.
        with contextlib.suppress(OSError):
            super().__exit__(kind, error, trace)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        made = socket.create_connection((host, port), timeout)
        self._hold(made)
        if self._tls is None:
            return made
        secure = self._tls.wrap_socket(made, server_hostname=host, do_handshake_on_connect=False)
        self._hold(secure)
        try:
            secure.do_handshake()
        except OSError:
            secure.close()
            raise
        return secure


def _failure_of(error: Exception) -> MailFailed:
    """Return what went wrong; what a server says of a login is left out, as it may repeat what it was given."""
    trouble, detail = "message", type(error).__name__
    match error:
        case smtplib.SMTPAuthenticationError():
            trouble = "login"
        case smtplib.SMTPRecipientsRefused():
            trouble, detail = "address", _said(*next(iter(error.recipients.values())))
        case smtplib.SMTPConnectError() | smtplib.SMTPHeloError():
            trouble, detail = "reach", _said(error.smtp_code, error.smtp_error)
        case smtplib.SMTPResponseException():
            detail = _said(error.smtp_code, error.smtp_error)
        case ssl.SSLError():
            trouble, detail = "secure", str(error.reason or error)
        case smtplib.SMTPNotSupportedError():
            trouble, detail = "secure", str(error)
        case TimeoutError():
            trouble = "late"
        case OSError():
            trouble, detail = "reach", error.strerror or str(error)
    return MailFailed(trouble, detail)


def _end(done: asyncio.Future[MailFailed | None], result: MailFailed | None) -> None:
    if not done.done():
        done.set_result(result)


def _said(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
