"""Fetching revocation data. URLs are read only from certificates whose path is verified; the HTTP client is guarded."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from signing.limits import LIMITS
from signing.ports import (
    RevocationError,
    RevocationInvalidError,
    RevocationNotFreshError,
    RevocationUnavailableError,
    RevocationUnknownError,
)
from timestamping.clock import Clock
from timestamping.revocation import Evidence, EvidenceError, UnknownCertificateError, from_crl, from_ocsp

_OCSP_REQUEST = {"content-type": "application/ocsp-request"}


@dataclass(frozen=True, slots=True)
class _Kept:
    der: bytes
    fetched: datetime


class RevocationSource:
    """OCSP and CRL over HTTP, with a cache for everything but signers."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._kept: dict[tuple[str, bytes], _Kept] = {}

    async def fresh(
        self, certificate: x509.Certificate, issuer: x509.Certificate, *, not_before: datetime | None
    ) -> Evidence:
        """Fetch what is known about a signer now; nothing is taken from or put into a cache.

        Args:
            certificate: the signer's certificate.
            issuer: its issuer.
            not_before: the signature timestamp's time; older data is asked for again, a few times
                (EN 319 102-1, clause 5.2.5). None where there is no timestamp yet.

        Raises:
            RevocationError: one of its subclasses, naming the service.
        """
        attempts = 1 if not_before is None else LIMITS.fresh_attempts
        for attempt in range(1, attempts + 1):
            evidence, failure = await self._first(certificate, issuer, keep=False)
            if not_before is None or evidence.this_update >= not_before.replace(microsecond=0):
                return evidence
            if attempt < attempts:
                await asyncio.sleep(LIMITS.fresh_pause.total_seconds())
        if failure is not None:
            raise failure
        party = next(iter((*_ocsp_urls(certificate), *_crl_urls(certificate))))
        raise RevocationNotFreshError(
            f"{party} only has data of {evidence.this_update:%Y-%m-%d %H:%M:%SZ}, older than the signature timestamp",
            party=party,
        )

    async def cached(self, certificate: x509.Certificate, issuer: x509.Certificate) -> Evidence:
        """Return what is known about a CA, a TSU or an OCSP responder, at most an hour old.

        Raises:
            RevocationError: one of its subclasses, naming the service.
        """
        evidence, _ = await self._first(certificate, issuer, keep=True)
        return evidence

    async def _first(
        self, certificate: x509.Certificate, issuer: x509.Certificate, *, keep: bool
    ) -> tuple[Evidence, RevocationError | None]:
        """Return the first answer, and what went wrong before it."""
        failure: RevocationError | None = None
        for url in _ocsp_urls(certificate):
            try:
                return await self._ocsp(url, certificate, issuer, keep=keep), failure
            except RevocationError as error:
                failure = failure or error
        for url in _crl_urls(certificate):
            try:
                return await self._crl(url, certificate, issuer, keep=keep), failure
            except RevocationError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        subject = certificate.subject.rfc4514_string()
        raise RevocationUnavailableError(f"{subject} names no OCSP responder and no CRL over http", party=subject)

    async def _ocsp(self, url: str, certificate: x509.Certificate, issuer: x509.Certificate, *, keep: bool) -> Evidence:
        request = _ocsp_request(certificate, issuer)

        async def fetch() -> bytes:
            return await self._fetch("POST", url, LIMITS.ocsp_bytes, content=request)

        def judge(der: bytes) -> Evidence:
            return from_ocsp(der, certificate, issuer)

        return await self._judged((url, request), fetch, judge, keep=keep)

    async def _crl(self, url: str, certificate: x509.Certificate, issuer: x509.Certificate, *, keep: bool) -> Evidence:
        async def fetch() -> bytes:
            return await self._fetch("GET", url, LIMITS.crl_bytes)

        def judge(der: bytes) -> Evidence:
            return from_crl(der, certificate, issuer)

        return await self._judged((url, b""), fetch, judge, keep=keep)

    async def _judged(
        self,
        key: tuple[str, bytes],
        fetch: Callable[[], Awaitable[bytes]],
        judge: Callable[[bytes], Evidence],
        *,
        keep: bool,
    ) -> Evidence:
        now = self._clock()
        kept = self._kept.get(key) if keep else None
        if kept is not None and now - kept.fetched < LIMITS.cache_time:
            try:
                return self._current(key[0], judge, kept.der, now)
            except RevocationError:
                del self._kept[key]
        der = await fetch()
        evidence = self._current(key[0], judge, der, self._clock())
        if keep:
            self._kept[key] = _Kept(der, now)
        return evidence

    @staticmethod
    def _current(url: str, judge: Callable[[bytes], Evidence], der: bytes, now: datetime) -> Evidence:
        try:
            evidence = judge(der)
        except UnknownCertificateError as error:
            raise RevocationUnknownError(f"{url}: {error}", party=url) from error
        except EvidenceError as error:
            raise RevocationInvalidError(f"{url}: {error}", party=url) from error
        if evidence.this_update > now + LIMITS.clock_skew:
            raise RevocationInvalidError(f"{url} answered with data from the future", party=url)
        if evidence.next_update is not None and evidence.next_update < now:
            raise RevocationInvalidError(
                f"{url} answered with data that was due for renewal at {evidence.next_update:%Y-%m-%d %H:%M:%SZ}",
                party=url,
            )
        return evidence

    async def _fetch(self, method: str, url: str, limit: int, *, content: bytes | None = None) -> bytes:
        try:
            async with self._client.stream(
                method, url, content=content, headers=_OCSP_REQUEST if content is not None else None
            ) as response:
                if response.status_code != httpx.codes.OK:
                    raise RevocationUnavailableError(f"{url} answered {response.status_code}", party=url)
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > limit:
                        raise RevocationInvalidError(f"{url} answered with more than {limit} octets", party=url)
                return bytes(body)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise RevocationUnavailableError(f"{url} cannot be reached: {reason}", party=url) from error


@lru_cache(maxsize=256)
def _ocsp_request(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    # SHA-1 only identifies the issuer here, and every responder understands it (RFC 5019, clause 2.1.1)
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303
    return builder.build().public_bytes(Encoding.DER)


@lru_cache(maxsize=512)
def _ocsp_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_http([d.access_location for d in access if d.access_method == AuthorityInformationAccessOID.OCSP]))


@lru_cache(maxsize=512)
def _crl_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_http([name for point in points if not point.reasons for name in point.full_name or ()]))


def _http(names: list[x509.GeneralName]) -> Iterator[str]:
    for name in names:
        if isinstance(name, x509.UniformResourceIdentifier) and name.value.lower().startswith(("http://", "https://")):
            yield name.value
