"""Making tokens from precomputed DER (RFC 3161, clause 2.4.2; RFC 5816; ETSI EN 319 422)."""

import logging
import os
from datetime import datetime
from functools import cache, partial
from time import perf_counter
from typing import NamedTuple, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from timestamping import cms, der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.policies import QUALIFIED_EXTENSIONS, Accuracy
from timestamping.request import TimestampRequest, message_imprint

ECDSA_OIDS = {
    DigestAlgorithm.SHA256: "1.2.840.10045.4.3.2",
    DigestAlgorithm.SHA384: "1.2.840.10045.4.3.3",
    DigestAlgorithm.SHA512: "1.2.840.10045.4.3.4",
}
RSA_PKCS1_OIDS = {
    DigestAlgorithm.SHA256: "1.2.840.113549.1.1.11",
    DigestAlgorithm.SHA384: "1.2.840.113549.1.1.12",
    DigestAlgorithm.SHA512: "1.2.840.113549.1.1.13",
}
_SERIAL_OCTETS = 20
_ALWAYS_SET = 0x40
"""The highest bit but one of the first octet: each serial number has 159 bits, of which 158 are random."""
_RANDOM = 0x3F
_SECONDS = Accuracy(seconds=1)


class TsuKey(Protocol):
    """The private key of a timestamping unit, wherever it lives."""

    @property
    def algorithm(self) -> bytes:
        """DER of the AlgorithmIdentifier of its signatures."""

    def sign(self, data: bytes) -> bytes:
        """Hash with the unit's digest algorithm and sign; raises OSError when the key cannot be used."""


