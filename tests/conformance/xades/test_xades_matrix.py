"""Every packaging, level and key of XAdES, judged by EU DSS, Santuario, xmlsec1 and OpenSSL (FTS-SIG-5)."""

from collections.abc import Mapping

import pytest

from signing.ports import Level, Profile
from signing.xades.imprint import archive_input, signature_input
from signing.xades.names import ds
from signing.xades.ports import Packaging, SignaturePolicy
from signing.xades.references import References
from signing.xades.structure import ARCHIVE_TIMESTAMP, SIGNATURE_TIMESTAMP, read_container, read_signature
from signing.xml.c14n import XmlDocument
from tests.conformance.programs import Complaints, OpenSsl
from tests.conformance.test_matrix import DSS_NAMES, KEYS, TIMESTAMPS, Key, own_anchors
from tests.conformance.xades.conftest import Santuario, XmlJudge, XmlSec
from tests.support.line import Line
from tests.support.xades import INVOICE, objects, sign_xml, verify_xml
from timestamping.algorithms import DigestAlgorithm

DOCUMENTS: Mapping[Packaging, Mapping[str, bytes]] = {
    Packaging.ENVELOPED: {"invoice.xml": INVOICE},
    Packaging.ENVELOPING: {"invoice.xml": INVOICE, "letter.bin": bytes(range(256))},
    Packaging.DETACHED: {"invoice.xml": INVOICE, "letter é + 100%.bin": bytes(range(256))},
    Packaging.INTERNALLY_DETACHED: {"invoice.xml": INVOICE, "order.xml": b"<order xmlns='urn:o'><n>1</n></order>"},
    Packaging.MANIFEST: {"invoice.xml": INVOICE, "letter.bin": bytes(range(256))},
}
"""Several, except for the one packaging that takes a single document."""

CELLS = [
    (packaging, count, key, level)
    for packaging in Packaging
    for count in sorted({1, len(DOCUMENTS[packaging])})
    for key in KEYS
    for level in Level
    if packaging is Packaging.ENVELOPED or not key.rsa_pss
]


@pytest.mark.parametrize(
    ("packaging", "count", "key", "level"), CELLS, ids=[f"{p}-{n}-{k.name}-{lv}" for p, n, k, lv in CELLS]
)
def test_every_judge_accepts(
    full_line: Line,
    xml_judge: XmlJudge,
    xmlsec: XmlSec,
    santuario: Santuario,
    openssl: OpenSsl,
    packaging: Packaging,
    count: int,
    key: Key,
    level: Level,
) -> None:
    documents = dict(list(DOCUMENTS[packaging].items())[-count:])
    files = documents if packaging.is_detached else {}
    signed = sign_xml(full_line, documents, packaging, key.signer, Profile(level, rsa_pss=key.rsa_pss)).data
    anchors = own_anchors(full_line, key.signer) if level in {Level.B, Level.T} else ()
    validation = xml_judge(signed, files, *anchors)
    complaints = validation.verdict(level.value, timestamps=TIMESTAMPS[level], form="XAdES")
    if not key.rsa_pss:  # xmlsec1 1.2 does not know RSASSA-PSS
        complaints += xmlsec(signed, files)
    complaints += santuario(signed, files)
    complaints += timestamps(signed, files, openssl, TIMESTAMPS[level])
    complaints += [warning for signature in validation.signatures for warning in signature.warnings]
    used = [(s.digest_algorithm, s.encryption_algorithm) for s in validation.signatures]
    assert (complaints, used) == ([], [("SHA256", key.dss_name)])
    report = verify_xml(full_line, signed, files)
    assert (report.valid, report.level) == (True, level)


@pytest.mark.parametrize("digest", [DigestAlgorithm.SHA384, DigestAlgorithm.SHA512], ids=str)
def test_stronger_digests(full_line: Line, xml_judge: XmlJudge, xmlsec: XmlSec, digest: DigestAlgorithm) -> None:
    profile = Profile(Level.LTA, digest=digest, archive_digest=digest)
    for signer in ("p384", "rsa3072"):
        signed = sign_xml(full_line, {"invoice.xml": INVOICE}, signer=signer, profile=profile).data
        validation = xml_judge(signed)
        assert validation.verdict("LTA", timestamps=2, form="XAdES") + xmlsec(signed) == []
        assert {t.imprint_algorithm for t in validation.timestamps} == {DSS_NAMES[digest]}
        assert [s.digest_algorithm for s in validation.signatures] == [DSS_NAMES[digest]]


def test_a_policy_makes_an_epes(full_line: Line, xml_judge: XmlJudge, xmlsec: XmlSec) -> None:
    policy = SignaturePolicy("urn:oid:2.25.1", DigestAlgorithm.SHA256, bytes(32), "http://example.test/policy.pdf")
    signed = sign_xml(full_line, {"invoice.xml": INVOICE}, policy=policy).data
    assert b"urn:oid:2.25.1" in signed
    assert xmlsec(signed) == []
    assert verify_xml(full_line, signed).valid
    (signature,) = xml_judge(signed).signatures
    assert signature.level == "XAdES_BASELINE_LTA"


def test_judges_notice_a_changed_document(
    full_line: Line, xml_judge: XmlJudge, xmlsec: XmlSec, santuario: Santuario
) -> None:
    changed = sign_xml(full_line, {"invoice.xml": INVOICE}).data.replace(b"2026-001", b"2026-007")
    assert any("HASH_FAILURE" in each for each in xml_judge(changed).verdict("LTA", timestamps=2, form="XAdES"))
    assert xmlsec(changed) != []
    assert "does not hold" in santuario(changed)[0]
    assert not verify_xml(full_line, changed).valid


def timestamps(data: bytes, files: Mapping[str, bytes], openssl: OpenSsl, expected: int) -> Complaints:
    """`openssl ts -verify` on each token over the octets that it should be over."""
    document = XmlDocument.read(data)
    references = References(document, {each.name: each.stream for each in objects(files, "")})
    complaints: Complaints = []
    found = 0
    for element in document.root.iter(ds("Signature")):
        signature = read_signature(element)
        for each in signature.containers(SIGNATURE_TIMESTAMP):
            container = read_container(each)
            found += 1
            complaints += openssl.token_over_data(
                container.token, signature_input(references, element, container.method)
            )
        for each in signature.containers(ARCHIVE_TIMESTAMP):
            container = read_container(each)
            found += 1
            covered = b"".join(archive_input(references, element, each, container.method))
            complaints += openssl.token_over_data(container.token, covered)
    return complaints if found == expected else [*complaints, f"{found} timestamps instead of {expected}"]
