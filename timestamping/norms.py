"""Checks that only the full verification makes: what standards want beside what a proof needs.

As in `timestamping.checks`, a check raises `CmsError`, or one of `cms.READ_ERRORS` where its subject is malformed.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from asn1crypto import core, tsp
from cryptography import x509

from timestamping import cms
from timestamping.authority.policies import OID_QC_STATEMENTS, OID_QUALIFIED_TIMESTAMP
from timestamping.cms import CmsError
from timestamping.findings import Code

UnitCheck = Callable[[x509.Certificate], None]
InfoCheck = Callable[[tsp.TSTInfo], None]

COARSEST_ACCURACY = timedelta(seconds=1)
"""EN 319 421 wants this or better."""

_FALSE = b"\x01\x01\x00"


def accuracy(info: tsp.TSTInfo) -> timedelta | None:
    """Return the declared accuracy, None where there is none."""
    parts = info["accuracy"].native
    if parts is None:
        return None
    seconds, millis, micros = (parts[name] for name in ("seconds", "millis", "micros"))
    if (seconds or 0) < 0 or not all(part is None or 1 <= part <= 999 for part in (millis, micros)):
        raise CmsError("the accuracy has parts out of range")
    try:
        return timedelta(seconds=seconds or 0, milliseconds=millis or 0, microseconds=micros or 0)
    except OverflowError as error:
        raise CmsError("the accuracy is longer than any clock runs") from error


def states_qualified(info: tsp.TSTInfo) -> bool:
    """Tell whether the token declares itself a qualified electronic timestamp (EN 319 422, qcStatements)."""
    for extension in info["extensions"]:
        if extension["extn_id"].dotted != OID_QC_STATEMENTS:
            continue
        for statement in cms.encodings(core.Sequence.load(extension["extn_value"].native, strict=True).contents):
            kind = next(cms.encodings(core.Sequence.load(statement, strict=True).contents), b"")
            if core.ObjectIdentifier.load(kind, strict=True).dotted == OID_QUALIFIED_TIMESTAMP:
                return True
    return False


def check_key_period(certificate: x509.Certificate, moment: datetime) -> None:
    """Check that the private key might still be used at genTime, where its certificate limits that."""
    try:
        period = certificate.extensions.get_extension_for_class(x509.PrivateKeyUsagePeriod).value
    except x509.ExtensionNotFound:
        return
    begin, end = (each and each.replace(tzinfo=UTC) for each in (period.not_before, period.not_after))
    if (begin is not None and moment < begin) or (end is not None and moment > end):
        raise CmsError("genTime lies outside the usage period of the TSU's private key")


def check_issuer_serial(signer: cms.SignerInfo, certificate: x509.Certificate) -> None:
    """Check issuerSerial of the ESSCertIDv2, where it is there (RFC 5035, clause 4)."""
    values = signer.attributes.get(cms.OID_SIGNING_CERTIFICATE_V2, ())
    if len(values) != 1:
        return
    stated = tsp.SigningCertificateV2.load(values[0])["certs"][0]["issuer_serial"]
    if stated.native is None:
        return
    names = [name.chosen.untag().dump() for name in stated["issuer"] if name.name == "directory_name"]
    if stated["serial_number"].native != certificate.serial_number or names != [certificate.issuer.public_bytes()]:
        raise CmsError("issuer or serial number in signing-certificate-v2 are not the signer's certificate's")


def _key_usage(certificate: x509.Certificate) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not (usage.digital_signature or usage.content_commitment):
        raise CmsError("the TSU certificate's key usage does not allow signatures")
    if (
        usage.key_encipherment
        or usage.data_encipherment
        or usage.key_agreement
        or usage.key_cert_sign
        or usage.crl_sign
    ):
        raise CmsError("the TSU certificate's key usage allows more than signatures")


def _accuracy_present(info: tsp.TSTInfo) -> None:
    if info["accuracy"].native is None:
        raise CmsError("the token states no accuracy")


def _accuracy_range(info: tsp.TSTInfo) -> None:
    accuracy(info)


def _accuracy_fine(info: tsp.TSTInfo) -> None:
    try:
        stated = accuracy(info)
    except CmsError:
        return
    if stated is not None and stated > COARSEST_ACCURACY:
        raise CmsError(f"the stated accuracy of {stated.total_seconds():g} s is coarser than 1 s")


def _defaults_left_out(info: tsp.TSTInfo) -> None:
    if _FALSE in cms.encodings(info.contents):
        raise CmsError("ordering is written although it is false")
    for extension in info["extensions"]:
        if _FALSE in cms.encodings(extension.contents):
            raise CmsError("criticality of an extension is written although it is false")


def _statements(info: tsp.TSTInfo) -> None:
    states_qualified(info)


UNIT_CHECKS: tuple[tuple[Code, UnitCheck], ...] = ((Code.UNIT_KEY_USAGE, _key_usage),)
INFO_CHECKS: tuple[tuple[Code, InfoCheck], ...] = (
    (Code.ACCURACY_MISSING, _accuracy_present),
    (Code.ACCURACY_RANGE, _accuracy_range),
    (Code.ACCURACY_COARSE, _accuracy_fine),
    (Code.DEFAULT_ENCODED, _defaults_left_out),
    (Code.EXTENSION_MALFORMED, _statements),
)
