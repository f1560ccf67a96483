"""A timestamping unit: a key, its certificate, and the checks without which it must not sign (RFC 3161, clause 2.3)."""

from datetime import datetime, timedelta
from typing import ClassVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.factory import TsuKey
from timestamping.authority.key_errors import PinRefusedError
from timestamping.clock import Clock, utc_now

MIN_RSA_BITS = 3072
CURVES = (ec.SECP256R1, ec.SECP384R1)
_SIGNING = ("digital_signature", "content_commitment")
_OTHER_USAGES = ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
_PROBE = b"does this key belong to this certificate?"


class UnitUnfitError(Exception):
    """The unit must not issue timestamps.

    `code` is stable and says which check failed; `remedy` says what the operator can do.
    """

    party: ClassVar[str] = "the timestamping unit"

    def __init__(self, message: str, *, code: str, remedy: str) -> None:
        super().__init__(message)
        self.code = code
        self.remedy = remedy


class TimestampingUnit:
    """A unit whose certificate has the right form and whose key is the certificate's."""

    def __init__(
        self,
        key: TsuKey,
        certificate: x509.Certificate,
        chain: tuple[x509.Certificate, ...] = (),
        *,
        digest: DigestAlgorithm = DigestAlgorithm.SHA256,
        clock: Clock = utc_now,
    ) -> None:
        """Check the certificate's form, and the key by one signature; the period of use is for `check`.

        Args:
            key: the unit's private key.
            certificate: the unit's certificate.
            chain: issuers that a token carries beside it, nearest first; the root may be left out.
            digest: hash of the signed attributes and of the ESSCertIDv2; the key signs with it.
            clock: what `days_left` is reckoned from.

        Raises:
            UnitUnfitError: a check failed.
        """
        self.key = key
        self.certificate = certificate
        self.chain = chain
        self.digest = digest
        self.fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        """SHA-256 of the certificate, hexadecimal."""
        self.not_before, self.not_after = _period(certificate)
        """When the key may sign: the certificate's validity, cut to the private key's usage period where it has one."""
        self._clock = clock
        _check_purpose(certificate)
        _check_key_usage(certificate)
        _check_public_key(certificate)
        self._check_key()

    @property
    def days_left(self) -> float:
        """Days until the key may sign no more; negative after that."""
        return (self.not_after - self._clock()) / timedelta(days=1)

    def check(self, moment: datetime) -> None:
        """Check that the key may sign at this moment.

        Raises:
            UnitUnfitError: it may not yet, or no more.
        """
        if self.not_before <= moment <= self.not_after:
            return
        early = moment < self.not_before
        remedy = "Correct the clock, or wait." if early else "Put a unit with a new key and certificate in its place."
        raise UnitUnfitError(
            f"the unit's key may sign from {self.not_before:%Y-%m-%dT%H:%M:%SZ} to {self.not_after:%Y-%m-%dT%H:%M:%SZ}",
            code="UNIT_NOT_YET_VALID" if early else "UNIT_EXPIRED",
            remedy=remedy,
        )

    def _check_key(self) -> None:
        try:
            value = self.key.sign(_PROBE)
        except PinRefusedError as error:
            text = f"the unit's key cannot be used: {error}"
            raise UnitUnfitError(text, code="UNIT_PIN_REFUSED", remedy=error.remedy) from error
        except OSError as error:
            raise UnitUnfitError(
                f"the unit's key cannot be used: {error}",
                code="UNIT_KEY_UNAVAILABLE",
                remedy="Check that the token is there, and the key's label.",
            ) from error
        if not self.verifies(value, _PROBE):
            raise UnitUnfitError(
                "the unit's key is not its certificate's, or signs with another hash",
                code="UNIT_KEY_MISMATCH",
                remedy="Configure the certificate that was issued for this key.",
            )

    def verifies(self, value: bytes, data: bytes) -> bool:
        """Say whether `value` is a signature of the unit over `data`."""
        public = self.certificate.public_key()
        try:
            if isinstance(public, rsa.RSAPublicKey):
                public.verify(value, data, padding.PKCS1v15(), self.digest.primitive)
            elif isinstance(public, ec.EllipticCurvePublicKey):
                public.verify(value, data, ec.ECDSA(self.digest.primitive))
            else:
                return False
        except InvalidSignature:
            return False
        return True


def _period(certificate: x509.Certificate) -> tuple[datetime, datetime]:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    try:
        usage = certificate.extensions.get_extension_for_class(x509.PrivateKeyUsagePeriod).value
    except x509.ExtensionNotFound:
        return first, last
    if usage.not_before is not None:
        first = max(first, usage.not_before.replace(tzinfo=first.tzinfo))
    if usage.not_after is not None:
        last = min(last, usage.not_after.replace(tzinfo=last.tzinfo))
    return first, last


def _check_purpose(certificate: x509.Certificate) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        usage = None
    if usage is None or not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise UnitUnfitError(
            "the certificate's extended key usage is not timeStamping, alone and critical",
            code="UNIT_PURPOSE",
            remedy="Have a certificate issued for timestamping only (RFC 3161, clause 2.3).",
        )


def _check_key_usage(certificate: x509.Certificate) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if (
        usage is None
        or not any(getattr(usage, name) for name in _SIGNING)
        or any(getattr(usage, name) for name in _OTHER_USAGES)
    ):
        raise UnitUnfitError(
            "the certificate's key usage is not digitalSignature or nonRepudiation alone",
            code="UNIT_KEY_USAGE",
            remedy="Have a certificate issued whose key is for signatures and nothing else.",
        )


def _check_public_key(certificate: x509.Certificate) -> None:
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= MIN_RSA_BITS:
        return
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, CURVES):
        return
    raise UnitUnfitError(
        "the unit's key is neither RSA of 3072 bits or more nor on P-256 or P-384",
        code="UNIT_WEAK_KEY",
        remedy="Make a new key: RSA of 3072 bits or more, P-256 or P-384 (ETSI TS 119 312).",
    )
