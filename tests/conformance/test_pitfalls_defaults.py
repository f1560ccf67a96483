"""Defaults that spoil a PAdES signature (FTS-SIG-5), one test for each; P3 is about judging, P8 about speed."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo_pki.pki import Entity
from deploy.demo_pki.server import Fault
from signing.limits import LIMITS
from signing.pades.admit import admit
from signing.pades.prepare import prepare
from signing.pades.source import PdfSource
from signing.ports import Level, Profile, RevocationNotFreshError
from tests.conformance.conftest import Judge
from tests.conformance.driving import Counted, InProcess, extended, signed_with
from tests.conformance.evidence import imprint_algorithm, read_store, signature_time
from tests.conformance.raw_pdf import raw_signatures
from tests.samples.sound import SOUND
from tests.samples.writer import stream, update
from tests.support.line import Line
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import utc_now


@pytest.fixture(scope="module")
def archived(full_line: Line) -> bytes:
    """One page at LTA."""
    return full_line.sign(SOUND["one_page"](), "p384", Profile(Level.LTA)).data


@pytest.mark.parametrize("level", [Level.LT, Level.LTA], ids=str)
def test_p01_the_signers_revocation_data_is_not_older_than_the_signature_timestamp(
    full_line: Line, level: Level
) -> None:
    """P1, R1 (FTS-SIG-5): OCSP is asked behind the signature timestamp."""
    signed = full_line.sign(SOUND["one_page"](), "p384", Profile(level)).data
    answers = read_store(signed).ocsp_about(full_line.pki.signers["p384"].certificate)
    assert answers != []
    assert all(answer.this_update_utc >= signature_time(signed) for answer in answers)


@pytest.mark.parametrize("age", [timedelta(seconds=30), timedelta(minutes=9)], ids=str)
def test_p01_older_revocation_data_is_not_embedded(full_line: Line, age: timedelta) -> None:
    """P1, R1 (FTS-SIG-5): where only older data is to be had, there is an error and no signature."""
    full_line.app.faults["/ocsp"] = Fault("stale", shift=age)
    try:
        with pytest.raises(RevocationNotFreshError) as caught:
            full_line.sign(SOUND["one_page"](), "p384", Profile(Level.LT))
    finally:
        full_line.app.faults.clear()
    assert caught.value.party == f"{full_line.pki.base_url}/ocsp"


def test_p02_the_roots_are_in_the_store(full_line: Line, archived: bytes) -> None:
    """P2, R8 (FTS-SIG-5): a validator finds every certificate of the paths, the root included."""
    pki = full_line.pki
    path = (pki.root, pki.citizen_ca, pki.timestamping_ca, pki.tsu, pki.ocsp_responder, pki.signers["p384"])
    assert {each.certificate.public_bytes(Encoding.DER) for each in path} == set(read_store(archived).certificates)


@pytest.mark.parametrize("digest", [DigestAlgorithm.SHA384, DigestAlgorithm.SHA512], ids=str)
def test_p04_a_renewal_uses_the_algorithm_asked_for(
    full_line: Line, judge: Judge, archived: bytes, digest: DigestAlgorithm
) -> None:
    """P4, A10 (FTS-SIG-5): whatever the chain before it used."""
    assert [imprint_algorithm(each.cms) for each in raw_signatures(archived)[1:]] == ["sha256"]
    renewed, _ = extended(full_line, archived, digest)
    assert [imprint_algorithm(each.cms) for each in raw_signatures(renewed)[1:]] == ["sha256", digest]
    signed = full_line.sign(renewed, "p256", Profile(Level.LTA, archive_digest=DigestAlgorithm.SHA256)).data
    stamps = [raw.cms for raw in raw_signatures(signed) if raw.sub_filter == "ETSI.RFC3161"]
    assert [imprint_algorithm(each) for each in stamps] == ["sha256", digest, "sha256"]
    assert judge(signed).verdict("LTA", signatures=2, timestamps=5) == []


@pytest.fixture(scope="module")
def second_tsu(full_line: Line) -> Entity:
    """A further timestamping unit."""
    return full_line.pki.issue_tsu("second")


def test_p05_a_renewal_shows_the_earlier_authority_good(
    full_line: Line, judge: Judge, archived: bytes, second_tsu: Entity
) -> None:
    """P5 (FTS-SIG-5): and covers what it adds; the new stamp's own unit, another, is covered too."""
    units = InProcess((second_tsu, 0), (second_tsu, 0))
    renewed, result = extended(full_line, archived, timestamps=units)
    assert result.incomplete == ()
    store = read_store(renewed)
    assert store.holds(read_store(archived))
    assert {full_line.pki.tsu.certificate, second_tsu.certificate} <= set(store.loaded())
    assert raw_signatures(renewed)[-1].end == len(renewed)
    assert judge(renewed).verdict("LTA", timestamps=3) == []
    assert renewed.count(b"%%EOF") == archived.count(b"%%EOF") + 1


