"""Mistakes in the PDF of a PAdES signature (FTS-SIG-5), one test for each."""

import io
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import pikepdf
import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives.serialization import Encoding

from signing.pades.admit import admit
from signing.ports import (
    DocumentDamagedError,
    DocumentEncryptedError,
    DocumentSignedAndDamagedError,
    DocumentTooLargeError,
    Level,
    Profile,
    SigningError,
)
from tests.conformance.conftest import Judge
from tests.conformance.driving import InProcess, extended, signed_with
from tests.conformance.evidence import imprint_algorithm, read_store
from tests.conformance.programs import Qpdf
from tests.conformance.raw_pdf import (
    raw_signatures,
    signature_timestamps,
    signature_value,
    signed_attribute_types,
    signer_infos,
)
from tests.samples.damaged import DAMAGED
from tests.samples.signed import signed_once
from tests.samples.sound import SOUND
from tests.samples.sound_structure import one_page
from tests.samples.writer import classic, compressed, replaced, stream, text_content, text_pages, update
from tests.support.line import Line
from timestamping.algorithms import DigestAlgorithm

CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
SIGNING_CERTIFICATE_V2 = bytes.fromhex("060b2a864886f70d010910022f")


@pytest.fixture(scope="module")
def by_level(full_line: Line) -> Mapping[Level, bytes]:
    """One page at each level."""
    return {level: full_line.sign(one_page(), "p384", Profile(level)).data for level in Level}


def test_a01_the_store_of_an_earlier_revision_survives(full_line: Line, by_level: Mapping[Level, bytes]) -> None:
    """A1 (FTS-SIG-5): every entry of revision n is in revision n + 1, each once, its objects untouched."""
    data = by_level[Level.LT]
    steps: tuple[Callable[[bytes], bytes], ...] = (
        lambda data: full_line.sign(data, "rsa3072", Profile(Level.LT)).data,
        lambda data: extended(full_line, data)[0],
        lambda data: full_line.sign(data, "p256", Profile(Level.LTA)).data,
    )
    for step in steps:
        later = step(data)
        before, after = read_store(data), read_store(later)
        assert after.holds(before)
        assert before.objects < after.objects
        for items in (after.certificates, after.ocsps, after.crls):
            assert len(set(items)) == len(items)
        data = later


def test_a01_a_foreign_store_survives(full_line: Line, judge: Judge) -> None:
    """A1 (FTS-SIG-5): entries, VRI and private keys that others wrote stay as they are."""
    objects = text_pages(catalog="/DSS 20 0 R")
    objects |= {
        20: b"<< /Type /DSS /Certs 21 0 R /VRI << /ABCD << /Cert [ 22 0 R ] >> >> /Other (kept) >>",
        21: b"[ 22 0 R ]",
        22: stream(full_line.pki.citizen_ca.certificate.public_bytes(Encoding.DER)),
    }
    original = classic(objects)
    signed = full_line.sign(original, "p384", Profile(Level.LTA)).data
    assert judge(signed).verdict("LTA", timestamps=2) == []
    assert read_store(original).objects == {22}
    assert read_store(signed).holds(read_store(original))
    with pikepdf.open(io.BytesIO(signed)) as pdf:
        assert pdf.Root.DSS.Other == "kept"
        assert pdf.Root.DSS.VRI.ABCD.Cert[0].objgen == (22, 0)
        octets = [each.read_bytes() for each in pdf.Root.DSS.Certs]
    assert len(set(octets)) == len(octets)


def test_a02_the_document_timestamp_covers_the_store(full_line: Line, by_level: Mapping[Level, bytes]) -> None:
    """A2 (FTS-SIG-5): each object of the store stands before the gap of the last document timestamp."""
    for data in (by_level[Level.LTA], extended(full_line, by_level[Level.LTA])[0]):
        stamp = raw_signatures(data)[-1]
        assert stamp.sub_filter == "ETSI.RFC3161"
        with pikepdf.open(io.BytesIO(data)) as pdf:
            numbers = {pdf.Root.DSS.objgen[0], *read_store(data).objects}
        for number in numbers:
            offset = [match.start() for match in re.finditer(rb"(?<=\n)%d 0 obj" % number, data)][-1]
            assert data[offset : data.index(b"endobj", offset)] in stamp.covered
            assert offset < stamp.byte_range[1]


def test_a03_a_token_too_large_for_the_room_is_an_error(full_line: Line) -> None:
    """A3 (FTS-SIG-5): the room for the signature was fixed when it was signed."""
    tsu = full_line.pki.tsu
    with pytest.raises(SigningError, match="larger than the room"):
        signed_with(
            full_line,
            one_page(),
            full_line.pki.signers["p384"],
            Profile(Level.T),
            timestamps=InProcess((tsu, 20_000)),
        )


