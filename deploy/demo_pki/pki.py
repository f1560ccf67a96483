"""The demo PKI as one object: it issues, revokes and tells the status of what it issued.

TEST Root CA ── TEST Citizen CA ──────┬─ signers
             │                        └─ OCSP responder
             └─ TEST Timestamping CA ─── timestamping units
"""

import re
import shutil
import socket
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.ocsp import OCSPCertStatus

from deploy.demo_pki import certificates
from deploy.demo_pki.certificates import (
    ISSUERS,
    Entity,
    Issuer,
    KeyType,
    PrivateKey,
    SignerKeyUsage,
    Validity,
)
from deploy.demo_pki.revocation import (
    CertificateStatus,
    OcspResponder,
    Revocation,
    build_crl,
    crl_issued_at,
)
from deploy.demo_pki.store import Folder, Store
from timestamping.clock import Clock, utc_now

__all__ = ["DemoPki", "Entity", "choose_base_url"]

BACKDATING = timedelta(days=3)
"""How long before its issue a certificate becomes valid, unless asked otherwise."""

ROOT_YEARS = 30
AUTHORITY_YEARS = 20
TSU_YEARS = 15
SIGNER_YEARS = 5

DEFAULT_SIGNERS: tuple[KeyType, ...] = ("p384", "rsa3072")
DEFAULT_TSU = "tsu"


