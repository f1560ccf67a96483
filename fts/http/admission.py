"""Who may enter (FTS-ENV-4): one layer before everything else decides every request, mounted applications too.

What is public stands in a short list. The signing page has its own door, the session of its link. Everything else needs
a client's credential, in PROD from one of its networks too, within the agreed capacity. Nothing configured: nobody
enters.
"""

import base64
import binascii
import re
from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

from fts.audit.service import Actor
from fts.clients.capacity import Admissions
from fts.clients.definition import Operation, Scope
from fts.clients.service import Authenticated, Client, Refused, authenticate
from fts.incidents.service import Desk, Finding
from fts.problems import ProblemError
from fts.services import Services

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

_MOST_CREDENTIALS: Final = 512
_MOST_FORWARDED: Final = 2000

PUBLIC: Final = (
    ("GET", re.compile(r"/health/(live|ready)")),
    ("GET", re.compile(r"/openapi\.json")),
    ("GET", re.compile(r"/static/.+")),
)
"""What anybody may ask for."""

SIGNER: Final = re.compile(r"/sign/[^/]+(/.+)?")
"""The signing page: opened by the secret of its link, then by its session."""


TIMESTAMPING_DOOR: Final = ("POST", "/tsa")
"""Where timestamp queries come in (RFC 3161, clause 3.4); outside PROD the configuration may open it to anybody."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a request of clients needs."""

    method: str
    path: re.Pattern[str]
    scope: Scope
    operation: Operation


def _rule(method: str, path: str, scope: Scope, operation: Operation) -> Rule:
    return Rule(method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), scope, operation)


RULES: Final = (
    _rule("PUT", "/v1/documents/{id}", "documents", "upload"),
    _rule("GET", "/v1/documents/{id}", "documents", "read"),
    _rule("GET", "/v1/documents/{id}/content", "documents", "download"),
    _rule("DELETE", "/v1/documents/{id}", "documents", "custody"),
    _rule("DELETE", "/v1/documents", "custody", "custody"),
    _rule("POST", "/v1/documents/{id}/timestamps", "timestamps", "timestamp"),
    _rule("GET", "/v1/documents/{id}/timestamps/{id}", "timestamps", "read"),
    _rule("GET", "/v1/documents/{id}/timestamps/{id}/content", "timestamps", "download"),
    _rule("POST", "/v1/signings", "signings", "sign"),
    _rule("GET", "/v1/signings/{id}", "signings", "read"),
    _rule("POST", "/v1/signings/{id}/cancel", "signings", "read"),
    _rule("GET", "/v1/signings/{id}/content", "signings", "download"),
    _rule("POST", "/tsa", "timestamps", "timestamp"),
    _rule("POST", "/v1/timestamps", "timestamps", "timestamp"),
    _rule("POST", "/v1/timestamps/batch", "timestamps", "timestamp"),
    _rule("GET", "/v1/export", "custody", "custody"),
    _rule("GET", "/v1/usage", "usage", "read"),
)
"""Every route of clients; one that is not here cannot be reached."""


