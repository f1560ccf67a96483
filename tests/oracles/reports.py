"""What the oracle answers, as typed values. All times are UTC; enumeration values keep the names EU DSS gives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

Level = Literal["B", "T", "LT", "LTA"]
"""PAdES baseline level, EN 319 142-1."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command cost, in milliseconds.

    `cpu_ms` is that of all threads of the process, compiler and garbage collector included, counted in ticks of 10 ms;
    `thread_cpu_ms` is that of the command's thread alone, exact. `process_cpu_ms` counts since the process started.
    """

    wall_ms: float
    cpu_ms: float
    thread_cpu_ms: float
    process_cpu_ms: float

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Self:
        """Reads the four figures that stand beside every result."""
        return cls(answer["wall_ms"], answer["cpu_ms"], answer["thread_cpu_ms"], answer["process_cpu_ms"])


@dataclass(frozen=True, slots=True)
class Versions:
    """What judges."""

    dss: str
    verapdf: str
    java: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature or time-stamp covers; `kind` is FULL or PARTIAL for a revision, SIGNATURE for a signature."""

    kind: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Modification:
    """A change made after the revision was signed.

    `kind` is EXTENSION (validation data, time-stamps), SIGNATURE_OR_FORM_FILL, ANNOTATION or UNDEFINED for an object,
    with its path in `detail` and CREATION, DELETION or MODIFICATION in `action`; ANNOTATION_OVERLAP, VISUAL_DIFFERENCE
    or PAGE_DIFFERENCE for a page.
    """

    kind: str
    action: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Revocation:
    """Revocation data found for one certificate, named by its subject in RFC 2253 form."""

    certificate: str
    type: str
    origin: str
    status: str
    this_update: datetime | None
    next_update: datetime | None
    production: datetime | None


@dataclass(frozen=True, slots=True)
class Signature:
    """Verdict on one signature (EN 319 102-1); `level` is like PAdES_BASELINE_LTA, `signer` the subject (RFC 2253).

    `errors` and `warnings` are `KEY: sentence`, the key being DSS's name of the failed constraint.
    """

    id: str
    indication: str
    sub_indication: str | None
    level: str
    claimed_signing_time: datetime | None
    best_signature_time: datetime | None
    signer: str | None
    digest_algorithm: str | None
    encryption_algorithm: str | None
    field_names: tuple[str, ...]
    byte_range: tuple[int, ...]
    scopes: tuple[Scope, ...]
    modifications: tuple[Modification, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Verdict on one time-stamp token; `type` is SIGNATURE_TIMESTAMP, or DOCUMENT_TIMESTAMP for a revision's.

    `digest_algorithm` is that of the token's own signature, `imprint_algorithm` that of the message imprint.
    """

    id: str
    type: str
    indication: str
    sub_indication: str | None
    production_time: datetime | None
    signer: str | None
    digest_algorithm: str | None
    imprint_algorithm: str | None
    field_names: tuple[str, ...]
    byte_range: tuple[int, ...]
    scopes: tuple[Scope, ...]
    modifications: tuple[Modification, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Validation:
    """EU DSS's report on one document."""

    validation_time: datetime
    container: str | None
    """`ASiC_E`, `ASiC_S`, or None."""
    signatures: tuple[Signature, ...]
    timestamps: tuple[Timestamp, ...]
    revocations: tuple[Revocation, ...]
    cost: Cost

    def verdict(
        self,
        level: Level,
        *,
        signatures: int = 1,
        timestamps: int,
        form: Literal["PAdES", "XAdES"] = "PAdES",
    ) -> list[str]:
        """Complaints, empty for a good document.

        TOTAL_PASSED alone proves little: a broken archive time-stamp leaves it standing, and one that cannot be decoded
        vanishes without an error. Hence the level and the numbers are compared with what was asked, and every
        time-stamp must have passed by itself.
        """
        complaints: list[str] = []
        if len(self.signatures) != signatures:
            complaints.append(f"{len(self.signatures)} signatures instead of {signatures}")
        if len(self.timestamps) != timestamps:
            complaints.append(f"{len(self.timestamps)} time-stamps instead of {timestamps}")
        wanted_level = f"{form}_BASELINE_{level}"
        for signature in self.signatures:
            name = f"signature {', '.join(signature.field_names)}"
            if signature.indication != "TOTAL_PASSED":
                complaints.append(f"{name}: {_reason(signature)}")
            if signature.level != wanted_level:
                complaints.append(f"{name}: level {signature.level} instead of {wanted_level}")
        complaints += [
            f"{timestamp.type} of {timestamp.production_time}: {_reason(timestamp)}"
            for timestamp in self.timestamps
            if timestamp.indication != "PASSED"
        ]
        return complaints

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Self:
        """Reads the process's answer to `validate`."""
        result = answer["result"]
        return cls(
            validation_time=datetime.fromisoformat(result["validation_time"]),
            container=result["container"],
            signatures=tuple(
                Signature(
                    level=item["level"],
                    claimed_signing_time=_time(item["claimed_signing_time"]),
                    best_signature_time=_time(item["best_signature_time"]),
                    encryption_algorithm=item["encryption_algorithm"],
                    **_token(item),
                )
                for item in result["signatures"]
            ),
            timestamps=tuple(
                Timestamp(
                    type=item["type"],
                    production_time=_time(item["production_time"]),
                    imprint_algorithm=item["imprint_algorithm"],
                    **_token(item),
                )
                for item in result["timestamps"]
            ),
            revocations=tuple(
                Revocation(
                    certificate=item["certificate"],
                    type=item["type"],
                    origin=item["origin"],
                    status=item["status"],
                    this_update=_time(item["this_update"]),
                    next_update=_time(item["next_update"]),
                    production=_time(item["production"]),
                )
                for item in result["revocations"]
            ),
            cost=Cost.from_answer(answer),
        )


@dataclass(frozen=True, slots=True)
class Signing:
    """A document that EU DSS has signed; `size` in bytes."""

    size: int
    cost: Cost


@dataclass(frozen=True, slots=True)
class PdfaFailure:
    """One violated rule of ISO 19005; `location` is the path of its first occurrence in veraPDF's model."""

    clause: str
    test: int
    description: str
    location: str
    occurrences: int


@dataclass(frozen=True, slots=True)
class PdfaConformance:
    """veraPDF's report; `flavour` is like `2b`, None for a file whose XMP claims no PDF/A conformance."""

    flavour: str | None
    compliant: bool
    failures: tuple[PdfaFailure, ...]
    checks: int
    cost: Cost

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Self:
        """Reads the process's answer to `verapdf`."""
        result = answer["result"]
        return cls(
            flavour=result["flavour"],
            compliant=result["compliant"],
            failures=tuple(PdfaFailure(**failure) for failure in result["failures"]),
            checks=result["checks"],
            cost=Cost.from_answer(answer),
        )


def _token(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": item["id"],
        "indication": item["indication"],
        "sub_indication": item["sub_indication"],
        "signer": item["signer"],
        "digest_algorithm": item["digest_algorithm"],
        "field_names": tuple(item["field_names"]),
        "byte_range": tuple(item["byte_range"]),
        "scopes": tuple(Scope(**scope) for scope in item["scopes"]),
        "modifications": tuple(Modification(**change) for change in item["modifications"]),
        "errors": tuple(item["errors"]),
        "warnings": tuple(item["warnings"]),
    }


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _reason(token: Signature | Timestamp) -> str:
    return " ".join((token.indication, token.sub_indication or "", *token.errors))
