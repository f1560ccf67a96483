"""The HTTP client of an authority: one POST, one verified token, or an error that names the authority."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from tests.unit.timestamping.units import MOMENT, POLICY, SHA256, Unit
from timestamping.client.http import HttpTimestampSource
from timestamping.ports import (
    TimestampError,
    TimestampInvalidError,
    TimestampRejectedError,
    TimestampUnavailableError,
    Token,
)
from timestamping.request import parse_request

URL = "http://tsa.test/tsa"
REPLY_TYPE = {"content-type": "application/timestamp-reply"}
Handler = Callable[[httpx.Request], httpx.Response]


def ask(handler: Handler, *, imprint: bytes = bytes(32), policy: str | None = None) -> Token:
    async def inside() -> Token:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
            source = HttpTimestampSource(client, URL, policy=policy)
            assert source.name == URL
            return await source.timestamp(imprint, SHA256)

    def handle(request: httpx.Request) -> httpx.Response:
        assert (request.method, str(request.url)) == ("POST", URL)
        assert request.headers["content-type"] == "application/timestamp-query"
        return handler(request)

    return asyncio.run(inside())


def answering(unit: Unit) -> Handler:
    return lambda request: httpx.Response(200, content=unit.reply(request.content), headers=REPLY_TYPE)


def test_token(unit: Unit) -> None:
    token = ask(answering(unit), imprint=bytes(range(32)), policy=POLICY)
    assert (token.imprint, token.gen_time, token.policy) == (bytes(range(32)), MOMENT, POLICY)


def test_nonces_differ(unit: Unit) -> None:
    nonces = []

    def handler(request: httpx.Request) -> httpx.Response:
        nonces.append(parse_request(request.content).nonce)
        return answering(unit)(request)

    for _ in range(20):
        ask(handler)
    assert len(set(nonces)) == 20
    assert all(nonce is not None and 0 <= nonce < 1 << 128 for nonce in nonces)


def test_reply_to_an_earlier_query(unit: Unit) -> None:
    """A replayed reply is over the same imprint and has an older nonce."""
    kept: list[httpx.Response] = []

    def handler(request: httpx.Request) -> httpx.Response:
        kept.append(answering(unit)(request))
        return httpx.Response(200, content=kept[0].content, headers=REPLY_TYPE)

    assert ask(handler)
    with pytest.raises(TimestampInvalidError, match="another nonce") as caught:
        ask(handler)
    assert caught.value.party == URL


def test_policy_that_is_not_served(unit: Unit) -> None:
    with pytest.raises(TimestampRejectedError, match="unacceptedPolicy") as caught:
        ask(answering(unit), policy="2.25.1")
    assert caught.value.party == URL


def test_imprint_of_another_length(unit: Unit) -> None:
    with pytest.raises(ValueError, match="no sha256 digest"):
        ask(answering(unit), imprint=bytes(20))


def respond(status: int = 200, content: bytes = b"", media_type: str | None = "application/timestamp-reply") -> Handler:
    headers = {} if media_type is None else {"content-type": media_type}
    return lambda _: httpx.Response(status, content=content, headers=headers)


def refuse_connection(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


def stay_silent(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("", request=request)


@pytest.mark.parametrize(
    ("handler", "error", "told"),
    [
        (respond(503, b"down", "text/plain"), TimestampUnavailableError, "answered 503 text/plain"),
        (respond(503), TimestampUnavailableError, "answered 503"),
        (respond(302, b"", None), TimestampUnavailableError, "302 without a media type"),
        (respond(200, b"<html>", "text/html; charset=utf-8"), TimestampUnavailableError, "answered 200 text/html"),
        (respond(200, b"<html>"), TimestampUnavailableError, "no timestamp reply|did not answer"),
        (respond(200, b""), TimestampUnavailableError, "did not answer"),
        (refuse_connection, TimestampUnavailableError, "connection refused"),
        (stay_silent, TimestampUnavailableError, "ReadTimeout"),
    ],
    ids=["503", "503 with the right type", "redirect", "html", "html as reply", "empty", "refused", "silent"],
)
def test_authority_that_fails(handler: Handler, error: type[TimestampError], told: str) -> None:
    with pytest.raises(error, match=told) as caught:
        ask(handler)
    assert caught.value.party == URL
