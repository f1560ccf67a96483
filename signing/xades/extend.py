"""Bringing the signatures of a document to LTA afterwards, and renewing it (EN 319 132-1, clauses 5.4 and 5.5).

What stands before an archive timestamp is never touched. A renewal appends the validation data of the last archive
timestamp's authority and another archive timestamp, which covers all before it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from lxml import etree

from signing.limits import LIMITS
from signing.pades.report import DocumentReport, SignatureReport
from signing.ports import Level, NotExtendedError
from signing.trust.path import TrustAnchors
from signing.trust.stamps import authority_path
from signing.trust.validation_data import ValidationData, ValidationDataEngine
from signing.xades.archive import add_archive_timestamp, add_signature_timestamp, authority_data
from signing.xades.names import xades, xades141
from signing.xades.references import References
from signing.xades.structure import (
    ARCHIVE_TIMESTAMP,
    SIGNATURE_TIMESTAMP,
    XadesSignature,
    read_container,
    read_signature,
)
from signing.xades.unsigned import add_timestamp_validation_data, add_validation_data, unsigned_properties
from signing.xades.verify import signatures_of, verify_document
from signing.xml.c14n import XmlDocument
from signing.xml.ports import XmlTooLargeError
from signing.xml.reading import parse
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import Clock
from timestamping.ports import TimestampSource, Token
from timestamping.token import parse_token

_REPLACEABLE = (xades("CertificateValues"), xades("RevocationValues"), xades141("TimeStampValidationData"))


@dataclass(frozen=True, slots=True)
class Extended:
    """What was made of a document."""

    size: int
    """Octets of the document."""
    archived: tuple[str, ...]
    """Identifiers of the signatures that got an archive timestamp."""
    archived_at: datetime
    """Time of the last of them."""
    incomplete: tuple[str, ...]
    """Signatures that were left as they are, each with the reason."""


@dataclass(slots=True)
class Progress:
    """What was done so far with the signatures of a document, or of a container."""

    archived: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    archived_at: datetime | None = None

    def check(self) -> datetime:
        """Return the time of the last archive timestamp.

        Raises:
            NotExtendedError: there is none.
        """
        if self.archived_at is None:
            raise NotExtendedError("no signature can be extended: " + "; ".join(self.incomplete or ["there is none"]))
        return self.archived_at


async def extend(
    document: BinaryIO,
    output: BinaryIO,
    digest: DigestAlgorithm,
    *,
    engine: ValidationDataEngine,
    timestamps: TimestampSource,
    clock: Clock,
    files: Mapping[str, BinaryIO] | None = None,
) -> Extended:
    """Add to each valid signature what it lacks to LTA, and an archive timestamp over all of it.

    A signature that is broken, of an unknown authority, or of a form outside the baseline is left as it is; the result
    says which and why.

    Args:
        document: the XML, seekable.
        output: where the result is written, empty. On an error its content is void.
        digest: imprint algorithm of the timestamps, whatever earlier ones used.
        engine: anchors, and the source of revocation data.
        timestamps: the authority.
        clock: what the authority's time is compared with.
        files: detached documents by their names.

    Raises:
        DocumentError: the document cannot be read, or no signature in it can be extended.
        TimestampError: no good timestamp could be had.
        RevocationError: the state of a certificate behind a valid signature could not be established.
        CertificateError: such a certificate is revoked, or an authority cannot be shown to be good.
    """
    document.seek(0)
    data = document.read(LIMITS.xml_bytes + 1)
    if len(data) > LIMITS.xml_bytes:
        raise XmlTooLargeError(f"the XML has more than {LIMITS.xml_bytes} octets")
    references = References(XmlDocument(parse(data)), {} if files is None else files)
    progress = Progress()
    judged = judge(references, engine.anchors, clock())
    await extend_document(references, judged, digest, progress, engine=engine, timestamps=timestamps, clock=clock)
    archived_at = progress.check()
    result = references.document.to_bytes()
    output.write(result)
    return Extended(len(result), tuple(progress.archived), archived_at, tuple(progress.incomplete))


def judge(
    references: References, anchors: TrustAnchors, now: datetime, *, required: Collection[str] = ()
) -> list[tuple[etree._Element, SignatureReport]]:
    """Verify the signatures of a parsed document; return each with what was found.

    Args:
        references: resolves the references of the document.
        anchors: who is trusted.
        now: the time of judgement.
        required: names of detached files that every signature must cover.

    Raises:
        DocumentError: the document has no canonical form.
    """
    report = DocumentReport(size=0, verified_at=now)
    verify_document(references, anchors, now, report, required=required)
    return list(zip(signatures_of(references.document.root), report.signatures, strict=False))


async def extend_document(
    references: References,
    judged: Iterable[tuple[etree._Element, SignatureReport]],
    digest: DigestAlgorithm,
    progress: Progress,
    *,
    engine: ValidationDataEngine,
    timestamps: TimestampSource,
    clock: Clock,
) -> None:
    """Extend the signatures of a parsed document in place (as `extend`); on an error the document is void.

    Args:
        references: resolves the references of the document.
        judged: its signatures, as `judge` returned them.
        digest: imprint algorithm of the timestamps.
        progress: gets what was done, or why not.
        engine: anchors, and the source of revocation data.
        timestamps: the authority.
        clock: what the authority's time is compared with.

    Raises:
        DocumentError, TimestampError, RevocationError, CertificateError: a valid signature cannot be extended.
    """
    work = _Extension(references, digest, engine, timestamps, clock)
    for element, report in judged:
        if report.level is None or any(note.code == "NOT_BASELINE" for note in report.notes):
            progress.incomplete.append(f"{report.field_name}: {_reason(report)}")
            continue
        token = await work.extend(element, report.level)
        progress.archived.append(report.field_name)
        progress.archived_at = token.gen_time


class _Extension:
    """Extends the signatures of one document."""

    def __init__(
        self,
        references: References,
        digest: DigestAlgorithm,
        engine: ValidationDataEngine,
        timestamps: TimestampSource,
        clock: Clock,
    ) -> None:
        self._references = references
        self._digest = digest
        self._engine = engine
        self._timestamps = timestamps
        self._clock = clock

    async def extend(self, element: etree._Element, level: Level) -> Token:
        """Bring a valid signature of a level to LTA, or renew it; return the archive timestamp's token."""
        if level is Level.B:
            await add_signature_timestamp(
                self._references, element, self._digest, timestamps=self._timestamps, clock=self._clock
            )
        signature = read_signature(element)
        archives = signature.containers(ARCHIVE_TIMESTAMP)
        if archives:
            await self._add_authority(signature, archives[-1])
        elif level.rank < Level.LT.rank:
            await self._complete(signature)
        return await add_archive_timestamp(
            self._references,
            element,
            self._digest,
            engine=self._engine,
            timestamps=self._timestamps,
            clock=self._clock,
        )

    async def _complete(self, signature: XadesSignature) -> None:
        """Put the validation data of signer and signature timestamps in the place of what there is."""
        stamps = [(each, parse_token(read_container(each).token)) for each in signature.containers(SIGNATURE_TIMESTAMP)]
        moment = min(token.gen_time for _, token in stamps)
        path = self._engine.path(signature.signer(), signature.certificates, moment)
        data = ValidationData()
        await self._engine.for_signer(path, moment, data)
        about = [(each, await authority_data(self._engine, token, data)) for each, token in stamps]
        properties = unsigned_properties(signature.element)
        for each in signature.unsigned:
            if each.tag in _REPLACEABLE:
                properties.remove(each)
        add_validation_data(properties, data)
        for container, theirs in about:
            add_timestamp_validation_data(properties, container, theirs)
        self._references.document.changed()

    async def _add_authority(self, signature: XadesSignature, container: etree._Element) -> None:
        """Append what shows the last archive timestamp's authority good, as far as it is not there yet."""
        token = parse_token(read_container(container).token)
        authority_path(self._engine, token)
        known = ValidationData()
        for values in signature.values():
            known.certificates.update(dict.fromkeys(values.certificates))
            known.ocsps.update(dict.fromkeys(values.ocsps))
            known.crls.update(dict.fromkeys(values.crls))
        data = await authority_data(self._engine, token, known)
        if data.certificates or data.ocsps or data.crls:
            add_timestamp_validation_data(unsigned_properties(signature.element), container, data)
            self._references.document.changed()


def _reason(report: SignatureReport) -> str:
    findings = [*report.problems, *(problem for stamp in report.timestamps for problem in stamp.problems)]
    findings += [note for note in report.notes if note.code == "NOT_BASELINE"]
    return "; ".join(finding.message for finding in findings) or "it is not valid"
