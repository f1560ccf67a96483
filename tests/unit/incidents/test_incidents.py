"""Security events: recorded, counted, reported (FTS-GDPR-6)."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import func, select

from fts.audit.models import event
from fts.audit.service import Actor
from fts.incidents import service, tasks
from fts.incidents.mail import CONCERNED, MEASURES, NATURE, STRUCTURAL, members, report_of
from fts.incidents.models import incident as table
from fts.incidents.service import QUIET, Desk, Finding, close_quiet, note
from fts.jobs.queue import claim
from fts.jobs.runner import Worker
from fts.process_pool import DocumentProcesses
from fts.services import Services
from fts.settings import DocumentLimits, Settings
from tests.support.embedded import Embedded, HandClock, embedded

LEASE = timedelta(seconds=15)
Case = Callable[[Embedded, HandClock], Awaitable[None]]


class Inbox:
    """A mail server that keeps what it gets, or refuses for a while."""

    def __init__(self, refusals: int = 0) -> None:
        self.mails: list[Message] = []
        self.refusals = refusals

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        if self.refusals:
            self.refusals -= 1
            return "451 4.7.1 try again later"
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


def run(tmp_path: Path, case: Case, inbox: Inbox | None = None, port: int | None = None) -> None:
    clock = HandClock()

    async def work(mail: dict[str, Any] | None) -> None:
        async with embedded(tmp_path, clock, mail=mail) as gateway:
            await case(gateway, clock)

    if inbox is None:
        asyncio.run(work(None if port is None else mail_at(port)))
        return
    controller = Controller(inbox, hostname="127.0.0.1", port=free())
    controller.start()
    try:
        asyncio.run(work(mail_at(controller.port)))
    finally:
        controller.stop()


def mail_at(port: int) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": port,
        "starttls": False,
        "sender": "FTS <fts@gateway.example>",
        "operators": ["duty@gateway.example"],
    }


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def finding(client_id: str | None = "town", address: str = "198.51.100.9", **more: Any) -> Finding:
    values = {"kind": "login_refused", "concerned": "wrong secret", **more}
    return Finding(client_id=client_id, actor=Actor("client", address, "4f3c2a1b0d9e8f77"), **values)


async def noted(gateway: Embedded, what: Finding, times: int = 1) -> None:
    for _ in range(times):
        async with gateway.services.database.write() as work:
            await note(work, what)


async def deliver(services: Services) -> int:
    """Do the reports that are due; return how many there were."""
    worker = Worker(services, DocumentProcesses(Settings((), "", (), DocumentLimits()), 0), {})
    count = 0
    while (job := await claim(services.database, "outbound", "test", LEASE)) is not None:
        await tasks.report(worker, job)
        count += 1
    return count


async def kinds(gateway: Embedded) -> dict[str, int]:
    async with gateway.services.database.read() as connection:
        rows = await connection.execute(select(event.c.kind, func.count()).group_by(event.c.kind))
        return {kind: count for kind, count in rows}  # noqa: C416 - rows are no pairs for the type checker


def test_each_attempt_is_recorded_and_the_first_is_reported_at_once(tmp_path: Path) -> None:
    """To the operator and to the client's registered address, with every field of FTS-GDPR-6."""
    inbox = Inbox()

    async def case(gateway: Embedded, _clock: HandClock) -> None:
        await gateway.register("town")
        await noted(gateway, finding())
        assert await deliver(gateway.services) == 1
        found = await kinds(gateway)
        assert (found["security.login_refused"], found["incident.reported"]) == (1, 1)

    run(tmp_path, case, inbox)
    assert {mail["To"] for mail in inbox.mails} == {"duty@gateway.example", "security@town.example"}
    for mail in inbox.mails:
        text = mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
        for field in ("Nature", "Begin", "Last attempt", "Data concerned", "Measures taken", "End", "Structural"):
            assert f"{field}" in text
        assert "2026-11-24 08:00:00 UTC" in text
        assert "198.51.100.9" in text
        assert mail["Auto-Submitted"] == "auto-generated"
    assert len({mail["Message-ID"] for mail in inbox.mails}) == 1


def test_it_is_reported_again_when_it_grows_and_when_it_ends(tmp_path: Path) -> None:
    inbox = Inbox()

    async def case(gateway: Embedded, clock: HandClock) -> None:
        await gateway.register("town")
        await noted(gateway, finding(), 12)
        await deliver(gateway.services)
        clock.go(minutes=29)
        await close_quiet(gateway.services.database, clock)
        assert await deliver(gateway.services) == 0
        clock.go(minutes=2)
        await close_quiet(gateway.services.database, clock)
        await close_quiet(gateway.services.database, clock)
        assert await deliver(gateway.services) == 1
        await noted(gateway, finding())
        async with gateway.services.database.read() as connection:
            rows = (await connection.execute(select(table.c.ended_at).order_by(table.c.first_at))).all()
        assert [row.ended_at is None for row in rows] == [False, True], "what comes later is another incident"

    run(tmp_path, case, inbox)
    subjects = [mail["Subject"] for mail in inbox.mails if mail["To"] == "duty@gateway.example"]
    assert [subject.split()[4] for subject in subjects] == ["began:", "goes", "has"]


