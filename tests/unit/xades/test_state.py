"""What is kept between the two calls, and what the second call refuses (FTS-SIG-5)."""

import io
import json

import pytest

from signing.ports import (
    CertificateRevokedError,
    CertificateUsageError,
    DocumentChangedError,
    Level,
    Profile,
    SignatureValueError,
)
from signing.xades.finish import check_value, finish
from signing.xades.packaging import check_objects
from signing.xades.ports import DataObject, DocumentMissingError, DocumentNameError, Packaging
from signing.xades.state import Prepared
from signing.xml.ports import XmlDamagedError, XmlForbiddenError
from tests.support.line import Line, Lines
from tests.support.xades import INVOICE, SignedXml, objects, sign_xml

B = Profile(Level.B)


@pytest.fixture(scope="module")
def signed(line: Line) -> SignedXml:
    return sign_xml(line, {"invoice.xml": INVOICE}, profile=B)


def test_state_survives_a_restart_and_holds_no_document(line: Line) -> None:
    for packaging in Packaging:
        state = sign_xml(line, {"invoice.xml": INVOICE}, packaging, profile=B).prepared
        kept = state.to_bytes()
        assert Prepared.from_bytes(kept) == state
        assert b"2026-001" not in kept


@pytest.mark.parametrize("damage", ["{}", "[]", "no json", '{"format":2}'])
def test_damaged_state_is_refused(damage: str) -> None:
    with pytest.raises(ValueError, match="not a prepared signature"):
        Prepared.from_bytes(damage.encode())


def test_state_with_a_damaged_part_is_refused(signed: SignedXml) -> None:
    whole = json.loads(signed.prepared.to_bytes())
    for key, value in (("signature", "<a>"), ("certificates", ["AAAA"]), ("packaging", "other"), ("objects", [[1]])):
        with pytest.raises(ValueError, match="not a prepared signature"):
            Prepared.from_bytes(json.dumps({**whole, key: value}).encode())


@pytest.mark.parametrize("packaging", list(Packaging), ids=str)
def test_another_document_is_refused(line: Line, packaging: Packaging) -> None:
    with pytest.raises(DocumentChangedError):
        sign_xml(
            line,
            {"invoice.xml": INVOICE},
            packaging,
            profile=B,
            changed={"invoice.xml": INVOICE.replace(b"2026-001", b"2026-002")},
        )
    with pytest.raises(DocumentChangedError):
        sign_xml(line, {"invoice.xml": INVOICE}, packaging, profile=B, changed={"other.xml": INVOICE})


def test_another_value_is_refused(signed: SignedXml, line: Line) -> None:
    value = line.pki.signers["rsa3072"].certificate.signature
    with pytest.raises(SignatureValueError):
        check_value(signed.prepared, value)


def test_a_value_for_other_octets_leaves_no_output(signed: SignedXml, line: Line) -> None:
    output = io.BytesIO()
    with pytest.raises(SignatureValueError):
        line.run(
            lambda client: finish(
                objects({"invoice.xml": INVOICE}, "application/xml"),
                signed.prepared,
                bytes(96),
                output,
                engine=line.engine(client),
                timestamps=line.timestamps(client),
                clock=line.server_clock,
            )
        )
    assert output.getvalue() == b""


@pytest.mark.parametrize("names", [("/a",), ("../a",), ("a//b",), ("a\\b",), ("",), ("a\nb",), ("a", "a")], ids=repr)
def test_unusable_names_are_refused(names: tuple[str, ...]) -> None:
    given = [DataObject(name, io.BytesIO(b"x")) for name in names]
    with pytest.raises(DocumentNameError):
        check_objects(Packaging.DETACHED, given)


def test_number_of_documents(line: Line) -> None:
    with pytest.raises(DocumentMissingError):
        sign_xml(line, {}, Packaging.DETACHED, profile=B)
    with pytest.raises(DocumentNameError):
        sign_xml(line, {"a.xml": b"<a/>", "b.xml": b"<b/>"}, Packaging.ENVELOPED, profile=B)


def test_what_is_no_xml_is_refused_where_xml_is_needed(line: Line) -> None:
    for packaging in (Packaging.ENVELOPED, Packaging.INTERNALLY_DETACHED):
        with pytest.raises(XmlDamagedError):
            sign_xml(line, {"a.bin": b"\x00\x01"}, packaging, profile=B)
        with pytest.raises(XmlDamagedError):
            sign_xml(line, {"a.xml": "<a xmlns:b\ufffe='urn:b' xmlns:\x01='urn:c'/>".encode()}, packaging, profile=B)
        with pytest.raises(XmlForbiddenError):
            sign_xml(line, {"a.xml": b"<!DOCTYPE a><a/>"}, packaging, profile=B)
    assert sign_xml(line, {"a.bin": b"\x00\x01"}, Packaging.ENVELOPING, profile=B).data
    assert sign_xml(line, {"a.xml": b"<!DOCTYPE a><a/>"}, Packaging.DETACHED, profile=B).data


def test_a_certificate_for_authentication_is_refused(line: Line) -> None:
    with pytest.raises(CertificateUsageError):
        sign_xml(line, {"invoice.xml": INVOICE}, signer=line.pki.tsu, profile=B)


def test_a_signer_revoked_between_the_calls_gets_no_signature(lines: Lines) -> None:
    own = lines.start()
    with pytest.raises(CertificateRevokedError):
        sign_xml(own, {"invoice.xml": INVOICE}, between=lambda: own.pki.revoke(own.pki.signers["p384"].certificate))
