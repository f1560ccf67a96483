"""A timestamping authority over HTTP (RFC 3161, clause 3.4)."""

import secrets

import httpx

from timestamping.algorithms import DigestAlgorithm
from timestamping.ports import TimestampUnavailableError, Token
from timestamping.request import TimestampRequest, build_request
from timestamping.token import parse_reply

_NONCE_BITS = 63
_REPLY_TYPE = "application/timestamp-reply"


class HttpTimestampSource:
    """One authority. The HTTP client comes from the composition root and holds the limits on time and size."""

    def __init__(self, client: httpx.AsyncClient, url: str, *, policy: str | None = None) -> None:
        self._client = client
        self._url = url
        self._policy = policy

    @property
    def name(self) -> str:
        return self._url

    async def timestamp(self, imprint: bytes, algorithm: DigestAlgorithm) -> Token:
        """Ask for a token over `imprint` and check that the answer is one (see `TimestampSource`)."""
        nonce = secrets.randbits(_NONCE_BITS)
        query = build_request(imprint, algorithm, nonce=nonce, policy=self._policy)
        try:
            response = await self._client.post(
                self._url, content=query, headers={"content-type": "application/timestamp-query"}
            )
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise TimestampUnavailableError(f"{self._url} cannot be reached: {reason}", party=self._url) from error
        media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
        if response.status_code != httpx.codes.OK or media_type != _REPLY_TYPE:
            raise TimestampUnavailableError(
                f"{self._url} answered {response.status_code} {media_type or 'without a media type'}",
                party=self._url,
            )
        request = TimestampRequest(1, algorithm.oid, imprint, self._policy, nonce, True, False)
        return parse_reply(response.content, request, party=self._url)
