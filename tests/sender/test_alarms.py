"""From an endpoint that fails to a mailbox and a channel, and back: over real sockets, on every database."""

import asyncio
import json
from dataclasses import replace
from functools import partial
from typing import Any

from ombud.admin.access import OPERATOR
from ombud.admin.alarms.alarms import Alarms
from ombud.admin.alarms.channel import ChannelEdit
from ombud.cli.alarming import alarms_of
from ombud.db.migrate import migrate
from ombud.sender.outbox import Event
from ombud.web.alarm_desk import AlarmDesk
from tests.support.mail_server import MailServer

PAUSE = b"HTTP/1.1 503 No\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def rounds(alarms: Alarms) -> None:
    for _ in range(3):
        await alarms.look()
        await alarms.tell()


async def test_an_endpoint_fails_and_recovers(anywhere: Any, new_peer: Any, mail_server: MailServer) -> None:
    migrate(anywhere.sender.database, ["ombud.admin"])
    quick = {"alarm_after_seconds": 0.0, "alarm_gap_seconds": 0.0}
    settings = anywhere.sender.settings = replace(anywhere.sender.settings, **mail_server.settings, **quick)
    desk = AlarmDesk(anywhere.sender.writer, settings)
    bodies = []

    async def hook(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a POST, whose body follows what was read of it."""
        bodies.append(await reader.read(4096))
        writer.write(OK)
        await writer.drain()

    slack, sick = await new_peer(hook), await new_peer(PAUSE)
    for shop_id, edit in ((0, ChannelEdit("email", "anna@example.com")), (1, ChannelEdit("webhook", slack.url))):
        await desk.writer.write(partial(desk.edits.add, OPERATOR, edit, shop_id, 1))
    endpoint = await anywhere.add(sick.url)
    await anywhere.sender.publish([Event("order.new", "1")])
    anywhere.start()
    await anywhere.until("select 1 from endpoint where closed_since is not null")

    alarms = alarms_of(desk.writer, settings, anywhere.sender)
    await rounds(alarms)
    sick.says(OK)
    await anywhere.change(endpoint, url=sick.url + "?again")
    await anywhere.sender.publish([Event("order.new", "2")])
    await anywhere.until("select 1 from endpoint where closed_since is null")
    await rounds(alarms)

    failing = f"[Ombud] http://127.0.0.1:{sick.port}/… "
    began, ended = [message["Subject"] for message in mail_server.messages]
    assert began.startswith(failing)
    assert ended.startswith(failing.replace("] ", "] Over: "))
    assert "Settings" in mail_server.messages[0].get_content()
    texts = [json.loads(body)["text"] for body in bodies]
    assert [text.partition("*\n")[0] for text in texts] == [f"*{began}", f"*{ended}"]
    assert slack.requests[0].startswith(b"POST /hooks HTTP/1.1\r\n")
    alarms.courier.close()


async def test_a_channel_that_hangs_holds_up_no_delivery(running: Any, new_peer: Any, mail_server: MailServer) -> None:
    """The negative control is the message: it is on its way from before the first delivery until after the last."""
    migrate(running.sender.database, ["ombud.admin"])
    mail_server.silent = True
    settings = running.sender.settings = replace(
        running.sender.settings, **mail_server.settings, alarm_after_seconds=0.0
    )
    desk = AlarmDesk(running.sender.writer, settings)
    await desk.writer.write(lambda: desk.edits.add(OPERATOR, ChannelEdit("email", "anna@example.com"), 0, 1))
    alarms = alarms_of(desk.writer, settings, running.sender)
    peer = await new_peer(OK)
    endpoint = await running.add(peer.url)
    await desk.writer.write(lambda: running.sender.notices.disable(1, endpoint.id, "no"))
    await alarms.look()
    await alarms.look()
    telling = asyncio.create_task(alarms.tell())
    await mail_server.wait_until(lambda: mail_server.connections > 0)
    await running.change(endpoint, enabled=True)
    await running.sender.publish([Event("order.new", str(number)) for number in range(20)])
    running.start()
    deliveries = await running.settled()

    assert {row["state"] for row in deliveries} == {1}
    assert not telling.done()
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
