"""Documents on the wire."""

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from fts.documents.service import Document


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(_utc, return_type=str, when_used="json")]
"""A moment in UTC (RFC 3339)."""


def _printable(text: str) -> str:
    if not text.isprintable() or text.strip() != text:
        raise ValueError("must have printable characters only, and no space at its ends")
    return text


Printable = Annotated[str, AfterValidator(_printable)]
"""Text without control characters."""


DOCUMENT_ID: Final = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"
"""What a client may call a document: no dot begins it, so that as the name of a folder it leads nowhere."""


class ProblemView(BaseModel):
    """Why something was refused; `party` is who failed, where that was somebody else."""

    code: str
    title: str
    detail: str
    remedy: str
    party: str | None = None


class RepairView(BaseModel):
    """That a damaged document was rewritten before signing, and what was wrong with it."""

    original_sha256: str
    rewritten_sha256: str
    findings: list[str]


class DocumentView(BaseModel):
    """A document."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "contract-2026-17",
                    "name": "contract.pdf",
                    "state": "ready",
                    "media_type": "application/pdf",
                    "size": 48213,
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "pages": 3,
                    "signatures": 0,
                    "repair": None,
                    "problem": None,
                    "uploaded_at": "2026-11-24T08:00:00.000Z",
                    "expires_at": "2026-11-29T08:00:00.000Z",
                },
                {
                    "id": "invoice-2026-18",
                    "name": "invoice.xml",
                    "state": "ready",
                    "media_type": "application/xml",
                    "size": 6120,
                    "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
                    "pages": 1,
                    "signatures": 0,
                    "repair": None,
                    "problem": None,
                    "uploaded_at": "2026-11-24T08:00:00.000Z",
                    "expires_at": "2026-11-29T08:00:00.000Z",
                },
            ]
        }
    )

    id: str
    name: str
    state: str = Field(description="`inspecting`, `ready` or `rejected`")
    media_type: str
    size: int = Field(description="octets")
    sha256: str
    pages: int | None = Field(description="pages of a PDF, parts of XML as they are shown; null for other files")
    signatures: int | None = Field(description="signatures and timestamps that it already carries")
    repair: RepairView | None
    problem: ProblemView | None
    uploaded_at: Time
    expires_at: Time = Field(description="when it is destroyed, with everything derived from it")

    @classmethod
    def of(cls, document: Document) -> "DocumentView":
        """Return the view of a document."""
        values: dict[str, Any] = {
            name: getattr(document, name)
            for name in ("id", "name", "state", "media_type", "size", "pages", "signatures", "repair", "problem")
        }
        return cls(
            **values,
            sha256=document.sha256.hex(),
            uploaded_at=document.uploaded_at,
            expires_at=document.expires_at,
        )
