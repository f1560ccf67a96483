"""Verifying the signatures and timestamps of a PDF offline (after ETSI EN 319 102-1, clauses 5.3 to 5.6).

Proofs of existence go from the outside in: the last archive timestamp is judged now, each earlier one at the time that
the one after it proves, a signature at its earliest proven time. Nothing is fetched.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from pyhanko.pdf_utils.generic import parse_pdf_date

from signing.limits import LIMITS
from signing.pades import embedded
from signing.pades.changes import changes_after
from signing.pades.coverage import Coverage, CoverageError, digests, read_coverage
from signing.pades.objects import entry
from signing.pades.report import DocumentReport, Finding, SignatureReport, TimestampReport
from signing.pades.source import READ_ERRORS, PdfSource, SignatureField
from signing.ports import DocumentError, Level
from signing.trust.offline import EmbeddedData, OfflineError
from signing.trust.path import Path, PathError, TrustAnchors
from timestamping import cms
from timestamping.clock import Clock
from timestamping.ports import TimestampError, Token
from timestamping.token import check_imprint, parse_token

_SIGNATURES = ("/ETSI.CAdES.detached", "/adbe.pkcs7.detached")
_TIMESTAMP = "/ETSI.RFC3161"
_EOF_WINDOW = 1024
_LINE_ENDS = (b"", b"\n", b"\r", b"\r\n")


@dataclass(slots=True)
class _Archive:
    report: TimestampReport
    coverage: Coverage
    token: Token


@dataclass(slots=True)
class _Signature:
    report: SignatureReport
    coverage: Coverage
    signed: cms.SignedData
    is_cades: bool


def verify(stream: BinaryIO, anchors: TrustAnchors, *, clock: Clock, analyse_changes: bool = True) -> DocumentReport:
    """Verify a document.

    Args:
        stream: the document, seekable.
        anchors: who is trusted.
        clock: the time of judgement.
        analyse_changes: whether to look at what was changed after each signature; the check of a document that we
            just wrote can leave it out.

    Returns:
        The report. What is wrong stands in it; nothing is raised for a document's sake.
    """
    report = DocumentReport(size=stream.seek(0, os.SEEK_END), verified_at=clock())
    try:
        source = PdfSource(stream)
        report.sha256 = source.sha256().hex()
        _Verification(source, anchors, report, clock(), analyse_changes=analyse_changes).run()
    except DocumentError as error:
        report.problems.append(Finding(error.code, str(error)))
    except READ_ERRORS as error:
        report.problems.append(Finding("DOCUMENT_DAMAGED", f"the document is damaged: {error}"))
    return report


class _Verification:
    def __init__(
        self,
        source: PdfSource,
        anchors: TrustAnchors,
        report: DocumentReport,
        now: datetime,
        *,
        analyse_changes: bool,
    ) -> None:
        self._source = source
        self._anchors = anchors
        self._report = report
        self._now = now
        self._analyse_changes = analyse_changes
        self._store: list[embedded.StoreItem] = []

    def run(self) -> None:
        signatures, archives = self._read_fields()
        if not self._report.signatures:
            self._report.problems.append(Finding("NOT_SIGNED", "the document carries no signature"))
        self._read_store()
        self._check_end([*(s.coverage for s in signatures), *(a.coverage for a in archives)])
        self._check_integrity(signatures, archives)
        proven: list[_Archive] = []
        control = self._now
        for archive in sorted(archives, key=lambda a: a.coverage.end, reverse=True):
            self._judge_archive(archive, control, is_last=not proven)
            if archive.report.valid:
                control = archive.token.gen_time
                proven.append(archive)
        for signature in signatures:
            self._judge_signature(signature, proven)
        if self._analyse_changes:
            self._find_changes(signatures)

    def _read_fields(self) -> tuple[list[_Signature], list[_Archive]]:
        signatures: list[_Signature] = []
        archives: list[_Archive] = []
        fields = self._source.signature_fields()
        if len(fields) > LIMITS.signatures:
            self._report.problems.append(Finding("TOO_MANY_SIGNATURES", f"more than {LIMITS.signatures} signatures"))
            fields = fields[: LIMITS.signatures]
        seen: set[int] = set()
        for field in fields:
            kind = entry(field.value, "/SubFilter")
            if kind == _TIMESTAMP:
                report = TimestampReport(field.name)
                self._report.archive_timestamps.append(report)
                archive = self._read_archive(field, report)
                if archive is not None:
                    archives.append(archive)
                    self._check_single(seen, archive.coverage, report)
            else:
                signature_report = SignatureReport(field.name)
                self._report.signatures.append(signature_report)
                signature = self._read_signature(field, str(kind), signature_report)
                if signature is not None:
                    signatures.append(signature)
                    self._check_single(seen, signature.coverage, signature_report)
        return signatures, archives

    @staticmethod
    def _check_single(seen: set[int], coverage: Coverage, report: SignatureReport | TimestampReport) -> None:
        if coverage.gap_start in seen:
            report.problems.append(Finding("SIGNATURE_REUSED", "several fields show the same signature"))
        seen.add(coverage.gap_start)

    def _read_archive(self, field: SignatureField, report: TimestampReport) -> _Archive | None:
        try:
            coverage = read_coverage(self._source.stream, field.value)
            report.byte_range = coverage.byte_range
            token = parse_token(coverage.contents)
        except CoverageError as error:
            report.problems.append(Finding("BYTE_RANGE", str(error)))
        except TimestampError as error:
            report.problems.append(Finding(error.code, f"the archive timestamp is damaged: {error}"))
        else:
            _describe(report, token)
            return _Archive(report, coverage, token)
        return None

    def _read_signature(self, field: SignatureField, kind: str, report: SignatureReport) -> _Signature | None:
        if kind not in _SIGNATURES:
            report.problems.append(Finding("UNSUPPORTED_FORMAT", f"signatures of the kind {kind} are not read"))
            return None
        try:
            moment = entry(field.value, "/M")
            report.claimed_at = parse_pdf_date(str(moment)) if moment is not None else None
            coverage = read_coverage(self._source.stream, field.value)
            report.byte_range = coverage.byte_range
            signed = cms.parse_signed_data(coverage.contents)
            report.digest = signed.signer.digest_algorithm.value
        except CoverageError as error:
            report.problems.append(Finding("BYTE_RANGE", str(error)))
        except cms.CmsError as error:
            report.problems.append(Finding("SIGNATURE_DAMAGED", f"the signature is damaged: {error}"))
        except READ_ERRORS as error:
            report.problems.append(Finding("SIGNATURE_DAMAGED", f"the signature dictionary is damaged: {error}"))
        else:
            return _Signature(report, coverage, signed, kind == _SIGNATURES[0])
        return None

    def _read_store(self) -> None:
        try:
            self._store = embedded.read_store(self._source.reader)
        except READ_ERRORS as error:
            self._report.problems.append(Finding("VALIDATION_DATA", f"the validation data is damaged: {error}"))

    def _check_end(self, coverages: list[Coverage]) -> None:
        covered = max((coverage.end for coverage in coverages), default=self._source.size)
        left = self._source.size - covered
        if left and (self._source.reader.last_startxref or 0) < covered:
            message = f"{left} octets stand behind the last signature or timestamp and belong to no revision"
            self._report.problems.append(Finding("TRAILING_BYTES", message))
        self._source.stream.seek(max(0, self._source.size - _EOF_WINDOW))
        _, marker, rest = self._source.stream.read().rpartition(b"%%EOF")
        if not marker:
            self._report.problems.append(Finding("TRUNCATED", "the end-of-file marker is missing: the file is cut off"))
        elif left and not self._report.problems and rest not in _LINE_ENDS:
            message = f"{len(rest)} octets stand behind the end-of-file marker and are covered by nothing"
            self._report.problems.append(Finding("TRAILING_BYTES", message))

    def _check_integrity(self, signatures: list[_Signature], archives: list[_Archive]) -> None:
        wanted = [(s.coverage, s.signed.signer.digest_algorithm) for s in signatures]
        wanted += [(a.coverage, a.token.imprint_algorithm) for a in archives]
        found = digests(self._source.stream, wanted)
        for archive in archives:
            algorithm = archive.token.imprint_algorithm
            try:
                check_imprint(archive.token, {algorithm: found[archive.coverage, algorithm]})
            except TimestampError:
                archive.report.problems.append(
                    Finding("CONTENT_CHANGED", "what the archive timestamp covers has been changed")
                )
        for signature in signatures:
            signer = signature.signed.signer
            try:
                certificate = signature.signed.signer_certificate(ess=signature.is_cades)
                signature.report.signer = certificate.subject.rfc4514_string()
                digest = found[signature.coverage, signer.digest_algorithm]
                if cms.message_digest(signer) != digest:
                    signature.report.problems.append(
                        Finding("CONTENT_CHANGED", "what the signature covers has been changed")
                    )
                else:
                    cms.check_signature(signature.signed, certificate, digest)
            except cms.CmsError as error:
                signature.report.problems.append(Finding("SIGNATURE_INVALID", str(error)))

    def _judge_archive(self, archive: _Archive, control: datetime, *, is_last: bool) -> None:
        report, token = archive.report, archive.token
        _check_order(report, token, control)
        data = self._data(self._store)
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

    def _judge_signature(self, signature: _Signature, proven: list[_Archive]) -> None:
        report = signature.report
        covering = [a for a in proven if a.coverage.gap_start >= signature.coverage.end]
        control = min((a.token.gen_time for a in covering), default=self._now)
        tokens = self._signature_tokens(signature, control)
        if any(not t.valid for t in report.timestamps):
            tokens = []
        best = min([control, *(t.gen_time for t in tokens)])
        report.proven_at = best if tokens or covering else None
        try:
            certificate = signature.signed.signer_certificate(ess=signature.is_cades)
            path = self._data(self._store).path(certificate, signature.signed.certificates, best)
        except PathError as error:
            report.problems.append(Finding("SIGNER_UNTRUSTED", str(error)))
            return
        except cms.CmsError:
            return
        if report.valid:
            level = self._level(signature, path, tokens, covering, best)
            report.level = level if report.valid else None

    def _signature_tokens(self, signature: _Signature, control: datetime) -> list[Token]:
        tokens = []
        for der in signature.signed.signer.unsigned_attributes.get(cms.OID_SIGNATURE_TIMESTAMP, ()):
            report = TimestampReport(signature.report.field_name)
            signature.report.timestamps.append(report)
            try:
                token = parse_token(der)
                _describe(report, token)
                algorithm = token.imprint_algorithm
                check_imprint(token, {algorithm: algorithm.digest(signature.signed.signer.signature)})
                self._data(self._store).path(token.tsu_certificate, token.certificates, control)
            except TimestampError as error:
                report.problems.append(Finding(error.code, str(error)))
            except PathError as error:
                report.problems.append(Finding("TIMESTAMP_UNTRUSTED", str(error)))
            else:
                _check_order(report, token, control)
                tokens.append(token)
        return tokens

    def _level(
        self,
        signature: _Signature,
        path: Path,
        tokens: list[Token],
        covering: list[_Archive],
        best: datetime,
    ) -> Level | None:
        if not signature.is_cades:
            signature.report.notes.append(Finding("NOT_PADES", "the signature is not of a PAdES baseline level"))
            return None
        if not tokens and not covering:
            signature.report.notes.append(Finding("NO_TIMESTAMP", "no trusted time; revocation was not checked"))
            return Level.B
        missing = self._missing(self._store, path, tokens, best)
        if missing is not None:
            signature.report.notes.append(Finding("NO_VALIDATION_DATA", missing))
            if "was revoked" in missing:
                signature.report.problems.append(Finding("SIGNER_REVOKED", missing))
            return Level.T
        for archive in covering:
            stored = [item for item in self._store if item.offset < archive.coverage.gap_start]
            if self._missing(stored, path, tokens, best) is None:
                return Level.LTA
        return Level.LT

    def _missing(self, store: list[embedded.StoreItem], path: Path, tokens: list[Token], best: datetime) -> str | None:
        """Tell what the store lacks to show the signer, and who stamped the signature, good."""
        data = self._data(store)
        try:
            data.check(path, best, fresh_since=best)
            for token in tokens:
                data.check(data.path(token.tsu_certificate, token.certificates, token.gen_time), token.gen_time)
        except (OfflineError, PathError) as error:
            return str(error)
        return None

    def _find_changes(self, signatures: list[_Signature]) -> None:
        for signature in signatures:
            if signature.coverage.end < self._source.size and signature.report.valid:
                finding = changes_after(self._source.reader, signature.report.field_name)
                if finding is not None:
                    signature.report.problems.append(finding)
                    signature.report.level = None

    def _data(self, store: list[embedded.StoreItem]) -> EmbeddedData:
        return EmbeddedData(
            self._anchors,
            embedded.certificates(store),
            (item.data for item in store if item.key == "/OCSPs"),
            (item.data for item in store if item.key == "/CRLs"),
        )


def _check_order(report: TimestampReport, token: Token, control: datetime) -> None:
    if token.gen_time > control + LIMITS.clock_skew:
        report.problems.append(Finding("TIMESTAMP_ORDER", "it is later than what should have come after it"))


def _describe(report: TimestampReport, token: Token) -> None:
    report.gen_time = token.gen_time
    report.authority = token.tsu_certificate.subject.rfc4514_string()
    report.serial_number = token.serial_number
    report.digest = token.imprint_algorithm.value
