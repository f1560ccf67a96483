"""Outbound HTTP: one client, one guard (design, section 7; OWASP ASVS 1.3.6).

A host name is resolved once, every address it has must be a public one, and the connection goes to that address. There
are no redirects, no proxies from the environment, no content encodings, and the whole exchange has a time and a size.
Hosts that the operator named (timestamping authorities, the demo PKI) have their own allow-list.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

_WEB_PORTS = frozenset({80, 443})
# headers and body are two writes; with Nagle's algorithm the second waits 40 ms for the first one's acknowledgement
_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@dataclass(frozen=True, slots=True)
class OutboundLimits:
    """Bounds on one exchange."""

    connect_seconds: float = 3.0
    """Time to a connection."""
    total_seconds: float = 10.0
    """Time from the request to the last octet of the answer."""
    response_bytes: int = 32 * 1024 * 1024
    """Largest answer, in octets."""
    connections: int = 50
    """Connections that are open at once."""
    keep_alive_seconds: float = 30.0
    """How long an idle connection is kept."""


@dataclass(frozen=True, slots=True)
class Target:
    """A host and port that the operator allows although the guard would refuse them."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Target":
        """Return the target of a URL."""
        parsed = httpx.URL(url)
        return cls(parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80))


def outbound_client(
    *, allowed: Collection[Target] = (), limits: OutboundLimits = OutboundLimits(), user_agent: str = "fts-gateway"
) -> httpx.AsyncClient:
    """Return the HTTP client of a process; close it at the end.

    Args:
        allowed: targets on internal addresses or other ports that the operator configured.
        limits: bounds on each exchange.
        user_agent: how the gateway names itself.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(frozenset(allowed), limits),
        trust_env=False,
        follow_redirects=False,
        headers={"user-agent": user_agent, "accept-encoding": "identity"},
        timeout=httpx.Timeout(limits.total_seconds, connect=limits.connect_seconds),
    )


class GuardedTransport(httpx.AsyncBaseTransport):
    """Carries requests over connections that the guard allows; refusals are `httpx.TransportError`s."""

    def __init__(self, allowed: frozenset[Target], limits: OutboundLimits) -> None:
        self._limits = limits
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=limits.connections,
            max_keepalive_connections=limits.connections,
            keepalive_expiry=limits.keep_alive_seconds,
            network_backend=_GuardedBackend(allowed),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(f"the scheme {request.url.scheme} is refused", request=request)
        if request.url.userinfo:
            raise httpx.UnsupportedProtocol("a URL with credentials is refused", request=request)
        deadline = asyncio.get_running_loop().time() + self._limits.total_seconds
        core = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions={"timeout": request.extensions.get("timeout", {})},
        )
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._pool.handle_async_request(core)
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"no answer within {self._limits.total_seconds:g} s", request=request) from error
        except _CORE_ERRORS as error:
            raise _translated(error, request) from error
        answer = httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response, request, deadline, self._limits),
            extensions=response.extensions,
        )
        if "content-encoding" in answer.headers:
            await response.aclose()
            raise httpx.DecodingError("an encoded answer is refused", request=request)
        return answer

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The answer's octets, counted and timed."""

    def __init__(
        self, response: httpcore.Response, request: httpx.Request, deadline: float, limits: OutboundLimits
    ) -> None:
        self._response = response
        self._request = request
        self._deadline = deadline
        self._limits = limits

    async def __aiter__(self) -> AsyncIterator[bytes]:
        count = 0
        chunks = self._response.aiter_stream().__aiter__()
        while True:
            try:
                async with asyncio.timeout_at(self._deadline):
                    chunk = await anext(chunks, None)
            except TimeoutError as error:
                message = f"the answer was not complete within {self._limits.total_seconds:g} s"
                raise httpx.ReadTimeout(message, request=self._request) from error
            except _CORE_ERRORS as error:
                raise _translated(error, self._request) from error
            if chunk is None:
                return
            count += len(chunk)
            if count > self._limits.response_bytes:
                message = f"the answer is larger than {self._limits.response_bytes} octets"
                raise httpx.ReadError(message, request=self._request)
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the address that was checked, so that a second resolution cannot change it."""

    def __init__(self, allowed: frozenset[Target]) -> None:
        self._allowed = allowed
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the port's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        address = host
        if Target(host, port) not in self._allowed:
            if port not in _WEB_PORTS:
                raise httpcore.ConnectError(f"port {port} of {host} is refused")
            address = await _public_address(host, port)
        options = [*(socket_options or ()), _NO_DELAY]
        return await self._backend.connect_tcp(address, port, timeout, local_address, options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  the port's signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("a local socket is refused")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


async def _public_address(host: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(f"{host} cannot be resolved") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses:
        raise httpcore.ConnectError(f"{host} has no address")
    for address in addresses:
        if not is_public(address):
            raise httpcore.ConnectError(f"{host} is at an internal address and refused")
    return addresses[0]


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC = (
    ipaddress.IPv6Network("3fff::/20"),  # documentation (RFC 9637), not known to every version of `ipaddress`
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays (RFC 7526)
)


def is_public(address: str) -> bool:
    """Tell whether an address is one of the public network; addresses embedded in IPv6 count as themselves."""
    parsed = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        embedded = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo or (None, None))[1]
        if parsed in _NAT64:
            embedded = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(str(embedded))
        if parsed not in _GLOBAL_UNICAST:
            return False
    known_otherwise = any(parsed.version == network.version and parsed in network for network in _NOT_PUBLIC)
    return parsed.is_global and not parsed.is_multicast and not known_otherwise


_CORE_ERRORS = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.UnsupportedProtocol)


def _translated(error: Exception, request: httpx.Request) -> httpx.TransportError:
    kind = getattr(httpx, type(error).__name__, httpx.TransportError)
    return kind(str(error) or type(error).__name__, request=request)
