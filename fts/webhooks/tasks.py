"""Delivering a message: signed, tried again with growing pauses, recorded.

The message carries no personal data and decides nothing: the client's server reads the signing from the API.
"""

import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import Final

import httpx

from fts.audit.service import Actor, record
from fts.clients.service import find, webhook_secret
from fts.errors import RefusalError
from fts.jobs.queue import Job, complete, postpone
from fts.jobs.runner import Worker
from fts.limits import WEBHOOK_PAUSES
from fts.outbound import OutboundLimits, Target, outbound_client

_PREFIX: Final = "whsec_"
_RESPONSE_BYTES: Final = 64 * 1024


async def deliver(worker: Worker, job: Job) -> None:
    """Send the message; a client's server takes it with a status of 200 to 299."""
    services, message = worker.services, job.payload["message"]
    async with services.database.read() as connection:
        client = await find(connection, job.payload["client"])
    if client is None or client.definition.webhook_url is None:
        await worker.drop(job)
        return
    body = json.dumps(message, separators=(",", ":")).encode()
    message_id = f"{job.subject}.{message['data']['state']}"
    headers = signed_headers(webhook_secret(services.keyring, client.id), message_id, services.clock(), body)
    outcome = await _post(client.definition.webhook_url, headers, body, services.limits.webhook_seconds)
    async with services.database.write() as work:
        if outcome.isdigit() and outcome.startswith("2"):
            await complete(work, job)
            event = "webhook.delivered"
        elif job.attempts >= services.limits.webhook_attempts:
            await complete(work, job)
            event = "webhook.given_up"
        else:
            await postpone(work, job, WEBHOOK_PAUSES[min(job.attempts, len(WEBHOOK_PAUSES)) - 1])
            event = "webhook.refused"
        await record(
            work,
            event,
            Actor.system(),
            client_id=client.id,
            document_id=message["data"]["document"],
            signing_id=job.subject,
            outcome=outcome,
            attempt=job.attempts,
        )


async def give_up(worker: Worker, job: Job, refusal: RefusalError) -> None:
    """Leave a message whose delivery ends the worker again and again."""
    async with worker.services.database.write() as work:
        await complete(work, job)
        await record(
            work,
            "webhook.given_up",
            Actor.system(),
            client_id=job.client_id,
            signing_id=job.subject,
            outcome=refusal.code,
        )


def signed_headers(secret: str, message_id: str, moment: datetime, body: bytes) -> dict[str, str]:
    """Return the headers of a message: its id, time and HMAC-SHA256 over both and the body (Standard Webhooks 1.0)."""
    timestamp = str(int(moment.timestamp()))
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    mac = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


async def _post(url: str, headers: dict[str, str], body: bytes, seconds: float) -> str:
    """Return the status, or the name of what went wrong."""
    limits = OutboundLimits(total_seconds=seconds, response_bytes=_RESPONSE_BYTES)
    async with outbound_client(allowed=[Target.of(url)], limits=limits) as http:
        try:
            return str((await http.post(url, headers=headers, content=body)).status_code)
        except httpx.HTTPError as error:
            return type(error).__name__
