"""What is kept between the two calls of a XAdES signature: the signature without its value, never a document."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from lxml import etree

from signing.ports import Level, Profile
from signing.xades.ports import Packaging
from signing.xml.ports import XmlDamagedError
from signing.xml.reading import parse
from timestamping.algorithms import DigestAlgorithm
from timestamping.cms import encoded, load_certificate

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PreparedObject:
    """A document as it was prepared; `finish` refuses any other."""

    name: str
    mime_type: str
    sha256: bytes
    identifier: str
    """Identifier of the element that holds it, where one does."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The state of a signature between `prepare` and `finish`.

    The caller keeps it (it holds the certificate, so encrypted) and hands `to_be_signed` or its digest to the signer.
    """

    profile: Profile
    packaging: Packaging
    objects: tuple[PreparedObject, ...]
    signature: bytes
    """The ds:Signature with empty value and without the documents, UTF-8."""
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """Its verified issuers, nearest first, the anchor last."""
    algorithm: bytes
    """DER of the signature's AlgorithmIdentifier."""
    to_be_signed: bytes
    """The canonical form of ds:SignedInfo: what the signer hashes and signs."""

    @property
    def digest(self) -> bytes:
        """Digest of `to_be_signed`, which a card signs."""
        return self.profile.digest.digest(self.to_be_signed)

    def element(self) -> etree._Element:
        """Return the signature as a new tree."""
        return parse(self.signature).getroot()

    def to_bytes(self) -> bytes:
        """Serialise, as JSON."""
        state: dict[str, Any] = {
            "format": _FORMAT,
            "level": self.profile.level,
            "digest": self.profile.digest,
            "archive_digest": self.profile.archive_digest,
            "rsa_pss": self.profile.rsa_pss,
            "packaging": self.packaging,
            "objects": [[o.name, o.mime_type, o.sha256.hex(), o.identifier] for o in self.objects],
            "signature": self.signature.decode("utf-8"),
            "certificates": [_text(encoded(c)) for c in (self.certificate, *self.chain)],
            "algorithm": _text(self.algorithm),
            "to_be_signed": _text(self.to_be_signed),
        }
        return json.dumps(state, separators=(",", ":")).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> "Prepared":
        """Restore from `to_bytes`.

        Raises:
            ValueError: it is no such state.
        """
        try:
            state = json.loads(data)
            if state["format"] != _FORMAT:
                raise ValueError(f"unknown format {state['format']}")
            signature = state["signature"].encode("utf-8")
            parse(signature)
            certificate, *chain = (load_certificate(_octets(c)) for c in state["certificates"])
            return cls(
                profile=Profile(
                    Level(state["level"]),
                    DigestAlgorithm(state["digest"]),
                    DigestAlgorithm(state["archive_digest"]),
                    state["rsa_pss"],
                ),
                packaging=Packaging(state["packaging"]),
                objects=tuple(PreparedObject(n, m, bytes.fromhex(s), i) for n, m, s, i in state["objects"]),
                signature=signature,
                certificate=certificate,
                chain=tuple(chain),
                algorithm=_octets(state["algorithm"]),
                to_be_signed=_octets(state["to_be_signed"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError, XmlDamagedError) as error:
            raise ValueError(f"not a prepared signature: {error}") from error


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _octets(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
