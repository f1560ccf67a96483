"""Verifying the XAdES signatures of a document offline (after ETSI EN 319 102-1, clauses 5.3 to 5.6).

Proofs of existence go from the outside in: the last archive timestamp is judged now, each earlier one at the time that
the one after it proves, a signature at its earliest proven time. Nothing is fetched.
"""

import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final

from lxml import etree

from signing.limits import LIMITS
from signing.pades.report import DocumentReport, Finding, SignatureReport, TimestampReport
from signing.ports import DocumentError, Level
from signing.trust.offline import EmbeddedData, OfflineError
from signing.trust.path import Path, PathError, TrustAnchors
from signing.xades.coverage import ContentChangedError, Coverage, check_references, in_words, missed, stray, uncovered
from signing.xades.imprint import archive_digest, signature_input
from signing.xades.names import XADES, XADES141, ds, xades, xades141
from signing.xades.references import References, UnresolvedReferenceError
from signing.xades.structure import (
    ARCHIVE_TIMESTAMP,
    SIGNATURE_TIMESTAMP,
    MalformedSignatureError,
    XadesSignature,
    read_container,
    read_signature,
)
from signing.xml.c14n import XmlDocument
from signing.xml.reading import parse
from timestamping import cms
from timestamping.clock import Clock
from timestamping.ports import TimestampError, Token
from timestamping.token import check_imprint, parse_token

_KNOWN = frozenset(
    {
        SIGNATURE_TIMESTAMP,
        ARCHIVE_TIMESTAMP,
        xades("CertificateValues"),
        xades("RevocationValues"),
        xades141("TimeStampValidationData"),
        xades141("AnyValidationData"),
    }
)
_OTHER_FORMS: Final = {
    **dict.fromkeys(
        ("CompleteCertificateRefs", "CompleteRevocationRefs", "AttributeCertificateRefs", "AttributeRevocationRefs"),
        " (form C)",
    ),
    **dict.fromkeys(("SigAndRefsTimeStamp", "RefsOnlyTimeStamp"), " (form X)"),
    "ArchiveTimeStamp": " (of XAdES 1.3.2)",
}
"""Properties outside the baseline levels, with the form that they make (ETSI EN 319 132-2)."""
_COUNTER_SIGNED: Final = (
    xades("CounterSignature"),
    xades("UnsignedSignatureProperties"),
    xades("UnsignedProperties"),
    xades("QualifyingProperties"),
    ds("Object"),
    ds("Signature"),
)
"""What a counter-signature stands in, from the inside (EN 319 132-1, clause 5.2.7.2)."""


@dataclass(slots=True)
class _Archive:
    report: TimestampReport
    position: int
    token: Token


def verify(
    stream: BinaryIO, anchors: TrustAnchors, *, clock: Clock, files: Mapping[str, BinaryIO] | None = None
) -> DocumentReport:
    """Verify a document with its signatures, or a signature file with the documents that it names.

    Args:
        stream: the XML, seekable.
        anchors: who is trusted.
        clock: the time of judgement.
        files: detached documents by their names.

    Returns:
        The report; `field_name` is the signature's or timestamp container's Id. What is wrong stands in it; nothing is
        raised for a document's sake.
    """
    now = clock()
    report = DocumentReport(size=stream.seek(0, os.SEEK_END), verified_at=now)
    try:
        stream.seek(0)
        data = stream.read(LIMITS.xml_bytes + 1)
        report.sha256 = hashlib.sha256(data).hexdigest() if len(data) == report.size else ""
        references = References(XmlDocument(parse(data)), {} if files is None else files)
        verify_document(references, anchors, now, report)
    except DocumentError as error:
        report.problems.append(Finding(error.code, str(error)))
    return report


