"""What the signing page shows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["pdf", "xml", "file"]
"""How a document is shown: as pictures of its pages, as text, or not at all."""


@dataclass(frozen=True, slots=True)
class PageView:
    """One signing, as its signer sees it."""

    signing_id: str
    reference: str
    """Short, to quote to the help desk."""
    environment: str
    """PROD, INT, QA or TA (FTS-ENV-6)."""
    language: str
    languages: tuple[str, ...]
    relying_party: str
    help_address: str
    """mailto:, https:// or text."""
    operator: str
    """Who runs the gateway (FTS-GDPR-5)."""
    document_name: str
    kind: Kind
    media_type: str
    are_comments_signed: bool
    """Whether comments in XML belong to what is signed."""
    pages: int
    """Pages of a PDF, parts of XML."""
    document_size: int
    """Octets."""
    document_sha256: str
    """Of what is shown and signed, in hexadecimal."""
    repaired: tuple[str, ...]
    """What was wrong with the upload and was rewritten; empty where nothing was."""
    earlier_signatures: int
    level: str
    """Format and level of the signature."""
    deadline: datetime
    retention_until: datetime
    state: str
    version: int
    card_agent: str | None
    """URL of the demo card's agent; None in PROD."""
