"""E-mail over a real SMTP server on loopback: secured or not, and in words when it goes wrong."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trustme

from ombud.admin.alarms import mail
from ombud.admin.alarms.mail import Mailer, MailFailed
from ombud.admin.alarms.mail import MailServer as Server
from ombud.errors import ConfigurationError
from ombud.settings import Settings, read_settings
from tests.support.mail_server import MailServer

PASSWORD = "correct horse"
AUTHORITY = trustme.CA()
HERE = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
AUTHORITY.issue_cert("127.0.0.1").configure_cert(HERE)
TRUSTING = ssl.create_default_context()
AUTHORITY.configure_trust(TRUSTING)

NewServer = Callable[..., Awaitable[MailServer]]


@pytest.fixture
async def new_server() -> AsyncIterator[NewServer]:
    made: list[MailServer] = []

    async def make(*args: Any, **options: Any) -> MailServer:
        made.append(await MailServer(*args, **options).start())
        return made[-1]

    yield make
    for one in made:
        await one.close()


def mailer(server: MailServer, security: str = "none", user: str = "", tls: ssl.SSLContext = TRUSTING) -> Mailer:
    password = PASSWORD if user else None
    return Mailer(Server("127.0.0.1", server.port, security, "ombud@shop.test", user, password), tls)


async def send(server: MailServer, **options: Any) -> None:
    await mailer(server, **options).send("anna@example.com", "Räksmörgås\r\nBcc:\u2028eve@example.com", "Hej!\n", "one")


async def test_a_message_arrives_as_it_was_meant(new_server: NewServer) -> None:
    server = await new_server()
    await send(server)

    [message] = server.messages
    assert message["Subject"] == "Räksmörgås Bcc: eve@example.com"
    assert (message["From"], message["To"], message["Bcc"]) == ("ombud@shop.test", "anna@example.com", None)
    assert (message["Message-ID"], message["Auto-Submitted"]) == ("<one@shop.test>", "auto-generated")
    assert message.get_content() == "Hej!\r\n"
    assert server.commands == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


async def test_what_was_taken_is_sent_whatever_the_goodbye(new_server: NewServer) -> None:
    server = await new_server()
    server.answers = {"QUIT": "421 overloaded"}
    await send(server)
    assert len(server.messages) == 1


async def test_what_was_given_up_is_not_sent_later(new_server: NewServer, monkeypatch: Any) -> None:
    """A name whose address comes late: whoever waited has gone, and will send it again."""
    server, found, connect = await new_server(), threading.Event(), socket.create_connection

    def late(*arguments: Any) -> socket.socket:
        found.wait()
        return connect(*arguments)

    monkeypatch.setattr(socket, "create_connection", late)
    monkeypatch.setattr(mail, "MAIL_SECONDS", 0.05)
    with pytest.raises(MailFailed, match="took too long"):
        await send(server)
    threads = [thread for thread in threading.enumerate() if thread.name == "ombud-mail"]
    found.set()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert threads != []
    assert server.messages == []


@pytest.mark.parametrize(("security", "at_once"), [("starttls", False), ("tls", True)])
async def test_the_password_goes_over_tls_alone(new_server: NewServer, security: str, at_once: bool) -> None:
    server = await new_server(HERE, at_once=at_once, login=f"anna:{PASSWORD}")
    await send(server, security=security, user="anna")

    assert len(server.messages) == 1
    before = server.commands[: server.commands.index("AUTH")]
    assert before == (["EHLO"] if at_once else ["EHLO", "STARTTLS", "EHLO"])


async def test_nothing_is_sent_where_tls_is_wanted_and_not_there(new_server: NewServer) -> None:
    plain, strange = await new_server(login=f"anna:{PASSWORD}"), await new_server(HERE, login=f"anna:{PASSWORD}")
    with pytest.raises(MailFailed, match="could not be secured"):
        await send(plain, security="starttls", user="anna")
    with pytest.raises(MailFailed, match="could not be secured"):
        await send(strange, security="starttls", user="anna", tls=ssl.create_default_context())
    assert {"AUTH", "MAIL"}.isdisjoint(plain.commands + strange.commands)


@pytest.mark.parametrize(
    ("command", "answer", "words"),
    [
        ("RCPT", "550 nobody\tof that name", "refused the address: 550 nobody of that name. Check how"),
        ("MAIL", "553 not yours", "refused the message: 553 not yours. Check that"),
        ("DATA", "451 later", "refused the message: 451 later."),
        ("EHLO", "500 what", "could not be reached: 500 what."),
    ],
)
async def test_a_refusal_is_told_in_words(new_server: NewServer, command: str, answer: str, words: str) -> None:
    server = await new_server()
    server.answers = {command: answer, "HELO": answer}
    with pytest.raises(MailFailed, match=words):
        await send(server)


async def test_a_refused_login_repeats_no_password(new_server: NewServer) -> None:
    server = await new_server(HERE, login="anna:another")
    with pytest.raises(MailFailed) as caught:
        await send(server, security="starttls", user="anna")
    assert "OMBUD_SMTP_PASSWORD" in str(caught.value)
    assert PASSWORD not in str(caught.value) + repr(mailer(server, user="anna")._server)


async def test_a_server_that_is_not_there_or_says_nothing(new_server: NewServer, monkeypatch: Any) -> None:
    server = await new_server()
    server.silent = True
    monkeypatch.setattr(mail, "MAIL_SECONDS", 0.1)
    began = asyncio.get_running_loop().time()
    with pytest.raises(MailFailed, match="took too long"):
        await send(server)
    assert asyncio.get_running_loop().time() - began < mail.ANSWER_SECONDS
    await server.close()
    monkeypatch.setattr(mail, "MAIL_SECONDS", 10.0)
    with pytest.raises(MailFailed, match="could not be reached: Connection refused"):
        await send(server)


def test_the_settings_of_a_server() -> None:
    assert Server.of(Settings()) is None
    for security, port in (("starttls", 587), ("tls", 465), ("none", 25)):
        found = Server.of(Settings(smtp_host="mail", mail_from="a@b.se", smtp_security=security))
        assert found is not None
        assert found.port == port
    for wrong in (
        {"smtp_host": "mail"},
        {"mail_from": "a@b.se"},
        {"smtp_host": "mail", "mail_from": "nobody"},
        {"smtp_host": "mail", "mail_from": "a@b.se", "smtp_user": "a"},
        {"smtp_host": "mail", "mail_from": "a@b.se", "smtp_user": "a", "smtp_password": "b", "smtp_security": "none"},
    ):
        with pytest.raises(ConfigurationError):
            Server.of(Settings(**wrong))  # type: ignore[arg-type]


def test_the_password_comes_from_a_file_and_is_never_shown(tmp_path: Any) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    settings = read_settings({"OMBUD_SMTP_PASSWORD_FILE": str(file), "OMBUD_SMTP_USER": "anna"})
    assert settings.smtp_password == PASSWORD
    assert PASSWORD not in repr(settings)
