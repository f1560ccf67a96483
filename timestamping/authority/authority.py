"""The decision on each query: a token, or a rejection that says why (RFC 3161, clauses 2.4.1 and 2.4.2)."""

from enum import IntEnum

from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.factory import TokenFactory
from timestamping.clock import Clock
from timestamping.request import TimestampRequest, parse_request

MAX_NONCE_BITS = 256


class TimeNotAvailableError(Exception):
    """Raised by the authority's clock while its time cannot be trusted."""


class FailInfo(IntEnum):
    """PKIFailureInfo: the number is the bit."""

    BAD_ALG = 0
    BAD_REQUEST = 2
    BAD_DATA_FORMAT = 5
    TIME_NOT_AVAILABLE = 14
    UNACCEPTED_POLICY = 15
    UNACCEPTED_EXTENSION = 16
    SYSTEM_FAILURE = 25


class Authority:
    """A timestamping authority with one unit and one policy."""

    def __init__(self, factory: TokenFactory, clock: Clock) -> None:
        self._factory = factory
        self._clock = clock

    def reply(self, query: bytes) -> bytes:
        """Answer a DER query with a DER TimeStampResp, whatever the query holds."""
        try:
            request = parse_request(query)
        except ValueError:
            return rejection(FailInfo.BAD_DATA_FORMAT, "the query is no DER-encoded TimeStampReq")
        refused = self._refusal(request)
        if refused is not None:
            return rejection(*refused)
        algorithm = DigestAlgorithm.from_oid(request.algorithm_oid)
        certificate = self._factory.certificate
        try:
            now = self._clock()
            if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
                return rejection(FailInfo.SYSTEM_FAILURE, "the authority's certificate is not valid now")
            token = self._factory.token(request, algorithm, now)
        except TimeNotAvailableError:
            return rejection(FailInfo.TIME_NOT_AVAILABLE, "the authority's time source is not available")
        except OSError:
            return rejection(FailInfo.SYSTEM_FAILURE, "the authority's key cannot be used")
        return der.sequence(der.sequence(der.integer(0)), token)

    def _refusal(self, request: TimestampRequest) -> tuple[FailInfo, str] | None:
        if request.version != 1:
            return FailInfo.BAD_REQUEST, "the version is not 1"
        try:
            algorithm = DigestAlgorithm.from_oid(request.algorithm_oid)
        except ValueError:
            return FailInfo.BAD_ALG, "use SHA-256, SHA-384 or SHA-512"
        if len(request.imprint) != algorithm.size:
            return FailInfo.BAD_DATA_FORMAT, "the imprint's length is not its algorithm's"
        if request.policy not in (None, self._factory.policy):
            return FailInfo.UNACCEPTED_POLICY, "this policy is not served"
        if request.has_extensions:
            return FailInfo.UNACCEPTED_EXTENSION, "no extension is served"
        if request.nonce is not None and request.nonce.bit_length() > MAX_NONCE_BITS:
            return FailInfo.BAD_REQUEST, "the nonce is longer than 256 bits"
        return None


def rejection(reason: FailInfo, text: str) -> bytes:
    """Encode a TimeStampResp with status rejection and no token."""
    octets, bit = divmod(int(reason), 8)
    bits = bytes(octets) + bytes((0x80 >> bit,))
    fail_info = der.tlv(0x03, bytes((7 - bit,)) + bits)
    return der.sequence(der.sequence(der.integer(2), der.sequence(der.tlv(0x0C, text.encode())), fail_info))