def verify_document(
    references: References,
    anchors: TrustAnchors,
    now: datetime,
    report: DocumentReport,
    *,
    required: Collection[str] = (),
) -> None:
    """Verify the signatures of a parsed document into a report.

    Args:
        references: resolves the references of the document.
        anchors: who is trusted.
        now: the time of judgement.
        report: gets what is found; it may hold the signatures of other documents of one container.
        required: names of detached files that every signature must cover.

    Raises:
        DocumentError: the document has no canonical form.
    """
    root = references.document.root
    elements = signatures_of(root)
    if not elements:
        report.problems.append(Finding("NOT_SIGNED", "the document carries no signature"))
    most = LIMITS.signatures - len(report.signatures)
    if len(elements) > most:
        report.problems.append(Finding("TOO_MANY_SIGNATURES", f"more than {LIMITS.signatures} signatures"))
        elements = elements[:most]
    for element in elements:
        part = SignatureReport(element.get("Id", ""))
        report.signatures.append(part)
        one = _Verification(references, element, anchors, now, part, report.archive_timestamps)
        coverage = one.run()
        left = [etree.QName(each).localname for each in uncovered(root, coverage.nodes)] + missed(required, coverage)
        if part.valid and left:
            names = ", ".join(left)
            part.problems.append(Finding("PART_COVERED", f"the signature leaves parts of the document open: {names}"))
            part.level = None


def signatures_of(root: etree._Element) -> list[etree._Element]:
    """Return the signatures of a document, in order, without counter-signatures, which are properties of others."""
    return [each for each in root.iter(ds("Signature")) if not _is_counter_signature(each)]


def _is_counter_signature(element: etree._Element) -> bool:
    """Tell whether a signature stands where one of another signature's unsigned properties does, and nowhere else."""
    tags = [each.tag for _, each in zip(_COUNTER_SIGNED, element.iterancestors(), strict=False)]
    return tags == list(_COUNTER_SIGNED)


