"""CRLs and OCSP responses in a timestamp token, or given beside it (RFC 5652, clause 10.2.1; EN 319 122-1, clause 5.4).

A token may carry them in the field `crls` of its SignedData (RFC 5940), and in the unsigned attributes
certificate-values and revocation-values. None of it is signed by the unit: it is judged by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from asn1crypto import cms as asn1
from asn1crypto import core
from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509

from timestamping import cms, der

OID_CERTIFICATE_VALUES: Final = "1.2.840.113549.1.9.16.2.23"
OID_REVOCATION_VALUES: Final = "1.2.840.113549.1.9.16.2.24"
MOST_VALUES: Final = 64
"""CRLs and OCSP responses that are read from one token, each."""

_OID_OCSP_RESPONSE: Final = "1.3.6.1.5.5.7.16.2"
_OID_OCSP_BASIC: Final = "1.3.6.1.5.5.7.48.1.1"
_SUCCESSFUL: Final = b"\x0a\x01\x00"


@dataclass(frozen=True, slots=True)
class RevocationValues:
    """OCSP responses and CRLs, each DER."""

    ocsps: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()

    def with_(self, other: "RevocationValues") -> "RevocationValues":
        """Return both together, each value once."""
        return RevocationValues(
            tuple(dict.fromkeys((*self.ocsps, *other.ocsps))), tuple(dict.fromkeys((*self.crls, *other.crls)))
        )


class _CertificateLists(core.SequenceOf):  # type: ignore[misc]
    _child_spec = asn1_crl.CertificateList


class _BasicResponses(core.SequenceOf):  # type: ignore[misc]
    _child_spec = asn1_ocsp.BasicOCSPResponse


class _RevocationValues(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[Sequence[tuple[Any, ...]]] = [
        ("crl_values", _CertificateLists, {"explicit": 0, "optional": True}),
        ("ocsp_values", _BasicResponses, {"explicit": 1, "optional": True}),
        ("other_values", core.Any, {"explicit": 2, "optional": True}),
    ]


class _CertificateValues(core.SequenceOf):  # type: ignore[misc]
    _child_spec = asn1_x509.Certificate


def embedded_values(outer: asn1.SignedData, signer: cms.SignerInfo) -> RevocationValues:
    """Return the revocation data in a token; what cannot be read is left out, for it proves nothing."""
    ocsps: list[bytes] = []
    crls: list[bytes] = []
    for kind, found in (*_field(outer), *_attributes(signer)):
        (ocsps if kind == "ocsp" else crls).append(found)
    return RevocationValues(tuple(ocsps[:MOST_VALUES]), tuple(crls[:MOST_VALUES]))


def embedded_certificates(signer: cms.SignerInfo) -> tuple[x509.Certificate, ...]:
    """Return the certificates of the attribute certificate-values, as far as they can be read; none is trusted."""
    found: list[x509.Certificate] = []
    for value in signer.unsigned_attributes.get(OID_CERTIFICATE_VALUES, ()):
        try:
            each = [cms.load_certificate(one.dump()) for one in _CertificateValues.load(value, strict=True)]
        except cms.READ_ERRORS:
            continue
        found += each
    return tuple(found[:MOST_VALUES])


def basic_as_response(basic: bytes) -> bytes:
    """Return the OCSPResponse around a BasicOCSPResponse, as CRLs and signatures carry it (RFC 6960, clause 4.2.1)."""
    oid = core.ObjectIdentifier(_OID_OCSP_BASIC).dump()
    inner = der.sequence(oid, der.tlv(0x04, basic))
    return der.sequence(_SUCCESSFUL, der.tlv(0xA0, inner))


def _field(outer: asn1.SignedData) -> Iterator[tuple[str, bytes]]:
    try:
        choices: Iterable[asn1.RevocationInfoChoice] = list(outer["crls"])
    except cms.READ_ERRORS:
        return
    for choice in choices:
        try:
            if choice.name != "other":
                yield "crl", choice.chosen.dump()
                continue
            kind = choice.chosen["other_rev_info_format"].dotted
            value = choice.chosen["other_rev_info"].dump()
        except cms.READ_ERRORS:
            continue
        if kind == _OID_OCSP_RESPONSE:
            yield "ocsp", value
        elif kind == _OID_OCSP_BASIC:
            yield "ocsp", basic_as_response(value)


def _attributes(signer: cms.SignerInfo) -> Iterator[tuple[str, bytes]]:
    for value in signer.unsigned_attributes.get(OID_REVOCATION_VALUES, ()):
        try:
            values = _RevocationValues.load(value, strict=True)
            crls = [each.dump() for each in values["crl_values"]]
            ocsps = [basic_as_response(each.dump()) for each in values["ocsp_values"]]
        except cms.READ_ERRORS:
            continue
        yield from (("crl", each) for each in crls)
        yield from (("ocsp", each) for each in ocsps)