def test_p05_an_archive_timestamp_by_another_unit_is_covered(full_line: Line, judge: Judge, second_tsu: Entity) -> None:
    """P5 (FTS-SIG-5): its certificate is not known before the first answer, so it is asked again."""
    units = InProcess((full_line.pki.tsu, 0), (second_tsu, 0), (second_tsu, 0))
    signer = full_line.pki.signers["p384"]
    signed = signed_with(full_line, SOUND["one_page"](), signer, Profile(Level.LTA), timestamps=units)
    assert {full_line.pki.tsu.certificate, second_tsu.certificate} <= set(read_store(signed).loaded())
    assert judge(signed).verdict("LTA", timestamps=2) == []


def test_p06_no_vri_and_the_last_timestamp_covers_the_whole_file(full_line: Line, archived: bytes) -> None:
    """P6, A11 (FTS-SIG-5): two revisions, and none behind the archive timestamp; so too after a renewal."""
    renewed, _ = extended(full_line, archived)
    for data, revisions in ((archived, 2), (renewed, 3)):
        assert read_store(data).keys == {"/Type", "/Certs", "/OCSPs", "/CRLs"}
        assert b"/VRI" not in data
        assert raw_signatures(data)[-1].end == len(data)
        assert data.count(b"%%EOF") - SOUND["one_page"]().count(b"%%EOF") == revisions


@dataclass
class CountingKey:
    """A P-384 key that counts its signatures."""

    key: ec.EllipticCurvePrivateKey
    signatures: int = 0

    def sign(self, data: bytes, algorithm: ec.ECDSA) -> bytes:
        self.signatures += 1
        return self.key.sign(data, algorithm)


@pytest.mark.parametrize("level", list(Level), ids=str)
def test_p07_the_key_signs_once_and_no_dry_run_is_billed(full_line: Line, level: Level) -> None:
    """P7 (FTS-SIG-5): neither key nor authority is used to find out how large something will be."""
    signer = full_line.pki.signers["p384"]
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    key, counted = CountingKey(signer.key), Counted()
    in_its_place: Any = key
    between: list[int] = []
    signed_with(
        full_line,
        SOUND["one_page"](),
        replace(signer, key=in_its_place),
        Profile(level),
        counted=counted,
        between=lambda: between.append(counted.requests),
    )
    assert key.signatures == 1
    assert between == [0]
    assert counted.requests == {Level.B: 0, Level.T: 1, Level.LT: 1, Level.LTA: 2}[level]


def test_p07_admission_and_preparation_need_no_key_and_no_authority(full_line: Line) -> None:
    """P7 (FTS-SIG-5): what is handed to them holds a certificate only."""
    signer = full_line.pki.signers["p384"]
    full_line.app.faults["/tsa"] = Fault("down")
    try:
        admission = admit(io.BytesIO(SOUND["one_page"]()))
        prepared = full_line.run(
            lambda client: prepare(
                PdfSource(admission.stream),
                signer.certificate,
                signer.chain,
                Profile(Level.LTA),
                engine=full_line.engine(client),
                clock=utc_now,
            )
        )
    finally:
        full_line.app.faults.clear()
    assert prepared.revision.room() > LIMITS.timestamp_bytes


Update = Callable[[int, int], dict[int, bytes]]
"""Objects of a revision that replaces the store, from its object number and the next free one."""


def _dss(content: bytes) -> Update:
    return lambda dss, _free: {dss: content.replace(b"DSS", b"%d" % dss)}


def _item(content: bytes) -> Update:
    entries = b"<< /Certs [%d 0 R] /OCSPs [%d 0 R] /CRLs [%d 0 R] >>"
    return lambda dss, free: {dss: entries % (free, free, free), free: content}


MALFORMED: MappingProxyType[str, Update] = MappingProxyType(
    {
        "null": _dss(b"null"),
        "an array": _dss(b"[ 1 2 ]"),
        "a number": _dss(b"42"),
        "a string": _dss(b"(DSS)"),
        "a reference to itself": _dss(b"DSS 0 R"),
        "a number of certificates": _dss(b"<< /Certs 7 >>"),
        "certificates of all kinds": _dss(b"<< /Certs [ 7 null true /Name (x) << >> [ ] 1.5 ] >>"),
        "certificates that do not exist": _dss(b"<< /Certs [ 998 0 R 999 0 R ] >>"),
        "the catalog as certificate": _dss(b"<< /Certs [ 1 0 R ] /OCSPs [ 1 0 R ] /CRLs [ 1 0 R ] >>"),
        "itself as array": _dss(b"<< /Certs DSS 0 R /OCSPs DSS 0 R /CRLs DSS 0 R >>"),
        "itself as certificate": _dss(b"<< /Certs [ DSS 0 R ] >>"),
        "a dictionary of responses": _dss(b"<< /OCSPs << /A 1 >> /CRLs (text) /VRI 5 >>"),
        "arrays in arrays": _dss(b"<< /Certs " + b"[" * 400 + b"]" * 400 + b" >>"),
        "garbage": _item(stream(bytes(range(256)))),
        "nothing": _item(stream(b"")),
        "an unfinished SEQUENCE": _item(stream(bytes.fromhex("30847fffffff0201"))),
        "garbage that should be deflated": _item(stream(b"garbage", "/Filter /FlateDecode")),
        "an unknown filter": _item(stream(b"garbage", "/Filter /Unknown")),
        "a wrong filter": _item(stream(b"garbage", "/Filter 7")),
        "encrypted with an unknown handler": _item(stream(b"garbage", "/Filter /Crypt /DecodeParms << /Name /X >>")),
    }
)