class Admission:
    """Decides about requests."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._capacity = Admissions(services.database, services.clock)
        configuration = services.configuration
        self._proxies: Networks = tuple(ip_network(str(network)) for network in configuration.proxies)
        self._by_network = configuration.environment == "PROD"
        self._under_way: Counter[str] = Counter()
        authority = configuration.timestamping
        self._open_door = authority is not None and authority.door.open and configuration.environment != "PROD"

    @property
    def desk(self) -> Desk:
        """Where security events are taken in."""
        return self._services.desk

    async def decide(self, scope: Any) -> str | None:
        """Let a request in, with `address` and, for clients, `authenticated` in its state; return whom to release.

        Raises:
            ProblemError: it may not enter.
        """
        state, path, method = scope["state"], scope["path"], scope["method"]
        state["address"] = address = self._address(scope)
        if any(method in (verb, "HEAD") and pattern.fullmatch(path) for verb, pattern in PUBLIC):
            return None
        if SIGNER.fullmatch(path):
            return None
        if self._open_door and (method, path) == TIMESTAMPING_DOOR and not _header(scope, b"authorization"):
            return None
        found = await self._authenticated(scope, address)
        self._check_network(found, address, state["reference"])
        rules = [rule for rule in RULES if rule.path.fullmatch(path)]
        if not rules:
            raise ProblemError("NOT_FOUND", "there is no such resource")
        rule = next((rule for rule in rules if rule.method == method), None)
        if rule is None:
            allowed = ", ".join(sorted(rule.method for rule in rules))
            raise ProblemError("METHOD_NOT_ALLOWED", f"{method[:20]} is not allowed here", allow=allowed)
        if rule.scope not in found.scopes:
            actor = _actor(address, state["reference"], found.credential_id)
            self._services.desk.notice(Finding("scope_refused", found.client.id, actor, f"{method} {rule.scope}"))
            raise ProblemError("SCOPE_MISSING", f"the credential lacks the scope {rule.scope}")
        client_id = found.client.id
        if self._under_way[client_id] >= self._services.limits.client_connections:
            raise ProblemError("CAPACITY_EXCEEDED", "too many requests are under way at once", retry_after=1)
        await self._capacity.admit(found.client, rule.operation)
        state["authenticated"] = found
        self._under_way[client_id] += 1
        return client_id

    def release(self, client_id: str | None) -> None:
        """Count a client's request as ended."""
        if client_id is not None:
            self._under_way[client_id] -= 1
            if not self._under_way[client_id]:
                del self._under_way[client_id]

    async def _authenticated(self, scope: Any, address: Address | None) -> Authenticated:
        client_id, secret = _credentials(_header(scope, b"authorization"))
        async with self._services.database.read() as connection:
            found = await authenticate(connection, self._services.keyring, client_id, secret)
        if isinstance(found, Authenticated):
            return found
        if client_id or secret:
            self._refused(found, scope, address)
        raise ProblemError("CREDENTIALS_REQUIRED", "the credentials are missing, wrong or no longer valid")

    def _refused(self, found: Refused, scope: Any, address: Address | None) -> None:
        kind: Any = "secret_withdrawn" if found.withdrawn else "login_refused"
        actor = _actor(address, scope["state"]["reference"])
        self._services.desk.notice(Finding(kind, found.client_id, actor, found.reason))

    def _check_network(self, found: Authenticated, address: Address | None, reference: str) -> None:
        if not self._by_network:
            return
        networks = [ip_network(network) for network in found.client.definition.networks]
        if address is None or not any(address in network for network in networks):
            actor = _actor(address, reference, found.credential_id)
            self._services.desk.notice(Finding("network_refused", found.client.id, actor, "any request"))
            raise ProblemError("NETWORK_REFUSED", "the account may not be used from this address")

    def _address(self, scope: Any) -> Address | None:
        """Return where a request comes from: the peer, or, where that is a proxy of ours, whom the proxy names.

        X-Forwarded-For is read from its end, over as many hops as are our proxies; what stands before was written by
        the caller and says nothing.
        """
        peer = parsed(scope["client"][0] if scope.get("client") else "")
        if peer is None or not self._is_proxy(peer):
            return peer
        hops = [
            hop
            for name, value in scope["headers"]
            if name == b"x-forwarded-for"
            for hop in value[-_MOST_FORWARDED:].decode("latin-1").split(",")
        ]
        for hop in reversed(hops):
            address = parsed(hop.strip())
            if address is None or not self._is_proxy(address):
                return address
        return None

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)


def parsed(text: str) -> Address | None:
    """Return an address in its one form: an IPv4 address that comes mapped into IPv6 is an IPv4 address."""
    if text.startswith("[") and "]" in text:
        text = text[1 : text.index("]")]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def client_of(scope: Any) -> Client:
    """Return the client that was let in."""
    found: Authenticated = scope["state"]["authenticated"]
    return found.client


def _actor(address: Address | None, reference: str, credential: str | None = None) -> Actor:
    return Actor("client", None if address is None else str(address), reference, credential)


def _header(scope: Any, wanted: bytes) -> str:
    values = [value for name, value in scope["headers"] if name == wanted]
    return values[0].decode("latin-1") if len(values) == 1 else ""


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
