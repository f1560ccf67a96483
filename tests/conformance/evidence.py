"""What a signed PDF holds as evidence, read with pikepdf (qpdf), asn1crypto and `cryptography`, none of our code."""

import io
from dataclasses import dataclass
from datetime import datetime

import pikepdf
from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

from tests.conformance.raw_pdf import raw_signatures, signature_timestamps


@dataclass(frozen=True)
class Store:
    """The document security store (EN 319 142-1, clause 5.4.2); all DER."""

    certificates: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    keys: frozenset[str]
    """The keys of the DSS dictionary."""
    objects: frozenset[int]
    """Object numbers of its streams."""

    def holds(self, other: "Store") -> bool:
        """Whether everything that another store holds is in this one."""
        return (
            set(other.certificates) <= set(self.certificates)
            and set(other.ocsps) <= set(self.ocsps)
            and set(other.crls) <= set(self.crls)
        )

    def loaded(self) -> list[x509.Certificate]:
        """The certificates, parsed."""
        return [x509.load_der_x509_certificate(der) for der in self.certificates]

    def ocsp_about(self, certificate: x509.Certificate) -> list[ocsp.OCSPSingleResponse]:
        """What the responses say about a certificate, found by its serial number."""
        return [
            single
            for der in self.ocsps
            for single in ocsp.load_der_ocsp_response(der).responses
            if single.serial_number == certificate.serial_number
        ]

    def crls_of(self, issuer: x509.Certificate) -> list[x509.CertificateRevocationList]:
        """The CRLs that an authority signed."""
        key = issuer.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        loaded = [x509.load_der_x509_crl(der) for der in self.crls]
        return [crl for crl in loaded if crl.issuer == issuer.subject and crl.is_signature_valid(key)]


def read_store(data: bytes) -> Store:
    """The store of a document's last revision, empty where there is none."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        dss = pdf.Root.get("/DSS", pikepdf.Dictionary())
        streams = {key: list(dss.get(key, pikepdf.Array())) for key in ("/Certs", "/OCSPs", "/CRLs")}
        return Store(
            certificates=tuple(each.read_bytes() for each in streams["/Certs"]),
            ocsps=tuple(each.read_bytes() for each in streams["/OCSPs"]),
            crls=tuple(each.read_bytes() for each in streams["/CRLs"]),
            keys=frozenset(dss.keys()),
            objects=frozenset(each.objgen[0] for found in streams.values() for each in found),
        )


def token_info(token: bytes) -> tsp.TSTInfo:
    """The TSTInfo of an RFC 3161 token."""
    return cms.ContentInfo.load(token)["content"]["encap_content_info"]["content"].parsed


def imprint_algorithm(token: bytes) -> str:
    """The name of the hash function of a token's message imprint."""
    name: str = token_info(token)["message_imprint"]["hash_algorithm"]["algorithm"].native
    return name


def signature_time(data: bytes) -> datetime:
    """genTime of the first signature's timestamp."""
    (token,) = signature_timestamps(raw_signatures(data)[0].cms)
    moment: datetime = token_info(token)["gen_time"].native
    return moment
