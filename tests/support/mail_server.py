"""A mail server on loopback that speaks SMTP (RFC 5321) with STARTTLS and AUTH, and keeps what it is given."""

import asyncio
import base64
import ssl
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from tests.support.loopback import LoopbackServer


class MailServer(LoopbackServer):
    """Takes every message, unless `answers` says otherwise: the reply to a command by its first word."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, at_once: bool = False, login: str = "") -> None:
        """`tls`: offered by STARTTLS, or spoken from the beginning (`at_once`). `login`: `user:password`, asked for."""
        super().__init__()
        self.tls = tls
        self.at_once = at_once
        self.login = login
        self.answers: dict[str, str] = {}
        self.commands: list[str] = []
        self.messages: list[EmailMessage] = []
        self.silent = False

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of whoever hands e-mail in here."""
        return {"smtp_host": "127.0.0.1", "smtp_port": self.port, "smtp_security": "none", "mail_from": "o@shop.test"}

    async def start(self, host: str = "127.0.0.1", port: int = 0, **options: Any) -> Self:
        return await super().start(host, port, ssl=self.tls if self.at_once else None, **options)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._note_change()
        try:
            if self.silent:
                await reader.read()
                return
            writer.write(b"220 mail.test\r\n")
            while line := await reader.readline():
                command = line.decode().strip()
                verb = command.partition(" ")[0].upper()
                self.commands.append(verb)
                if verb in self.answers:
                    writer.write(f"{self.answers[verb]}\r\n".encode())
                elif verb == "QUIT":
                    writer.write(b"221 bye\r\n")
                    return
                elif verb == "STARTTLS" and self.tls is not None:
                    writer.write(b"220 go on\r\n")
                    await writer.start_tls(self.tls)
                elif verb == "DATA":
                    writer.write(b"354 go on\r\n")
                    self._take(await reader.readuntil(b"\r\n.\r\n"))
                    writer.write(b"250 taken\r\n")
                else:
                    writer.write(self._reply(verb, command))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            with suppress(OSError):
                writer.close()

    def _reply(self, verb: str, command: str) -> bytes:
        if verb == "EHLO":
            offers = ["STARTTLS"] if self.tls is not None and not self.at_once else []
            offers += ["AUTH PLAIN"] if self.login else []
            lines = ["mail.test", *offers, "HELP"]
            return "".join(f"250{'-' if line != 'HELP' else ' '}{line}\r\n" for line in lines).encode()
        if verb == "AUTH":
            given = base64.b64decode(command.split(" ")[2]).decode().strip("\0").replace("\0", ":")
            return b"235 welcome\r\n" if given == self.login else b"535 no: " + given.encode() + b"\r\n"
        return b"250 fine\r\n"

    def _take(self, data: bytes) -> None:
        found: Any = message_from_bytes(data.removesuffix(b".\r\n"), policy=policy.default)
        self.messages.append(found)
