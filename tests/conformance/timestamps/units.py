"""Timestamping units under a root of the test's own, right or wrong as a case wants them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from deploy.demo_pki.pki import Entity
from tests.unit.signing.issuing import DAY, NOW, Extensions, Holder, PrivateKey, authority, issue, usage

Key = Literal["p256", "p384", "rsa2048", "rsa1024"]
Issuer = Literal[
    "authority",
    "expired authority",
    "authority without a certificate's right",
    "authority by its own word",
    "authority below a path of none",
    "stranger",
    "namesake",
]

PURPOSES: Mapping[str, x509.ObjectIdentifier] = MappingProxyType(
    {
        "timeStamping": ExtendedKeyUsageOID.TIME_STAMPING,
        "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING,
        "anyExtendedKeyUsage": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    }
)
LONG = timedelta(days=3650)


@dataclass(frozen=True)
class UnitWish:
    """How a unit's certificate is to be."""

    key: Key = "p256"
    purposes: Sequence[str] = ("timeStamping",)
    critical: bool = True
    authority: bool = False
    key_usage: Sequence[str] = ()
    valid_hours: Sequence[float] = (-24.0, 24.0)
    """Begin and end, from now."""
    key_period_hours: Sequence[float] = ()
    """Of the private key, from now; empty where the certificate does not limit it."""
    issuer: Issuer = "authority"


@dataclass(frozen=True)
class Pki:
    """One root that is trusted, its timestamping authority, and others that are not."""

    root: Holder = field(default_factory=lambda: authority("TEST Root", not_before=NOW - LONG, not_after=NOW + LONG))
    stranger: Holder = field(default_factory=lambda: authority("TEST Stranger"))

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """The root alone."""
        return (self.root.certificate,)

    def unit(self, wish: UnitWish) -> Entity:
        """Issue a unit."""
        issuers = self._issuers(wish.issuer)
        begin, end = (NOW + timedelta(hours=hours) for hours in wish.valid_hours)
        holder = issue(
            "TEST Timestamping Unit",
            issuers[0],
            key=_key(wish.key, wish.issuer),
            not_before=begin,
            not_after=end,
            extensions=_extensions(wish),
        )
        return Entity("unit", holder.key, holder.certificate, tuple(each.certificate for each in issuers))

    def _issuers(self, kind: Issuer) -> tuple[Holder, ...]:
        """Return the issuers, nearest first."""
        name, root = "TEST Timestamping CA", self.root
        match kind:
            case "authority":
                return (_authority(name, root), root)
            case "expired authority":
                return (_authority(name, root, not_after=NOW - timedelta(hours=1)), root)
            case "authority without a certificate's right":
                constraints = x509.BasicConstraints(ca=True, path_length=None)
                return (issue(name, root, extensions=[(constraints, True), (usage("crl_sign"), True)]), root)
            case "authority by its own word":
                return (issue(name, root, extensions=[(usage("digital_signature"), True)]), root)
            case "authority below a path of none":
                upper = authority("TEST Upper CA", root, path_length=0)
                return (authority(name, upper), upper, root)
            case "stranger":
                return (authority(name, self.stranger), self.stranger)
            case "namesake":
                impostor = authority("TEST Root")
                return (authority(name, impostor), impostor)


@cache
def pki() -> Pki:
    """Return the PKI of this test run."""
    return Pki()


def pem_file(path: Path, *certificates: x509.Certificate) -> Path:
    """Write certificates where other programs read them."""
    path.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
    return path


def _authority(name: str, root: Holder, not_after: datetime = NOW + 30 * DAY) -> Holder:
    return authority(name, root, not_before=NOW - 30 * DAY, not_after=not_after)


@cache
def _key(kind: Key, _issuer: Issuer) -> PrivateKey:
    """Units of one issuer share a key, which saves time; units of different ones must not."""
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "rsa2048":
            return rsa.generate_private_key(65537, 2048)
        case "rsa1024":
            return rsa.generate_private_key(65537, 1024)  # noqa: S505 - the defect


def _extensions(wish: UnitWish) -> Extensions:
    if wish.purposes:
        yield x509.ExtendedKeyUsage([PURPOSES[purpose] for purpose in wish.purposes]), wish.critical
    if wish.authority:
        yield x509.BasicConstraints(ca=True, path_length=None), True
    if wish.key_usage:
        yield usage(*wish.key_usage), True
    if wish.key_period_hours:
        begin, end = (NOW + timedelta(hours=hours) for hours in wish.key_period_hours)
        yield x509.PrivateKeyUsagePeriod(begin.replace(tzinfo=None), end.replace(tzinfo=None)), False
