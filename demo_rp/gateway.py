"""What a relying party says to the gateway, and how it checks what the gateway says: copy this."""

import asyncio
import base64
import hashlib
import hmac
import json
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO
from urllib.parse import quote

import httpx

from demo_rp import limits
from demo_rp.forms import form_of
from demo_rp.transport import Answer, GatewayError, Transport, octets, pieces, unexpected


@dataclass(frozen=True, slots=True)
class Original:
    """A document to be signed: its name, its open file, size in octets and SHA-256."""

    name: str
    file: BinaryIO
    size: int
    sha256: bytes


class Gateway(Transport):
    """The five calls; each raises `GatewayError` with the code of what went wrong."""

    async def upload(self, document_id: str, original: Original) -> Answer:
        """Upload a document under an id of our own and wait until the gateway has inspected it."""
        headers = {
            "Content-Type": form_of(original.name).media_type,
            "Content-Length": str(original.size),
            "Content-Digest": f"sha-256=:{base64.b64encode(original.sha256).decode()}:",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(original.name, safe='')}",
        }
        path = f"documents/{document_id}"
        document = await self.ask("PUT", path, headers=headers, content=octets(original.file))
        for _ in range(limits.INSPECTION_LOOKS):
            if document["state"] != "inspecting":
                break
            await asyncio.sleep(limits.INSPECTION_PAUSE_SECONDS)
            document = await self.ask("GET", path)
        if document["state"] == "inspecting":
            raise GatewayError(503, {"code": "INSPECTION_SLOW"})
        if document["state"] != "ready":
            raise GatewayError(422, document.get("problem") or unexpected().problem)
        return document

    async def create_signing(
        self, document_id: str, profile: str, return_url: str, state: str, language: str
    ) -> Answer:
        """Ask for a signature; the signer goes to `signing_url` of the answer."""
        order = {
            "document": document_id,
            "profile": profile,
            "return_url": return_url,
            "state": state,
            "language": language,
        }
        signing = await self.ask("POST", "signings", json=order, headers={"Idempotency-Key": document_id})
        if not isinstance(signing.get("signing_url"), str):
            raise unexpected()
        return signing

    async def signing(self, signing_id: str) -> Answer:
        """Read a signing: the only source of truth about it."""
        return await self.ask("GET", f"signings/{signing_id}")

    async def signed_document(self, signing_id: str) -> httpx.Response:
        """Open the signed document, to be read with `pieces`."""
        return await self.send("GET", f"signings/{signing_id}/content")

    async def delete(self, document_id: str) -> None:
        """Destroy a document and everything made of it; one that is gone already is as good."""
        try:
            await (await self.send("DELETE", f"documents/{document_id}")).aclose()
        except GatewayError as error:
            if error.status != 404:
                raise


async def digests(response: httpx.Response, prefix: int) -> tuple[str, str | None]:
    """Return the SHA-256 (hex) of a download, and of its first `prefix` octets if more than these came."""
    whole, size, begun = hashlib.sha256(), 0, None
    async for piece in pieces(response):
        if size <= prefix < size + len(piece):
            first = whole.copy()
            first.update(piece[: prefix - size])
            begun = first.hexdigest()
        whole.update(piece)
        size += len(piece)
    return whole.hexdigest(), begun


async def contained(response: httpx.Response, name: str, most: int) -> tuple[str, str | None]:
    """Return the SHA-256 (hex) of a download, and that of the file `name` in it: None where it holds no such file.

    A file of more than `most` octets is another than was sent.
    """
    whole = hashlib.sha256()
    with tempfile.TemporaryFile() as file:
        async for piece in pieces(response):
            whole.update(piece)
            await asyncio.to_thread(file.write, piece)
        return whole.hexdigest(), await asyncio.to_thread(_file_in, file, name, most)


def _file_in(container: BinaryIO, name: str, most: int) -> str | None:
    digest, size = hashlib.sha256(), 0
    try:
        with zipfile.ZipFile(container) as opened, opened.open(name) as file:
            while piece := file.read(limits.CHUNK_BYTES):
                size += len(piece)
                if size > most:
                    return None
                digest.update(piece)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, ValueError, EOFError, zlib.error):
        return None
    return digest.hexdigest()


class WebhookError(Exception):
    """A message is not from the gateway, or too old."""


def verify_webhook(secret: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[str, Answer]:
    """Return the id and the content of a message after checking who made it and when (Standard Webhooks)."""
    message_id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not 0 < len(message_id) <= limits.WEBHOOK_ID_CHARACTERS or not (sent.isascii() and sent.isdecimal()):
        raise WebhookError("the headers webhook-id and webhook-timestamp are missing or malformed")
    if len(sent) > 12 or abs(now.timestamp() - int(sent)) > limits.WEBHOOK_TOLERANCE.total_seconds():
        raise WebhookError("the message is too old, or from the future")
    mac = base64.b64encode(hmac.digest(secret, f"{message_id}.{sent}.".encode() + body, "sha256"))
    given = headers.get("webhook-signature", "").split()  # several while a secret is being replaced
    if not any([hmac.compare_digest(b"v1," + mac, candidate.encode()) for candidate in given]):  # noqa: C419 - all of them
        raise WebhookError("no signature of the message is right")
    try:
        message = json.loads(body)
        return message_id, {"type": str(message["type"]), "signing": str(message["data"]["id"])}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WebhookError("the message is not as described") from error
