"""The outbound guard against internal addresses, redirects and endless answers (attacks R-1, R-2 and R-3)."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpcore
import httpx
import pytest

from fts.outbound import OutboundLimits, Target, is_public, outbound_client

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BRIEF = OutboundLimits(connect_seconds=0.5, total_seconds=0.6, response_bytes=100_000)
REFUSED = (httpx.TransportError, httpx.InvalidURL)

INTERNAL_HOSTS = (
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0177.0.0.01",
    "127.0.0.1.",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "0.0.0.0",  # noqa: S104 - a target
    "0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:5ef5:79fd:0:0:80ff:fffe]",
    "[fd00::1]",
    "[fec0::1]",
    "[fe80::1]",
    "[ff02::1]",
    "[2001:db8::1]",
)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve raw connections on loopback; give the base URL."""

    tasks: set[asyncio.Task[Any]] = set()

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await handler(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(handled, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


def answering(answer: bytes) -> Handler:
    async def handler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return handler


def get(url: str, *, allowed: tuple[str, ...] = (), limits: OutboundLimits = BRIEF) -> httpx.Response:
    async def work() -> httpx.Response:
        async with outbound_client(allowed=[Target.of(each) for each in allowed], limits=limits) as client:
            return await client.get(url)

    return asyncio.run(work())


def get_from(handler: Handler, *, limits: OutboundLimits = BRIEF) -> httpx.Response:
    """Ask a server that the operator allows."""

    async def work() -> httpx.Response:
        async with (
            serving(handler) as url,
            outbound_client(allowed=[Target.of(url)], limits=limits) as client,
        ):
            return await client.get(url + "/data")

    return asyncio.run(work())


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Records where the guard connects to; every connection fails."""
    made: list[tuple[str, int]] = []

    async def connect(_self: object, host: str, port: int, *_arguments: object) -> None:
        made.append((host, port))
        raise httpcore.ConnectError("recorded")

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    return made


@pytest.fixture
def resolving(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes names resolve to given addresses, one list for each resolution."""

    def install(*answers: list[str]) -> None:
        pending = iter(answers)

        def resolve(_host: str, port: int, *_arguments: object, **_named: object) -> list[tuple[Any, ...]]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(pending)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)

    return install


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_internal_addresses_are_refused_before_a_connection(scheme: str, connections: list[tuple[str, int]]) -> None:
    async def refused(client: httpx.AsyncClient, host: str) -> bool:
        try:
            await client.get(f"{scheme}://{host}/latest/meta-data")
        except REFUSED:
            return True
        return False

    async def reached() -> list[str]:
        async with outbound_client(limits=BRIEF) as client:
            return [host for host in INTERNAL_HOSTS if not await refused(client, host)]

    assert asyncio.run(reached()) == []
    assert connections == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ldap://8.8.8.8/", "gopher://8.8.8.8/", "ftp://8.8.8.8/", "//8.8.8.8/"]
)
def test_other_schemes_are_refused(url: str, connections: list[tuple[str, int]]) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        get(url)
    assert connections == []


def test_credentials_in_a_url_are_refused(connections: list[tuple[str, int]]) -> None:
    with pytest.raises(httpx.UnsupportedProtocol, match="credentials"):
        get("http://user:secret@8.8.8.8/")
    assert connections == []


@pytest.mark.parametrize("port", [22, 25, 8080, 6379, 11211])
def test_other_ports_of_public_addresses_are_refused(port: int, connections: list[tuple[str, int]]) -> None:
    with pytest.raises(httpx.ConnectError, match=f"port {port}"):
        get(f"http://8.8.8.8:{port}/")
    assert connections == []


@pytest.mark.parametrize(
    ("url", "target"), [("http://8.8.8.8/", ("8.8.8.8", 80)), ("https://[2606:4700::1]/", ("2606:4700::1", 443))]
)
def test_public_address_is_connected_to(url: str, target: tuple[str, int], connections: list[tuple[str, int]]) -> None:
    with pytest.raises(httpx.ConnectError, match="recorded"):
        get(url)
    assert connections == [target]