class SoftwareTsuKey:
    """A key in memory, for development and tests only: nothing guards it."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    ) -> None:
        _warn_once()
        if isinstance(key, rsa.RSAPrivateKey):
            self.algorithm = der.sequence(der.oid(RSA_PKCS1_OIDS[digest]), der.NULL)
            self._sign = partial(key.sign, padding=padding.PKCS1v15(), algorithm=digest.primitive)
        else:
            self.algorithm = der.sequence(der.oid(ECDSA_OIDS[digest]))
            self._sign = partial(key.sign, signature_algorithm=ec.ECDSA(digest.primitive))

    def sign(self, data: bytes) -> bytes:
        return self._sign(data)


@cache
def _warn_once() -> None:
    logging.getLogger(__name__).warning(
        "The timestamping unit's key lies in this process's memory: for development and tests only."
    )


class Made(NamedTuple):
    """A token, and what the record of its making needs."""

    der: bytes
    """The token, as ContentInfo."""
    serial_number: int
    signed_attributes: bytes
    """What was signed: their DER under the tag SET OF."""
    signature: bytes
    signing_seconds: float


class TokenFactory:
    """Makes the tokens of one timestamping unit under one policy; everything that does not change is encoded once."""

    def __init__(
        self,
        key: TsuKey,
        certificate: x509.Certificate,
        chain: tuple[x509.Certificate, ...],
        *,
        policy: str,
        digest: DigestAlgorithm = DigestAlgorithm.SHA256,
        accuracy: Accuracy = _SECONDS,
        qualified: bool = False,
        milliseconds: bool = False,
    ) -> None:
        """Encode the fixed parts.

        Args:
            key: the unit's key.
            certificate: the unit's certificate.
            chain: issuers that a token carries beside it, nearest first; the root may be left out.
            policy: dotted identifier of the policy under which tokens are issued.
            digest: hash of the signed attributes and of the ESSCertIDv2.
            accuracy: declared accuracy (EN 319 422 wants it present; EN 319 421: 1 s or better).
            qualified: state in each token that it is a qualified one (EN 319 422, clause 9).
            milliseconds: give genTime to the millisecond in place of the second.
        """
        self._key = key
        self._digest = digest
        self._milliseconds = milliseconds
        head = der.integer(1) + der.oid(policy)
        self._until_imprint = {
            algorithm: head + message_imprint(algorithm, bytes(algorithm.size))[: -algorithm.size]
            for algorithm in DigestAlgorithm
        }
        self._accuracy = accuracy.der
        self._extensions = QUALIFIED_EXTENSIONS if qualified else b""
        self._attributes_before, self._attributes_behind = _signed_attributes(certificate, digest)
        digest_identifier = der.sequence(der.oid(digest.oid))
        encoded = certificate.public_bytes(Encoding.DER)
        name = der.sequence(certificate.issuer.public_bytes(), der.integer(certificate.serial_number))
        self._certificates = der.tlv(0xA0, *sorted([encoded, *(issuer.public_bytes(Encoding.DER) for issuer in chain)]))
        self._before_content = der.integer(3) + der.set_of(digest_identifier)
        self._before_attributes = der.integer(1) + name + digest_identifier

    def token(self, request: TimestampRequest, algorithm: DigestAlgorithm, gen_time: datetime) -> bytes:
        """Issue a token, as ContentInfo, for a request that the authority has accepted.

        Raises:
            OSError: the key cannot be used.
        """
        return self.make(request, algorithm, gen_time).der

    def make(self, request: TimestampRequest, algorithm: DigestAlgorithm, gen_time: datetime) -> Made:
        """Issue a token and say what its record needs; see `token`."""
        octets = os.urandom(_SERIAL_OCTETS)
        serial = bytes((octets[0] & _RANDOM | _ALWAYS_SET,)) + octets[1:]
        info = der.sequence(
            self._until_imprint[algorithm],
            request.imprint,
            b"\x02\x14",
            serial,
            der.generalized_time(gen_time, milliseconds=self._milliseconds),
            self._accuracy,
            b"" if request.nonce is None else der.integer(request.nonce),
            self._extensions,
        )
        attributes = self._attributes_before + self._digest.digest(info) + self._attributes_behind
        started = perf_counter()
        signed = b"\x31" + attributes
        value = self._key.sign(signed)
        signing_seconds = perf_counter() - started
        signer = der.sequence(
            self._before_attributes, b"\xa0", attributes, self._key.algorithm, der.octet_string(value)
        )
        signed_data = der.sequence(
            self._before_content,
            der.sequence(_TST_INFO, der.explicit(0, der.octet_string(info))),
            self._certificates if request.cert_req else b"",
            der.tlv(0x31, signer),
        )
        token = der.sequence(_SIGNED_DATA, der.explicit(0, signed_data))
        return Made(token, int.from_bytes(serial, "big"), signed, value, signing_seconds)


_TST_INFO = der.oid(cms.OID_TST_INFO)
_SIGNED_DATA = der.oid(cms.OID_SIGNED_DATA)


def _signed_attributes(certificate: x509.Certificate, digest: DigestAlgorithm) -> tuple[bytes, bytes]:
    """Encode the signed attributes without their tag; return what stands before the message digest, and behind it.

    The order of the set is that of the attributes' types or lengths, never of the digest.
    """
    placeholder = digest.digest(b"")
    encoded = der.set_of(
        der.attribute(cms.OID_CONTENT_TYPE, _TST_INFO),
        der.attribute(cms.OID_MESSAGE_DIGEST, der.octet_string(placeholder)),
        der.attribute(cms.OID_SIGNING_CERTIFICATE_V2, signing_certificate_v2(certificate, digest)),
    )
    before, behind = encoded[1:].split(placeholder)
    return before, behind


def signing_certificate_v2(certificate: x509.Certificate, digest: DigestAlgorithm) -> bytes:
    """Encode SigningCertificateV2 with one ESSCertIDv2 and its issuerSerial (RFC 5035, clause 3).

    SHA-256 is the default and therefore absent in DER.
    """
    algorithm = b"" if digest is DigestAlgorithm.SHA256 else der.sequence(der.oid(digest.oid))
    return der.sequence(
        der.sequence(
            der.sequence(
                algorithm,
                der.octet_string(digest.digest(certificate.public_bytes(Encoding.DER))),
                der.sequence(
                    der.sequence(der.explicit(4, certificate.issuer.public_bytes())),
                    der.integer(certificate.serial_number),
                ),
            )
        )
    )
