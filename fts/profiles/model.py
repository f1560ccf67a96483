"""A profile as its file states it, and the rules that its members must keep among each other."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from fts.media_types import PDF, XML_TYPES
from fts.profiles.format import Format
from signing.ports import Level, Profile
from signing.xades.ports import Packaging
from timestamping.algorithms import DigestAlgorithm

ANY: Final = "*/*"
"""Accepts every media type."""


class NamedProfile(BaseModel):
    """A profile that clients ask for by its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """That of its file: format and level."""
    format: Format
    level: Level
    digest: DigestAlgorithm
    archive_digest: DigestAlgorithm | None = None
    """Imprint algorithm of the archive timestamp; only at LTA."""
    packaging: Packaging | None = None
    """Where a XAdES signature stands; only in that format."""
    accepts: Annotated[tuple[str, ...], Field(min_length=1)]
    """Media types of the documents."""
    suffix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
    """What takes the place of the ending in the document's file name."""

    @model_validator(mode="after")
    def _agrees(self) -> "NamedProfile":
        if self.name != f"{self.format}_{self.level}":
            raise ValueError(f"the file of {self.format}_{self.level} has another name")
        if (self.archive_digest is not None) != (self.level is Level.LTA):
            raise ValueError("archive_digest belongs to level LTA, and to no other")
        if (self.packaging is not None) != (self.format is Format.XADES):
            raise ValueError("packaging belongs to format XADES, and to no other")
        if self.packaging not in {None, Packaging.ENVELOPED, Packaging.ENVELOPING}:
            raise ValueError(f"packaging {self.packaging} makes more than one file, or is for several documents")
        possible = self._possible()
        if possible is not None and not possible.issuperset(self.accepts):
            raise ValueError(f"accepts: only {', '.join(sorted(possible))} can be signed so")
        if not self.suffix.endswith(self.format.ending):
            raise ValueError(f"suffix: the result is a {self.format.ending} file")
        return self

    @property
    def engine_profile(self) -> Profile:
        """The profile as the engines take it."""
        return Profile(self.level, self.digest, self.archive_digest or self.digest)

    @property
    def is_comment_signed(self) -> bool:
        """Whether the signature covers comments of an XML document (they fall out in the canonical form)."""
        return self.packaging is not Packaging.ENVELOPED

    def does_accept(self, media_type: str) -> bool:
        """Tell whether documents of a media type can be signed with it."""
        return ANY in self.accepts or media_type in self.accepts

    def file_name(self, document_name: str) -> str:
        """Return the name of the result that is made of a document."""
        stem, dot, ending = document_name.rpartition(".")
        is_container = self.format.container is not None and f".{ending.lower()}" == self.format.ending
        return f"{stem if stem and dot else document_name}{'-signed' if is_container else ''}{self.suffix}"

    def _possible(self) -> frozenset[str] | None:
        if self.format is Format.PADES:
            return frozenset({PDF})
        return XML_TYPES if self.packaging is Packaging.ENVELOPED else None
