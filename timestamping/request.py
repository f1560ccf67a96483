"""TimeStampReq: making one, and reading one strictly (RFC 3161, clause 2.4.1)."""

from typing import Annotated, NamedTuple

from cryptography import x509
from cryptography.hazmat import asn1

from timestamping import der
from timestamping.algorithms import DigestAlgorithm


@asn1.sequence
class _AlgorithmIdentifier:
    algorithm: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class _MessageImprint:
    hash_algorithm: _AlgorithmIdentifier
    hashed_message: bytes


@asn1.sequence
class _Extension:
    extn_id: x509.ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]
    extn_value: bytes


@asn1.sequence
class _TimeStampReq:
    version: int
    message_imprint: _MessageImprint
    req_policy: x509.ObjectIdentifier | None
    nonce: int | None
    cert_req: Annotated[bool, asn1.Default(False)]
    extensions: Annotated[list[_Extension] | None, asn1.Implicit(0)]


class TimestampRequest(NamedTuple):
    """A well-formed query. Whether it is served is the authority's decision."""

    version: int
    algorithm_oid: str
    imprint: bytes
    policy: str | None
    nonce: int | None
    cert_req: bool
    has_extensions: bool


def parse_request(data: bytes) -> TimestampRequest:
    """Parse a DER query; trailing octets and anything that is not DER are refused.

    Raises:
        ValueError: the octets are no TimeStampReq.
    """
    parsed = asn1.decode_der(_TimeStampReq, data)
    imprint = parsed.message_imprint
    policy = parsed.req_policy
    return TimestampRequest(
        parsed.version,
        imprint.hash_algorithm.algorithm.dotted_string,
        imprint.hashed_message,
        None if policy is None else policy.dotted_string,
        parsed.nonce,
        parsed.cert_req,
        parsed.extensions is not None,
    )


def message_imprint(algorithm: DigestAlgorithm, imprint: bytes) -> bytes:
    """Encode MessageImprint, with the NULL parameters that verifiers of all ages accept."""
    return der.sequence(der.sequence(der.oid(algorithm.oid), der.NULL), der.octet_string(imprint))


def build_request(imprint: bytes, algorithm: DigestAlgorithm, *, nonce: int, policy: str | None = None) -> bytes:
    """Encode a query that asks for the authority's certificate.

    Raises:
        ValueError: the imprint's length is not the algorithm's.
    """
    if len(imprint) != algorithm.size:
        raise ValueError(f"an imprint of {len(imprint)} octets is no {algorithm.value} digest")
    return der.sequence(
        der.integer(1),
        message_imprint(algorithm, imprint),
        b"" if policy is None else der.oid(policy),
        der.integer(nonce),
        der.TRUE,
    )
