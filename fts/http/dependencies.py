"""What routes ask for: the services, the client of the credentials, who acts from where.

All are `async`: the framework would send a plain function to another thread, at each request.
"""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBasic

from fts.audit.service import Actor
from fts.clients.service import Client
from fts.http.admission import client_of
from fts.http.noticing import actor_of
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


async def _actor(request: Request) -> Actor:
    return actor_of(request)


ClientActor = Annotated[Actor, Depends(_actor)]
SignerActor = Annotated[Actor, Depends(_actor)]
