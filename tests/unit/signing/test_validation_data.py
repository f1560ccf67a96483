"""What is collected for a signature to be judged offline, and when collecting stops."""

import asyncio
from datetime import datetime
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from signing.ports import CertificateExpiredError, CertificateRevokedError, CertificateUntrustedError
from signing.trust.path import TrustAnchors
from signing.trust.sources import RevocationSource
from signing.trust.validation_data import ValidationData, ValidationDataEngine
from tests.unit.signing.issuing import (
    DAY,
    NOW,
    Holder,
    authority,
    issue,
    ocsp_response,
    responder,
    revocation_list,
    signer,
)
from timestamping.revocation import Evidence, from_crl, from_ocsp


class Known:
    """Revocation data at hand, with a note of how it was asked for."""

    def __init__(self, *holders: tuple[Holder, Holder, bytes]) -> None:
        self._data = {about.certificate: (issuer, der) for about, issuer, der in holders}
        self.asked: list[tuple[str, str, datetime | None]] = []

    async def fresh(
        self, certificate: x509.Certificate, issuer: x509.Certificate, *, not_before: datetime | None
    ) -> Evidence:
        self.asked.append(("fresh", certificate.subject.rfc4514_string(), not_before))
        return self._read(certificate, issuer)

    async def cached(self, certificate: x509.Certificate, issuer: x509.Certificate) -> Evidence:
        self.asked.append(("cached", certificate.subject.rfc4514_string(), None))
        return self._read(certificate, issuer)

    def _read(self, certificate: x509.Certificate, issuer: x509.Certificate) -> Evidence:
        _, der = self._data[certificate]
        try:
            return from_ocsp(der, certificate, issuer)
        except ValueError:
            return from_crl(der, certificate, issuer)


ROOT = authority("Root")
CA = authority("CA", ROOT)
LEAF = signer("Leaf", CA)
DELEGATE = responder(CA)
UNMARKED = responder(CA, no_check=False)
CA_CRL = revocation_list(ROOT)


def der(holder: Holder) -> bytes:
    return holder.certificate.public_bytes(Encoding.DER)


def collect(known: Known, *, authority_only: bool = False) -> ValidationData:
    engine = ValidationDataEngine(TrustAnchors([ROOT.certificate]), cast("RevocationSource", known))
    path = engine.path(LEAF.certificate, [CA.certificate], NOW)
    data = ValidationData()
    asyncio.run(engine.for_authority(path, data) if authority_only else engine.for_signer(path, NOW, data))
    return data


def test_signer_fresh_and_authorities_from_the_cache() -> None:
    answer = ocsp_response(LEAF, CA, DELEGATE)
    known = Known((LEAF, CA, answer), (CA, ROOT, CA_CRL))
    data = collect(known)
    assert known.asked == [("fresh", "CN=Leaf", NOW), ("cached", "CN=CA", None)]
    assert list(data.ocsps) == [answer]
    assert list(data.crls) == [CA_CRL]
    assert list(data.certificates) == [der(LEAF), der(CA), der(ROOT), der(DELEGATE)]


def test_authority_comes_from_the_cache_altogether() -> None:
    known = Known((LEAF, CA, ocsp_response(LEAF, CA)), (CA, ROOT, CA_CRL))
    collect(known, authority_only=True)
    assert {how for how, *_ in known.asked} == {"cached"}


def test_responder_without_the_mark_needs_data_of_its_own() -> None:
    """A delegated responder without id-pkix-ocsp-nocheck must be shown good like anybody (R3)."""
    about_leaf, about_responder = ocsp_response(LEAF, CA, UNMARKED), revocation_list(CA)
    known = Known((LEAF, CA, about_leaf), (CA, ROOT, CA_CRL), (UNMARKED, CA, about_responder))
    data = collect(known)
    assert ("cached", "CN=Responder", None) in known.asked
    assert about_responder in data.crls
    assert der(UNMARKED) in data.certificates


def test_each_part_once() -> None:
    data = ValidationData()
    data.add_certificates([CA.certificate, ROOT.certificate, CA.certificate])
    assert list(data.certificates) == [der(CA), der(ROOT)]


@pytest.mark.parametrize(
    ("known", "party"),
    [
        (Known((LEAF, CA, ocsp_response(LEAF, CA, revoked_at=NOW - DAY))), "CN=Leaf"),
        (
            Known(
                (LEAF, CA, ocsp_response(LEAF, CA)),
                (CA, ROOT, revocation_list(ROOT, {CA.certificate.serial_number: NOW - DAY})),
            ),
            "CN=CA",
        ),
        (
            Known(
                (LEAF, CA, ocsp_response(LEAF, CA, UNMARKED)),
                (UNMARKED, CA, revocation_list(CA, {UNMARKED.certificate.serial_number: NOW - DAY})),
            ),
            "CN=Responder",
        ),
    ],
    ids=["signer", "authority", "responder"],
)
def test_revoked(known: Known, party: str) -> None:
    with pytest.raises(CertificateRevokedError, match="is revoked since") as caught:
        collect(known)
    assert (caught.value.code, caught.value.party) == ("CERTIFICATE_REVOKED", party)


def test_signer_is_asked_about_before_signing() -> None:
    known = Known((LEAF, CA, ocsp_response(LEAF, CA, revoked_at=NOW - DAY)))
    engine = ValidationDataEngine(TrustAnchors([ROOT.certificate]), cast("RevocationSource", known))
    path = engine.path(LEAF.certificate, [CA.certificate], NOW)
    with pytest.raises(CertificateRevokedError):
        asyncio.run(engine.check_signer_now(path))
    assert known.asked == [("fresh", "CN=Leaf", None)]


def test_path_errors_have_a_code_and_a_party() -> None:
    engine = ValidationDataEngine(TrustAnchors([ROOT.certificate]), cast("RevocationSource", Known()))
    expired = issue("Expired", ROOT, not_before=NOW - 3 * DAY, not_after=NOW - DAY)
    with pytest.raises(CertificateExpiredError) as too_late:
        engine.path(expired.certificate, [], NOW)
    assert (too_late.value.code, too_late.value.party) == ("CERTIFICATE_EXPIRED", "CN=Expired")
    with pytest.raises(CertificateUntrustedError) as unknown:
        engine.path(LEAF.certificate, [], NOW)
    assert (unknown.value.code, unknown.value.party) == ("CERTIFICATE_UNTRUSTED", "CN=Leaf")
