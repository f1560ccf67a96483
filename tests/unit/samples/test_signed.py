"""The signed samples hold what their names say."""

import io

import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import FieldMDPAction, MDPPerm
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko_certvalidator import ValidationContext

from tests.samples.signed import SIGNED, signer_credential, timestamp_credential
from tests.unit.samples.procedure import judge


def reader_of(name: str) -> PdfFileReader:
    return PdfFileReader(io.BytesIO(SIGNED[name]()))


def trust() -> ValidationContext:
    return ValidationContext(trust_roots=[signer_credential().certificate, timestamp_credential().certificate])


@pytest.mark.parametrize("name", sorted(SIGNED))
def test_signed_files_take_another_revision(name: str) -> None:
    assert judge(SIGNED[name]()).expect == "signed"


@pytest.mark.parametrize("name", sorted(set(SIGNED) - {"broken_signature", "only_document_timestamp"}))
def test_signatures_are_intact_and_allow_what_follows(name: str) -> None:
    signatures = reader_of(name).embedded_regular_signatures
    assert signatures
    for signature in signatures:
        assert validate_pdf_signature(signature, trust()).bottom_line


def test_broken_signature_is_not_intact() -> None:
    (signature,) = reader_of("broken_signature").embedded_regular_signatures
    status = validate_pdf_signature(signature, trust())
    assert not status.intact
    assert status.valid


@pytest.mark.parametrize("name", ["with_document_timestamp", "only_document_timestamp"])
def test_document_timestamp(name: str) -> None:
    (stamp,) = reader_of(name).embedded_timestamp_signatures
    status = validate_pdf_timestamp(stamp, trust())
    assert status.intact
    assert status.valid


@pytest.mark.parametrize("permission", [1, 2, 3])
def test_certification_level(permission: int) -> None:
    (signature,) = reader_of(f"certified_{permission}").embedded_regular_signatures
    assert signature.docmdp_level == MDPPerm(permission)


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("locked_all", FieldMDPAction.ALL),
        ("locked_document", FieldMDPAction.ALL),
        ("locked_fields", FieldMDPAction.INCLUDE),
    ],
)
def test_field_locks(name: str, action: FieldMDPAction) -> None:
    (signature,) = reader_of(name).embedded_regular_signatures
    assert signature.fieldmdp.action == action
    assert "/Lock" in signature.sig_field


def test_locked_document_allows_no_change() -> None:
    (signature,) = reader_of("locked_document").embedded_regular_signatures
    assert signature.sig_field["/Lock"]["/P"] == 1
    assert signature.docmdp_level == MDPPerm.NO_CHANGES


@pytest.mark.parametrize(("name", "count"), [("signed_once", 1), ("signed_twice", 2), ("with_document_timestamp", 2)])
def test_pdfium_sees_the_signatures(name: str, count: int) -> None:
    with pypdfium2.PdfDocument(SIGNED[name]()) as document:
        assert pdfium.FPDF_GetSignatureCount(document) == count