@pytest.mark.parametrize("name", MALFORMED)
def test_p09_a_malformed_store_gives_a_report(full_line: Line, archived: bytes, name: str) -> None:
    """P9 (FTS-SIG-5): no exception; what the store showed is no longer shown."""
    at = archived.rindex(b"/DSS ") + len(b"/DSS ")
    dss, free = int(archived[at:].split()[0]), 900
    data = update(archived, MALFORMED[name](dss, free), size=free + 1)
    report = full_line.verify(data)
    assert [signature.field_name for signature in report.signatures] == ["Signature1"]
    assert report.level is not Level.LTA
    assert report.size == len(data)


VERSION_3, VERSION_4 = bytes.fromhex("a003020102"), bytes.fromhex("a003020103")
"""TBSCertificate.version; there is no version 4 (RFC 5280, 4.1.2.1)."""


@pytest.mark.parametrize("index", [0, 1], ids=["signature", "document timestamp"])
def test_p09_certificates_of_no_version_give_a_report(full_line: Line, archived: bytes, index: int) -> None:
    """P9 (FTS-SIG-5): a library's own exception does not leave the verification."""
    _, start, end, _ = raw_signatures(archived)[index].byte_range
    old, new = (version.hex().encode("ascii") for version in (VERSION_3, VERSION_4))
    gap = archived[start:end].lower()
    assert gap.count(old) >= 2
    report = full_line.verify(archived[:start] + gap.replace(old, new) + archived[end:])
    assert not report.valid
    assert report.level is None or index == 1


def test_p09_a_stored_certificate_of_no_version_gives_a_report(full_line: Line, archived: bytes) -> None:
    """P9 (FTS-SIG-5): as above, in the store, whose other parts still count."""
    store = read_store(archived)
    at = archived.rindex(b"/DSS ") + len(b"/DSS ")
    items = {900 + index: stream(der.replace(VERSION_3, VERSION_4)) for index, der in enumerate(store.ocsps)}
    items |= {950 + index: stream(der.replace(VERSION_3, VERSION_4)) for index, der in enumerate(store.certificates)}
    references = [b"".join(b"%d 0 R " % n for n in items if low <= n < low + 50) for low in (950, 900)]
    dss = b"<< /Certs [ %s ] /OCSPs [ %s ] >>" % (references[0], references[1])
    report = full_line.verify(update(archived, {int(archived[at:].split()[0]): dss, **items}, size=1000))
    assert report.level is not Level.LTA
    assert [signature.field_name for signature in report.signatures] == ["Signature1"]


def test_p09_one_changed_octet_in_each_part_of_the_store_is_reported(full_line: Line, archived: bytes) -> None:
    """P9 (FTS-SIG-5): the archive timestamp covers the store."""
    unnoticed = []
    for number in read_store(archived).objects:
        start = archived.index(b"stream\n", archived.index(b"\n%d 0 obj" % number)) + len(b"stream\n")
        for at in (start, start + 3, start + 60):
            changed = archived[:at] + bytes((archived[at] ^ 0x55,)) + archived[at + 1 :]
            report = full_line.verify(changed)
            codes = [problem.code for stamp in report.archive_timestamps for problem in stamp.problems]
            if report.valid or "CONTENT_CHANGED" not in codes:
                unnoticed.append((number, at, codes))
    assert unnoticed == []


BEHIND = (b"% comment\n", b"\0", b"\n", b"%%EOF\n", b"startxref\n0\n%%EOF\n")


@pytest.mark.parametrize(
    ("level", "behind"),
    [pytest.param(level, behind) for level in Level for behind in BEHIND],
    ids=repr,
)
def test_p10_octets_behind_the_end_are_reported(full_line: Line, level: Level, behind: bytes) -> None:
    """P10, A8 (FTS-SIG-5): octets that belong to no revision."""
    signed = full_line.sign(SOUND["one_page"](), "p384", Profile(level)).data
    assert full_line.verify(signed).valid
    report = full_line.verify(signed + behind)
    assert not report.valid
