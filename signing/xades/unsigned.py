"""The unsigned properties that make T, LT and LTA of a signature (EN 319 132-1, clauses 5.3 to 5.5)."""

import base64
from collections.abc import Iterable

from lxml import etree

from signing.trust.validation_data import ValidationData
from signing.xades.builder import new_id
from signing.xades.names import ds, sub, xades, xades141
from signing.xml.ports import Canonicalization


def unsigned_properties(signature: etree._Element) -> etree._Element:
    """Return the signature's UnsignedSignatureProperties, made where there are none."""
    qualifying = signature.find(f"{ds('Object')}/{xades('QualifyingProperties')}")
    unsigned = qualifying.find(xades("UnsignedProperties"))
    if unsigned is None:
        unsigned = sub(qualifying, xades("UnsignedProperties"))
    properties = unsigned.find(xades("UnsignedSignatureProperties"))
    if properties is None:
        properties = sub(unsigned, xades("UnsignedSignatureProperties"))
        unsigned.insert(0, properties)
    return properties


def add_timestamp(properties: etree._Element, name: str) -> etree._Element:
    """Append an empty timestamp container, whose token is set when it is had; return it."""
    container = sub(properties, name, Id=new_id("ts"))
    sub(container, ds("CanonicalizationMethod"), Algorithm=Canonicalization.EXCLUSIVE)
    return container


def set_token(container: etree._Element, token: bytes) -> None:
    """Put a token into its container."""
    sub(container, xades("EncapsulatedTimeStamp"), _base64(token))


def add_validation_data(properties: etree._Element, data: ValidationData) -> None:
    """Append CertificateValues and RevocationValues of the signer's path."""
    _add_values(properties, data)


def add_timestamp_validation_data(properties: etree._Element, container: etree._Element, data: ValidationData) -> None:
    """Append TimeStampValidationData about a timestamp container."""
    _add_values(sub(properties, xades141("TimeStampValidationData"), URI=f"#{container.get('Id')}"), data)


def _add_values(parent: etree._Element, data: ValidationData) -> None:
    if data.certificates:
        values = sub(parent, xades("CertificateValues"))
        _add_all(values, "EncapsulatedX509Certificate", data.certificates)
    if data.crls or data.ocsps:
        values = sub(parent, xades("RevocationValues"))
        if data.crls:
            _add_all(sub(values, xades("CRLValues")), "EncapsulatedCRLValue", data.crls)
        if data.ocsps:
            _add_all(sub(values, xades("OCSPValues")), "EncapsulatedOCSPValue", data.ocsps)


def _add_all(parent: etree._Element, name: str, items: Iterable[bytes]) -> None:
    for item in items:
        sub(parent, xades(name), _base64(item))


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
