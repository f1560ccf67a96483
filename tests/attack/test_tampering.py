"""Tampering with valid signatures: our verification names each change, and what EU DSS makes of it is known (P, T)."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from asn1crypto import cms as asn1
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import NameObject as Name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from signing.pades.report import DocumentReport
from signing.pades.verify import verify
from signing.ports import Level
from signing.trust.path import TrustAnchors
from tests.attack.editing import (
    ARCHIVE,
    SIGNATURE,
    byte_range,
    edit_cms,
    edit_contents,
    first_page,
    named,
    numbers,
    store_counts,
    updated,
    with_contents,
)
from tests.attack.material import Material
from tests.attack.tampering import DROPPED, DSS_BLIND, DSS_HALF_BLIND, STORE_COUNTS, VECTORS
from tests.oracles.oracle import Oracle
from tests.samples.signed import certified, signer_credential
from tests.unit.signing.issuing import (
    X400_NAME,
    Holder,
    authority,
    issue,
    on_an_unknown_curve,
    revocation_list,
    with_duplicate_extension,
    with_malformed_subject,
)
from timestamping.clock import utc_now

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko.*")

CERTIFICATE_VERSION = b"\xa0\x03\x02\x01\x02"


def codes(report: DocumentReport) -> set[str]:
    """Return the codes of all problems, wherever they stand."""
    found = list(report.problems)
    for signature in report.signatures:
        found += [*signature.problems, *(p for t in signature.timestamps for p in t.problems)]
    for stamp in report.archive_timestamps:
        found += stamp.problems
    return {finding.code for finding in found}


def test_material_is_valid(material: Material) -> None:
    for data, level in ((material.lta, Level.LTA), (material.other, Level.LTA), (material.t, Level.T)):
        report = material.line.verify(data)
        assert (report.valid, report.level, codes(report)) == (True, level, set())
    assert store_counts(material.lta) == STORE_COUNTS


@pytest.mark.parametrize("name", VECTORS)
def test_tampering_is_named(name: str, material: Material) -> None:
    vector = VECTORS[name]
    data = vector.tamper(material)
    assert data not in (material.lta, material.t)
    report = material.line.verify(data)
    assert not report.valid
    assert (
        report.level is None
        or report.level.rank < Level.LTA.rank
        or not report.archive_timestamps[0].valid
        or report.problems
    )
    assert vector.codes <= codes(report)
    assert all(f.message for f in report.problems)


@pytest.mark.parametrize("name", VECTORS)
def test_what_eu_dss_says(name: str, material: Material, oracle: Oracle, tmp_path: Path) -> None:
    line = material.line
    data = VECTORS[name].tamper(material)
    path = tmp_path / "tampered.pdf"
    path.write_bytes(data)
    # B and T never pass under a root alone: no revocation data of the signer is embedded
    anchors = [
        line.root_pem,
        line.pem("signer", line.pki.signers["p384"].certificate),
        line.pem("tsu", line.pki.tsu.certificate),
    ]
    validation = oracle.validate(path, anchors)
    if len(data) < len(material.lta) // 2 or len(data) == len(material.t):
        complaints = validation.verdict("T", timestamps=1)
    else:
        complaints = validation.verdict("LTA", timestamps=2)
    passed = bool(validation.signatures) and all(s.indication == "TOTAL_PASSED" for s in validation.signatures)
    assert (not complaints) == (name in DSS_BLIND), complaints
    assert passed == (name in DSS_BLIND | DSS_HALF_BLIND)


@pytest.mark.parametrize("name", DROPPED)
def test_evidence_taken_away_lowers_the_level(name: str, material: Material) -> None:
    report = material.line.verify(DROPPED[name](material))
    assert report.level is not None
    assert report.level.rank < Level.LTA.rank


def test_padding_of_the_archive_timestamp_is_no_defect(material: Material) -> None:
    """Nothing protects the zeros behind a token, for nothing depends on them (EU DSS judges alike)."""
    _, _, end, _ = byte_range(material.lta, ARCHIVE)
    data = material.lta[: end - 3] + b"ff>" + material.lta[end:]
    assert data != material.lta
    assert material.line.verify(data).level is Level.LTA


def test_a_damaged_signature_is_a_signature(material: Material) -> None:
    report = material.line.verify(with_contents(material.t, SIGNATURE, b""))
    assert len(report.signatures) == 1
    assert codes(report) == {"SIGNATURE_DAMAGED"}


@pytest.mark.parametrize("which", [SIGNATURE, ARCHIVE])
def test_certificate_of_an_unknown_version(which: int, material: Material) -> None:
    def change(der: bytes) -> bytes:
        return der.replace(CERTIFICATE_VERSION, CERTIFICATE_VERSION[:-1] + b"\x09")

    report = material.line.verify(edit_contents(material.lta, which, change))
    assert not report.valid


def encoded(holder: Holder) -> bytes:
    return holder.certificate.public_bytes(Encoding.DER)


MALFORMED_USAGE = x509.UnrecognizedExtension(x509.KeyUsage.oid, b"\xff")
HOSTILE: dict[str, Callable[[Holder], bytes]] = {
    "extension twice": lambda h: encoded(with_duplicate_extension(h)),
    "unknown curve": lambda h: encoded(on_an_unknown_curve(h)),
    "malformed subject": lambda h: encoded(with_malformed_subject(h)),
    "unknown version": lambda h: encoded(h).replace(CERTIFICATE_VERSION, CERTIFICATE_VERSION[:-1] + b"\x09"),
    "X.400 name": lambda h: encoded(issue("X.400", h, extensions=[(X400_NAME, False)])),
    "malformed extension": lambda h: encoded(issue("Usage", h, extensions=[(MALFORMED_USAGE, True)])),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_certificate_beside_the_signers(make: Callable[[Holder], bytes], material: Material) -> None:
    """Nobody signs which certificates lie in a CMS: one that cannot be read must not hide what is to be said."""
    hostile = make(authority("Somebody"))

    def change(data: asn1.SignedData) -> None:
        data["certificates"].append(asn1.CertificateChoices.load(hostile))

    report = material.line.verify(edit_cms(material.t, SIGNATURE, change))
    assert (report.valid, report.level) == (True, Level.T)


def test_hostile_list_in_the_store(material: Material) -> None:
    """Anybody can append a CRL under a CA's name; one that cannot be read must not stop the verification."""
    ca = Holder(ec.generate_private_key(ec.SECP256R1()), material.line.pki.citizen_ca.certificate)
    x400_place = bytes.fromhex("3008a006a004a3020500")
    scope = x509.UnrecognizedExtension(x509.IssuingDistributionPoint.oid, x400_place)
    hostile = generic.StreamObject(stream_data=revocation_list(ca, extensions=[(scope, True)]))

    def change(writer: IncrementalPdfFileWriter) -> None:
        lists = writer.root["/DSS"]["/CRLs"]
        lists.append(writer.add_object(hostile))
        writer.update_container(lists)

    assert material.line.verify(updated(material.lta, change)).level is Level.LTA


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(at=0.5, change=1, version=True)
@given(at=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255), version=st.just(False))
def test_one_changed_octet_anywhere(at: float, change: int, version: bool, material: Material) -> None:
    """Whatever octet of the file is changed, a report comes back, and it says so unless nothing depends on it."""
    data = bytearray(material.lta)
    place = bytes(data).index(CERTIFICATE_VERSION) + 4 if version else int(at * len(data))
    data[place] ^= change
    report = material.line.verify(bytes(data))
    _, start, end, _ = byte_range(material.lta, ARCHIVE)
    if not start <= place < end:
        assert not report.valid


