"""Namespaces, types and algorithm identifiers of XML signatures (XMLDSig 1.1, RFC 6931, ETSI EN 319 132-1)."""

from collections.abc import Mapping
from typing import Final

from lxml import etree

from timestamping.algorithms import DigestAlgorithm

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XADES: Final = "http://uri.etsi.org/01903/v1.3.2#"
XADES141: Final = "http://uri.etsi.org/01903/v1.4.1#"
CONTAINER: Final = "urn:fts-gateway:signed-documents:1"
"""Namespace of the container of internally detached documents."""
ASIC_SIGNATURES: Final = "{http://uri.etsi.org/02918/v1.2.1#}XAdESSignatures"
"""Root of the signatures in an ASiC container (EN 319 162-1, clause 4.3.3.2), as lxml writes it."""

TYPE_SIGNED_PROPERTIES: Final = "http://uri.etsi.org/01903#SignedProperties"
TYPE_OBJECT: Final = f"{DS}Object"
TYPE_MANIFEST: Final = f"{DS}Manifest"

ENVELOPED: Final = f"{DS}enveloped-signature"
BASE64: Final = f"{DS}base64"
XPATH: Final = "http://www.w3.org/TR/1999/REC-xpath-19991116"
FILTER2: Final = "http://www.w3.org/2002/06/xmldsig-filter2"
EXCLUSIVE_PREFIXES: Final = "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces"

DIGESTS: Final[Mapping[DigestAlgorithm, str]] = {
    DigestAlgorithm.SHA256: "http://www.w3.org/2001/04/xmlenc#sha256",
    DigestAlgorithm.SHA384: "http://www.w3.org/2001/04/xmldsig-more#sha384",
    DigestAlgorithm.SHA512: "http://www.w3.org/2001/04/xmlenc#sha512",
}
RSA_PKCS1: Final[Mapping[DigestAlgorithm, str]] = {
    each: f"http://www.w3.org/2001/04/xmldsig-more#rsa-{each}" for each in DigestAlgorithm
}
RSA_PSS: Final[Mapping[DigestAlgorithm, str]] = {
    each: f"http://www.w3.org/2007/05/xmldsig-more#{each}-rsa-MGF1" for each in DigestAlgorithm
}
ECDSA: Final[Mapping[DigestAlgorithm, str]] = {
    each: f"http://www.w3.org/2001/04/xmldsig-more#ecdsa-{each}" for each in DigestAlgorithm
}

NAMESPACES: Final = {"ds": DS, "xades": XADES, "xades141": XADES141}


def ds(name: str) -> str:
    """Return a name of XMLDSig as lxml writes it."""
    return f"{{{DS}}}{name}"


def xades(name: str) -> str:
    """Return a name of XAdES 1.3.2 as lxml writes it."""
    return f"{{{XADES}}}{name}"


def xades141(name: str) -> str:
    """Return a name of XAdES 1.4.1 as lxml writes it."""
    return f"{{{XADES141}}}{name}"


def digest_from(uri: str | None) -> DigestAlgorithm:
    """Return the digest algorithm that a DigestMethod names.

    Raises:
        ValueError: it is not one of SHA-256, SHA-384 and SHA-512.
    """
    for algorithm, known in DIGESTS.items():
        if known == uri:
            return algorithm
    raise ValueError(f"the digest algorithm {uri} is not accepted")


def sub(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    """Append a child and return it."""
    child = etree.SubElement(parent, name, attributes)
    child.text = text
    return child
