"""Fetching revocation data: what is asked how often, what is kept, and which error names which service."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TypeVar

import httpx
import pytest
from cryptography import x509
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
from signing.trust.sources import RevocationSource
from tests.unit.signing.issuing import (
    CRL_URL,
    DAY,
    NOW,
    OCSP_URL,
    Holder,
    authority,
    issue,
    ocsp_response,
    revocation_list,
    signer,
)
from timestamping.revocation import Evidence

T = TypeVar("T")
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def answered(octets: bytes, code: int = 200) -> httpx.Response:
    """Return an answer that is still to be read, as from a connection."""
    return httpx.Response(code, stream=httpx.ByteStream(octets))


class Services:
    """An OCSP responder and a CRL server; what they answer can be replaced."""

    def __init__(self) -> None:
        self.ca = authority("CA")
        self.leaf = signer("Leaf", self.ca, crl_url=CRL_URL)
        self.by_ocsp = signer("By OCSP", self.ca)
        self.by_crl = signer("By CRL", self.ca, ocsp_url=None, crl_url=CRL_URL)
        self.now = NOW
        self.requests: Counter[str] = Counter()
        self.ocsp: Callable[[httpx.Request], httpx.Response] = self.answer
        self.crl: Callable[[httpx.Request], httpx.Response] = self.publish

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Say good about whichever of our certificates is asked for."""
        serial_number = ocsp.load_der_ocsp_request(request.content).serial_number
        asked = next(h for h in (self.leaf, self.by_ocsp) if h.certificate.serial_number == serial_number)
        der = ocsp_response(asked, self.ca, this_update=self.now, next_update=self.now + 10 * MINUTE)
        return answered(der)

    def publish(self, _: httpx.Request) -> httpx.Response:
        der = revocation_list(self.ca, this_update=self.now - MINUTE, next_update=self.now + DAY)
        return answered(der)

    def run(self, work: Callable[[RevocationSource], Awaitable[T]]) -> T:
        def handle(request: httpx.Request) -> httpx.Response:
            self.requests[str(request.url)] += 1
            return self.ocsp(request) if request.method == "POST" else self.crl(request)

        async def inside() -> T:
            async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
                return await work(RevocationSource(client, lambda: self.now))

        return asyncio.run(inside())

    def cached(self, holder: Holder) -> Evidence:
        return self.run(lambda source: source.cached(holder.certificate, self.ca.certificate))

    def fresh(self, holder: Holder, not_before: datetime | None = None) -> Evidence:
        return self.run(lambda source: source.fresh(holder.certificate, self.ca.certificate, not_before=not_before))


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the pauses instead of making them."""
    taken: list[float] = []

    async def pause(seconds: float) -> None:
        taken.append(seconds)

    # only there: servers of other tests sleep in threads of this process
    monkeypatch.setattr("signing.trust.sources.asyncio", SimpleNamespace(sleep=pause))
    return taken


def test_crl_is_fetched_once_for_all_its_certificates(services: Services) -> None:
    other = signer("Other", services.ca, ocsp_url=None, crl_url=CRL_URL)

    async def work(source: RevocationSource) -> None:
        for holder in (services.by_crl, services.by_crl, other):
            await source.cached(holder.certificate, services.ca.certificate)

    services.run(work)
    assert services.requests == {CRL_URL: 1}


def test_ocsp_of_a_signer_is_fetched_each_time(services: Services) -> None:
    async def work(source: RevocationSource) -> None:
        for _ in range(3):
            await source.fresh(services.by_ocsp.certificate, services.ca.certificate, not_before=None)

    services.run(work)
    assert services.requests == {OCSP_URL: 3}


def test_crl_of_a_signer_is_fetched_each_time(services: Services) -> None:
    async def work(source: RevocationSource) -> None:
        await source.cached(services.by_crl.certificate, services.ca.certificate)
        for _ in range(2):
            await source.fresh(services.by_crl.certificate, services.ca.certificate, not_before=None)

    services.run(work)
    assert services.requests == {CRL_URL: 3}


def test_answers_about_signers_are_not_kept_for_others(services: Services) -> None:
    async def work(source: RevocationSource) -> None:
        await source.fresh(services.by_ocsp.certificate, services.ca.certificate, not_before=None)
        await source.cached(services.by_ocsp.certificate, services.ca.certificate)
        await source.cached(services.by_ocsp.certificate, services.ca.certificate)

    services.run(work)
    assert services.requests == {OCSP_URL: 2}


def test_one_responder_two_certificates(services: Services) -> None:
    """What is kept belongs to a certificate, not to an address (R4)."""

    async def work(source: RevocationSource) -> list[Evidence]:
        holders = (services.leaf, services.by_ocsp) * 2
        return [await source.cached(h.certificate, services.ca.certificate) for h in holders]

    evidence = services.run(work)
    assert services.requests == {OCSP_URL: 2}
    serials = [ocsp.load_der_ocsp_response(e.der).serial_number for e in evidence]
    expected = [services.leaf.certificate.serial_number, services.by_ocsp.certificate.serial_number]
    assert serials == expected * 2


@pytest.mark.parametrize(("later", "requests"), [(59 * MINUTE, 1), (60 * MINUTE, 2)])
def test_kept_for_an_hour(services: Services, later: timedelta, requests: int) -> None:
    async def work(source: RevocationSource) -> None:
        await source.cached(services.by_crl.certificate, services.ca.certificate)
        services.now += later
        await source.cached(services.by_crl.certificate, services.ca.certificate)

    services.run(work)
    assert services.requests == {CRL_URL: requests}


def test_kept_answer_that_became_due_is_fetched_anew(services: Services) -> None:
    async def work(source: RevocationSource) -> Evidence:
        await source.cached(services.by_ocsp.certificate, services.ca.certificate)
        services.now += 11 * MINUTE
        return await source.cached(services.by_ocsp.certificate, services.ca.certificate)

    assert services.run(work).this_update == NOW + 11 * MINUTE
    assert services.requests == {OCSP_URL: 2}


def test_failure_is_not_kept(services: Services) -> None:
    async def work(source: RevocationSource) -> Evidence:
        services.crl = status(503)
        with pytest.raises(RevocationUnavailableError):
            await source.cached(services.by_crl.certificate, services.ca.certificate)
        services.crl = services.publish
        return await source.cached(services.by_crl.certificate, services.ca.certificate)

    assert services.run(work).revoked_at is None


def test_ocsp_goes_before_crl(services: Services) -> None:
    assert services.cached(services.leaf).is_ocsp
    assert services.requests == {OCSP_URL: 1}


def test_crl_serves_where_ocsp_does_not(services: Services) -> None:
    services.ocsp = status(503)
    assert not services.cached(services.leaf).is_ocsp
    assert services.requests == {OCSP_URL: 1, CRL_URL: 1}


def test_first_failure_is_told_where_both_fail(services: Services) -> None:
    services.ocsp, services.crl = status(500), status(404)
    with pytest.raises(RevocationUnavailableError, match="answered 500") as caught:
        services.cached(services.leaf)
    assert caught.value.party == OCSP_URL


def test_answer_newer_than_the_timestamp_is_taken_at_once(services: Services, pauses: list[float]) -> None:
    assert services.fresh(services.by_ocsp, NOW + timedelta(milliseconds=999)).this_update == NOW
    assert (services.requests, pauses) == ({OCSP_URL: 1}, [])


def test_older_answer_is_asked_for_again(services: Services, pauses: list[float]) -> None:
    def answer_later(request: httpx.Request) -> httpx.Response:
        response = services.answer(request)
        services.now += SECOND
        return response

    services.ocsp = answer_later
    assert services.fresh(services.by_ocsp, NOW + SECOND).this_update == NOW + SECOND
    assert services.requests == {OCSP_URL: 2}
    assert pauses == [LIMITS.fresh_pause.total_seconds()]


def test_only_older_answers(services: Services, pauses: list[float]) -> None:
    with pytest.raises(RevocationNotFreshError) as caught:
        services.fresh(services.by_ocsp, NOW + MINUTE)
    assert (caught.value.code, caught.value.party) == ("REVOCATION_NOT_FRESH", OCSP_URL)
    assert services.requests == {OCSP_URL: LIMITS.fresh_attempts}
    assert len(pauses) == LIMITS.fresh_attempts - 1


def test_crl_older_than_the_timestamp_is_not_enough(services: Services, pauses: list[float]) -> None:
    with pytest.raises(RevocationNotFreshError) as caught:
        services.fresh(services.by_crl, NOW)
    assert caught.value.party == CRL_URL
    assert len(pauses) == LIMITS.fresh_attempts - 1


@pytest.mark.usefixtures("pauses")
def test_responder_down_is_told_although_there_is_an_older_crl(services: Services) -> None:
    services.ocsp = status(503)
    with pytest.raises(RevocationError) as caught:
        services.fresh(services.leaf, NOW)
    assert (caught.value.code, caught.value.party) == ("REVOCATION_UNAVAILABLE", OCSP_URL)


Handler = Callable[[httpx.Request], httpx.Response]


def status(code: int) -> Handler:
    return lambda _: answered(b"no", code)


def content(octets: bytes) -> Handler:
    return lambda _: answered(octets)


def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


def silent(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("no answer within 10 s", request=request)


def redirected(_: httpx.Request) -> httpx.Response:
    return httpx.Response(302, headers={"location": OCSP_URL})


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (status(404), RevocationUnavailableError),
        (status(503), RevocationUnavailableError),
        (redirected, RevocationUnavailableError),
        (unreachable, RevocationUnavailableError),
        (silent, RevocationUnavailableError),
        (content(b""), RevocationInvalidError),
        (content(b"<html>log in</html>"), RevocationInvalidError),
        (content(bytes(LIMITS.ocsp_bytes + 1)), RevocationInvalidError),
    ],
    ids=["404", "503", "redirect", "refused", "timeout", "empty", "html", "huge"],
)
def test_responder_that_fails(services: Services, handler: Handler, error: type[RevocationError]) -> None:
    services.ocsp = handler
    for call in (services.cached, services.fresh):
        with pytest.raises(error) as caught:
            call(services.by_ocsp)
        assert caught.value.party == OCSP_URL
        assert OCSP_URL in str(caught.value)


def test_responder_that_does_not_know(services: Services) -> None:
    services.ocsp = content(ocsp_response(services.by_ocsp, services.ca, status=ocsp.OCSPCertStatus.UNKNOWN))
    with pytest.raises(RevocationUnknownError) as caught:
        services.fresh(services.by_ocsp)
    assert (caught.value.code, caught.value.party) == ("REVOCATION_UNKNOWN", OCSP_URL)


@pytest.mark.parametrize(("ahead", "accepted"), [(LIMITS.clock_skew, True), (LIMITS.clock_skew + SECOND, False)])
def test_answer_from_the_future(services: Services, ahead: timedelta, accepted: bool) -> None:
    services.ocsp = content(
        ocsp_response(services.by_ocsp, services.ca, this_update=NOW + ahead, next_update=NOW + DAY)
    )
    if accepted:
        assert services.fresh(services.by_ocsp)
    else:
        with pytest.raises(RevocationInvalidError, match="from the future"):
            services.fresh(services.by_ocsp)


def test_answer_that_was_due_for_renewal(services: Services) -> None:
    der = ocsp_response(services.by_ocsp, services.ca, this_update=NOW - DAY, next_update=NOW - SECOND)
    services.ocsp = content(der)
    with pytest.raises(RevocationInvalidError, match="due for renewal"):
        services.fresh(services.by_ocsp)


def test_revoked_is_evidence_not_an_error(services: Services) -> None:
    services.ocsp = content(ocsp_response(services.by_ocsp, services.ca, revoked_at=NOW - DAY))
    assert services.fresh(services.by_ocsp).revoked_at == NOW - DAY


def test_certificate_that_names_no_service(services: Services) -> None:
    bare = signer("Bare", services.ca, ocsp_url=None)
    with pytest.raises(RevocationUnavailableError, match="names no OCSP responder and no CRL") as caught:
        services.cached(bare)
    assert caught.value.party == "CN=Bare"


def test_other_schemes_and_methods_are_not_followed(services: Services) -> None:
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("ftp://a.test/")),
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.DNSName("a.test")),
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://a.test/")
            ),
        ]
    )
    place = x509.UniformResourceIdentifier("ldap://a.test/")
    points = x509.CRLDistributionPoints([x509.DistributionPoint([place], None, None, None)])
    odd = issue("Odd", services.ca, extensions=[(access, False), (points, False)])
    with pytest.raises(RevocationUnavailableError):
        services.cached(odd)
    assert not services.requests


def test_distribution_point_for_some_reasons_is_not_followed(services: Services) -> None:
    reasons = frozenset({x509.ReasonFlags.key_compromise})
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(CRL_URL)], None, reasons, None)
    odd = issue("Odd", services.ca, extensions=[(x509.CRLDistributionPoints([point]), False)])
    with pytest.raises(RevocationUnavailableError):
        services.cached(odd)
    assert not services.requests