def test_a_client_learns_of_its_own_only(tmp_path: Path) -> None:
    inbox = Inbox()

    async def case(gateway: Embedded, _clock: HandClock) -> None:
        await gateway.register("town")
        await gateway.register("rival")
        await noted(gateway, finding("town"))
        await noted(gateway, finding("rival"))
        await noted(gateway, finding(None))
        await deliver(gateway.services)

    run(tmp_path, case, inbox)
    for mail in inbox.mails:
        to, text = mail["To"], mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
        if to != "duty@gateway.example":
            other = "rival" if "town" in to else "town"
            assert other not in text
    assert [mail["To"] for mail in inbox.mails].count("duty@gateway.example") == 3
    assert len(inbox.mails) == 5


def test_a_recipient_that_the_server_refuses_is_not_counted_as_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Choosy(Inbox):
        async def handle_RCPT(  # noqa: N802 - the library's name
            self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
        ) -> str:
            if address == "left@town.example":
                return "550 5.1.1 no such user"
            envelope.rcpt_tos.append(address)
            return "250 OK"

    async def case(gateway: Embedded, _clock: HandClock) -> None:
        people = [("Duty officer", "security@town.example"), ("Somebody who left", "left@town.example")]
        contacts = [{"name": name, "mail": mail, "role": "security"} for name, mail in people]
        await gateway.register("town", contacts=contacts)
        await noted(gateway, finding())
        assert await deliver(gateway.services) == 1
        async with gateway.services.database.read() as connection:
            told = select(event.c.data).where(event.c.kind == "incident.reported")
            [data] = (await connection.execute(told)).scalars()
        assert (data["recipients"], data["refused"]) == (2, 1)
        assert "refused 1 of its recipients" in caplog.text

    run(tmp_path, case, Choosy())


def test_a_mail_server_that_refuses_is_tried_again(tmp_path: Path) -> None:
    inbox = Inbox(refusals=3)

    async def case(gateway: Embedded, clock: HandClock) -> None:
        await gateway.register("town")
        await noted(gateway, finding())
        for _ in range(6):
            await deliver(gateway.services)
            clock.go(minutes=31)
        found = await kinds(gateway)
        assert found["incident.reported"] == 1

    run(tmp_path, case, inbox)
    assert len(inbox.mails) == 2


def test_what_cannot_be_mailed_within_a_day_is_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def case(gateway: Embedded, clock: HandClock) -> None:
        await noted(gateway, finding(None))
        for _ in range(40):
            await deliver(gateway.services)
            clock.go(hours=1)
        found = await kinds(gateway)
        assert (found["security.login_refused"], found["incident.unreported"]) == (1, 1)

    with caplog.at_level(logging.ERROR, "fts.incidents"):
        run(tmp_path, case, port=free())
    assert "was not reported within a day" in caplog.text


def test_without_a_mail_server_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def case(gateway: Embedded, _clock: HandClock) -> None:
        await noted(gateway, finding(None))
        await deliver(gateway.services)
        assert (await kinds(gateway))["incident.unreported"] == 1

    run(tmp_path, case)
    assert "no mail server is configured" in caplog.text


def test_a_flood_costs_few_rows_and_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_MOST_KEYS", 100)

    async def case(gateway: Embedded, clock: HandClock) -> None:
        desk = Desk(gateway.services.database, clock)
        for number in range(100_000):
            desk.notice(finding(None, f"2001:db8::{number % 1000:x}"))
        assert len(desk._waiting) <= 101
        await desk.close()
        async with gateway.services.database.read() as connection:
            total = (await connection.execute(select(func.sum(table.c.count)))).scalar_one()
        found = await kinds(gateway)
        assert total == 100_000, "each attempt is counted"
        assert found["security.login_refused"] <= 101

    run(tmp_path, case)