def test_a03_a_token_that_just_fits_is_taken(full_line: Line, judge: Judge) -> None:
    """A3 (FTS-SIG-5): six kilobytes more than usual are no obstacle."""
    tsu = full_line.pki.tsu
    units = InProcess((tsu, 6_000), (tsu, 6_000))
    signer = full_line.pki.signers["p384"]
    signed = signed_with(full_line, one_page(), signer, Profile(Level.LTA), timestamps=units)
    assert judge(signed).verdict("LTA", timestamps=2) == []


def test_a03_an_archive_timestamp_too_large_is_requested_anew(full_line: Line, judge: Judge) -> None:
    """A3 (FTS-SIG-5): its room is made larger, and the token is over that."""
    tsu = full_line.pki.tsu
    units = InProcess((tsu, 0), (tsu, 20_000), (tsu, 20_000))
    signer = full_line.pki.signers["p384"]
    signed = signed_with(full_line, one_page(), signer, Profile(Level.LTA), timestamps=units)
    assert len(raw_signatures(signed)[-1].cms) > 20_000
    assert judge(signed).verdict("LTA", timestamps=2) == []


@pytest.mark.parametrize("name", ["one_page", "object_streams", "linearised", "encrypted_aes_128"])
@pytest.mark.parametrize("level", list(Level), ids=str)
def test_a04_byte_ranges_leave_out_the_contents_alone(full_line: Line, name: str, level: Level) -> None:
    """A4 (FTS-SIG-5): from zero to the end of the revision; in the gap one hexadecimal string, zero behind the CMS."""
    original = SOUND[name]()
    data = full_line.sign(original, "p384", Profile(level)).data
    for raw in raw_signatures(data):
        start, gap_start, gap_end, _ = raw.byte_range
        assert start == 0
        assert len(original) < gap_start < gap_end < raw.end <= len(data)
        assert data[: raw.end].rstrip(b"\r\n").endswith(b"%%EOF")
        gap = data[gap_start:gap_end]
        assert re.fullmatch(rb"<[0-9a-fA-F]+>", gap)
        assert bytes.fromhex(gap[1:-1].decode("ascii")).startswith(raw.cms)
        assert set(gap[1 + 2 * len(raw.cms) : -1]) <= {ord("0")}
        assert data[gap_start - 10 : gap_start].rstrip().endswith(b"/Contents")


@pytest.mark.parametrize("level", list(Level), ids=str)
def test_a05_signed_attributes_and_dictionary(by_level: Mapping[Level, bytes], level: Level) -> None:
    """A5 (FTS-SIG-5; EN 319 142-1, 6.3): no signing-time, no /Cert, one SignerInfo over detached id-data."""
    raw = raw_signatures(by_level[level])[0]
    assert sorted(signed_attribute_types(raw.cms)) == sorted([CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_CERTIFICATE_V2])
    assert len(signer_infos(raw.cms)) == 1
    assert len(signature_timestamps(raw.cms)) == (level is not Level.B)
    signed_data = cms.ContentInfo.load(raw.cms)["content"]
    assert signed_data["version"].native == "v1"
    assert signed_data["encap_content_info"]["content_type"].native == "data"
    assert signed_data["encap_content_info"]["content"].native is None
    assert len(signed_data["certificates"]) == 2
    with pikepdf.open(io.BytesIO(by_level[level])) as pdf:
        value = next(field.V for field in pdf.Root.AcroForm.Fields if field.V.get("/Type") == "/Sig")
        assert set(value.keys()) == {"/Type", "/Filter", "/SubFilter", "/ByteRange", "/Contents", "/M"}
        assert value.Filter == "/Adobe.PPKLite"
        assert value.SubFilter == "/ETSI.CAdES.detached"
        assert re.fullmatch(r"D:\d{14}(Z|\+00'00'?)", str(value.M))
        assert int(pdf.Root.AcroForm.SigFlags) == 3


def test_a05_document_timestamp_dictionary(by_level: Mapping[Level, bytes]) -> None:
    """A5 (FTS-SIG-5; ISO 32000-2, 12.8.5): nothing that belongs to a signature by a person."""
    with pikepdf.open(io.BytesIO(by_level[Level.LTA])) as pdf:
        (value,) = (field.V for field in pdf.Root.AcroForm.Fields if field.V.get("/Type") == "/DocTimeStamp")
        assert set(value.keys()) == {"/Type", "/Filter", "/SubFilter", "/ByteRange", "/Contents"}
        assert value.SubFilter == "/ETSI.RFC3161"