class _Verification:
    """One signature."""

    def __init__(
        self,
        references: References,
        element: etree._Element,
        anchors: TrustAnchors,
        now: datetime,
        report: SignatureReport,
        archive_reports: list[TimestampReport],
    ) -> None:
        self._references = references
        self._element = element
        self._anchors = anchors
        self._now = now
        self._report = report
        self._archive_reports = archive_reports
        self._embedded: dict[int, EmbeddedData] = {}

    def run(self) -> Coverage:
        """Judge it; return what it covers."""
        report = self._report
        if self._is_of_another_kind():
            message = "it has no qualifying properties of XAdES 1.3.2: plain XMLDSig, or an earlier XAdES, is not read"
            report.problems.append(Finding("UNSUPPORTED_FORMAT", message))
            return Coverage()
        try:
            signature = read_signature(self._element)
            report.digest = signature.method.digest.value
            report.claimed_at = signature.signing_time()
        except MalformedSignatureError as error:
            report.problems.append(Finding("SIGNATURE_DAMAGED", f"the signature is damaged: {error}"))
            return Coverage()
        coverage = self._check_integrity(signature)
        archives = self._read_archives(signature)
        proven: list[_Archive] = []
        control = self._now
        for archive in reversed(archives):
            self._judge_archive(signature, archive, control, is_last=not proven)
            if archive.report.valid:
                control = archive.token.gen_time
                proven.append(archive)
        self._judge(signature, proven, control)
        return coverage

    def _is_of_another_kind(self) -> bool:
        element = self._element
        is_signature = element.find(ds("SignedInfo")) is not None
        return is_signature and element.find(f"{ds('Object')}/{xades('QualifyingProperties')}") is None

    def _check_integrity(self, signature: XadesSignature) -> Coverage:
        problems = self._report.problems
        self._report.notes += [_unread(each) for each in signature.unsigned if each.tag not in _KNOWN]
        self._report.notes += [Finding("NOT_BASELINE", _outside(each, "")) for each in signature.unread()]
        coverage = Coverage()
        try:
            coverage = check_references(self._references, signature)
            self._report.covers = in_words(self._references.document.root, coverage)
            if stray(signature, coverage.nodes):
                problems.append(Finding("OBJECT_NOT_SIGNED", "the signature carries an object that it does not cover"))
        except ContentChangedError as error:
            problems.append(Finding("CONTENT_CHANGED", str(error)))
        except UnresolvedReferenceError as error:
            problems.append(Finding("REFERENCE", str(error)))
        try:
            certificate = signature.signer()
            self._report.signer = certificate.subject.rfc4514_string()
            signature.check_value(self._references, certificate)
        except (cms.CmsError, MalformedSignatureError) as error:
            problems.append(Finding("SIGNATURE_INVALID", str(error)))
        return coverage

    def _read_archives(self, signature: XadesSignature) -> list[_Archive]:
        archives = []
        for element in signature.containers(ARCHIVE_TIMESTAMP):
            report = TimestampReport(element.get("Id", ""))
            self._archive_reports.append(report)
            try:
                container = read_container(element)
                token = parse_token(container.token)
                _describe(report, token)
                algorithm = token.imprint_algorithm
                digest = archive_digest(self._references, signature.element, element, container.method, algorithm)
                check_imprint(token, {algorithm: digest})
            except MalformedSignatureError as error:
                report.problems.append(Finding("TIMESTAMP_INVALID", str(error)))
            except UnresolvedReferenceError as error:
                report.problems.append(Finding("REFERENCE", str(error)))
            except TimestampError as error:
                code = "TIMESTAMP_INVALID" if report.gen_time is None else "CONTENT_CHANGED"
                report.problems.append(Finding(code, f"the archive timestamp is not over what it should be: {error}"))
            else:
                archives.append(_Archive(report, signature.position(element), token))
        if len(archives) < len(signature.containers(ARCHIVE_TIMESTAMP)):
            self._report.problems.append(Finding("ARCHIVE_TIMESTAMP", "an archive timestamp is not valid"))
        return archives

    def _judge_archive(self, signature: XadesSignature, archive: _Archive, control: datetime, *, is_last: bool) -> None:
        report, token = archive.report, archive.token
        if token.gen_time > control + LIMITS.clock_skew:
            report.problems.append(Finding("TIMESTAMP_ORDER", "it is later than what should have come after it"))
        data = self._data(signature, len(signature.unsigned))
        try:
            path = data.path(token.tsu_certificate, token.certificates, control)
        except PathError as error:
            report.problems.append(Finding("TIMESTAMP_UNTRUSTED", str(error)))
            return
        try:
            data.check(path, token.gen_time)
        except OfflineError as error:
            is_open = is_last and "was revoked" not in str(error)
            (report.notes if is_open else report.problems).append(Finding("TIMESTAMP_REVOCATION", str(error)))

    def _judge(self, signature: XadesSignature, proven: list[_Archive], control: datetime) -> None:
        report = self._report
        tokens = self._signature_tokens(signature, control)
        if any(not t.valid for t in report.timestamps):
            tokens = []
        best = min([control, *(t.gen_time for t in tokens)])
        report.proven_at = best if tokens or proven else None
        try:
            certificate = signature.signer()
            path = self._data(signature, len(signature.unsigned)).path(certificate, signature.certificates, best)
        except PathError as error:
            report.problems.append(Finding("SIGNER_UNTRUSTED", str(error)))
            return
        except MalformedSignatureError:
            return
        if report.valid:
            report.level = self._level(signature, path, tokens, proven, best)
            if report.problems:
                report.level = None

    def _signature_tokens(self, signature: XadesSignature, control: datetime) -> list[Token]:
        tokens = []
        for element in signature.containers(SIGNATURE_TIMESTAMP):
            report = TimestampReport(element.get("Id", ""))
            self._report.timestamps.append(report)
            try:
                container = read_container(element)
                token = parse_token(container.token)
                _describe(report, token)
                algorithm = token.imprint_algorithm
                data = signature_input(self._references, signature.element, container.method)
                check_imprint(token, {algorithm: algorithm.digest(data)})
                embedded = self._data(signature, len(signature.unsigned))
                embedded.path(token.tsu_certificate, token.certificates, control)
            except MalformedSignatureError as error:
                report.problems.append(Finding("TIMESTAMP_INVALID", str(error)))
            except TimestampError as error:
                report.problems.append(Finding(error.code, str(error)))
            except PathError as error:
                report.problems.append(Finding("TIMESTAMP_UNTRUSTED", str(error)))
            else:
                if token.gen_time > control + LIMITS.clock_skew:
                    report.problems.append(
                        Finding("TIMESTAMP_ORDER", "it is later than what should have come after it")
                    )
                tokens.append(token)
        return tokens

    def _level(
        self, signature: XadesSignature, path: Path, tokens: list[Token], proven: list[_Archive], best: datetime
    ) -> Level:
        if not tokens:
            self._report.notes.append(Finding("NO_TIMESTAMP", "no trusted time; revocation was not checked"))
            return Level.B
        missing = self._missing(signature, len(signature.unsigned), path, tokens, best)
        if missing is not None:
            self._report.notes.append(Finding("NO_VALIDATION_DATA", missing))
            if "was revoked" in missing:
                self._report.problems.append(Finding("SIGNER_REVOKED", missing))
            return Level.T
        if any(note.code == "NOT_BASELINE" for note in self._report.notes):
            return Level.T
        for archive in proven:
            if self._missing(signature, archive.position, path, tokens, best) is None:
                return Level.LTA
        return Level.LT

    def _missing(
        self, signature: XadesSignature, before: int, path: Path, tokens: list[Token], best: datetime
    ) -> str | None:
        """Tell what the properties before a place lack to show the signer, and who stamped the signature, good."""
        data = self._data(signature, before)
        try:
            data.check(path, best, fresh_since=best)
            for token in tokens:
                data.check(data.path(token.tsu_certificate, token.certificates, token.gen_time), token.gen_time)
        except (OfflineError, PathError) as error:
            return str(error)
        return None

    def _data(self, signature: XadesSignature, before: int) -> EmbeddedData:
        """Return the validation data of the properties before a place."""
        if before not in self._embedded:
            self._embedded[before] = self._read_data(signature, before)
        return self._embedded[before]

    def _read_data(self, signature: XadesSignature, before: int) -> EmbeddedData:
        values = [each for each in signature.values() if each.position < before]
        certificates = []
        for der in dict.fromkeys(der for each in values for der in each.certificates):
            try:
                certificates.append(cms.load_certificate(der))
            except ValueError:
                continue
        return EmbeddedData(
            self._anchors,
            [*certificates, *signature.certificates],
            (der for each in values for der in each.ocsps),
            (der for each in values for der in each.crls),
        )


def _unread(element: etree._Element) -> Finding:
    """Say which unsigned property is not read: it neither helps the signature nor harms it."""
    name = etree.QName(element)
    if name.namespace not in {XADES, XADES141}:
        message = f"the property {name.localname} of {name.namespace} is not of XAdES and is not read"
        return Finding("UNSUPPORTED_PROPERTY", message)
    if form := _OTHER_FORMS.get(name.localname.removesuffix("V2")):
        return Finding("NOT_BASELINE", _outside(element, form))
    if element.tag == xades("CounterSignature"):
        return Finding("UNSUPPORTED_PROPERTY", "the property CounterSignature is not read: who it names is not judged")
    return Finding("UNSUPPORTED_PROPERTY", f"the property {name.localname} is not read and counts for nothing")


def _outside(element: etree._Element, form: str) -> str:
    name = etree.QName(element).localname
    return f"the property {name}{form} is not read and counts for nothing; beside it no level above T is reported"


def _describe(report: TimestampReport, token: Token) -> None:
    report.gen_time = token.gen_time
    report.authority = token.tsu_certificate.subject.rfc4514_string()
    report.serial_number = token.serial_number
    report.digest = token.imprint_algorithm.value