def test_the_first_is_written_at_once_and_repetitions_together(tmp_path: Path) -> None:
    async def case(gateway: Embedded, clock: HandClock) -> None:
        desk = Desk(gateway.services.database, clock)
        running = asyncio.create_task(desk.run())
        desk.notice(finding(None))
        for _ in range(200):
            await asyncio.sleep(0.01)
            if (await kinds(gateway)).get("security.login_refused"):
                break
        for _ in range(50):
            desk.notice(finding(None))
        await asyncio.sleep(0.1)
        assert (await kinds(gateway))["security.login_refused"] == 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await desk.close()
        assert (await kinds(gateway))["security.login_refused"] == 2

    run(tmp_path, case)


def test_the_end_waits_for_what_is_being_written(tmp_path: Path) -> None:
    """FTS-GDPR-6: a process that ends while it writes an event loses none, and does not hang."""

    async def case(gateway: Embedded, clock: HandClock) -> None:
        desk = Desk(gateway.services.database, clock)
        running = asyncio.create_task(desk.run())
        async with gateway.services.database.write():
            desk.notice(finding(None))
            while desk._waiting:  # noqa: ASYNC110 - taken up by the writer, which waits for the database
                await asyncio.sleep(0.001)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            closing = asyncio.create_task(desk.close())
            await asyncio.sleep(0.05)
            assert not closing.done()
        await asyncio.wait_for(closing, 5)
        assert (await kinds(gateway))["security.login_refused"] == 1

    run(tmp_path, case)


def test_an_end_that_comes_together_with_an_event_is_an_end(tmp_path: Path) -> None:
    """`asyncio.wait_for` of Python 3.11 loses a cancellation that comes together with what it waits for."""

    async def case(gateway: Embedded, clock: HandClock) -> None:
        desk = Desk(gateway.services.database, clock)
        running = asyncio.create_task(desk.run())
        await asyncio.sleep(0.01)
        desk.notice(finding(None))
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running}, timeout=5)
        assert running.done()
        await desk.close()
        assert (await kinds(gateway))["security.login_refused"] == 1

    run(tmp_path, case)


def test_what_cannot_be_written_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(gateway: Embedded, clock: HandClock) -> None:
        desk = Desk(gateway.services.database, clock)
        desk.notice(finding(None))

        async def full(*_arguments: Any) -> None:
            raise OSError("disk full")

        with monkeypatch.context() as broken:
            broken.setattr(service, "note", full)
            await desk.close()
            assert desk.unwritten_since == clock(), "which makes the node not ready"
        desk.notice(finding(None))
        await desk.close()
        assert desk.unwritten_since is None
        async with gateway.services.database.read() as connection:
            assert (await connection.execute(select(table.c.count))).scalar_one() == 2

    run(tmp_path, case)


def test_two_nodes_have_one_incident(tmp_path: Path) -> None:
    async def case(gateway: Embedded, _clock: HandClock) -> None:
        await asyncio.gather(*(noted(gateway, finding(None), 5) for _ in range(4)))
        async with gateway.services.database.read() as connection:
            assert (await connection.execute(select(table.c.count))).scalar_one() == 20

    run(tmp_path, case)


def test_many_addresses_that_try_the_same_are_one_incident(tmp_path: Path) -> None:
    """A scan from everywhere is no flood of mails; each attempt is recorded with its address all the same."""

    async def case(gateway: Embedded, _clock: HandClock) -> None:
        for number in range(60):
            await noted(gateway, finding(None, f"198.51.100.{number}"))
        async with gateway.services.database.read() as connection:
            rows = (await connection.execute(select(table))).all()
        incidents = [service.incident_of(row, gateway.services.keyring) for row in rows]
        assert len(incidents) == 21
        assert max(incidents, key=lambda one: one.count).address == "many addresses"
        assert sum(one.count for one in incidents) == (await kinds(gateway))["security.login_refused"] == 60

    run(tmp_path, case)


def test_nothing_that_came_in_becomes_a_header(tmp_path: Path) -> None:
    async def case(gateway: Embedded, _clock: HandClock) -> None:
        await noted(gateway, finding(None, "1.2.3.4\r\nBcc: x@evil.example", concerned="GET\r\n\r\nhello"))
        async with gateway.services.database.read() as connection:
            [row] = (await connection.execute(select(table))).all()
        incident = service.incident_of(row, gateway.services.keyring)
        message = report_of(gateway.services.configuration, incident, "opened", ["duty@gateway.example"])
        assert message["Bcc"] is None
        assert "\nBcc" not in message.get_content()
        assert set(members(incident)) >= {"Nature", "Begin", "Data concerned", "Measures taken", "End"}

    run(tmp_path, case, port=1)


def test_each_kind_is_explained() -> None:
    assert set(NATURE) == set(CONCERNED) == set(MEASURES) == set(STRUCTURAL)
    assert set(NATURE) == set(service.Kind.__args__)  # type: ignore[attr-defined]
    assert timedelta(hours=24) > QUIET