def test_a06_a_file_written_anew_is_noticed(full_line: Line, by_level: Mapping[Level, bytes]) -> None:
    """A6 (FTS-SIG-5): we append; who saves all of it breaks the signature, and the report says so."""
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(by_level[Level.LTA])) as pdf:
        pdf.save(output)
    report = full_line.verify(output.getvalue())
    assert not report.valid
    assert all(signature.problems for signature in report.signatures)
    assert all(timestamp.problems for timestamp in report.archive_timestamps)


@pytest.mark.parametrize(
    ("objects", "size"),
    [
        ({5: stream(text_content("Changed"))}, 100),
        ({4: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] >>"}, 100),
        ({2: b"<< /Type /Pages /Kids [4 0 R 50 0 R] /Count 2 >>", 50: b"<< /Type /Page /Parent 2 0 R >>"}, 100),
    ],
    ids=["content", "media box", "page added"],
)
def test_a07_changes_behind_the_signature_are_noticed(
    full_line: Line, by_level: Mapping[Level, bytes], objects: dict[int, bytes], size: int
) -> None:
    """A7 (FTS-SIG-5): a revision that is no signature, timestamp, validation data or filled field."""
    for level in Level:
        report = full_line.verify(update(by_level[level], objects, size=size))
        (signature,) = report.signatures
        assert "CHANGED_AFTER_SIGNING" in [problem.code for problem in signature.problems]
        assert report.level is None


@pytest.mark.parametrize("level", [Level.B, Level.T, Level.LTA], ids=str)
def test_a08_the_last_byte_range_ends_with_the_file(by_level: Mapping[Level, bytes], level: Level) -> None:
    """A8 (FTS-SIG-5): nothing is written behind the last signature or timestamp."""
    assert raw_signatures(by_level[level])[-1].end == len(by_level[level])


REWRITTEN = ("hybrid_xref", "generation_65536", "size_too_small", "startxref_missing", "length_too_short")


@pytest.mark.parametrize("name", REWRITTEN)
def test_a09_a_damaged_file_is_signed_only_as_rewritten(full_line: Line, judge: Judge, name: str) -> None:
    """A9 (FTS-SIG-5): and that is said; where rewriting is not allowed it is refused."""
    original = DAMAGED[name].make()
    with pytest.raises(DocumentDamagedError):
        full_line.sign(original, "p384", Profile(Level.LTA), allow_rewrite=False)
    signed = full_line.sign(original, "p384", Profile(Level.LTA))
    repaired = signed.admission.repaired
    assert repaired is not None
    assert repaired.findings
    assert repaired.original_sha256 == DigestAlgorithm.SHA256.digest(original)
    signed.admission.stream.seek(0)
    rewritten = signed.admission.stream.read()
    assert repaired.rewritten_sha256 == DigestAlgorithm.SHA256.digest(rewritten)
    assert signed.data.startswith(rewritten)
    assert judge(signed.data).verdict("LTA", timestamps=2) == []


def test_a09_a_damaged_file_with_a_signature_is_refused() -> None:
    """A9 (FTS-SIG-5): repairing would break its signature."""
    damaged = re.sub(rb"startxref\n\d+", b"startxref\n7", signed_once())
    with pytest.raises(DocumentSignedAndDamagedError):
        admit(io.BytesIO(damaged))


@pytest.mark.parametrize("revision", [3, 4, 6])
def test_a09_an_unknown_password_is_refused(revision: int) -> None:
    """A9 (FTS-SIG-5): RC4, AES-128 and AES-256."""
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(one_page())) as pdf:
        aes = revision > 3
        protection = pikepdf.Encryption(owner="o", user="u", R=revision, aes=aes, metadata=aes)  # type: ignore[arg-type]
        pdf.save(output, encryption=protection)
    with pytest.raises(DocumentEncryptedError):
        admit(output)


@pytest.mark.parametrize("digest", list(DigestAlgorithm), ids=str)
def test_a10_imprints_use_the_algorithm_asked_for(full_line: Line, digest: DigestAlgorithm) -> None:
    """A10 (FTS-SIG-5): the signature timestamp follows the signature, the archive timestamp has its own."""
    for archive_digest in DigestAlgorithm:
        profile = Profile(Level.LTA, digest=digest, archive_digest=archive_digest)
        signature, stamp = raw_signatures(full_line.sign(one_page(), "p384", profile).data)
        (token,) = signature_timestamps(signature.cms)
        assert imprint_algorithm(token) == digest
        assert imprint_algorithm(stamp.cms) == archive_digest


def test_a10_weak_algorithms_cannot_be_asked_for() -> None:
    """A10 (FTS-SIG-5): SHA-1 and SHA-224 have no name in a profile."""
    assert sorted(DigestAlgorithm) == ["sha256", "sha384", "sha512"]
    for oid in ("1.3.14.3.2.26", "2.16.840.1.101.3.4.2.4", "1.2.840.113549.2.5"):
        with pytest.raises(ValueError, match="not accepted"):
            DigestAlgorithm.from_oid(oid)


