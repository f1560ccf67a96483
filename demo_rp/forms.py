"""What is asked of the gateway for which file: the profile by the ending of its name."""

import mimetypes
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Literal

_CONTAINER: Final = "application/vnd.etsi.asic-e+zip"
_OCTETS: Final = "application/octet-stream"
_XML: Final = "application/xml"
_TYPES: Final = mimetypes.MimeTypes()
"""Media types by ending as Python knows them: the machine's own tables differ from place to place."""

Original = Literal["begins", "inside", "anew"]


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is signed."""

    profile: str
    words: str
    """The format, as a person reads it."""
    media_type: str
    """Of the file that is sent."""
    signed_type: str
    """Of what comes back."""
    original: Original
    """Where the original is in what comes back: it begins so, it is a file inside, or it was written anew."""


def form_of(name: str) -> Form:
    """Return how a file is signed: a PDF and XML in themselves, any other file in a container."""
    match PurePath(name).suffix.lower():
        case ".pdf":
            return Form("PADES_LTA", "PAdES", "application/pdf", "application/pdf", "begins")
        case ".xml":
            return Form("XADES_LTA", "XAdES", _XML, _XML, "anew")
        case ".asice":
            return Form("ASIC_E_XADES_LTA", "ASiC-E XAdES", _CONTAINER, _CONTAINER, "anew")
    guessed, encoding = _TYPES.guess_type(name)
    media_type = _OCTETS if guessed in {None, _XML, "text/xml"} or encoding else str(guessed)
    return Form("ASIC_E_XADES_LTA", "ASiC-E XAdES", media_type, _CONTAINER, "inside")


def signed_name(name: str) -> str:
    """Return the name of what comes back."""
    path = PurePath(name)
    if form_of(name).original == "inside":
        return f"{path.stem}.asice"
    return f"{path.stem}-signed{path.suffix.lower()}"
