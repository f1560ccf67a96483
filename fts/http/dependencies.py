"""What routes ask for: the services, the client of the credentials, who acts from where."""

import base64
import binascii
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBasic

from fts.audit.service import Actor
from fts.clients.service import Client, authenticate
from fts.problems import ProblemError
from fts.services import Services

_SCHEME = HTTPBasic(auto_error=False, description="The client's id and secret.")
_MOST_CREDENTIALS = 512


def services_of(request: Request) -> Services:
    """Return the services of the process."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]


async def _client(request: Request, services: ServicesDep, _described: Annotated[object, Security(_SCHEME)]) -> Client:
    client_id, secret = _credentials(request.headers.get("authorization", ""))
    async with services.database.read() as connection:
        client = await authenticate(connection, services.keyring, client_id, secret)
    if client is None:
        raise ProblemError("CREDENTIALS_REQUIRED", "the credentials are missing, wrong or no longer valid")
    return client


ClientDep = Annotated[Client, Depends(_client)]


def _actor_client(request: Request) -> Actor:
    return Actor("client", _address(request), request.state.reference)


def _actor_signer(request: Request) -> Actor:
    return Actor("signer", _address(request), request.state.reference)


ClientActor = Annotated[Actor, Depends(_actor_client)]
SignerActor = Annotated[Actor, Depends(_actor_signer)]


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None


def _credentials(header: str) -> tuple[str, str]:
    """Return id and secret of Basic credentials (RFC 7617); empty ones where there are none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > _MOST_CREDENTIALS:
        return "", ""
    try:
        client_id, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return client_id, secret