def test_a_permission_is_for_one_host_and_port(connections: list[tuple[str, int]]) -> None:
    for other in ("http://127.0.0.1:8081/", "http://127.0.0.2:8080/", "http://localhost:8080/", "http://127.0.0.1/"):
        with pytest.raises(httpx.ConnectError, match="refused"):
            get(other, allowed=("http://127.0.0.1:8080",))
    assert connections == []


def test_connects_to_the_address_that_was_checked(
    connections: list[tuple[str, int]], resolving: Callable[..., None]
) -> None:
    resolving(["8.8.4.4"], ["127.0.0.1"])
    with pytest.raises(httpx.ConnectError, match="recorded"):
        get("http://rebinding.example/")
    assert connections == [("8.8.4.4", 80)]


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], []])
def test_a_name_with_an_internal_address_is_refused(
    addresses: list[str], connections: list[tuple[str, int]], resolving: Callable[..., None]
) -> None:
    resolving(addresses)
    with pytest.raises(httpx.ConnectError):
        get("http://mixed.example/")
    assert connections == []


def test_an_unknown_name_is_a_transport_error() -> None:
    with pytest.raises(httpx.ConnectError, match=r"cannot be resolved"):
        get("http://does-not-exist.invalid/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(status: int) -> None:
    asked: list[bool] = []

    async def canary(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(True)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def work() -> httpx.Response:
        async with serving(canary) as other:
            answer = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {other}/\r\nContent-Length: 0\r\n\r\n".encode()
            async with (
                serving(answering(answer)) as url,
                outbound_client(allowed=[Target.of(url), Target.of(other)], limits=BRIEF) as client,
            ):
                return await client.get(url)

    assert asyncio.run(work()).status_code == status
    assert asked == []


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert get_from(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).content == b"ok"


def test_answer_within_the_limit_is_returned() -> None:
    body = bytes(BRIEF.response_bytes)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert get_from(answering(answer)).content == body


@pytest.mark.parametrize("head", [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked", b"Connection: close"])
def test_endless_answer_is_cut_off(head: bytes) -> None:
    sent = 0

    async def handler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n" if b"chunked" in head else bytes(0x4000)
        while sent < 1_000_000_000:
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)

    with pytest.raises(httpx.ReadError, match="larger than 100000"):
        get_from(handler, limits=OutboundLimits(total_seconds=20, response_bytes=100_000))
    assert sent < 100_000_000


def test_drip_fed_answer_times_out() -> None:
    async def handler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    start = time.monotonic()
    with pytest.raises(httpx.ReadTimeout, match=r"not complete within 0\.6 s"):
        get_from(handler)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("drip", [b"", b"H"])
def test_answer_that_never_begins_times_out(drip: bytes) -> None:
    async def handler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(drip)
            await writer.drain()
            await asyncio.sleep(0.05)

    start = time.monotonic()
    with pytest.raises(httpx.TransportError):
        get_from(handler)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity", "gzip, gzip"])
def test_encoded_answer_is_refused(encoding: str) -> None:
    answer = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: 4\r\n\r\nbomb".encode()
    with pytest.raises(httpx.DecodingError):
        get_from(answering(answer))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
    ],
    ids=["closed", "garbage", "short", "negative", "bad chunk", "huge header"],
)
def test_malformed_answer_is_a_transport_error(answer: bytes) -> None:
    with pytest.raises(httpx.TransportError):
        get_from(answering(answer))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses_are_known(address: str) -> None:
    assert is_public(address)


def test_target_of_a_url_has_the_scheme_s_port() -> None:
    assert Target.of("http://tsa.example/x") == Target("tsa.example", 80)
    assert Target.of("https://tsa.example") == Target("tsa.example", 443)
    assert Target.of("http://127.0.0.1:3180/tsa") == Target("127.0.0.1", 3180)