def judged(data: bytes) -> DocumentReport:
    """Verify a sample of plain pyHanko, trusting its signer."""
    anchor = x509.load_der_x509_certificate(signer_credential().certificate.dump())
    return verify(io.BytesIO(data), TrustAnchors([anchor]), clock=utc_now)


def with_note(writer: IncrementalPdfFileWriter) -> None:
    page = first_page(writer)
    note = named(
        Type=Name("/Annot"),
        Subtype=Name("/Text"),
        Rect=numbers(10, 10, 30, 30),
        Contents=generic.pdf_string("agreed"),
    )
    page["/Annots"].append(writer.add_object(note))
    writer.update_container(page["/Annots"])


def with_filled_field(writer: IncrementalPdfFileWriter) -> None:
    fields = writer.root["/AcroForm"]["/Fields"]
    field = next(fields[n] for n in range(len(fields)) if fields[n].get("/FT") == "/Tx")
    field[Name("/V")] = generic.pdf_string("filled in")
    writer.update_container(field)


@pytest.mark.parametrize(
    ("permission", "change", "allowed"),
    [
        (1, None, True),
        (2, None, True),
        (1, with_filled_field, False),
        (2, with_filled_field, True),
        (3, with_filled_field, True),
        (1, with_note, False),
        (2, with_note, False),
    ],
    ids=["P1", "P2", "P1 filled in", "P2 filled in", "P3 filled in", "P1 note", "P2 note"],
)
def test_certified_document(
    permission: int, change: Callable[[IncrementalPdfFileWriter], None] | None, allowed: bool
) -> None:
    """What may be changed follows from the author's certification (P-7; ISO 32000-2, table 257)."""
    data = certified(permission)
    report = judged(data if change is None else updated(data, change))
    assert report.valid is allowed
    assert codes(report) == (set() if allowed else {"CHANGED_AFTER_SIGNING"})