@pytest.mark.parametrize("name", ["pdf_1_3_classic_xref", "one_page", "catalog_version", "object_streams"])
def test_a12_the_extension_is_declared(full_line: Line, name: str) -> None:
    """A12 (FTS-SIG-5; EN 319 142-1, clause 5): /Extensions /ESIC below PDF 2.0."""
    signed = full_line.sign(SOUND[name](), "p384", Profile(Level.LTA)).data
    with pikepdf.open(io.BytesIO(signed)) as pdf:
        assert pdf.Root.Extensions.ESIC.BaseVersion == "/1.7"
        assert int(pdf.Root.Extensions.ESIC.ExtensionLevel) >= 1


def test_a12_other_extensions_stay(full_line: Line) -> None:
    """A12 (FTS-SIG-5): what another developer declared stands beside it."""
    declared = "/Extensions << /ADBE << /BaseVersion /1.7 /ExtensionLevel 8 >> >>"
    signed = full_line.sign(classic(text_pages(catalog=declared)), "p384", Profile(Level.LTA)).data
    with pikepdf.open(io.BytesIO(signed)) as pdf:
        assert set(pdf.Root.Extensions.keys()) == {"/ADBE", "/ESIC"}
        assert int(pdf.Root.Extensions.ADBE.ExtensionLevel) == 8


def test_a12_pdf_2_0_needs_no_extension(full_line: Line) -> None:
    """A12 (FTS-SIG-5; ISO 32000-2, 12.8.3.4): the format is part of PDF 2.0."""
    signed = full_line.sign(SOUND["pdf_2_0"](), "p384", Profile(Level.LTA)).data
    with pikepdf.open(io.BytesIO(signed)) as pdf:
        assert "/ESIC" not in pdf.Root.get("/Extensions", pikepdf.Dictionary())


Tamper = Callable[[bytes], bytes]


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def _in_contents(index: int, within: Callable[[bytes], bytes]) -> Tamper:
    """Change the last octet of a part of a CMS, kept well-formed as hexadecimal."""

    def tamper(data: bytes) -> bytes:
        raw = raw_signatures(data)[index]
        part = within(raw.cms)
        at = raw.byte_range[1] + 1 + 2 * (raw.cms.index(part) + len(part) - 1)
        octet = int(data[at : at + 2], 16) ^ 1
        return data[:at] + b"%02x" % octet + data[at + 2 :]

    return tamper


TAMPERING: Mapping[str, Tamper] = MappingProxyType(
    {
        "one octet of the page": lambda data: replaced(data, b"(Page 1) Tj", b"(Page 7) Tj"),
        "one octet of the store": lambda data: _flipped(data, data.rindex(b"\nendstream") - 5),
        "a comment behind the end": lambda data: data + b"% comment\n",
        "the signature value": _in_contents(0, signature_value),
        "the signature timestamp's signature": _in_contents(0, lambda c: signature_value(signature_timestamps(c)[0])),
        "the document timestamp's signature": _in_contents(1, signature_value),
        "the document timestamp's digestAlgorithms": _in_contents(1, lambda c: c[:30]),
        "the end cut off": lambda data: data[:-40],
    }
)


@pytest.mark.parametrize("name", TAMPERING)
def test_a13_all_that_viewers_miss_is_noticed(full_line: Line, by_level: Mapping[Level, bytes], name: str) -> None:
    """A13 (FTS-SIG-5): the tamper table; viewers call half of these valid."""
    assert full_line.verify(by_level[Level.LTA]).level is Level.LTA
    report = full_line.verify(TAMPERING[name](by_level[Level.LTA]))
    assert not report.valid


def test_a14_a_million_objects_are_refused() -> None:
    """A14 (FTS-SIG-5): cost follows objects; the count is read before anything is walked."""
    objects = text_pages()
    document = compressed(objects, packed=set(objects), size=1_000_001)
    assert len(document) < 200_000
    with pytest.raises(DocumentTooLargeError, match="objects"):
        admit(io.BytesIO(document))


def test_a14_a_claim_of_eight_million_objects_is_refused_or_corrected(full_line: Line, qpdf: Qpdf) -> None:
    """A14 (FTS-SIG-5): a /Size that is not true does not go into a signed file."""
    size = re.search(rb"/Size (\d+)", one_page())
    assert size
    document = replaced(one_page(), size[0], b"/Size 8388609")
    signed = full_line.sign(document, "p384", Profile(Level.LTA))
    assert signed.admission.repaired is not None
    assert qpdf.check(signed.data) == []
