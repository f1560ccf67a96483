"""Every key, level and digest on ten kinds of PDF, judged by EU DSS, qpdf and OpenSSL (FTS-SIG-5)."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from signing.ports import Level, Profile
from tests.conformance.conftest import Judge
from tests.conformance.programs import OpenSsl, Qpdf
from tests.conformance.raw_pdf import raw_signatures, signature_timestamps
from tests.oracles.reports import Validation
from tests.samples.sound import SOUND
from tests.support.line import Line
from timestamping.algorithms import DigestAlgorithm

FILES = (
    "one_page",
    "fifty_kb",
    "object_streams",
    "linearised",
    "form",
    "rotated_90",
    "pdfa_2b",
    "incremental_updates",
    "encrypted_empty_user_password",
    "pdf_2_0",
)
TIMESTAMPS = {Level.B: 0, Level.T: 1, Level.LT: 1, Level.LTA: 2}
REVISIONS = {Level.B: 1, Level.T: 1, Level.LT: 2, Level.LTA: 2}
DSS_NAMES = {
    DigestAlgorithm.SHA256: "SHA256",
    DigestAlgorithm.SHA384: "SHA384",
    DigestAlgorithm.SHA512: "SHA512",
}


@dataclass(frozen=True)
class Key:
    """A signer's key and how it signs."""

    name: str
    signer: str
    dss_name: str
    rsa_pss: bool = False


KEYS = (
    Key("rsa3072", "rsa3072", "RSA"),
    Key("rsa3072-pss", "rsa3072", "RSASSA_PSS", rsa_pss=True),
    Key("p256", "p256", "ECDSA"),
    Key("p384", "p384", "ECDSA"),
)


@pytest.mark.parametrize("digest", list(DigestAlgorithm), ids=str)
@pytest.mark.parametrize("level", list(Level), ids=str)
@pytest.mark.parametrize("key", KEYS, ids=[key.name for key in KEYS])
def test_every_judge_accepts(
    full_line: Line,
    judge: Judge,
    qpdf: Qpdf,
    openssl: OpenSsl,
    key: Key,
    level: Level,
    digest: DigestAlgorithm,
) -> None:
    profile = Profile(level, digest=digest, archive_digest=digest, rsa_pss=key.rsa_pss)
    anchors = own_anchors(full_line, key.signer) if level in {Level.B, Level.T} else ()
    complaints: dict[str, list[str]] = {}
    with ThreadPoolExecutor(1) as programs:
        for name in FILES:
            original = SOUND[name]()
            signed = full_line.sign(original, key.signer, profile).data
            by_programs = programs.submit(judged_by_programs, signed, qpdf, openssl, digest)
            validation = judge(signed, *anchors)
            found = validation.verdict(level.value, timestamps=TIMESTAMPS[level])
            found += algorithms(validation, key, digest)
            found += structure(original, signed, level)
            if more := found + by_programs.result():
                complaints[name] = more
    assert complaints == {}


def own_anchors(line: Line, signer: str) -> tuple[Path, ...]:
    """Signer and TSU as anchors of their own: levels B and T carry no revocation data, which DSS wants otherwise."""
    certificate = line.pki.signers[signer].certificate
    return line.pem(f"signer-{signer}", certificate), line.pem("tsu", line.pki.tsu.certificate)


def judged_by_programs(signed: bytes, qpdf: Qpdf, openssl: OpenSsl, digest: DigestAlgorithm) -> list[str]:
    """Complaints of qpdf and OpenSSL."""
    return qpdf.check(signed) + openssl.document(signed, digest)


def algorithms(validation: Validation, key: Key, digest: DigestAlgorithm) -> list[str]:
    """Complaints where DSS sees other algorithms than were asked for."""
    asked = (DSS_NAMES[digest], key.dss_name)
    used = [(s.digest_algorithm, s.encryption_algorithm) for s in validation.signatures]
    imprints = [t.imprint_algorithm for t in validation.timestamps]
    return [f"signed with {each} instead of {asked}" for each in used if each != asked] + [
        f"{each} imprint instead of {asked[0]}" for each in imprints if each != asked[0]
    ]


def structure(original: bytes, signed: bytes, level: Level) -> list[str]:
    """Complaints where the file does not have the parts of its level, appended to what was there."""
    complaints = []
    if not signed.startswith(original):
        complaints.append("the original is no prefix")
    if added := signed.count(b"%%EOF") - original.count(b"%%EOF") - REVISIONS[level]:
        complaints.append(f"{added} revisions more than expected")
    raw = raw_signatures(signed)
    wanted = ["ETSI.CAdES.detached", *(["ETSI.RFC3161"] if level is Level.LTA else [])]
    if [signature.sub_filter for signature in raw] != wanted:
        complaints.append(f"sub-filters {[signature.sub_filter for signature in raw]}")
    if len(signature_timestamps(raw[0].cms)) != (0 if level is Level.B else 1):
        complaints.append("not the right number of signature timestamps")
    if level is not Level.LT and raw[-1].end != len(signed):
        complaints.append("the last byte range does not end with the file")
    return complaints


@pytest.fixture(scope="module")
def archived(full_line: Line) -> bytes:
    """One page at LTA."""
    return full_line.sign(SOUND["one_page"](), "p384", Profile(Level.LTA)).data


def test_judges_notice_a_changed_page(archived: bytes, judge: Judge, openssl: OpenSsl) -> None:
    changed = archived.replace(b"(Page 1) Tj", b"(Page 7) Tj")
    assert changed != archived
    assert any("HASH_FAILURE" in each for each in judge(changed).verdict("LTA", timestamps=2))
    assert len(openssl.document(changed, "sha256")) == 2


def test_judges_notice_a_changed_validation_datum(archived: bytes, judge: Judge, openssl: OpenSsl) -> None:
    timestamp = raw_signatures(archived)[1]
    at = archived.rindex(b"endstream", 0, timestamp.byte_range[1]) - 5
    changed = archived[:at] + bytes((archived[at] ^ 1,)) + archived[at + 1 :]
    assert any("DOCUMENT_TIMESTAMP" in each for each in judge(changed).verdict("LTA", timestamps=2))
    assert any("imprint mismatch" in each for each in openssl.document(changed, "sha256"))


def test_judges_notice_a_missing_timestamp(full_line: Line, judge: Judge) -> None:
    signed = full_line.sign(SOUND["one_page"](), "p384", Profile(Level.LT)).data
    assert any("time-stamps instead of" in each for each in judge(signed).verdict("LTA", timestamps=2))


def test_judges_notice_a_cross_reference_that_leads_astray(archived: bytes, qpdf: Qpdf) -> None:
    at = archived.rindex(b"startxref") + len(b"startxref\n")
    assert qpdf.check(archived[:at] + b"7" + archived[at + 1 :]) != []
