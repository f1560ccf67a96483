"""pyHanko's validator (EN 319 102-1, clause 5.6.3) on results at LTA: offline now, and as if it were 2042 (FTS-SIG-5).

Decided on `ades_subindic` alone: the bottom line says something else in both directions.

Under the root, pyHanko calls an issuing CA's outdated CRL a general failure of the chain as soon as the file also holds
a CRL of a sister CA, and then never looks at the past. So the future is judged twice: strictly, with the issuing CAs as
anchors, as trusted lists name them; and under the root, with CRLs of any age accepted for the check at that time.
"""

import asyncio
import io
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESFailure, AdESIndeterminate, AdESPassed
from pyhanko.sign.validation.ades import (
    AdESLTAValidationResult,
    ades_lta_validation,
    simulate_future_ades_lta_validation,
)
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.policy_decl import (
    CertificateFetchingRule,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, FreshnessReqType, RevocationCheckingPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager

from signing.ports import Level, Profile
from tests.conformance.test_matrix import KEYS, Key
from tests.samples.sound import SOUND
from tests.support.line import Line

FILES = ("one_page", "form", "linearised_object_streams")
FUTURE = datetime(2042, 1, 1, tzinfo=UTC)
A_LIFETIME = timedelta(days=40 * 365)
EVERY_CERTIFICATE = RevocationCheckingPolicy.from_legacy("require")
"""An OCSP response or CRL for each certificate below the anchor."""


@pytest.fixture(scope="module")
def signed_files(full_line: Line) -> Callable[[Key, str], bytes]:
    kept: dict[tuple[str, str], bytes] = {}

    def signed(key: Key, name: str) -> bytes:
        if (key.name, name) not in kept:
            profile = Profile(Level.LTA, rsa_pss=key.rsa_pss)
            kept[key.name, name] = full_line.sign(SOUND[name](), key.signer, profile).data
        return kept[key.name, name]

    return signed


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("key", KEYS, ids=[key.name for key in KEYS])
def test_passes_offline_now(full_line: Line, signed_files: Callable[[Key, str], bytes], key: Key, name: str) -> None:
    result = validated(signed_files(key, name), lambda s: ades_lta_validation(s, under_root(full_line)))
    assert result.ades_subindic is AdESPassed.OK
    assert result.signature_timestamp_status is not None
    assert result.signature_timestamp_status.ades_subindic is AdESPassed.OK


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("key", KEYS, ids=[key.name for key in KEYS])
def test_passes_in_2042(full_line: Line, signed_files: Callable[[Key, str], bytes], key: Key, name: str) -> None:
    assert full_line.pki.signers[key.signer].certificate.not_valid_after_utc < FUTURE
    assert full_line.pki.tsu.certificate.not_valid_after_utc < FUTURE
    data = signed_files(key, name)
    for specified in (under_issuing_authorities(full_line), under_root(full_line, oldest_crl=A_LIFETIME)):
        result = validated(data, partial(simulated, specified))
        assert result.ades_subindic is AdESPassed.OK


def test_a_changed_page_does_not_pass(full_line: Line, signed_files: Callable[[Key, str], bytes]) -> None:
    data = signed_files(KEYS[2], "one_page")
    changed = data.replace(b"(Page 1) Tj", b"(Page 7) Tj")
    assert changed != data
    result = validated(changed, lambda s: ades_lta_validation(s, under_root(full_line)))
    assert result.ades_subindic is AdESFailure.HASH_FAILURE


def test_level_t_does_not_pass_in_2042(full_line: Line) -> None:
    signed = full_line.sign(SOUND["one_page"](), "p384", Profile(Level.T)).data
    result = validated(signed, partial(simulated, under_issuing_authorities(full_line)))
    assert result.ades_subindic is AdESIndeterminate.NO_POE


def under_root(line: Line, *, oldest_crl: timedelta | None = None) -> PdfSignatureValidationSpec:
    """The root as only anchor; `oldest_crl` replaces the CRL's own nextUpdate."""
    freshness = FreshnessReqType.DEFAULT if oldest_crl is None else FreshnessReqType.MAX_DIFF_REVOCATION_VALIDATION
    revocation = CertRevTrustPolicy(EVERY_CERTIFICATE, oldest_crl, freshness)
    return specification([line.pki.root.certificate], revocation)


def under_issuing_authorities(line: Line) -> PdfSignatureValidationSpec:
    """The CAs of signers and timestamping units as anchors."""
    anchors = [line.pki.citizen_ca.certificate, line.pki.timestamping_ca.certificate]
    return specification(anchors, CertRevTrustPolicy(EVERY_CERTIFICATE))


def specification(anchors: Iterable[x509.Certificate], revocation: CertRevTrustPolicy) -> PdfSignatureValidationSpec:
    """Nothing is fetched."""
    roots = [asn1_x509.Certificate.load(anchor.public_bytes(Encoding.DER)) for anchor in anchors]
    return PdfSignatureValidationSpec(
        SignatureValidationSpec(
            cert_validation_policy=CertValidationPolicySpec(
                trust_manager=SimpleTrustManager.build(trust_roots=roots), revinfo_policy=revocation
            ),
            revinfo_gathering_policy=RevocationInfoGatheringSpec(
                RevinfoOnlineFetchingRule.LOCAL_ONLY,
                certificate_fetching_rule=CertificateFetchingRule.NEVER_FETCH,
            ),
        )
    )


async def simulated(specified: PdfSignatureValidationSpec, signature: EmbeddedPdfSignature) -> AdESLTAValidationResult:
    """Validate as if it were 2042 and the archive timestamps had been renewed until then."""
    return await simulate_future_ades_lta_validation(signature, specified, FUTURE)


def validated(
    data: bytes, validate: Callable[[EmbeddedPdfSignature], Coroutine[Any, Any, AdESLTAValidationResult]]
) -> AdESLTAValidationResult:
    """Validate the one signature of a document."""
    (signature,) = PdfFileReader(io.BytesIO(data)).embedded_regular_signatures
    return asyncio.run(validate(signature))
