"""A timestamping authority over HTTP (RFC 3161, clause 3.4)."""

import secrets
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from timestamping.algorithms import DigestAlgorithm
from timestamping.client.settings import ClientLimits
from timestamping.ports import TimestampUnavailableError, Token
from timestamping.request import TimestampRequest, build_request
from timestamping.token import parse_reply

_NONCE_BITS: Final = 128
_REPLY_TYPE: Final = "application/timestamp-reply"
_LIMITS: Final = ClientLimits()


class HttpTimestampSource:
    """One authority. The HTTP client comes from the composition root and bounds connections; redirects are none."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        *,
        policy: str | None = None,
        header: tuple[str, str] | None = None,
        connect_seconds: float | None = None,
        limits: ClientLimits = _LIMITS,
    ) -> None:
        """Keep whom to ask.

        Args:
            client: carries the requests.
            url: of the authority.
            policy: that is asked for; None leaves it to the authority.
            header: HTTP field that says who we are, name and value; a secret, which no error repeats.
            connect_seconds: time to a connection; None is that of `limits`.
            limits: bounds.
        """
        self._client = client
        self._url = url
        self._policy = policy
        self._limits = limits
        self._headers = {"content-type": "application/timestamp-query", "accept": _REPLY_TYPE}
        if header is not None:
            self._headers[header[0]] = header[1]
        self._timeout = httpx.Timeout(limits.deadline_seconds, connect=connect_seconds or limits.connect_seconds)

    @property
    def name(self) -> str:
        return self._url

    async def timestamp(self, imprint: bytes, algorithm: DigestAlgorithm) -> Token:
        """Ask for a token over `imprint` and check that the answer is one (see `TimestampSource`)."""
        nonce = secrets.randbits(_NONCE_BITS)
        query = build_request(imprint, algorithm, nonce=nonce, policy=self._policy)
        reply = await self._exchange(query)
        request = TimestampRequest(1, algorithm.oid, imprint, self._policy, nonce, True, False)
        return parse_reply(reply, request, party=self._url)

    async def _exchange(self, query: bytes) -> bytes:
        asked = self._client.stream(
            "POST", self._url, content=query, headers=self._headers, timeout=self._timeout, follow_redirects=False
        )
        try:
            async with asked as response:
                media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
                if response.status_code != httpx.codes.OK or media_type != _REPLY_TYPE:
                    raise self._answered(response, media_type)
                reply = bytearray()
                async for piece in response.aiter_bytes():
                    reply += piece
                    if len(reply) > self._limits.reply_bytes:
                        raise TimestampUnavailableError(
                            f"{self._url} answered with more than {self._limits.reply_bytes} octets", party=self._url
                        )
                return bytes(reply)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise TimestampUnavailableError(
                f"{self._url} cannot be reached: {reason}",
                party=self._url,
                unreachable=True,
                timed_out=isinstance(error, httpx.TimeoutException),
            ) from error

    def _answered(self, response: httpx.Response, media_type: str) -> TimestampUnavailableError:
        refused = response.status_code != httpx.codes.OK
        return TimestampUnavailableError(
            f"{self._url} answered {response.status_code} {media_type[:100] or 'without a media type'}",
            party=self._url,
            http_status=response.status_code if refused else None,
            retry_after_seconds=_retry_after(response.headers) if refused else None,
        )


def _retry_after(headers: httpx.Headers) -> float | None:
    """Return the pause that Retry-After asks for (RFC 9110, clause 10.2.3); None where it cannot be read."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        until, now = parsedate_to_datetime(value), parsedate_to_datetime(headers.get("date", ""))
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
