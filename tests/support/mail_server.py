"""A mail server on loopback that speaks SMTP (RFC 5321) with STARTTLS and AUTH, and keeps what it is given."""

import asyncio
import base64
import ssl
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any


class MailServer:
    """Takes every message, unless `answers` says otherwise: the reply to a command by its first word."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, at_once: bool = False, login: str = "") -> None:
        """`tls`: offered by STARTTLS, or spoken from the beginning (`at_once`). `login`: `user:password`, asked for."""
        self.tls = tls
        self.at_once = at_once
        self.login = login
        self.answers: dict[str, str] = {}
        self.commands: list[str] = []
        self.messages: list[EmailMessage] = []
        self.connections = 0
        self.port = 0
        self.silent = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> "MailServer":
        tls = self.tls if self.at_once else None
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait_for(self, messages: int) -> list[EmailMessage]:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(self.messages) >= messages)
        return self.messages

    async def wait_for_connection(self) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: self.connections > 0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._changed:
            self._changed.notify_all()
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
                    await self._take(await reader.readuntil(b"\r\n.\r\n"))
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

    async def _take(self, data: bytes) -> None:
        async with self._changed:
            found: Any = message_from_bytes(data.removesuffix(b".\r\n"), policy=policy.default)
            self.messages.append(found)
            self._changed.notify_all()
