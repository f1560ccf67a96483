"""Delivering reports of incidents: to the operator, and to the security contacts of the client concerned."""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.audit.service import Actor, record
from fts.clients.service import security_mails
from fts.errors import RefusalError
from fts.incidents.mail import report_of, send
from fts.incidents.models import incident as table
from fts.incidents.service import Incident, incident_of
from fts.jobs.queue import Job, complete, postpone
from fts.jobs.runner import Worker
from fts.keyring import Keyring

_LOG: Final = logging.getLogger("fts.incidents")
_PAUSES: Final = tuple(timedelta(seconds=s) for s in (30, 120, 600, 1800, 3600))
_WITHIN: Final = timedelta(hours=24)
"""FTS-GDPR-6: at the latest."""


async def report(worker: Worker, job: Job) -> None:
    """Send a report; a server that does not take it is tried again for a day."""
    services = worker.services
    mail = services.configuration.mail
    async with services.database.read() as connection:
        incident = await find(connection, services.keyring, job.payload["incident"])
        clients = (
            []
            if incident is None or incident.client_id is None
            else await security_mails(connection, incident.client_id)
        )
    if incident is None:
        await worker.drop(job)
        return
    if mail is None:
        _LOG.warning("no mail server is configured: incident %s (%s) is not mailed", incident.id, incident.kind)
        await _unreported(worker, job, incident.client_id, "no mail server")
        return
    groups, refused = [list(mail.operators), *([clients] if clients else [])], 0
    try:
        for recipients in groups:
            message = report_of(services.configuration, incident, job.payload["phase"], recipients)
            refused += await asyncio.to_thread(send, mail, message)
    except OSError as error:
        pause = _PAUSES[min(job.attempts, len(_PAUSES)) - 1]
        if services.clock() + pause - job.created_at > _WITHIN:
            _LOG.error("incident %s was not reported within a day (%s)", incident.id, type(error).__name__)
            await _unreported(worker, job, incident.client_id, type(error).__name__)
            return
        _LOG.warning("incident %s is not reported yet (%s)", incident.id, type(error).__name__)
        async with services.database.write() as work:
            await postpone(work, job, pause)
        return
    if refused:
        _LOG.error("incident %s: the mail server refused %d of its recipients", incident.id, refused)
    async with services.database.write() as work:
        await complete(work, job)
        unreported = (table.c.id == incident.id, table.c.reported_at.is_(None))
        await work.connection.execute(update(table).where(*unreported).values(reported_at=work.now))
        await record(
            work,
            "incident.reported",
            Actor.system(),
            client_id=incident.client_id,
            incident=incident.id,
            phase=job.payload["phase"],
            recipients=sum(map(len, groups)) - refused,
            refused=refused,
        )


async def give_up(worker: Worker, job: Job, refusal: RefusalError) -> None:
    """Leave a report whose delivery ends the worker again and again."""
    _LOG.error("incident %s was not reported", job.payload["incident"])
    await _unreported(worker, job, job.client_id or None, refusal.code)


async def find(connection: AsyncConnection, keyring: Keyring, incident_id: str) -> Incident | None:
    """Return an incident."""
    row = (await connection.execute(select(table).where(table.c.id == incident_id))).one_or_none()
    return None if row is None else incident_of(row, keyring)


async def _unreported(worker: Worker, job: Job, client_id: str | None, reason: str) -> None:
    async with worker.services.database.write() as work:
        await complete(work, job)
        await record(
            work,
            "incident.unreported",
            Actor.system(),
            client_id=client_id,
            incident=job.payload["incident"],
            reason=reason,
        )