def choose_base_url() -> str:
    """Return an HTTP URL on a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class DemoPki:
    """The PKI in one directory. Its methods may be called from several threads, by one process at a time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Read a complete PKI; use `create` or `load`."""
        self.clock = clock
        self.base_url = store.base_url()
        self._store = store
        self._lock = Lock()
        self.root = self._read("authorities", "root")
        self.citizen_ca = self._read("authorities", "citizen-ca", self.root)
        self.timestamping_ca = self._read("authorities", "timestamping-ca", self.root)
        self.ocsp_responder = self._read("authorities", "ocsp-responder", self.citizen_ca)
        self._signers = {name: self._read("signers", name, self.citizen_ca) for name in store.names("signers")}
        self._tsus = {name: self._read("tsus", name, self.timestamping_ca) for name in store.names("tsus")}
        self._issued: dict[Issuer, set[int]] = {
            "root": {_serial(self.citizen_ca), _serial(self.timestamping_ca)},
            "citizen": {_serial(self.ocsp_responder), *map(_serial, self._signers.values())},
            "timestamping": set(map(_serial, self._tsus.values())),
        }
        self._revocations = {(each.issuer, each.serial_number): each for each in store.revocations()}
        self._crls: dict[Issuer, tuple[tuple[datetime, int], bytes]] = {}
        self._responder = OcspResponder(self.citizen_ca.certificate, self.ocsp_responder, self.status_of_citizen)

    @classmethod
    def create(cls, directory: Path, *, base_url: str, clock: Clock = utc_now) -> Self:
        """Generate a PKI that publishes below `base_url` (without a slash at its end), and keep it.

        The directory appears complete or not at all.

        Raises:
            FileExistsError: `directory` exists and is not empty.
            ValueError: `base_url` is no http URL, or has more than a host and a port.
        """
        parts = urlsplit(base_url)
        if parts.scheme != "http" or not parts.netloc or base_url != f"http://{parts.netloc}":
            raise ValueError(f"{base_url!r} is no base URL: give http://HOST:PORT and nothing more.")
        if directory.exists() and any(directory.iterdir()):
            raise FileExistsError(f"{directory} is not empty; remove it or choose another directory.")
        directory.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            store = Store(draft)
            store.initialise(base_url)
            _found(store, base_url, clock)
            pki = cls(store, clock)
            for key_type in DEFAULT_SIGNERS:
                pki.issue_signer(key_type, key_type)
            pki.issue_tsu(DEFAULT_TSU)
            draft.rename(directory)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return cls.load(directory, clock=clock)

    @classmethod
    def load(cls, directory: Path, *, clock: Clock = utc_now) -> Self:
        """Read the PKI that `create` left in `directory`.

        Raises:
            FileNotFoundError: there is none.
        """
        store = Store(directory)
        if not store.exists():
            raise FileNotFoundError(f"There is no demo PKI in {directory}; create it first.")
        return cls(store, clock)

    @property
    def signers(self) -> Mapping[str, Entity]:
        """The signers issued so far, by name."""
        return MappingProxyType(self._signers)

    @property
    def tsus(self) -> Mapping[str, Entity]:
        """The timestamping units issued so far, by name."""
        return MappingProxyType(self._tsus)

    @property
    def tsu(self) -> Entity:
        """The timestamping unit that `create` made."""
        return self._tsus[DEFAULT_TSU]

    def issue_signer(
        self,
        name: str,
        key_type: KeyType,
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        key_usage: SignerKeyUsage = "non_repudiation",
        ocsp: bool = True,
        crl: bool = True,
        national_number: str | None = None,
    ) -> Entity:
        """Issue and keep a signer, valid for five years unless dated otherwise.

        Args:
            name: names the signer in the subject and in the directory.
            key_type: kind of key generated.
            not_before: start of validity; three days ago by default.
            not_after: end of validity.
            key_usage: `digital_signature` makes a certificate that is unfit for electronic signatures.
            ocsp: whether the certificate points to the responder.
            crl: whether the certificate points to the CRL.
            national_number: 11 digits; by default those of a person who cannot exist.

        Raises:
            ValueError: the name is unfit or taken, or the national number has not 11 digits.
        """
        if national_number is not None and not re.fullmatch("[0-9]{11}", national_number):
            raise ValueError("A Belgian national number has 11 digits.")
        with self._lock:
            self._store.check_free("signers", name)
            key = certificates.generate_key(key_type)
            certificate = certificates.signer_certificate(
                name,
                key,
                self.citizen_ca,
                self._validity(not_before, not_after, SIGNER_YEARS),
                self.base_url,
                national_number=national_number or certificates.fictitious_national_number(len(self._signers) + 1),
                key_usage=key_usage,
                ocsp=ocsp,
                crl=crl,
            )
            signer = self._keep("signers", name, key, certificate, self.citizen_ca)
            self._signers[name] = signer
            self._issued["citizen"].add(certificate.serial_number)
        return signer

    def issue_tsu(
        self,
        name: str,
        key_type: KeyType = "p256",
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        extended_key_usage_critical: bool = True,
    ) -> Entity:
        """Issue and keep a timestamping unit, valid for fifteen years unless dated otherwise.

        An `extended_key_usage_critical` of False breaks RFC 3161, clause 2.3, for tests of verifiers.

        Raises:
            ValueError: the name is unfit or taken.
        """
        with self._lock:
            self._store.check_free("tsus", name)
            key = certificates.generate_key(key_type)
            certificate = certificates.tsu_certificate(
                name,
                key,
                self.timestamping_ca,
                self._validity(not_before, not_after, TSU_YEARS),
                self.base_url,
                extended_key_usage_critical=extended_key_usage_critical,
            )
            tsu = self._keep("tsus", name, key, certificate, self.timestamping_ca)
            self._tsus[name] = tsu
            self._issued["timestamping"].add(certificate.serial_number)
        return tsu

    def revoke(
        self,
        certificate: x509.Certificate,
        *,
        at: datetime | None = None,
        reason: x509.ReasonFlags = x509.ReasonFlags.unspecified,
    ) -> None:
        """Revoke a certificate of this PKI for good, from `at` (now by default, in whole seconds) on.

        Raises:
            ValueError: this PKI did not issue the certificate or has revoked it already, `at` has no time zone, or
                the reason is `remove_from_crl`, which revokes nothing (RFC 5280, clause 5.3.1).
        """
        if reason is x509.ReasonFlags.remove_from_crl:
            raise ValueError("removeFromCRL is no reason to revoke.")
        moment = at or self.clock()
        if moment.tzinfo is None:
            raise ValueError("The moment of revocation must have a time zone.")
        with self._lock:
            key = (self._issuer_of(certificate), certificate.serial_number)
            if key in self._revocations:
                raise ValueError(f"Certificate {certificate.serial_number:x} is revoked already.")
            revocation = Revocation(*key, moment.replace(microsecond=0), reason)
            self._store.write_revocations([*self._revocations.values(), revocation])
            self._revocations[key] = revocation

    def ocsp_response(self, request: bytes) -> bytes:
        """Return the DER of the OCSPResponse, of now, to the DER of an OCSPRequest (see `OcspResponder`)."""
        return self.ocsp_response_at(request, self.clock())

    def ocsp_response_at(self, request: bytes, moment: datetime) -> bytes:
        """Return the DER of the OCSPResponse that was given at `moment`."""
        return self._responder.respond(request, moment)

    def status_of_citizen(self, serial_number: int, moment: datetime) -> CertificateStatus:
        """Return the status, at `moment`, of a certificate of the citizen CA."""
        if serial_number not in self._issued["citizen"]:
            return OCSPCertStatus.UNKNOWN
        revocation = self._revocations.get(("citizen", serial_number))
        if revocation is None or revocation.at > moment:
            return OCSPCertStatus.GOOD
        return revocation

    def authority(self, issuer: Issuer) -> Entity:
        """Return the authority that signs the CRL of `issuer`."""
        return {"root": self.root, "citizen": self.citizen_ca, "timestamping": self.timestamping_ca}[issuer]

    def crl(self, issuer: Issuer) -> bytes:
        """Return the DER of the CRL that is current now: issued at the last full hour, listing all until now."""
        return self.crl_at(issuer, self.clock())

    def crl_at(self, issuer: Issuer, moment: datetime) -> bytes:
        """Return the DER of the CRL that is current at `moment`."""
        with self._lock:
            revocations = [each for each in self._revocations.values() if each.issuer == issuer and each.at <= moment]
            this_update = crl_issued_at(moment)
            edition = (this_update, len(revocations))
            cached = self._crls.get(issuer)
            if cached is None or cached[0] != edition:
                cached = (edition, build_crl(self.authority(issuer), revocations, this_update))
                self._crls[issuer] = cached
        return cached[1]

    def _issuer_of(self, certificate: x509.Certificate) -> Issuer:
        for issuer in ISSUERS:
            named = certificate.issuer == self.authority(issuer).certificate.subject
            if named and certificate.serial_number in self._issued[issuer]:
                return issuer
        raise ValueError(f"Certificate {certificate.serial_number:x} is none that this PKI can revoke.")

    def _validity(self, not_before: datetime | None, not_after: datetime | None, years: int) -> Validity:
        default = Validity.of_years(not_before or _backdated(self.clock), years)
        return Validity(default.not_before, not_after or default.not_after)

    def _read(self, folder: Folder, name: str, issuer: Entity | None = None) -> Entity:
        key, certificate = self._store.read_entity(folder, name)
        return Entity(name, key, certificate, () if issuer is None else (issuer.certificate, *issuer.chain))

    def _keep(
        self, folder: Folder, name: str, key: PrivateKey, certificate: x509.Certificate, issuer: Entity
    ) -> Entity:
        self._store.write_entity(folder, name, key, certificate)
        return Entity(name, key, certificate, (issuer.certificate, *issuer.chain))


def _found(store: Store, base_url: str, clock: Clock) -> None:
    """Make the authorities and the OCSP responder."""
    start = _backdated(clock)
    validity = Validity.of_years(start, AUTHORITY_YEARS)

    def keep(name: str, key: PrivateKey, certificate: x509.Certificate) -> Entity:
        store.write_entity("authorities", name, key, certificate)
        return Entity(name, key, certificate, ())

    key = certificates.generate_key("p256")
    root = keep("root", key, certificates.root_certificate(key, Validity.of_years(start, ROOT_YEARS)))
    key = certificates.generate_key("p256")
    citizen_ca = keep(
        "citizen-ca",
        key,
        certificates.authority_certificate("TEST Citizen CA", key, root, validity, base_url),
    )
    key = certificates.generate_key("p256")
    keep(
        "timestamping-ca",
        key,
        certificates.authority_certificate("TEST Timestamping CA", key, root, validity, base_url),
    )
    key = certificates.generate_key("p256")
    keep(
        "ocsp-responder",
        key,
        certificates.ocsp_responder_certificate(key, citizen_ca, validity, base_url),
    )


def _backdated(clock: Clock) -> datetime:
    return clock().replace(microsecond=0) - BACKDATING


def _serial(entity: Entity) -> int:
    return entity.certificate.serial_number
