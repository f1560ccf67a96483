"""What routes ask for: the services, the client of the credentials, who acts from where.

All are `async`: the framework would send a plain function to another thread, at each request.
"""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBasic

from fts.audit.service import Actor
from fts.clients.service import Client
from fts.http.admission import client_of
from fts.services import Services

_SCHEME = HTTPBasic(auto_error=False, description="The client's id and secret.")


async def services_of(request: Request) -> Services:
    """Return the services of the process."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]


async def _client(request: Request, _described: Annotated[object, Security(_SCHEME)]) -> Client:
    """Return the client that the admission let in."""
    return client_of(request.scope)


ClientDep = Annotated[Client, Depends(_client)]


async def _actor_client(request: Request) -> Actor:
    state = request.state
    return Actor("client", _text(state.address), state.reference, state.authenticated.credential_id)


async def _actor_signer(request: Request) -> Actor:
    return Actor("signer", _text(request.state.address), request.state.reference)


ClientActor = Annotated[Actor, Depends(_actor_client)]
SignerActor = Annotated[Actor, Depends(_actor_signer)]


def _text(address: object) -> str | None:
    return None if address is None else str(address)
