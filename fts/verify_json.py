"""Verification results as JSON.

The JSON of `fts verify --json` is stable: fields are added, never renamed or removed. Times are ISO 8601 in UTC,
digests hexadecimal, names RFC 4514. At the top: `valid` (all files are) and `files`. For each file:

    file                path as given
    valid               there is a signature, and nothing is wrong with it, its timestamps or the document
    level               B, T, LT or LTA: the lowest of its signatures; null where one is not valid
    size, sha256        octets and digest of the file; null where it could not be read
    verified_at         time of judgement
    signatures          one for each: field (of the form, or the Id of a XAdES signature), valid, level, signer,
                        claimed_at (what the signer's computer said), proven_at (earliest proven time; null without a
                        timestamp), digest (algorithm), byte_range (the four numbers of ISO 32000-2, 12.8.1; null but
                        for PDF), covers (what a XAdES signature covers, in words; null for PDF), timestamps, problems,
                        notes
    archive_timestamps  document timestamps, and below a signature its signature timestamps: field, valid, time,
                        authority, digest (algorithm), byte_range (null for a signature timestamp), problems, notes
    problems            what is wrong with the document as a whole

A problem or note is `code` (stable) and `message`. A note does not make a signature invalid.
"""

from datetime import UTC, datetime
from typing import Any

from fts.errors import RefusalError
from signing.pades.report import DocumentReport, Finding, SignatureReport, TimestampReport

Json = dict[str, Any]


def document_json(report: DocumentReport) -> Json:
    """Return a report in the stable form, without `file`."""
    return {
        "valid": report.valid,
        "level": report.level,
        "size": report.size,
        "sha256": report.sha256 or None,
        "verified_at": _iso(report.verified_at),
        "signatures": [_signature_json(signature) for signature in report.signatures],
        "archive_timestamps": [_timestamp_json(timestamp) for timestamp in report.archive_timestamps],
        "problems": _findings_json(report.problems),
    }


def unread_json(refusal: RefusalError, at: datetime) -> Json:
    """Return the stable form for a file that could not be judged."""
    return {
        "valid": False,
        "level": None,
        "size": None,
        "sha256": None,
        "verified_at": _iso(at),
        "signatures": [],
        "archive_timestamps": [],
        "problems": [{"code": refusal.code, "message": str(refusal)}],
    }


def _signature_json(report: SignatureReport) -> Json:
    return {
        "field": report.field_name,
        "valid": report.valid,
        "level": report.level,
        "signer": report.signer,
        "claimed_at": _iso(report.claimed_at),
        "proven_at": _iso(report.proven_at),
        "digest": report.digest,
        "byte_range": report.byte_range,
        "covers": report.covers,
        "timestamps": [_timestamp_json(timestamp) for timestamp in report.timestamps],
        "problems": _findings_json(report.problems),
        "notes": _findings_json(report.notes),
    }


def _timestamp_json(report: TimestampReport) -> Json:
    return {
        "field": report.field_name,
        "valid": report.valid,
        "time": _iso(report.gen_time),
        "authority": report.authority,
        "digest": report.digest,
        "byte_range": report.byte_range,
        "problems": _findings_json(report.problems),
        "notes": _findings_json(report.notes),
    }


def _findings_json(findings: list[Finding]) -> list[Json]:
    return [{"code": finding.code, "message": finding.message} for finding in findings]


def _iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except OverflowError:
        return None
